"""When a service that ended by itself is started again. Time and chance are passed in."""

from __future__ import annotations

from dataclasses import dataclass

from voicemode.core.schedule import backed_off

__all__ = ["USAGE_STATUS", "Restarts"]

_FIRST_S = 0.5
"""Short: it must be back within 5 s, of which it takes 1 to 3 itself."""
_CAP_S = 60.0
"""One attempt a minute costs nothing, and whatever was wrong may be mended meanwhile."""
_STEADY_S = 10.0
"""One that ran for so long was not in a loop of starting and ending."""
USAGE_STATUS = 2
"""It was started in a wrong way, such as with a setting that is not allowed: starting it again changes nothing."""


@dataclass(slots=True)
class Restarts:
    """What is known about how it ended so far."""

    count: int = 0
    """How often it has ended by itself."""
    pause_s: float = 0.0
    """The last pause; 0 after one that ran steadily."""

    def pause_after(self, status: int, ran_s: float, chance: float) -> float | None:
        """Seconds until it is started again; None: not at all. ``status`` as subprocess has it, ``chance`` from 0 to 1."""
        self.count += 1
        if status == USAGE_STATUS:
            return None
        previous = 0.0 if ran_s >= _STEADY_S else self.pause_s
        self.pause_s = backed_off(previous, _FIRST_S, _CAP_S, chance)
        return self.pause_s
