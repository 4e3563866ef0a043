"""The loudspeaker that pauses, goes on and plays more quietly, heard through the virtual sound card."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest

from scripts.sound_recorder import CARD_RATE, Recording
from scripts.virtual_sound_card import VirtualSoundCard
from tests.engines.hearing import loud_part, shift_of
from tests.engines.playing import RATE, TAIL_S, heard, opened, steady
from voicemode.audio import AudioChunk, Samples
from voicemode.core.level import rms_dbfs

pytestmark = [pytest.mark.sound, pytest.mark.usefixtures("sound_env")]

DOUBLED_S = 0.04
"""What a device may have played while it was told to be silent; less than it takes to say a sound."""
LOST_S = 0.003
"""A filter's and an instant's inexactness."""
TRIES = 4
EDGE = CARD_RATE // 100
"""Samples at either end of a stretch that may be fading."""


def noise(seconds: float) -> Samples:
    """Every stretch of it is found in one place only."""
    samples = np.convolve(np.random.default_rng(5).standard_normal(round(seconds * CARD_RATE)), np.ones(8), "same")
    whole: Samples = (samples / np.abs(samples).max() * 20_000).astype(np.int16)
    return whole


def stretch_of(recording: Recording, sent: Samples) -> tuple[float, float]:
    """Which seconds of what was sent the recording holds."""
    first, last = (round((at - recording.started_at) * CARD_RATE) for at in loud_part(recording))
    at, fit = shift_of(recording.samples[first + EDGE : last - EDGE], sent)
    assert fit > 0.95, "the sound is broken"
    return (at - EDGE) / CARD_RATE, (at - EDGE + last - first) / CARD_RATE


@pytest.mark.parametrize("back_s", [0.0, 0.3])
def test_a_pause_is_silent_at_once_and_what_follows_loses_nothing(sound_card: VirtualSoundCard, back_s: float) -> None:
    """Silence within 150 ms; it goes on where it broke off, or as much earlier as it is told, and ends whole."""

    async def scenario() -> bool:
        sent = noise(2.0)
        with sound_card.record_loudspeaker() as recorder:
            async with opened() as speaker:
                began_at = time.monotonic()
                await speaker.play(AudioChunk(sent, CARD_RATE))
                await asyncio.sleep(0.6)
                paused_at = time.monotonic()
                await speaker.pause()
                played_s = speaker.played_s
                await asyncio.sleep(0.3)
                assert (speaker.paused, speaker.played_s) == (True, played_s)
                again_at = time.monotonic()
                await speaker.resume(played_s - back_s if back_s else None)
                await speaker.drain()
                assert speaker.played_s == pytest.approx(2.0, abs=0.001)
                first = await heard(recorder, began_at, again_at)
                second = await heard(recorder, again_at, time.monotonic() + TAIL_S)
                if speaker.missed_blocks:  # the machine was too busy to fill the device in time
                    return False
                assert speaker.audible_until == pytest.approx(loud_part(second)[1], abs=0.03)
        if loud_part(first)[1] - paused_at > 0.15:
            return False
        (start, end), (again, whole) = stretch_of(first, sent), stretch_of(second, sent)
        assert start == pytest.approx(0.0, abs=0.001)
        assert end == pytest.approx(played_s, abs=DOUBLED_S)
        assert again == pytest.approx(played_s - back_s, abs=0.01)
        assert -LOST_S < end - (again + back_s) < DOUBLED_S
        assert whole == pytest.approx(2.0, abs=0.001)
        return True

    assert any(asyncio.run(scenario()) for _ in range(TRIES)), (
        f"it broke off, or was not silent within 150 ms, in each of {TRIES} tries"
    )


def test_what_comes_during_a_pause_is_heard_after_it(sound_card: VirtualSoundCard) -> None:
    """``play`` queues, ``drain`` waits, and what is left takes as long as ``audible_until`` says."""

    async def scenario() -> None:
        with sound_card.record_loudspeaker() as recorder:
            async with opened() as speaker:
                await speaker.play(AudioChunk(steady(0.5), RATE))
                await asyncio.sleep(0.2)
                await speaker.pause()
                await speaker.play(AudioChunk(steady(0.5), RATE))
                draining = asyncio.create_task(speaker.drain())
                await asyncio.sleep(0.4)
                assert not draining.done()
                again_at = time.monotonic()
                assert speaker.audible_until == pytest.approx(again_at + 1.0 - speaker.played_s, abs=0.02)
                await speaker.resume()
                await asyncio.wait_for(draining, 2.0)
                first, last = loud_part(await heard(recorder, again_at, time.monotonic() + TAIL_S))
                assert speaker.played_s == pytest.approx(1.0, abs=0.001)
                assert last - first > 0.75
                assert speaker.underruns == 0

    asyncio.run(scenario())


def test_stopping_ends_a_pause_and_the_next_message_is_whole(sound_card: VirtualSoundCard) -> None:
    """Nothing of the old one is left, and it is as loud as ever."""

    async def scenario() -> None:
        with sound_card.record_loudspeaker() as recorder:
            async with opened() as speaker:
                await speaker.play(AudioChunk(steady(3.0), RATE))
                await asyncio.sleep(0.3)
                speaker.duck(-20.0)
                await speaker.pause()
                speaker.stop()
                await asyncio.sleep(0.1)
                assert (speaker.paused, speaker.queued_s) == (False, 0.0)
                again_at = time.monotonic()
                await speaker.play(AudioChunk(steady(0.3), RATE))
                await speaker.drain()
                recording = await heard(recorder, again_at, time.monotonic() + TAIL_S)
                first, last = loud_part(recording)
                assert last - first == pytest.approx(0.3, abs=0.005)
                assert np.abs(recording.samples).max() > 0.9 * np.abs(steady(0.1)).max()

    asyncio.run(scenario())


def test_ducking_lowers_the_level_and_back(sound_card: VirtualSoundCard) -> None:
    """By what was asked for, within the device's buffer, and not a sample goes missing."""

    async def scenario() -> None:
        with sound_card.record_loudspeaker() as recorder:
            async with opened() as speaker:
                began_at = time.monotonic()
                await speaker.play(AudioChunk(steady(1.5), RATE))
                await asyncio.sleep(0.5)
                ducked_at = time.monotonic()
                speaker.duck(-12.0)
                await asyncio.sleep(0.5)
                loud_at = time.monotonic()
                speaker.duck(0.0)
                await speaker.drain()
                recording = await heard(recorder, began_at, time.monotonic() + TAIL_S)
        levels = [
            rms_dbfs(recording.samples[round((at - began_at) * CARD_RATE) :][: CARD_RATE // 5])
            for at in (ducked_at - 0.2, ducked_at + 0.15, loud_at + 0.15)
        ]
        assert levels[1] - levels[0] == pytest.approx(-12.0, abs=0.3)
        assert levels[2] == pytest.approx(levels[0], abs=0.3)
        first, last = loud_part(recording)
        assert last - first == pytest.approx(1.5, abs=0.005)

    asyncio.run(scenario())


def test_the_far_end_is_what_was_in_the_air(sound_card: VirtualSoundCard) -> None:
    """At the same instants to 30 ms, without what a pause threw away, and silent where it was silent."""

    async def scenario() -> None:
        sent = noise(1.5)
        with sound_card.record_loudspeaker() as recorder:
            async with opened() as speaker:
                await asyncio.sleep(0.2)
                began_at = time.monotonic()
                await speaker.play(AudioChunk(sent, CARD_RATE))
                await asyncio.sleep(0.5)
                await speaker.pause()
                silent_at = time.monotonic()
                await asyncio.sleep(0.3)
                far_end = speaker.far_end
                assert not far_end.heard(silent_at + 0.05, silent_at + 0.25).any()
                assert rms_dbfs(far_end.heard(began_at + 0.2, began_at + 0.4)) > -30.0
                read = far_end.between(began_at, round((silent_at - began_at + 0.1) * 16_000))
                recording = await heard(recorder, began_at, silent_at + 0.1)
        first, last = loud_part(recording)
        loud = np.flatnonzero(np.abs(read.astype(int)) > 1_000) / 16_000 + began_at
        assert loud[0] == pytest.approx(first, abs=0.03)
        assert loud[-1] == pytest.approx(last, abs=0.03)

    asyncio.run(scenario())
