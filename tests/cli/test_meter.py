"""The level meter shows what the microphone delivers."""

from __future__ import annotations

import asyncio
import io

import numpy as np
import pytest
from rich.console import Console

from voicemode.audio import AudioChunk, Samples
from voicemode.cli.meter import Levels, bar, measure
from voicemode.errors import DeviceLostError
from voicemode.interfaces import CapturedBlock


class FakeMicrophone:
    """Delivers the blocks, then ends, or goes away."""

    name = "fake"

    def __init__(self, blocks: list[Samples], lost: bool = False) -> None:
        self.blocks, self.lost, self.closed = blocks, lost, False

    async def open(self) -> None:
        pass

    async def read(self) -> CapturedBlock | None:
        if self.blocks:
            return CapturedBlock(AudioChunk(self.blocks.pop(0), 16_000), 0.0)
        if self.lost:
            raise DeviceLostError(self.name)
        return None

    async def close(self) -> None:
        self.closed = True


def constant(value: int, seconds: float) -> Samples:
    return np.full(round(16_000 * seconds), value, dtype=np.int16)


def heard(microphone: FakeMicrophone, seconds: float | None = None) -> Levels:
    return asyncio.run(measure(microphone, seconds, Console(file=io.StringIO())))


def test_the_level_is_that_of_the_last_block_and_the_peak_that_of_all() -> None:
    """Half of full scale is -6 dBFS."""
    levels = heard(FakeMicrophone([constant(16_384, 0.5), constant(0, 0.5)]))
    assert levels.seconds == pytest.approx(1.0)
    assert levels.now == -96
    assert levels.peak == pytest.approx(-6.02, abs=0.01)
    assert levels.held_peak == pytest.approx(-12.02, abs=0.01)


def test_it_ends_after_the_seconds_asked_for() -> None:
    """Seconds of sound, not of a clock."""
    microphone = FakeMicrophone([constant(1, 0.25) for _ in range(100)])
    assert heard(microphone, 1.0).seconds == pytest.approx(1.0)
    assert microphone.closed


def test_a_device_that_goes_away_is_freed() -> None:
    """The error is told, and the microphone is closed."""
    microphone = FakeMicrophone([constant(1, 0.25)], lost=True)
    with pytest.raises(DeviceLostError):
        heard(microphone)
    assert microphone.closed


def test_zeros_are_called_zeros_only_after_a_second() -> None:
    """A device may need a moment to wake up."""
    assert not heard(FakeMicrophone([constant(0, 0.5)])).only_zeros
    levels = heard(FakeMicrophone([constant(0, 1.5)]))
    assert levels.only_zeros
    assert "only zeros" in bar(levels).plain
    assert not heard(FakeMicrophone([constant(0, 1.0), constant(1, 0.1)])).only_zeros


@pytest.mark.parametrize(("dbfs", "filled"), [(-96.0, 0), (-60.0, 0), (-30.0, 20), (0.0, 40)])
def test_the_bar_spans_60_db(dbfs: float, filled: int) -> None:
    """From a quiet room to full scale."""
    assert bar(Levels(now=dbfs)).plain.count("=") == filled


def test_the_bar_fits_in_a_terminal() -> None:
    """80 columns, also with a remark."""
    for levels in (Levels(), Levels(now=-30.0, held_peak=-20.0), Levels(now=-1.0, held_peak=-0.5), Levels(seconds=9.0)):
        assert len(bar(levels).plain) <= 79
