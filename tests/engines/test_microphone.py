"""The microphone, spoken into through the virtual sound card."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest
import soxr

from scripts.sound_recorder import CARD_RATE, Recording
from scripts.virtual_sound_card import VirtualSoundCard
from tests.engines.hearing import shift_of
from voicemode.audio import CAPTURE_RATE, AudioChunk, Samples
from voicemode.engines.microphone import CaptureClock, SoundDeviceMicrophone
from voicemode.errors import DeviceLostError, NoInputDeviceError, SoundError
from voicemode.interfaces import CapturedBlock

sound = pytest.mark.sound
on_card = pytest.mark.usefixtures("sound_env")

RATE = 48_000
BLOCK = 480


# -- the clock: no device


def test_jitter_does_not_move_the_clock() -> None:
    """Blocks that arrive up to 30 ms late are dated as if they had been on time."""
    clock = CaptureClock(RATE)
    for index, late in enumerate([0.0, 0.03, 0.01, 0.0, 0.02] * 40):
        clock.arrived(index * BLOCK, BLOCK, 5.0 + index * BLOCK / RATE + late)
        assert clock.time_of(index * BLOCK) == pytest.approx(5.0 + index * BLOCK / RATE, abs=0.003)


def test_a_late_first_block_is_corrected_without_going_back() -> None:
    """The first one came 40 ms late: times never run backwards, and are right 40 ms later."""
    clock = CaptureClock(RATE)
    told = []
    for index in range(20):
        clock.arrived(index * BLOCK, BLOCK, 5.0 + index * BLOCK / RATE + (0.04 if index == 0 else 0.0))
        told.append(clock.time_of(index * BLOCK))
    assert told == sorted(told)
    assert told[-1] == pytest.approx(5.0 + 19 * BLOCK / RATE)


def test_a_device_clock_that_runs_slow_is_followed() -> None:
    """At 500 ppm too slow, an hour would be 1.8 s off."""
    clock = CaptureClock(RATE)
    for index in range(20_000):
        in_air_at = 5.0 + index * BLOCK / RATE * 1.0005
        clock.arrived(index * BLOCK, BLOCK, in_air_at)
    assert clock.time_of(19_999 * BLOCK) == pytest.approx(in_air_at, abs=0.003)


def test_lost_samples_are_noticed_after_a_quarter_of_a_second() -> None:
    """Half a second is missing: what follows is dated half a second later."""
    clock = CaptureClock(RATE)
    for index in range(100):
        lost = 0.5 if index >= 20 else 0.0
        clock.arrived(index * BLOCK, BLOCK, 5.0 + index * BLOCK / RATE + lost)
    assert clock.time_of(99 * BLOCK) == pytest.approx(5.5 + 99 * BLOCK / RATE, abs=0.003)


def test_a_clock_without_a_block_tells_nothing() -> None:
    """There is no time to tell yet."""
    with pytest.raises(ValueError, match="no block"):
        CaptureClock(RATE).time_of(0)


# -- the device


@asynccontextmanager
async def opened() -> AsyncIterator[SoundDeviceMicrophone]:
    microphone = SoundDeviceMicrophone()
    await microphone.open()
    try:
        yield microphone
    finally:
        await microphone.close()


async def listen(microphone: SoundDeviceMicrophone, seconds: float) -> list[CapturedBlock]:
    """What comes in that time, and at least one block."""
    end = time.monotonic() + seconds
    blocks: list[CapturedBlock] = []
    while not blocks or time.monotonic() < end:
        block = await microphone.read()
        assert block is not None
        blocks.append(block)
    return blocks


def hiss(seconds: float) -> AudioChunk:
    """Noise below 3 kHz: no two stretches are alike, and every resampler keeps it."""
    random = np.random.default_rng(7)
    spectrum = np.fft.rfft(random.standard_normal(round(seconds * CAPTURE_RATE)))
    spectrum[round(3_000 * seconds) :] = 0
    noise = np.fft.irfft(spectrum)
    return AudioChunk((noise / np.abs(noise).max() * 12_000).astype(np.int16), CAPTURE_RATE)


def at_16_khz(recording: Recording) -> Samples:
    resampled: Samples = soxr.resample(recording.samples, CARD_RATE, CAPTURE_RATE)
    return resampled


@sound
@on_card
def test_no_sample_is_lost_in_five_seconds(sound_card: VirtualSoundCard) -> None:
    """Head and tail of 5 s of noise are as far apart as they were in the air, and dated to 20 ms."""

    async def scenario() -> None:
        with sound_card.record_microphone() as recorder:
            async with opened() as microphone:
                playing = asyncio.create_task(asyncio.to_thread(sound_card.play_into_microphone, hiss(5.0)))
                blocks = await listen(microphone, 6.0)
                await playing
                assert microphone.overflows == 0
            got = np.concatenate([block.chunk.samples for block in blocks])
            began_at, second = blocks[0].captured_at, CAPTURE_RATE
            await asyncio.to_thread(recorder.wait_for, began_at + 6.0)
            truth = recorder.recording(began_at - 0.5, began_at + 6.5)
        in_air = at_16_khz(truth)
        first_loud = int(np.flatnonzero(np.abs(got.astype(np.int32)) > 2_000)[0])
        offsets = []
        for start in (first_loud, first_loud + 2 * second, first_loud + 4 * second):
            at, fit = shift_of(got[start : start + second // 2], in_air)
            assert fit > 0.9  # half a sample of difference costs 0.03
            offsets.append(at - start)
        assert max(offsets) - min(offsets) <= 1
        after = next(block for block in blocks if block.captured_at > began_at + 1.0)
        position = sum(len(block.chunk.samples) for block in blocks[: blocks.index(after)])
        assert after.captured_at == pytest.approx(truth.started_at + (position + offsets[0]) / second, abs=0.02)

    asyncio.run(scenario())


@sound
@on_card
def test_blocks_are_short_and_in_order() -> None:
    """Each is 16 kHz mono of at most 100 ms, and time never goes back."""

    async def scenario() -> None:
        async with opened() as microphone:
            blocks = await listen(microphone, 0.5)
            assert {block.chunk.sample_rate for block in blocks} == {CAPTURE_RATE}
            assert max(block.chunk.seconds for block in blocks) <= 0.11
            assert [block.captured_at for block in blocks] == sorted(block.captured_at for block in blocks)

    asyncio.run(scenario())


@sound
@on_card
def test_what_waits_to_be_read_is_kept() -> None:
    """A second in which nobody reads is not lost."""

    async def scenario() -> None:
        async with opened() as microphone:
            await microphone.read()
            began_at = time.monotonic()
            await asyncio.sleep(1.0)
            blocks = await listen(microphone, 0.1)
            heard_s = sum(block.chunk.seconds for block in blocks)
            assert heard_s > time.monotonic() - began_at - 0.15
            assert microphone.overflows == 0

    asyncio.run(scenario())


@sound
@on_card
def test_an_unplugged_microphone_is_reported(sound_card: VirtualSoundCard) -> None:
    """The reader is told within two seconds, and can open it again when it is back."""

    async def scenario() -> None:
        async with opened() as microphone:
            await listen(microphone, 0.1)
            await asyncio.to_thread(sound_card.remove_microphone)
            with pytest.raises(DeviceLostError):
                async with asyncio.timeout(2.0):
                    await listen(microphone, 60.0)
            await asyncio.to_thread(sound_card.add_microphone)
            await microphone.open()
            assert await listen(microphone, 0.1)

    asyncio.run(scenario())


@sound
@on_card
def test_no_microphone_is_an_error_of_its_own(sound_card: VirtualSoundCard) -> None:
    """Unplugged before the call."""
    sound_card.remove_microphone()
    with pytest.raises(NoInputDeviceError, match="no microphone"):
        asyncio.run(SoundDeviceMicrophone().open())


@sound
@on_card
def test_no_sound_server_is_no_microphone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, where there is no sound at all."""
    monkeypatch.setenv("PULSE_SERVER", "unix:/nonexistent")
    with pytest.raises(NoInputDeviceError):
        asyncio.run(SoundDeviceMicrophone().open())


@sound
@on_card
def test_a_wrong_name_is_answered_with_the_right_ones() -> None:
    """Whoever misspelt it sees what there is."""
    with pytest.raises(SoundError, match="There are: default"):
        asyncio.run(SoundDeviceMicrophone("kitchen").open())


@sound
@on_card
def test_the_microphone_is_open_between_open_and_close_only(sound_card: VirtualSoundCard) -> None:
    """The sound server is asked who records: we do in between, and nobody after."""

    async def scenario() -> None:
        microphone = SoundDeviceMicrophone()
        assert await asyncio.to_thread(sound_card.recording_clients) == []
        await microphone.open()
        await microphone.open()
        await microphone.read()
        assert len(await asyncio.to_thread(sound_card.recording_clients)) == 1
        began_at = time.monotonic()
        await microphone.close()
        assert time.monotonic() - began_at < 0.3  # interfaces.Microphone.close
        assert await asyncio.to_thread(sound_card.recording_clients) == []
        await microphone.close()

    asyncio.run(scenario())


@sound
@on_card
def test_a_reader_is_let_go_when_the_microphone_closes() -> None:
    """Whoever still waits gets None; whoever reads without opening made a mistake."""

    async def scenario() -> None:
        async with opened() as microphone:
            await microphone.read()
            reading = asyncio.create_task(listen_to_the_end(microphone))
            await asyncio.sleep(0.05)
            await microphone.close()
            async with asyncio.timeout(1.0):
                await reading
            with pytest.raises(RuntimeError, match="open"):
                await microphone.read()

    async def listen_to_the_end(microphone: SoundDeviceMicrophone) -> None:
        while await microphone.read() is not None:
            pass

    asyncio.run(scenario())
