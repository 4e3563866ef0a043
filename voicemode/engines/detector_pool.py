"""Speech detectors for many sessions: a session has one only while something is to be heard.

A Silero detector holds 2.6 MB and takes 0.6 to 1 ms of a processor for each 32 ms, without letting other Python code run. A
session in which nobody speaks needs neither: what is no louder than the room is no speech, and the level tells that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from voicemode.audio import CAPTURE_RATE, Samples
from voicemode.core.level import NoiseFloor, rms_dbfs
from voicemode.interfaces import SpeechDetector

__all__ = ["DetectorPool"]

_MARGIN_DB = 3.0
"""Over the noise floor: steady noise scatters as far in 10 ms, so that it is the detector who judges it."""
_LEAST_DBFS = -65.0
"""What is softer is digital silence or a microphone's own noise; the level here is the amplified one."""
_LEARNING_S, _LOUDEST_ROOM_DBFS = 1.5, -50.0
"""Whoever speaks from the first sample on is no room: the noise floor needs so long to know."""
_AWAKE_S = 1.0
"""How long a detector is kept after the last frame that may have been speech: longer than pauses between words."""
_LEAD_FRAMES = 10
"""A detector that wakes up hears the last 0.3 s first: without them it takes the first syllable for noise."""
_MOST_IDLE = 8
"""Detectors that wait for the next who speaks; more are freed."""
_LEVEL_FRAME = CAPTURE_RATE // 100


class DetectorPool:
    """Makes detectors that share a few real ones; one for each process, used in one thread."""

    def __init__(self, make: Callable[[], SpeechDetector]) -> None:
        """``make`` makes a real one, which takes 2 ms. Raises what it raises, such as EngineError."""
        self._make = make
        first = make()
        self.name, self.frame_samples = first.name, first.frame_samples
        self._idle = [first]
        self.lent = 0
        """How many detectors hear something now."""

    def detector(self) -> PooledDetector:
        """For one session."""
        return PooledDetector(self)

    def take(self) -> SpeechDetector:
        """One that has heard nothing yet."""
        self.lent += 1
        detector = self._idle.pop() if self._idle else self._make()
        detector.reset()
        return detector

    def give_back(self, detector: SpeechDetector) -> None:
        """Somebody else may have it."""
        self.lent -= 1
        if len(self._idle) < _MOST_IDLE:
            self._idle.append(detector)


class PooledDetector:
    """A SpeechDetector that asks a real one where the level leaves any doubt."""

    def __init__(self, pool: DetectorPool) -> None:
        self._pool = pool
        self._real: SpeechDetector | None = None
        """None while nothing is to be heard."""
        self._floor = NoiseFloor()
        self._before: deque[Samples] = deque(maxlen=_LEAD_FRAMES)
        self._heard_s = 0.0
        self._quiet_s = 0.0
        """Since the last frame that may have been speech."""

    @property
    def name(self) -> str:
        return self._pool.name

    @property
    def frame_samples(self) -> int:
        return self._pool.frame_samples

    def probability(self, frame: Samples) -> float:
        """As ``SpeechDetector.probability``; 0 while nothing is louder than the room."""
        if self._may_be_speech(frame):
            self._quiet_s = 0.0
            if self._real is None:
                self._wake_up()
        else:
            self._quiet_s += len(frame) / CAPTURE_RATE
            if self._quiet_s > _AWAKE_S:
                self._sleep()
        if self._real is None:
            self._before.append(frame)
            return 0.0
        return self._real.probability(frame)

    def reset(self) -> None:
        """Forget the past."""
        self._sleep()
        self._before.clear()
        self._floor, self._heard_s = NoiseFloor(), 0.0

    def __del__(self) -> None:
        self._sleep()

    def _may_be_speech(self, frame: Samples) -> bool:
        found = False
        for at in range(0, len(frame) - _LEVEL_FRAME + 1, _LEVEL_FRAME):
            level_dbfs = rms_dbfs(frame[at : at + _LEVEL_FRAME])
            floor_dbfs = self._floor.push(level_dbfs, _LEVEL_FRAME / CAPTURE_RATE)
            self._heard_s += _LEVEL_FRAME / CAPTURE_RATE
            if self._heard_s < _LEARNING_S:
                floor_dbfs = min(floor_dbfs, _LOUDEST_ROOM_DBFS)
            found = found or level_dbfs > max(floor_dbfs + _MARGIN_DB, _LEAST_DBFS)
        return found

    def _wake_up(self) -> None:
        self._real = self._pool.take()
        while self._before:
            self._real.probability(self._before.popleft())

    def _sleep(self) -> None:
        real, self._real = self._real, None
        if real is not None:
            self._pool.give_back(real)
