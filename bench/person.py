"""The person at the virtual sound card: hears when the assistant begins, and answers at an exact moment."""

from __future__ import annotations

import asyncio
import os
import re
import statistics
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import Self

import soxr

from bench.alignment import locate, louder
from scripts.sound_recorder import CARD_RATE, Recorder, Recording
from scripts.virtual_sound_card import VirtualSoundCard
from voicemode.audio import AudioChunk

__all__ = ["Ears", "MicrophoneWatch", "Mouth", "utterance"]

_LEVEL_DBFS = -20.0
"""RMS of what the person says: a headset in a quiet room."""
_ARM_S = 0.25
"""Seconds until an armed player is connected and waits for its first sample."""
_TRIALS = 3


def utterance(recording: AudioChunk, first_s: float, last_s: float) -> AudioChunk:
    """A part of a recording as the person says it: levelled, and at the card's rate.

    The first and the last sample must be speech: when the person has finished is what everything is measured from.
    """
    rate = recording.sample_rate
    part = louder(AudioChunk(recording.samples[round(first_s * rate) : round(last_s * rate)], rate), _LEVEL_DBFS)
    return AudioChunk(soxr.resample(part.samples, rate, CARD_RATE), CARD_RATE)


class Ears:
    """Hears one turn on the loudspeaker. ``close`` it."""

    def __init__(self, card: VirtualSoundCard) -> None:
        self._recorder: Recorder = card.record_loudspeaker()
        self._since = time.monotonic()

    async def first_sound(self, seconds: float) -> float:
        """When the assistant became audible. Raises TimeoutError."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            sounds = self.heard().sounds()
            if sounds:
                return sounds[0][0]
            await asyncio.sleep(0.01)
        raise TimeoutError(f"nothing was heard within {seconds:.0f} s")

    async def quiet_for(self, quiet_s: float, seconds: float) -> None:
        """Return when it has been silent for ``quiet_s`` after a sound. Raises TimeoutError."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            sounds = self.heard().sounds(join_s=quiet_s)
            if sounds and time.monotonic() - sounds[-1][1] > quiet_s:
                return
            await asyncio.sleep(0.02)
        raise TimeoutError(f"it did not fall silent within {seconds:.0f} s")

    def heard(self, until: float | None = None) -> Recording:
        return self._recorder.recording(self._since, until)

    async def catch_up(self, instant: float) -> None:
        """Return when sound up to ``instant`` has been recorded."""
        await asyncio.to_thread(self._recorder.wait_for, instant)

    def close(self) -> None:
        self._recorder.close()


class Mouth:
    """Speaks into the microphone at a given instant: the player is connected before, so only samples are missing."""

    def __init__(self, card: VirtualSoundCard) -> None:
        form = ["--raw", "--format=s16le", f"--rate={CARD_RATE}", "--channels=1"]
        self._command = ["pacat", "--playback", "--device=mic_in", "--latency-msec=50", *form]
        self._env = {**os.environ, **card.env}
        self._player: subprocess.Popen[bytes] | None = None
        self.delay_s = 0.0
        """From handing over the first sample until it is in the air."""

    async def calibrate(self, card: VirtualSoundCard, sound: AudioChunk) -> None:
        """Measure ``delay_s``."""
        delays = []
        for _ in range(_TRIALS):
            with card.record_microphone() as recorder:
                await self.arm()
                told = time.monotonic()
                await self.say(sound)
                await asyncio.to_thread(recorder.wait_for, time.monotonic() + 0.2)
                heard = recorder.recording(told - 0.1)
                delays.append(heard.started_at + locate(sound, heard.chunk).offset_s - told)
        self.delay_s = statistics.median(delays)

    async def arm(self) -> None:
        """Connect."""
        self.close()
        self._player = subprocess.Popen(self._command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, env=self._env)
        await asyncio.sleep(_ARM_S)

    async def say(self, sound: AudioChunk, at: float | None = None) -> None:
        """Speak so that the first sample is in the air at ``at`` (now, when that has passed). Returns after the last one."""
        if at is not None:
            await asyncio.sleep(at - self.delay_s - time.monotonic())
        player = self._player
        assert player is not None
        assert player.stdin is not None
        ends = time.monotonic() + self.delay_s + sound.seconds + 0.2
        await asyncio.to_thread(_write, player, sound.pcm)
        await asyncio.sleep(ends - time.monotonic())
        self.close()

    def close(self) -> None:
        """Disconnect. Idempotent."""
        player, self._player = self._player, None
        if player is not None:
            player.kill()
            player.communicate()


def _write(player: subprocess.Popen[bytes], pcm: bytes) -> None:
    assert player.stdin is not None
    player.stdin.write(pcm)
    player.stdin.flush()


@dataclass(frozen=True, slots=True)
class _StreamEvent:
    at: float
    opened: bool


class MicrophoneWatch:
    """Knows when a program opens and closes the microphone, from what the sound server tells. A context manager.

    Start no recorder of our own meanwhile: it would be taken for one.
    """

    _LINE = re.compile(r"Event '(new|remove)' on source-output #(\d+)")

    def __init__(self, card: VirtualSoundCard) -> None:
        self._events: list[_StreamEvent] = []
        env = {**os.environ, **card.env, "LC_ALL": "C"}
        self._process = subprocess.Popen(
            ["pactl", "subscribe"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env, text=True
        )
        self._thread = threading.Thread(target=self._collect, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(3.0)
        self._thread.join(3.0)
        assert self._process.stdout is not None
        self._process.stdout.close()

    async def opened(self, since: float, seconds: float) -> float:
        """When it was opened after ``since``. Raises TimeoutError."""
        return await self._first(since, seconds, opened=True)

    async def closed(self, since: float, seconds: float) -> float:
        """When it was closed after ``since``. Raises TimeoutError."""
        return await self._first(since, seconds, opened=False)

    async def _first(self, since: float, seconds: float, *, opened: bool) -> float:
        end = time.monotonic() + seconds
        while True:
            for event in list(self._events):
                if event.opened is opened and event.at >= since:
                    return event.at
            if time.monotonic() > end:
                raise TimeoutError(f"the microphone was not {'opened' if opened else 'closed'} within {seconds:.0f} s")
            await asyncio.sleep(0.01)

    def _collect(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            now = time.monotonic()
            found = self._LINE.search(line)
            if found:
                self._events.append(_StreamEvent(now, found[1] == "new"))
