"""Saying one message: what is audible of it, and what was heard when it is cut."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from tests.runtime.room import Room, in_virtual_time
from tests.runtime.tone_words import WordSynthesizer, word_begins
from voicemode.errors import DeviceLostError, EndpointError, SpeechFailedError
from voicemode.events import SpeakingEnded, TurnEvent
from voicemode.interfaces import SpeechRequest
from voicemode.runtime.saying import Saying
from voicemode.runtime.turn_log import TurnLog
from voicemode.testing import FakeSynthesizer

PIECES = ("Here is what happened.", "Everybody was away for more than an hour.", "Nobody looked at the screen.")
MESSAGE = " ".join(PIECES)
REQUEST = SpeechRequest("")


class Booth:
    """A message, its loudspeaker and what was told about it."""

    def __init__(self, pieces: tuple[str, ...]) -> None:
        self.room = Room()
        self.told: list[TurnEvent] = []
        self.log = TurnLog(self.told.append, time.monotonic())
        self.saying = Saying(self.room.speaker, pieces, self.log, chime=False)
        self.voice = WordSynthesizer()

    def begin(self) -> asyncio.Task[None]:
        return asyncio.create_task(self.saying.run(self.voice, REQUEST))

    async def cut_after(self, seconds: float) -> None:
        """Cancel it when so much was audible, as who interrupts does."""
        task = self.begin()
        while self.room.speaker.played_s < seconds:
            await asyncio.sleep(0.01)
        played_s = self.room.speaker.played_s
        self.room.speaker.stop()
        task.cancel()
        await asyncio.wait({task})
        await self.saying.cut(played_s)


def in_booth(scenario: Callable[[Booth], Awaitable[None]], *, pieces: tuple[str, ...] = PIECES) -> Booth:
    """Run it; the booth afterwards."""

    async def whole() -> Booth:
        booth = Booth(pieces)
        await scenario(booth)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return booth

    return in_virtual_time(whole)


def test_a_message_that_is_said_to_its_end_has_nothing_unheard() -> None:
    """Nor anything heard to be told; the loudspeaker is free."""

    async def scenario(booth: Booth) -> None:
        await booth.begin()

    booth = in_booth(scenario)
    assert booth.saying.heard == ("", "")
    assert not booth.room.speaker.is_open
    assert booth.saying.engine == "fake"


@pytest.mark.parametrize("words", [0, 1, 4, 7, 11, 15])
def test_a_cut_tells_what_was_heard_to_one_word(words: int) -> None:
    """In whichever piece it fell, all of the message is in one half or the other."""
    message_words = MESSAGE.split()
    cut_s = ([*word_begins(MESSAGE), 99.0])[words] + 0.05

    async def scenario(booth: Booth) -> None:
        await booth.cut_after(cut_s)

    heard, unheard = in_booth(scenario).saying.heard
    assert f"{heard} {unheard}".split() == message_words
    assert len(heard.split()) == pytest.approx(words, abs=1)


@pytest.mark.parametrize("words", range(1, 8))
def test_an_engine_that_tells_its_words_is_believed(words: int) -> None:
    """However unevenly it speaks, a cut at the end of a word is told exactly, and what goes on begins with a word."""
    begins = word_begins(PIECES[1], drawls=True)
    goes_on: list[float] = []

    async def scenario(booth: Booth) -> None:
        booth.voice = WordSynthesizer(drawls=True)
        await booth.cut_after(begins[words] - 0.03)
        goes_on.append(booth.saying.replay_from(begins[words] - 0.03))

    heard, unheard = in_booth(scenario, pieces=PIECES[1:]).saying.heard
    assert heard.split() == PIECES[1].split()[:words]
    assert unheard.split() == " ".join(PIECES[1:]).split()[words:]
    assert goes_on == pytest.approx([begins[words - 1]], abs=0.001)


def test_pieces_that_no_engine_had_begun_are_unheard() -> None:
    """Cut before the first sound, and with an engine that is still thinking."""

    async def scenario(booth: Booth) -> None:
        task = asyncio.create_task(booth.saying.run(FakeSynthesizer(first_chunk_s=3600), REQUEST))
        await asyncio.sleep(1.0)
        task.cancel()
        await asyncio.wait({task})
        await booth.saying.cut(0.0)

    booth = in_booth(scenario)
    assert booth.saying.heard == ("", MESSAGE)
    assert booth.told == []


def test_the_end_of_a_message_that_was_cut_is_when_it_fell_silent() -> None:
    """And its pieces are drawn no further than that."""

    async def scenario(booth: Booth) -> None:
        await booth.cut_after(3.0)

    booth = in_booth(scenario)
    (ended,) = [event.at for event in booth.told if isinstance(event, SpeakingEnded)]
    assert ended == pytest.approx(3.0, abs=0.05)


def test_a_message_goes_on_where_a_word_begins() -> None:
    """Not in the middle of the word that was cut, and never later than where it was paused."""
    begins = word_begins(MESSAGE)

    async def scenario(booth: Booth) -> None:
        task = booth.begin()
        while booth.room.speaker.played_s < 6.0:
            await asyncio.sleep(0.01)
        for at_s in [begin + 0.1 for begin in begins if begin < 5.5]:
            goes_on_s = booth.saying.replay_from(at_s)
            assert goes_on_s <= at_s
            assert min(abs(goes_on_s - begin) for begin in begins) < 0.08
            assert at_s - goes_on_s < 1.0
        await task

    in_booth(scenario)


def test_it_is_active_while_it_sounds() -> None:
    """Not before the first sound, not while paused, not after the last."""
    seen: list[bool] = []

    async def scenario(booth: Booth) -> None:
        speaker = booth.room.speaker
        seen.append(booth.saying.active)
        task = booth.begin()
        await asyncio.sleep(1.0)
        seen.append(booth.saying.active)
        await speaker.pause()
        seen.append(booth.saying.active)
        await speaker.resume()
        seen.append(booth.saying.active)
        await task
        await asyncio.sleep(0.1)
        seen.append(booth.saying.active)

    in_booth(scenario)
    assert seen == [False, True, False, True, False]


def test_the_loudspeaker_is_open_for_it_until_its_last_sound() -> None:
    """After that nothing can be done to the message, though the device is still being closed."""
    seen: list[bool] = []

    async def scenario(booth: Booth) -> None:
        booth.room.speaker.open_s = booth.room.speaker.close_s = 0.5
        task = booth.begin()
        await asyncio.sleep(0.2)
        seen.append(booth.saying.is_open)
        await asyncio.sleep(1.0)
        seen.append(booth.saying.is_open)
        while booth.room.speaker.is_open:
            await asyncio.sleep(0.01)
        assert not task.done()
        seen.append(booth.saying.is_open)
        await task

    in_booth(scenario)
    assert seen == [False, True, False]


@pytest.mark.parametrize("failing", ["engine", "loudspeaker"])
def test_a_failure_leaves_no_task(failing: str) -> None:
    """Whoever is at fault; ``in_booth`` looks for tasks."""

    async def scenario(booth: Booth) -> None:
        if failing == "engine":
            broken = FakeSynthesizer(fail_after=0, error=EndpointError("http://dies", "broke off"))
            with pytest.raises(SpeechFailedError):
                await booth.saying.run(broken, REQUEST)
        else:
            task = booth.begin()
            await asyncio.sleep(1.0)
            booth.room.speaker.lost = True
            with pytest.raises(DeviceLostError):
                await task
        assert not booth.saying.is_open

    in_booth(scenario)


def test_the_pace_of_a_voice_is_that_of_what_was_said() -> None:
    """Twice as fast a voice has half the pace."""
    paces: list[float] = []
    for speed in (1.0, 2.0):

        async def scenario(booth: Booth, speed: float = speed) -> None:
            await booth.saying.run(booth.voice, SpeechRequest("", speed=speed))
            paces.append(booth.saying.pace())

        in_booth(scenario, pieces=("Everybodywasawayformorethananhour",))
    assert paces[1] == pytest.approx(paces[0] / 2, rel=0.15)
