"""The loudspeaker, heard through the virtual sound card."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from scripts.virtual_sound_card import VirtualSoundCard
from tests.engines.hearing import breaks, loud_part
from tests.engines.playing import HERTZ, RATE, TAIL_S, hear_unhurried, heard, opened, steady
from voicemode.audio import AudioChunk
from voicemode.engines.speaker import SoundDeviceSpeaker
from voicemode.errors import DeviceLostError, NoOutputDeviceError, SoundError

pytestmark = [pytest.mark.sound, pytest.mark.usefixtures("sound_env")]


async def speak_on(speaker: SoundDeviceSpeaker) -> None:
    """Speak for ever, in real time."""
    while True:
        await speaker.play(AudioChunk(steady(0.1), RATE))
        await asyncio.sleep(0.1)


def test_ragged_chunks_play_without_a_gap(sound_card: VirtualSoundCard) -> None:
    """Chunks of 1 to 4,000 samples give the same steady tone as one piece: not a sample lost, added or out of place."""

    async def play(speaker: SoundDeviceSpeaker) -> None:
        samples, lengths, start = steady(2.0), (4_000, 1, 777, 2_400, 31, 1_200, 3_001), 0
        while start < len(samples):
            for length in lengths:
                await speaker.play(AudioChunk(samples[start : start + length], RATE))
                start += length
        await speaker.drain()

    recording = asyncio.run(hear_unhurried(sound_card, play))
    first, last = loud_part(recording)
    assert breaks(recording, HERTZ) == []
    assert last - first == pytest.approx(2.0, abs=0.002)


def test_an_engine_little_faster_than_real_time_plays_without_a_gap(sound_card: VirtualSoundCard) -> None:
    """100 ms of sound every 83 ms: the first chunk is held just long enough for the second."""

    async def play(speaker: SoundDeviceSpeaker) -> None:
        samples, step, began_at = steady(2.0), RATE // 10, time.monotonic()
        for start in range(0, len(samples), step):
            await asyncio.sleep(max(0.0, began_at + start / RATE / 1.2 - time.monotonic()))
            await speaker.play(AudioChunk(samples[start : start + step], RATE))
        await speaker.drain()

    recording = asyncio.run(hear_unhurried(sound_card, play))
    assert breaks(recording, HERTZ) == []


def test_pieces_of_different_rates_follow_one_another_at_once(sound_card: VirtualSoundCard) -> None:
    """Engines differ in rate; a fallback may take over in the middle of a message."""

    async def play(speaker: SoundDeviceSpeaker) -> None:
        for rate in (24_000, 22_050, 48_000, 16_000):
            await speaker.play(AudioChunk(steady(0.5, rate), rate))
        await speaker.drain()

    recording = asyncio.run(hear_unhurried(sound_card, play))
    first, last = loud_part(recording)
    assert len(recording.sounds(-30.0, join_s=0.0)) == 1
    assert last - first == pytest.approx(2.0, abs=0.005)


def test_a_short_piece_is_played_without_waiting_for_more(sound_card: VirtualSoundCard) -> None:
    """50 ms of sound and then nothing, not even ``drain``: it is heard."""

    async def play(speaker: SoundDeviceSpeaker) -> None:
        await speaker.play(AudioChunk(steady(0.05), RATE))
        await asyncio.sleep(0.3)

    first, last = loud_part(asyncio.run(hear_unhurried(sound_card, play)))
    assert last - first > 0.03  # the resampler keeps some until more comes


def test_stop_is_heard_at_once_and_the_next_message_is_whole(sound_card: VirtualSoundCard) -> None:
    """Silence within 20 ms and the device's buffer; nothing of the old message comes after it."""

    async def scenario() -> None:
        with sound_card.record_loudspeaker() as recorder:
            async with opened() as speaker:
                began_at = time.monotonic()
                await speaker.play(AudioChunk(steady(3.0), RATE))
                await asyncio.sleep(0.5)
                stopped_at = time.monotonic()
                speaker.stop()
                await asyncio.sleep(0.2)
                again_at = time.monotonic()
                await speaker.play(AudioChunk(steady(0.3), RATE))
                await speaker.drain()
                _, silent_at = loud_part(await heard(recorder, began_at, again_at))
                first, last = loud_part(await heard(recorder, again_at, time.monotonic() + TAIL_S))
                assert silent_at - stopped_at < 0.02 + 0.08
                assert last - first == pytest.approx(0.3, abs=0.005)
                assert speaker.underruns == 0

    asyncio.run(scenario())


def test_the_speaker_knows_what_was_heard_and_when(sound_card: VirtualSoundCard) -> None:
    """First sound, last sound and seconds played agree with the recording to 30 ms; drain returns after the last."""

    async def scenario() -> None:
        with sound_card.record_loudspeaker() as recorder:
            async with opened() as speaker:
                assert speaker.first_sound_at is None
                assert speaker.audible_until is None
                began_at = time.monotonic()
                await speaker.play(AudioChunk(steady(0.5), RATE))
                await speaker.drain()
                drained_at = time.monotonic()
                first, last = loud_part(await heard(recorder, began_at, drained_at + TAIL_S))
                assert speaker.first_sound_at == pytest.approx(first, abs=0.03)
                assert speaker.audible_until == pytest.approx(last, abs=0.03)
                assert drained_at > last - 0.005
                assert speaker.played_s == pytest.approx(0.5, abs=0.001)

    asyncio.run(scenario())


def test_played_seconds_stop_where_the_sound_stopped(sound_card: VirtualSoundCard) -> None:
    """After ``stop`` they tell how much of the message was heard, not how much was queued."""

    async def scenario() -> None:
        with sound_card.record_loudspeaker() as recorder:
            async with opened() as speaker:
                began_at = time.monotonic()
                await speaker.play(AudioChunk(steady(5.0), RATE))
                await asyncio.sleep(0.6)
                speaker.stop()
                await asyncio.sleep(0.2)
                first, last = loud_part(await heard(recorder, began_at, time.monotonic()))
                assert speaker.played_s == pytest.approx(last - first, abs=0.02)

    asyncio.run(scenario())


def test_an_unplugged_loudspeaker_is_reported_to_whoever_plays(sound_card: VirtualSoundCard) -> None:
    """Both a caller who goes on playing and one who waits for the end are told, and soon."""

    async def scenario(go_on: Callable[[SoundDeviceSpeaker], Awaitable[None]]) -> None:
        async with opened() as speaker:
            await speaker.play(AudioChunk(steady(5.0), RATE))
            await asyncio.sleep(0.2)
            await asyncio.to_thread(sound_card.remove_speaker)
            with pytest.raises(DeviceLostError):
                async with asyncio.timeout(3.0):
                    await go_on(speaker)
        sound_card.add_speaker()

    asyncio.run(scenario(speak_on))
    asyncio.run(scenario(SoundDeviceSpeaker.drain))


def test_a_loudspeaker_that_is_slow_is_waited_for(sound_card: VirtualSoundCard) -> None:
    """A busy machine: three times it takes nothing for a second. It is no lost one, and what was queued is heard to its end."""

    async def stumble() -> None:
        for _ in range(3):
            await asyncio.to_thread(sound_card.hold_speaker, True)
            await asyncio.sleep(1.0)
            await asyncio.to_thread(sound_card.hold_speaker, False)
            await asyncio.sleep(0.3)

    async def scenario() -> None:
        with sound_card.record_loudspeaker() as recorder:
            async with opened() as speaker:
                began_at = time.monotonic()
                await speaker.play(AudioChunk(steady(2.5), RATE))
                stumbling = asyncio.create_task(stumble())
                await speaker.drain()
                drained_at = time.monotonic()
                await stumbling
                _, last = loud_part(await heard(recorder, began_at, drained_at + TAIL_S))
                assert drained_at - began_at > 5.0
                assert last == pytest.approx(drained_at, abs=0.3)

    asyncio.run(scenario())


def test_a_lost_loudspeaker_can_be_opened_again(sound_card: VirtualSoundCard) -> None:
    """Plugged in again, the same object speaks again."""

    async def scenario() -> None:
        async with opened() as speaker:
            await asyncio.to_thread(sound_card.remove_speaker)
            with pytest.raises(DeviceLostError):
                await speak_on(speaker)
            await asyncio.to_thread(sound_card.add_speaker)
            await speaker.open()
            with sound_card.record_loudspeaker() as recorder:
                began_at = time.monotonic()
                await speaker.play(AudioChunk(steady(0.3), RATE))
                await speaker.drain()
                first, last = loud_part(await heard(recorder, began_at, time.monotonic() + TAIL_S))
                assert last - first == pytest.approx(0.3, abs=0.01)

    asyncio.run(scenario())


def test_no_loudspeaker_is_an_error_of_its_own(sound_card: VirtualSoundCard) -> None:
    """Unplugged before the call: the error says what is missing and what to do."""
    sound_card.remove_speaker()
    with pytest.raises(NoOutputDeviceError, match="no loudspeaker"):
        asyncio.run(SoundDeviceSpeaker().open())


def test_no_sound_server_is_an_error_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, where there is no sound at all."""
    monkeypatch.setenv("PULSE_SERVER", "unix:/nonexistent")
    with pytest.raises(NoOutputDeviceError):
        asyncio.run(SoundDeviceSpeaker().open())


def test_a_wrong_name_is_answered_with_the_right_ones() -> None:
    """Whoever misspelt it sees what there is."""
    with pytest.raises(SoundError, match="There are: default"):
        asyncio.run(SoundDeviceSpeaker("kitchen").open())


def test_close_frees_the_device_in_the_middle_of_a_message(sound_card: VirtualSoundCard) -> None:
    """The sound server has no stream of ours any more, and a second close does no harm."""

    async def scenario() -> None:
        async with opened() as speaker:
            await speaker.play(AudioChunk(steady(5.0), RATE))
            await asyncio.sleep(0.1)
            assert len(await asyncio.to_thread(sound_card.playing_clients)) == 1
            began_at = time.monotonic()
            await speaker.close()
            assert time.monotonic() - began_at < 0.3  # interfaces.Speaker.close
            assert await asyncio.to_thread(sound_card.playing_clients) == []

    asyncio.run(scenario())


def test_playing_too_far_ahead_waits(sound_card: VirtualSoundCard) -> None:
    """More than 10 s queued hold the engine back; ``stop`` lets it go on."""

    async def scenario() -> None:
        async with opened() as speaker:
            await speaker.play(AudioChunk(steady(10.5), RATE))
            waiting = asyncio.create_task(speaker.play(AudioChunk(steady(0.1), RATE)))
            await asyncio.sleep(0.1)
            assert not waiting.done()
            speaker.stop()
            await asyncio.wait_for(waiting, 2.0)

    asyncio.run(scenario())


@pytest.mark.parametrize("wait_s", [0.0, 0.001, 0.003])
def test_a_cancelled_open_leaves_no_stream(sound_card: VirtualSoundCard, wait_s: float) -> None:
    """Cancelled at any moment of opening, the device is free a moment later."""

    async def scenario() -> None:
        speaker = SoundDeviceSpeaker()
        opening = asyncio.create_task(speaker.open())
        await asyncio.sleep(wait_s)
        opening.cancel()
        await asyncio.wait([opening])
        await speaker.close()  # for when it was faster
        deadline = time.monotonic() + 3.0
        while await asyncio.to_thread(sound_card.playing_clients):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)

    asyncio.run(scenario())
