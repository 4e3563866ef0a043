"""A person who sits at the virtual sound card: hears the loudspeaker, and answers into the microphone when it falls silent."""

from __future__ import annotations

import io
import time
import wave
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from scripts.sound_recorder import CARD_RATE, Recording
from scripts.virtual_sound_card import VirtualSoundCard

__all__ = ["SimulatedPerson", "stereo_wav"]

_QUIET_S = 0.4
"""Silence after which a listener takes a message for finished; engines pause for less between two sentences."""
_LOOK_EVERY_S = 0.05


class SimulatedPerson:
    """Answers one question with a recording of a human voice."""

    def __init__(self, card: VirtualSoundCard, clip: Path, *, quiet_s: float = _QUIET_S) -> None:
        self._card = card
        self._clip = clip
        self._quiet_s = quiet_s
        self._ears = card.record_loudspeaker()
        self._mouth = card.record_microphone()
        self._since = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ears.close()
        self._mouth.close()

    def answer(self, deadline: float) -> bool:
        """Wait until the assistant has spoken and stopped, then speak; False when nothing was heard until ``deadline``.

        Blocks; ``deadline`` is in seconds of ``time.monotonic()``.
        """
        while time.monotonic() < deadline:
            sounds = self._ears.recording(self._since).sounds(join_s=self._quiet_s)
            if sounds and time.monotonic() - sounds[-1][1] > self._quiet_s:
                self._card.play_into_microphone(self._clip)
                return True
            time.sleep(_LOOK_EVERY_S)
        return False

    def loudspeaker(self) -> Recording:
        """What the assistant said."""
        return self._ears.recording(self._since)

    def microphone(self) -> Recording:
        """What the microphone heard."""
        return self._mouth.recording(self._since)


def stereo_wav(left: Recording, right: Recording) -> bytes:
    """Two recordings of the same stretch of time as one WAV file at 48 kHz."""
    start = max(left.started_at, right.started_at)
    channels = [r.samples[max(0, round((start - r.started_at) * CARD_RATE)) :] for r in (left, right)]
    length = min(len(channel) for channel in channels)
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(CARD_RATE)
        file.writeframes(np.stack([channel[:length] for channel in channels], axis=1).astype("<i2").tobytes())
    return out.getvalue()
