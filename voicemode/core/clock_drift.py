"""How far the clocks of loudspeaker and microphone drift apart: by how much later the echo comes with time.

Two sound cards are up to 100 ppm apart, 1.6 samples a second. The places where the echo was found lie on a line then, and its
slope tells: after 3 s of speech to 1 ppm, after 6 s to 0.2 (medians of 80 simulated rooms; 6 and 1 in the worst of them). What
the residual of an adaptive filter tells of it was off by 16 and 5 ppm there, by 98 and 72 in the worst: the filter follows the
drift itself, and the glide of a voice looks like one.
"""

from __future__ import annotations

from voicemode.audio import CAPTURE_RATE

__all__ = ["ClockDrift"]

_FRAME = CAPTURE_RATE // 100
_PPM = _FRAME * 1e-6
"""Samples a frame."""
_LIKELY = 100 * _PPM
"""Standard deviation of what any two devices are apart."""
_SAME_DEVICES = 20 * _PPM
"""The same of how far it may be from what was known, once the echo has jumped: it may have been the devices that changed."""
_MOST = 250 * _PPM
"""More than any sound card."""
_PLACE = 0.5
"""Standard deviation of a place that was found, in samples. From 0.3 to 1 the drift was as well known."""
_FADES = 0.9975
"""With each place that is found; they are found 20 times a second at most, so what was 20 s ago weighs little."""
_JUMP = 3.0
"""Samples beside the line: the echo has moved, and the line begins anew."""


class ClockDrift:
    """A line through the places of the echo, fitted anew with each of them, the older ones weighing less."""

    def __init__(self) -> None:
        self.rate = 0.0
        """Samples by which the echo comes later with each frame of 10 ms."""
        self._frames = 0
        self._prior, self._prior_certainty = 0.0, _LIKELY**-2
        """What was known before the line began, and 1 over its variance."""
        self._begin()

    def _begin(self) -> None:
        self._last: float | None = None
        self._weight = self._frame = self._place = self._spread = self._both = 0.0
        """Of the places on the line: weight, means of frame and place, squares of the one and products of both."""

    @property
    def ppm(self) -> float:
        return self.rate / _PPM

    def tick(self) -> None:
        """A frame of 10 ms has passed."""
        self._frames += 1

    def jumped(self) -> None:
        """The echo is elsewhere; the devices are likely the same."""
        self._prior_certainty = min(self._prior_certainty + self._certainty, _SAME_DEVICES**-2)
        self._prior = self.rate
        self._begin()

    def found(self, place: float) -> None:
        """The echo lies so many samples behind its cause now. The same number again is no news."""
        if place == self._last:
            return
        if self._last is not None and abs(place - self._expected) > _JUMP:
            self.jumped()
        if self._last is None:
            self._frame, self._place = float(self._frames), place
        self._last = place
        self._weight = _FADES * self._weight + 1
        frames, samples = self._frames - self._frame, place - self._place
        self._frame += frames / self._weight
        self._place += samples / self._weight
        self._spread = _FADES * self._spread + frames * (self._frames - self._frame)
        self._both = _FADES * self._both + frames * (place - self._place)
        told = self._both / _PLACE**2 + self._prior * self._prior_certainty
        self.rate = min(max(told / (self._certainty + self._prior_certainty), -_MOST), _MOST)

    @property
    def _certainty(self) -> float:
        """1 over the variance of the slope."""
        return self._spread / _PLACE**2

    @property
    def _expected(self) -> float:
        return self._place + self.rate * (self._frames - self._frame)
