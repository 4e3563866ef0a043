"""What the tests of this folder share: the moments of a call at which something may end it, and who is busy after that."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from scripts.virtual_sound_card import VirtualSoundCard
from tests.mcp_server.process import ServerProcess
from tests.stubs.client import SpeechStub
from voicemode.audio import AudioChunk

__all__ = ["ANSWER", "FREE_S", "Scene", "best_of_three", "voiced", "wait_for"]

FREE_S = 0.3
"""DESIGN.md 5: a cancelled call frees microphone and loudspeaker in this time."""
ANSWER = Path(__file__).parents[1] / "clips" / "ten_of_clubs.wav"
_LONG = "This sentence goes on for quite a while, so that there is time to interrupt it before it has come to its end."
_DEADLINE_S = 15.0


def best_of_three(attempt: Callable[[], float], limit_s: float) -> float:
    """The least of up to three attempts, in seconds: a shared machine is late now and then. Stops at a good one."""
    took = float("inf")
    for _ in range(3):
        took = min(took, attempt())
        if took <= limit_s:
            break
    return took


def wait_for(condition: Callable[[], bool], deadline_s: float = _DEADLINE_S) -> float:
    """Seconds until it held; fails when it does not in time."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > deadline_s:
            raise AssertionError(f"not within {deadline_s:g} s")
        time.sleep(0.005)
    return time.monotonic() - began


@dataclass(frozen=True, slots=True)
class Scene:
    """One server at one card, with a stub that speaks and listens for it."""

    server: ServerProcess
    card: VirtualSoundCard
    stub: SpeechStub

    def reach(self, moment: str) -> int:
        """Bring a call to a moment; its id, 0 when idle.

        "idle" is before any call, "starting" is when the first one has just been sent, then come "speaking", "listening"
        and "transcribing".
        """
        if moment == "idle":
            return 0
        if moment == "starting":
            number = self.server.call("converse", message="Well?")
            time.sleep(0.2)
            return number
        began = time.monotonic()
        number = self.server.call("converse", message=_LONG if moment == "speaking" else "Well?")
        self.wait_for_state("speaking" if moment == "speaking" else "listening", began)
        if moment == "transcribing":
            self.stub.configure(stt_delay_s=30.0)
            self.card.play_into_microphone(ANSWER)
            self.wait_for_state("transcribing", began)
        if moment == "speaking":
            wait_for(lambda: bool(self.card.playing_clients()))
        self.wait_for_microphone()
        return number

    def wait_for_microphone(self) -> None:
        """Wait until somebody records."""
        wait_for(lambda: bool(self.card.recording_clients()))

    def wait_for_state(self, words: str, since: float) -> None:
        """Wait until progress that arrived after ``since`` (``time.monotonic()``) begins with these words."""
        wait_for(lambda: any(at >= since and state.startswith(words) for at, _, state in self.server.progress()))

    def is_free(self) -> bool:
        """Nobody records and nobody plays."""
        return not self.card.recording_clients() and not self.card.playing_clients()

    def seconds_until_free(self) -> float:
        """How long the devices stay busy from now on."""
        return wait_for(self.is_free)

    def children(self) -> list[psutil.Process]:
        """Every process the server has started and that lives."""
        found: list[psutil.Process] = psutil.Process(self.server.process.pid).children(recursive=True)
        return found


def voiced(recording: AudioChunk) -> AudioChunk:
    """Without the silence at both ends: from the first to the last 5 ms in the middle of 30 ms above peak - 34 dB.

    The clips' own noise lies at peak - 41 dB, but single windows of 5 ms reach peak - 31 dB and are no speech.
    """
    samples, step = recording.samples, recording.sample_rate // 200
    windows = samples[: len(samples) // step * step].reshape(-1, step).astype(np.float64)
    power = np.convolve(np.mean(windows**2, axis=1), np.full(6, 1 / 6), "same")
    loud = np.flatnonzero(np.sqrt(power) > np.abs(samples.astype(np.int32)).max() / 50)
    return AudioChunk(samples[loud[0] * step : (loud[-1] + 1) * step], recording.sample_rate)
