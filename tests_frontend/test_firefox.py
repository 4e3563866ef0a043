"""A person talks through the page in Firefox as people have it, over WebSocket.

Firefox lets no sound through where there is no sound card, so it gets a virtual one.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from scripts.sound_recorder import CARD_RATE
from scripts.virtual_sound_card import VirtualSoundCard, available
from tests.stubs.sentence_tones import listen
from tests_clients.endpoint_stub import GREETING, SAID, SHORT
from tests_clients.serving import served
from tests_frontend.browsing import driven, link_in, microphone

_PAUSE_S = 3.0


@pytest.mark.skipif(available() is not None, reason=available() or "")
def test_a_conversation_is_held_in_firefox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said is written down and answered, the answer is heard to its end, and so is that to what is typed."""
    wav = microphone(tmp_path / "microphone.wav", [(_PAUSE_S, "seven_of_clubs")])
    with served(tmp_path) as server, VirtualSoundCard(noise_dbfs=None) as card, card.record_loudspeaker() as recorder:
        for name, value in card.env.items():
            monkeypatch.setenv(name, value)
        seen = driven("firefox.mjs", tmp_path, link=link_in(tmp_path / "serve.log"), wav=wav)
        if seen.all("absent"):
            pytest.skip("there is no Firefox; VOICEMODE_TESTS_FIREFOX says where one is")
        assert seen.all("failed") == [], (seen.all("state"), seen.log[-2000:], server.log[-2000:])
        heard = listen(recorder.recording().samples, CARD_RATE)
    assert {each.number for each in heard} >= {9, 10}, heard
    assert seen.all("error") == []
    live = seen.one("live")
    assert (live["transport"], live["tracks"]) == ("websocket", 1)
    assert live["constraints"]["audio"]["echoCancellation"] is True
    you, assistant = "You: ", "Assistant: "
    assert [line["text"] for line in seen.all("line")] == [
        *(f"{you}{SAID['seven_of_clubs']}", f"{assistant}{SHORT}"),
        *(f"{you}Say hello.", f"{assistant}{GREETING}"),
    ]
    assert seen.one("problem")["text"] == ""
    assert seen.one("over") == {**seen.one("over"), "open": 0, "violations": []}
    address = urlsplit(seen.one("address")["url"])
    assert address.fragment == ""
    own = {urlsplit(each["url"]).netloc for each in seen.all("request") if each["url"].startswith("http")}
    assert own == {address.netloc}
