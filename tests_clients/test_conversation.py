"""Each vendor's own client, unmodified, holds a spoken conversation by address and key alone.

The person says "go forward ten meters", the assistant calls a function of the client and tells eight sentences about it; the
person interrupts with "seven of clubs" and hears one sentence more. Each sentence sounds as a tone of its own.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from tests.stubs.sentence_tones import listen, sentences
from tests_clients.driving import refused
from tests_clients.endpoint_stub import ARGUMENTS, GREETING, LONG, SAID, SHORT
from tests_clients.held import Held
from tests_clients.serving import KEY

_RATE = 24_000
_SECONDS_PER_CHAR = 0.06
"""Of the stub's voice."""
_BENIGN = "response_cancel_not_active"
"""Clients that cancel on their own find that the server did so before, and say nothing of it."""
_SHORTEST_S = 0.1
"""Of a sentence that can be told by its tone: a mark and a little of the tone."""


def test_the_conversation_is_held_to_its_end(held: Held) -> None:
    """The person got through all of it."""
    assert [line["error"] for line in held.seen.all("failed")] == []
    assert held.seen.all("finished"), (held.seen.lines[-3:], held.seen.log[-2000:], held.log[-2000:])


def test_the_persons_words_are_written_down(held: Held) -> None:
    """The client has the words of both turns, in order."""
    assert [words for words in held.seen.texts("user_said") if words != "Say hello."] == [
        SAID["go_forward_ten_meters"],
        SAID["seven_of_clubs"],
    ]


def test_the_function_is_called_once(held: Held) -> None:
    """With the arguments that the chat endpoint gave, and its result is what the next answer is about."""
    assert [call["arguments"] for call in held.seen.all("function")] == [ARGUMENTS]
    results = [message["content"] for message in _last_chat(held) if message["role"] == "tool"]
    assert [result.strip('"') for result in results] == ["moved 10 meters forward"]  # Pipecat writes it as JSON


def test_the_answer_breaks_off_and_the_next_is_whole(held: Held) -> None:
    """The person hears the sentences in order up to the interruption, none after it, then the ninth from end to end."""
    heard = [each for each in listen(held.seen.sound(), _RATE) if each.seconds >= _SHORTEST_S]
    numbers = [each.number for each in heard]
    assert numbers[-1] == 9, heard
    assert heard[-1].whole
    before = [each for each in heard[:-1] if each.number != 10]  # Pipecat has itself greeted
    assert [each.number for each in before] == list(range(1, len(before) + 1)), heard
    assert 1 <= len(before) < 8, heard
    assert all(each.whole for each in before[:-1]), heard


def test_the_client_has_the_assistants_words(held: Held) -> None:
    """The last thing it has of the assistant is the answer to the second turn."""
    said = [words for words in held.seen.texts("assistant_said") if words != GREETING]
    assert said[-1] == SHORT
    assert all(LONG.startswith(words) for words in said[:-1])


def test_the_assistant_remembers_what_was_heard(held: Held) -> None:
    """Of the answer that was interrupted, the chat is shown the words that were heard, give or take one."""
    mine = [message for message in _last_chat(held) if message["role"] == "assistant"]
    kept = [str(message["content"]) for message in mine if message.get("content") not in (None, "", GREETING)]
    assert len(kept) == 1
    assert LONG.startswith(kept[0].strip())
    words = _words_by(held.seen.all("stopped")[0]["heard_s"] - held.seen.all("begins")[0]["heard_s"])
    assert abs(len(kept[0].split()) - words) <= 1, (kept[0], words)


def test_nobody_complains(held: Held) -> None:
    """Neither the client nor the server tells of an error."""
    assert not [line for line in held.seen.lines if line["saw"] in ("error", "failed")]
    assert not [event for event in held.events if event["type"] == "error" and event["error"]["code"] != _BENIGN]


def test_every_event_is_of_the_vendors_types(held: Held) -> None:
    """Whatever the server sent passes the types of openai, openai-agents and @openai/agents."""
    assert held.events
    assert refused(held.events) == []


def test_nothing_of_an_answer_follows_its_end(held: Held) -> None:
    """No event that names a response comes after its response.done."""
    done: set[str] = set()
    for event in held.events:
        about = event.get("response_id")
        assert about is None or about not in done or event["type"].startswith("output_audio_buffer."), event
        if event["type"] == "response.done":
            done.add(event["response"]["id"])
    assert len(done) >= 3


def test_the_server_cancels_what_is_interrupted(held: Held) -> None:
    """The answer that the person talked into was still being made: it ends as cancelled, since a turn was detected."""
    ended = [event["response"] for event in held.events if event["type"] == "response.done"]
    cancelled = [response["status_details"] for response in ended if response["status"] == "cancelled"]
    assert cancelled == [{"type": "cancelled", "reason": "turn_detected"}]
    assert any(event["type"] == "conversation.item.truncated" for event in held.events)


def test_nothing_that_was_said_is_logged(held: Held) -> None:
    """Neither anybody's words nor the key are in what the server wrote."""
    assert held.log
    for secret in (*SAID.values(), SHORT, LONG.partition(".")[0], KEY):
        assert secret not in held.log


def test_items_follow_one_another(held: Held) -> None:
    """Each item names the one before it."""
    added = [event for event in held.events if event["type"] == "conversation.item.added"]
    assert [event["previous_item_id"] for event in added[1:]] == [event["item"]["id"] for event, _ in pairwise(added)]


def _last_chat(held: Held) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = held.chats[-1]["messages"]
    return messages


def _words_by(seconds: float) -> int:
    """How many words of the long answer were heard in so much of its sound."""
    words = 0.0
    for sentence in sentences(8):
        lasts = len(sentence) * _SECONDS_PER_CHAR
        words += len(sentence.split()) * min(1.0, max(0.0, seconds / lasts))
        seconds -= lasts
    return round(words)
