"""A person talks through the page in Chromium, over each transport, with ``voicemode serve`` in a process of its own.

They say "go forward ten meters" and hear eight sentences about it; they talk into them with "seven of clubs" and hear one more;
then they type "Say hello." and hear another. Each sentence sounds as a tone of its own, and is judged by its samples.
"""

from __future__ import annotations

from itertools import groupby
from urllib.parse import urlsplit

from tests.stubs.sentence_tones import Heard, listen
from tests_clients.endpoint_stub import GREETING, LONG, SAID, SHORT
from tests_frontend.conftest import Talked

_SHORTEST_S = 0.1
"""Of a sentence that can be told by its tone: a mark and a little of the tone."""
_SILENT_MS = 50
"""From when the page learns of an interruption until its loudspeaker is silent."""


def test_the_conversation_is_held_to_its_end(talked: Talked) -> None:
    """Without an error of the page, of the browser, or of the server."""
    seen = talked.seen
    assert seen.all("failed") == [], (seen.lines[-5:], seen.log[-2000:], talked.log[-2000:])
    assert seen.all("error") == []
    assert seen.all("console") == []
    assert seen.one("problem")["text"] == ""


def test_it_is_carried_by_what_was_asked_for(talked: Talked) -> None:
    """With the browser's echo cancellation."""
    live = talked.seen.one("live")
    assert live["transport"] == {"ws": "websocket", "webrtc": "webrtc"}[talked.transport]
    assert live["constraints"]["audio"]["echoCancellation"] is True


def test_the_persons_words_are_shown(talked: Talked) -> None:
    """Those of the microphone, which came whole, and those that were typed."""
    said = [line["text"].removeprefix("You: ") for line in talked.seen.all("line") if line["kind"] == "user"]
    assert said == [SAID["go_forward_ten_meters"], SAID["seven_of_clubs"], "Say hello."]


def test_the_answer_is_heard_in_order_and_breaks_off(talked: Talked) -> None:
    """By the samples that the page played: no sentence after the interruption, and the next ones to their end.

    Over WebSocket each is whole. Over WebRTC a packet that comes late is covered up by the browser, and a tone falls in two.
    """
    heard = _sounded(talked)
    numbers = [number for number, _ in groupby(each.number for each in heard)]
    assert numbers[-2:] == [9, 10], heard
    assert numbers[:-2] == list(range(1, len(numbers) - 1)), heard
    assert 1 <= len(numbers) - 2 < 8, heard
    if talked.transport == "ws":
        assert len(heard) == len(numbers), heard
        assert all(each.whole for each in [*heard[:-3], *heard[-2:]]), heard


def test_what_was_heard_is_marked(talked: Talked) -> None:
    """The words of the sentences that sounded, give or take one, and the rest as not heard."""
    sounded = len({each.number for each in _sounded(talked)} - {9, 10})
    first, second, third = [line for line in talked.seen.all("line") if line["kind"] == "assistant"]
    assert "cut" in first["classes"]
    assert LONG.startswith(first["heard"])
    assert 4 * (sounded - 1) - 1 <= len(first["heard"].split()) <= 4 * sounded + 1, (first, sounded)
    assert (second["heard"].strip(), second["rest"]) == (SHORT, "")
    assert (third["heard"].strip(), third["rest"]) == (GREETING, "")


def test_the_chat_and_the_page_agree_on_what_was_heard(talked: Talked) -> None:
    """Of the answer that was interrupted, the assistant remembers the words that the page marks as heard."""
    first = next(line for line in talked.seen.all("line") if line["kind"] == "assistant")
    remembered = [message["content"] for message in talked.chats[-1]["messages"] if message["role"] == "assistant"]
    assert "".join(remembered[0].split()) == "".join(first["heard"].split())


def test_the_states_are_shown(talked: Talked) -> None:
    """In their order."""
    phases = [line["text"] for line in talked.seen.all("phase")]
    wanted = [
        "Ready when you are",
        "Connecting",
        "Listening",
        "Thinking",
        "Speaking",
        "Go on, I am listening",
        "Thinking",
        "Speaking",
    ]
    at = 0
    for phase in phases:
        at += at < len(wanted) and phase == wanted[at]
    assert at == len(wanted), phases


def test_the_loudspeaker_is_silent_at_once(talked: Talked) -> None:
    """Over WebSocket, where the page plays; elsewhere the server stops."""
    wire = talked.seen.all("wire")
    silent = [entry["atMs"] for entry in wire if entry["type"] == "page.silent"]
    if talked.transport == "webrtc":
        assert silent == []
        return
    told = [entry["atMs"] for entry in wire if entry["type"] == "input_audio_buffer.speech_started"]
    (at,) = silent
    assert min(at - each for each in told if each <= at) <= _SILENT_MS


def test_the_key_is_gone(talked: Talked) -> None:
    """From the address bar before anything is asked; nothing keeps it, and scripts do not see the cookie."""
    key = talked.link.partition("key=")[2]
    assert "#" not in talked.seen.one("address")["url"]
    assert key not in talked.seen.one("address")["kept"]
    assert talked.seen.one("cookie")["script"] == ""
    assert not [line for line in talked.seen.all("request") if key in line["url"]]


def test_the_link_is_for_one_browser(talked: Talked) -> None:
    """It goes on to work where it was used, and nowhere else."""
    assert "Ready when you are" in talked.seen.one("again")["text"]
    assert "needs its link" in talked.seen.one("other")["text"]


def test_nothing_is_loaded_from_elsewhere(talked: Talked) -> None:
    """Every request goes to the server itself."""
    own = urlsplit(talked.link).netloc
    assert {urlsplit(line["url"]).netloc for line in talked.seen.all("request") if not line["url"].startswith("blob:")} == {own}


def test_nothing_stays_open(talked: Talked) -> None:
    """No context, connection, socket, track, nor anything that the page itself owns."""
    alive = talked.seen.one("alive")
    kinds = ("contexts", "connections", "sockets", "tracks", "open")
    assert {kind: alive[kind] for kind in kinds} == dict.fromkeys(kinds, 0)


def test_nothing_that_was_said_is_logged(talked: Talked) -> None:
    """Nobody's words are in what the server wrote."""
    assert talked.log
    for secret in (*SAID.values(), SHORT, LONG.partition(".")[0], "Say hello"):
        assert secret not in talked.log


def _sounded(talked: Talked) -> list[Heard]:
    samples, rate = talked.seen.sound()
    return [each for each in listen(samples, rate) if each.seconds >= _SHORTEST_S]
