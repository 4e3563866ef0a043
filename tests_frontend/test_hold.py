"""Typing without a microphone, hold to talk by the space bar, and going on after the server ended the session."""

from __future__ import annotations

from pathlib import Path

from tests_clients.endpoint_stub import GREETING, SAID, SHORT
from tests_clients.serving import served
from tests_frontend.browsing import driven, link_in, microphone

_SILENT_S = 2.0
"""Before the words, once the microphone is open."""
_HELD_S = 5.5
"""Longer than silence and words."""
_SESSION_S = "25"
"""The server's limit, after which it closes the call."""


def test_holding_the_space_bar_says_what_was_said_meanwhile(tmp_path: Path) -> None:
    """The microphone sends while the bar is held, a short press says nothing, and a new line goes on with the old words."""
    wav = microphone(tmp_path / "microphone.wav", [(_SILENT_S, "seven_of_clubs")])
    with served(tmp_path, serve_session_s=_SESSION_S) as server:
        link = link_in(tmp_path / "serve.log")
        seen = driven("hold.mjs", tmp_path, link=link, wav=wav, transport="ws", seconds=_HELD_S)
        assert seen.all("failed") == [], (seen.lines[-5:], server.log[-2000:])
        assert seen.all("error") == []
        assert seen.one("typed")["tracks"] == 0
        assert seen.one("held")["sends"] is True
        assert seen.one("released")["sends"] is False
        assert seen.one("mistake") == {**seen.one("mistake"), "problem": "", "lines": 4}
        lines = [line["text"] for line in seen.all("line")]
        you, assistant = "You: ", "Assistant: "
        assert lines == [
            *(f"{you}Say hello.", f"{assistant}{GREETING}"),
            *(f"{you}{SAID['seven_of_clubs']}", f"{assistant}{SHORT}"),
            *(f"{you}Say clubs.", f"{assistant}{SHORT}"),
        ]
        assert "input_audio_buffer.commit" in seen.one("wire")["types"]
        assert seen.one("problem")["text"] == ""
        told = [message["content"] for message in server.chats()[-1]["messages"] if message["role"] == "user"]
        assert told == ["Say hello.", SAID["seven_of_clubs"], "Say clubs."]
