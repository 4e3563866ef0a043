"""What a caller asks for is checked before anything is spoken."""

from __future__ import annotations

from typing import Any

import pytest

from voicemode.errors import RequestError
from voicemode.runtime.arguments import turn_request
from voicemode.settings import Settings


def test_what_is_not_asked_for_comes_from_the_settings() -> None:
    """Voice, speed, language, silence and listening time fall back to what the person configured."""
    settings = Settings(
        voices=("nova", "alloy"), tts_speed=1.5, language="de", silence_threshold_ms=700, listen_duration_max=33
    )
    request = turn_request(settings, message="Hallo")
    assert (request.voice, request.speed, request.language) == ("nova", 1.5, "de")
    assert (request.silence_s, request.listen_duration_max) == (0.7, 33)


def test_what_is_asked_for_wins() -> None:
    """Arguments beat settings, and tags and options are tidied."""
    request = turn_request(
        Settings(voices=("nova",)), message="", voice="onyx", speed=2, language="pt_BR", options=[" yes ", "", "no"]
    )
    assert (request.voice, request.speed, request.language, request.options) == ("onyx", 2, "pt-BR", ("yes", "no"))


@pytest.mark.parametrize(
    ("field", "asked"),
    [
        ("message", {"message": "x" * 1_000_000}),
        ("message", {"message": "bell\x07"}),
        ("message", {"message": "half a pair \ud800"}),
        ("speed", {"speed": 0.2}),
        ("speed", {"speed": float("nan")}),
        ("language", {"language": "English please"}),
        ("patience", {"patience": "endless"}),
        ("listen_duration_max", {"listen_duration_max": 0}),
        ("listen_duration_max", {"listen_duration_max": 601}),
    ],
)
def test_a_wrong_argument_is_named(field: str, asked: dict[str, Any]) -> None:
    """The error says which argument it was and what is allowed."""
    with pytest.raises(RequestError) as caught:
        turn_request(Settings(), **{"message": "hello", **asked})
    assert caught.value.field == field
    assert caught.value.allowed


def test_one_of_several_messages_is_called_by_its_place() -> None:
    """With several questions, the error says which one."""
    with pytest.raises(RequestError, match=r"turns\[1\]\.message"):
        turn_request(Settings(), message="\x00", field="turns[1].message")


def test_line_breaks_and_tabs_are_text() -> None:
    """Agents send paragraphs."""
    assert turn_request(Settings(), message="a\n\tb\r\n").message == "a\n\tb\r\n"
