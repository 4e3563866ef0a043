"""Sounds about the conversation are short, soft and apart from one another."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from voicemode.audio import FULL_SCALE, AudioChunk
from voicemode.core.chime import listening_chime
from voicemode.core.earcons import turn_ended_earcon

SPEECH_DBFS = -20.0
ALL = (listening_chime, turn_ended_earcon)


def peak_dbfs(sound: AudioChunk) -> float:
    return float(20 * np.log10(np.abs(sound.samples.astype(float)).max() / FULL_SCALE))


def pitches(sound: AudioChunk) -> list[float]:
    """The strongest frequency of each 70 ms, in hertz."""
    length = round(0.07 * sound.sample_rate)
    parts = [sound.samples[at : at + length].astype(float) for at in range(0, len(sound.samples), length)]
    return [
        float(np.fft.rfftfreq(1 << 15, 1 / sound.sample_rate)[np.abs(np.fft.rfft(part, 1 << 15)).argmax()]) for part in parts
    ]


@pytest.mark.parametrize("earcon", ALL, ids=lambda each: each.__name__)
def test_it_is_short_and_softer_than_speech(earcon: Callable[[], AudioChunk]) -> None:
    """And begins and ends in silence, so that it does not click."""
    sound = earcon()
    assert len(sound.samples) / sound.sample_rate <= 0.2
    assert peak_dbfs(sound) < SPEECH_DBFS
    assert abs(int(sound.samples[0])) <= 1
    assert abs(int(sound.samples[-1])) <= 1
    assert np.abs(np.diff(sound.samples.astype(int))).max() < 0.25 * np.abs(sound.samples).max()


def test_they_are_told_apart() -> None:
    """Listening rises; the end of a turn falls, and is softer."""
    up, down = (pitches(earcon()) for earcon in ALL)
    assert up == pytest.approx([660, 880], abs=10)
    assert down == pytest.approx([880, 660], abs=10)
    assert peak_dbfs(turn_ended_earcon()) < peak_dbfs(listening_chime())
