"""Is what is left of the microphone like the echo that was taken out of it? Then that echo is not where it was looked for.

Neither depends on the other where the echo is gone, whoever speaks. Where it is subtracted at the wrong place, what is left is
the echo twice, once with the wrong sign.
"""

from __future__ import annotations

import math
from collections import deque

from voicemode.core.far_end_tap import FRAME, Floats

__all__ = ["Likeness"]

_SMOOTHING = 0.07
"""Over 0.15 s of sound: what two who have nothing to do with each other share by chance averages out, -0.17 of the echo at most
where a voice is 6 dB under it."""
_ALIKE = 0.2
"""The least correlation, over that time, where the echo is misplaced: 0.27 is that of one whose slip is -0.15. A voice louder
than the echo has more in common with it by chance, relative to the echo, and is less alike. With 0.27, 1 of 24 torn echoes more
was taken for somebody for longer."""
_FRAMES = 5
_SOFT_POWER = 1e-5
"""-50 dBFS: below it rounding and noise are alike by chance."""
_TWICE = 8.0
"""What is left of a misplaced echo is hardly louder than so much in power, relative to what was subtracted."""
_TINY = 1e-6


class Likeness:
    """Of the echo that a filter takes away, and of what it leaves."""

    def __init__(self) -> None:
        self._products: deque[tuple[float, float, float]] = deque(maxlen=_FRAMES)
        """Of the last frames: energy of the residual, of the echo, and their product."""
        self.forget()

    def forget(self) -> None:
        """The echo is looked for elsewhere from now on."""
        self._left = self._echo = self._shared = 0.0
        """Means of lately of the same three."""

    def clear(self) -> None:
        """The next frame does not follow the last one."""
        self._products.clear()

    def compare(self, left: Floats, echo: Floats) -> None:
        """The next frame of 10 ms: what is left, and what was subtracted."""
        energies = float(left @ left), float(echo @ echo), float(left @ echo)
        self._products.append(energies)
        self._left += _SMOOTHING * (energies[0] - self._left)
        self._echo += _SMOOTHING * (energies[1] - self._echo)
        self._shared += _SMOOTHING * (energies[2] - self._shared)

    @property
    def slip(self) -> float:
        """What both have in common, relative to the echo; 0 where they are not alike.

        About 0 with and without somebody who speaks; -1 where the echo is elsewhere, or less, the louder it is there.
        """
        alike = self._shared**2 >= _ALIKE**2 * self._left * self._echo
        return self._shared / (self._echo + _TINY) if alike else 0.0

    @property
    def correlation(self) -> float:
        """Over 50 ms, -1 to 1; 0 where either is softer than -50 dBFS, nothing was subtracted, or the echo is far softer.

        Like ``slip``, but at once: it does not tell how much of either there is.
        """
        left, echo, shared = (sum(each) for each in zip(*self._products, strict=True)) if self._products else (0.0, 0.0, 0.0)
        softest = max(_FRAMES * FRAME * _SOFT_POWER, left / _TWICE)
        return shared / math.sqrt(left * echo) if min(left, echo) > softest else 0.0
