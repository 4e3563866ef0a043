"""Which of an endpoint's models is asked for."""

from __future__ import annotations

import pytest

from voicemode.core.models import pick_model


@pytest.mark.parametrize(
    ("wanted", "offered", "picked"),
    [
        (("tts-1",), None, "tts-1"),
        (("tts-1",), (), "tts-1"),
        ((), None, ""),
        (("tts-1",), ("kokoro", "tts-1"), "tts-1"),
        (("tts-1", "kokoro"), ("kokoro",), "kokoro"),
        (("whisper-1",), ("Systran/faster-whisper-small", "other"), "Systran/faster-whisper-small"),
        ((), ("llama3.2:latest", "qwen3:8b"), "llama3.2:latest"),
        (("llama3.2",), ("qwen3:8b", "llama3.2:latest"), "llama3.2:latest"),
    ],
)
def test_the_first_wanted_model_that_is_offered_is_asked_for(
    wanted: tuple[str, ...], offered: tuple[str, ...] | None, picked: str
) -> None:
    """Else the first offered; of an endpoint that does not tell, the first wanted."""
    assert pick_model(wanted, offered) == picked
