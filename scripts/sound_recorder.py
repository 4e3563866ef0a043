"""Records one PulseAudio source and knows when each sample was in the air.

Every time is a reading of ``time.monotonic()``. The null sinks of the virtual sound card run on the same clock
(CLOCK_MONOTONIC), so sample n was in the air at ``start + n / CARD_RATE`` and only ``start`` must be found.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np

from voicemode.audio import FULL_SCALE, AudioChunk, Samples

__all__ = ["CARD_RATE", "Recorder", "Recording"]

CARD_RATE = 48_000
"""Hertz: the rate of the virtual sound card's sinks."""

_BLOCK_S = 0.01
_NULL_SINK_LEAD_S = 0.008
"""Seconds by which a null sink shows a block on its monitor before the block's time; tests check it with clicks."""
_WINDOW_S = 4.0
_LEVEL_STEP_S = 0.005
_ROUNDING_S = 1e-6
"""Instants are large numbers on a machine that has been up for hours: their sums miss by less than this."""


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """A stretch of what was in the air."""

    samples: Samples
    """16-bit mono PCM at ``CARD_RATE``."""
    started_at: float
    """``time.monotonic()`` of the first sample."""

    @property
    def chunk(self) -> AudioChunk:
        return AudioChunk(self.samples, CARD_RATE)

    @property
    def ended_at(self) -> float:
        return self.started_at + len(self.samples) / CARD_RATE

    def sounds(self, threshold_dbfs: float = -50.0, join_s: float = 0.15) -> list[tuple[float, float]]:
        """Audible stretches as (start, end) instants, exact to 5 ms; silences up to ``join_s`` are bridged."""
        step = round(_LEVEL_STEP_S * CARD_RATE)
        whole = len(self.samples) // step * step
        power = np.mean(self.samples[:whole].reshape(-1, step).astype(np.float64) ** 2, axis=1)
        stretches: list[tuple[float, float]] = []
        for index in np.flatnonzero(np.sqrt(power) > FULL_SCALE * 10 ** (threshold_dbfs / 20)):
            start = self.started_at + float(index) * _LEVEL_STEP_S
            if stretches and start - stretches[-1][1] <= join_s + _ROUNDING_S:
                stretches[-1] = (stretches[-1][0], start + _LEVEL_STEP_S)
            else:
                stretches.append((start, start + _LEVEL_STEP_S))
        return stretches


class Recorder:
    """Records from construction to ``close``. A context manager.

    A block may arrive late but never early, so ``start`` is the smallest (arrival - n / rate) of the last 4 s.
    """

    def __init__(self, source: str, env: Mapping[str, str], client_name: str) -> None:
        form = ["--raw", "--format=s16le", f"--rate={CARD_RATE}", "--channels=1"]
        self._process = subprocess.Popen(
            ["parec", f"--device={source}", f"--client-name={client_name}", "--latency-msec=10", *form],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(env),
        )
        self._lock = threading.Lock()
        self._blocks: list[bytes] = []
        self._count = 0
        self._starts: deque[tuple[float, float]] = deque()
        self._first_block = threading.Event()
        self._thread = threading.Thread(target=self._collect, daemon=True)
        self._thread.start()
        if not self._first_block.wait(5.0):
            self.close()
            raise RuntimeError(f"nothing comes from {source}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def recording(self, since: float | None = None, until: float | None = None) -> Recording:
        """What was heard so far, cut to two instants of ``time.monotonic()``."""
        with self._lock:
            samples = np.frombuffer(b"".join(self._blocks), dtype="<i2").astype(np.int16)
            started_at = min(start for _, start in self._starts)
        first = 0 if since is None else max(0, round((since - started_at) * CARD_RATE))
        last = len(samples) if until is None else max(0, round((until - started_at) * CARD_RATE))
        return Recording(samples[first:last], started_at + first / CARD_RATE)

    def wait_for(self, instant: float) -> None:
        """Return when sound up to ``instant`` has been recorded. Raises RuntimeError when the source is gone."""
        deadline = instant + 5.0
        while self.recording().ended_at < instant:
            if time.monotonic() > deadline or not self._thread.is_alive():
                raise RuntimeError("the recorder stopped")
            time.sleep(0.02)

    def close(self) -> None:
        """Stop recording; what was heard stays readable. Idempotent."""
        self._process.terminate()
        self._process.wait(3.0)
        self._thread.join(3.0)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _collect(self) -> None:
        assert self._process.stdout is not None
        block_bytes = round(_BLOCK_S * CARD_RATE) * 2
        while block := self._process.stdout.read(block_bytes):
            now = time.monotonic()
            with self._lock:
                self._blocks.append(block)
                self._count += len(block) // 2
                self._starts.append((now, now - self._count / CARD_RATE + _NULL_SINK_LEAD_S))
                while now - self._starts[0][0] > _WINDOW_S:
                    self._starts.popleft()
            self._first_block.set()
