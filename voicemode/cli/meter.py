"""A live level meter: is the microphone heard, and how loud?"""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console
from rich.live import Live
from rich.text import Text

from voicemode.core.level import LOWEST_DBFS, peak_dbfs, rms_dbfs
from voicemode.interfaces import Microphone

__all__ = ["Levels", "bar", "measure"]

_LOWEST_SHOWN = -60.0
"""dBFS at the left end: a quiet room; speech at arm's length is around -30."""
_LOUD, _TOO_LOUD = -12.0, -3.0
"""dBFS: above the first speech is close to clipping, above the second it clips."""
_WIDTH = 40
_PEAK_FALLS_DB_PER_S = 12.0
_ZEROS_S = 1.0


@dataclass(slots=True)
class Levels:
    """What was measured, in dBFS (-96 to 0)."""

    seconds: float = 0.0
    now: float = LOWEST_DBFS
    held_peak: float = LOWEST_DBFS
    """The loudest moment lately; it falls slowly, so that the eye can catch it."""
    peak: float = LOWEST_DBFS
    """The loudest moment of all."""

    @property
    def only_zeros(self) -> bool:
        """Whether nothing but zeros came for long enough to be no accident."""
        return self.seconds >= _ZEROS_S and self.peak <= LOWEST_DBFS


async def measure(microphone: Microphone, seconds: float | None, screen: Console) -> Levels:
    """Show the level until ``seconds`` have been heard, or forever. Raises SoundError; frees the device."""
    levels = Levels()
    try:
        await microphone.open()
        with Live(bar(levels), console=screen, refresh_per_second=20, transient=True) as live:
            while (seconds is None or levels.seconds < seconds) and (block := await microphone.read()) is not None:
                lasted = block.chunk.seconds
                loudest = peak_dbfs(block.chunk.samples)
                levels.seconds += lasted
                levels.now = rms_dbfs(block.chunk.samples)
                levels.held_peak = max(loudest, levels.held_peak - _PEAK_FALLS_DB_PER_S * lasted)
                levels.peak = max(loudest, levels.peak)
                live.update(bar(levels))
    finally:
        await microphone.close()
    return levels


def bar(levels: Levels) -> Text:
    """The level as a bar with a peak mark, and what to make of it."""
    filled, mark = _position(levels.now), _position(levels.held_peak)
    drawn = ("=" * filled).ljust(_WIDTH)
    if mark > filled:
        drawn = f"{drawn[: mark - 1]}|{drawn[mark:]}"
    text = Text("[")
    for begin, end, style in _ZONES:
        text.append(drawn[begin:end], style=style)
    if levels.only_zeros:
        return text.append("] ").append("only zeros: muted, or not allowed?", style="bold red")
    text.append(f"] {levels.now:5.1f} dBFS, peak {levels.held_peak:5.1f}")
    return text.append(" too loud", style="bold red") if levels.held_peak > _TOO_LOUD else text


def _position(dbfs: float) -> int:
    share = (dbfs - _LOWEST_SHOWN) / -_LOWEST_SHOWN
    return round(min(max(share, 0.0), 1.0) * _WIDTH)


_ZONES = (
    (0, _position(_LOUD), "green"),
    (_position(_LOUD), _position(_TOO_LOUD), "yellow"),
    (_position(_TOO_LOUD), _WIDTH, "red"),
)
