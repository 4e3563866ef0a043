"""The instants of one turn, and the figures people read from them."""

from __future__ import annotations

from enum import Enum, auto, unique

__all__ = ["Mark", "Marks"]


@unique
class Mark(Enum):
    """What happened at an instant of a turn, in the usual order."""

    CALL = auto()
    TTS_REQUEST = auto()
    TTS_FIRST_BYTE = auto()
    FIRST_SOUND = auto()
    """The first sample of the message was audible."""
    LAST_SOUND = auto()
    """The last sample of the message was audible."""
    MICROPHONE_OPEN = auto()
    SPEECH_BEGAN = auto()
    SPEECH_ENDED = auto()
    """The person's last word ended."""
    TURN_COMMITTED = auto()
    """It was decided that the person has finished."""
    STT_REQUEST = auto()
    STT_DONE = auto()
    RESULT = auto()


_FIGURES: tuple[tuple[str, tuple[Mark, ...], Mark], ...] = (
    ("ttfa", (Mark.CALL,), Mark.FIRST_SOUND),
    ("tts_first_byte", (Mark.TTS_REQUEST,), Mark.TTS_FIRST_BYTE),
    ("speaking", (Mark.FIRST_SOUND,), Mark.LAST_SOUND),
    # Nobody listens to an answer before the question is over, although the microphone is open by then.
    ("listening", (Mark.LAST_SOUND, Mark.MICROPHONE_OPEN), Mark.SPEECH_ENDED),
    ("endpointing", (Mark.SPEECH_ENDED,), Mark.TURN_COMMITTED),
    ("transcription", (Mark.STT_REQUEST,), Mark.STT_DONE),
    ("response", (Mark.SPEECH_ENDED,), Mark.RESULT),
    ("total", (Mark.CALL,), Mark.RESULT),
)
"""Name, where it starts (the first of these that is known), where it ends."""


class Marks:
    """Instants in seconds of one clock; which clock does not matter."""

    def __init__(self) -> None:
        self._at: dict[Mark, float] = {}

    def set(self, mark: Mark, at: float) -> None:
        """Note an instant. The first value stays: later ones are ignored."""
        self._at.setdefault(mark, at)

    def get(self, mark: Mark) -> float | None:
        """The instant, or None when it has not come (yet)."""
        return self._at.get(mark)

    def between(self, a: Mark, b: Mark) -> float | None:
        """Seconds from ``a`` to ``b``, negative when ``b`` came first; None unless both are known."""
        if a not in self._at or b not in self._at:
            return None
        return self._at[b] - self._at[a]

    def timings_ms(self) -> dict[str, int]:
        """The known figures in whole milliseconds, never negative.

        ``ttfa`` (call to first sound), ``tts_first_byte``, ``speaking``, ``listening`` (the message's end to the end of
        speech), ``endpointing`` (end of speech to decision), ``transcription``, ``response`` (end of speech to result)
        and ``total``.
        """
        timings: dict[str, int] = {}
        for name, starts, end in _FIGURES:
            start = next((mark for mark in starts if mark in self._at), None)
            seconds = None if start is None else self.between(start, end)
            if seconds is not None:
                timings[name] = max(round(seconds * 1000), 0)
        return timings
