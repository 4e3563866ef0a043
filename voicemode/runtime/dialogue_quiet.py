"""Sound of which nothing can come yet is heard in longer stretches.

A stretch of 0.1 s takes two thirds of the work of five times 0.02 s: 7.7 against 11.6 ms of a processor for each second
(protocol, call and engine of one session in a quiet room). Most of the time a session hears a room: whatever is louder is
heard when it comes, with all that waited. And in the midst of speech nothing is decided before there was some silence.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from voicemode.core.level import rms_dbfs
from voicemode.dialogue import AudioIn

__all__ = ["QuietSound", "joined"]

_MOST_S = 0.1
"""What waits for so long is heard, so that a session knows its room, and how long nobody has spoken."""
_ALONE_S = 0.04
"""With the last two chunks before something can come nothing waits, so that what comes need not wait for that to be heard."""
_MARGIN_DB = 3.0
"""Over the noise floor: the level of a quiet room in 20 ms scatters by less."""


class QuietSound:
    """What waits in one session."""

    def __init__(self) -> None:
        self._waiting: list[AudioIn] = []
        self._seconds = 0.0

    @property
    def rate(self) -> int | None:
        """Of what waits, in hertz; None while nothing does. ``keep`` wants no other."""
        return self._waiting[0].sample_rate if self._waiting else None

    def keep(self, audio: AudioIn, floor_dbfs: float | None, calm_s: float = 0.0) -> bool:
        """Let it wait, if it may: the rest of what makes 0.1 s, and what is louder than the room, is to be heard at once.

        ``floor_dbfs`` is the level of the room; None where how loud it is says nothing, since somebody speaks or it is not
        known. Of ``calm_s``, counted from what was heard last, nothing can come, however loud it is.
        """
        seconds = self._seconds + len(audio.samples) / audio.sample_rate
        if seconds >= _MOST_S:
            return False
        if seconds + _ALONE_S >= calm_s and (floor_dbfs is None or rms_dbfs(audio.samples) > floor_dbfs + _MARGIN_DB):
            return False
        self._waiting.append(audio)
        self._seconds = seconds
        return True

    def flush(self) -> AudioIn | None:
        """All that waits; None where nothing does."""
        waiting, self._waiting, self._seconds = self._waiting, [], 0.0
        return joined(waiting) if waiting else None


def joined(sounds: Sequence[AudioIn]) -> AudioIn:
    """At least one, of one rate, end to end."""
    if len(sounds) == 1:
        return sounds[0]
    return AudioIn(np.concatenate([sound.samples for sound in sounds]), sounds[0].sample_rate)
