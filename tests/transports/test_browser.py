"""A page as microphone and loudspeaker: what is played, paused and heard, over the server's own line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import numpy as np
import pytest
from pydantic import SecretStr

from tests.http.serving import TOKEN, Served, served
from tests.transports.page import SimulatedPage, attached
from voicemode.audio import AudioChunk, Samples
from voicemode.errors import FloorTakenError, PageLostError
from voicemode.http.page_line import PageLines
from voicemode.http.page_visitors import COOKIE, PageVisitors
from voicemode.transports.browser import BrowserMicrophone, BrowserSpeaker
from voicemode.transports.errors import PageLineError
from voicemode.transports.page_line import NotAttached, PageLine
from voicemode.wire.page_line import PLAY_RATE, Begin, Duck, End, Kind, Ready, Ring, Said, SoundFrame, Unready

pytestmark = pytest.mark.anyio

RATE = PLAY_RATE
LAG_S = 0.15
"""More than two reports are apart, on a busy machine."""


@pytest.fixture
def visitors() -> PageVisitors:
    return PageVisitors()


@pytest.fixture
async def server(visitors: PageVisitors) -> AsyncIterator[Served]:
    lines = PageLines(visitors.new_key)
    async with served(access={"visitors": visitors}, more=lines.routes()) as server:
        yield server
        lines.aclose()


@pytest.fixture
def headers(server: Served, visitors: PageVisitors) -> dict[str, str]:
    """Of a browser that a link has let in."""
    return {"Cookie": f"{COOKIE}_1={visitors.admit(visitors.new_key())}", "Origin": server.url}


@pytest.fixture
async def line(server: Served) -> AsyncIterator[PageLine]:
    line = PageLine(server.netloc, SecretStr(TOKEN), "Claude", grace_s=1.0)
    yield line
    await line.aclose()


async def take(line: PageLine, *, wait_s: float = 0.5, ring_s: float = 0.3) -> NotAttached | None:
    return await line.take(wait_s=wait_s, ring_s=ring_s)


def ramp(seconds: float, rate: int = RATE) -> AudioChunk:
    """Each sample says where it is."""
    return AudioChunk((np.arange(round(seconds * rate)) % 30_000 + 1).astype(np.int16), rate)


def pattern(samples: int) -> Samples:
    return np.random.default_rng(1).integers(-9_000, 9_000, samples).astype(np.int16)


async def until(holds: object, within_s: float = 5.0) -> None:
    assert callable(holds)
    async with asyncio.timeout(within_s):
        while not holds():
            await asyncio.sleep(0.01)


async def hear(microphone: BrowserMicrophone) -> None:
    while await microphone.read() is not None:
        pass


async def hear_words(microphone: BrowserMicrophone) -> None:
    while (block := await microphone.read()) is not None and not (block.chunk.samples > 1).any():
        pass


async def speaking(line: PageLine) -> BrowserSpeaker:
    assert await take(line) is None
    speaker = BrowserSpeaker(line)
    await speaker.open()
    return speaker


class TestTaking:
    async def test_without_a_page_it_says_at_once_how_to_open_one(self, line: PageLine, visitors: PageVisitors) -> None:
        """With a key that works once."""
        began = time.monotonic()
        refused = await take(line, wait_s=60, ring_s=60)
        assert time.monotonic() - began < 3
        assert refused is not None
        assert visitors.admit(refused.key)
        assert visitors.admit(refused.key) is None

    async def test_a_page_is_told_who_talks(self, line: PageLine, server: Served, headers: dict[str, str]) -> None:
        """And when they do not any more."""
        async with attached(server.url, headers) as page:
            await until(lambda: page.kinds(Ring))
            assert await take(line) is None
            await until(lambda: page.kinds(Begin))
            assert page.kinds(Begin) == [Begin("Claude")]
            line.give()
            await until(lambda: page.kinds(End))

    async def test_a_page_that_nobody_allowed_to_speak_rings(
        self, line: PageLine, server: Served, headers: dict[str, str]
    ) -> None:
        """Whoever presses the button in time lets the call go on; else it is said what is missing."""
        async with attached(server.url, headers, ready=False) as page:
            assert await take(line) == NotAttached("")
            assert Ring("Claude") in page.kinds(Ring)
            await until(lambda: page.kinds(Ring)[-1] == Ring(""))
            taking = asyncio.create_task(take(line, ring_s=20))
            await until(lambda: page.kinds(Ring)[-1] == Ring("Claude"))
            await page.tell(Ready("Testbrowser"))
            assert await taking is None
            assert line.page == "Testbrowser"

    async def test_two_agents_never_talk_at_once(self, line: PageLine, server: Served, headers: dict[str, str]) -> None:
        """The second one is told who does, and gets the page when the first one gives it back, or dies."""
        other = PageLine(server.netloc, SecretStr(TOKEN), "Codex")
        async with attached(server.url, headers) as page:
            assert await take(line) is None
            told: list[str] = []
            with pytest.raises(FloorTakenError) as taken:
                await other.take(wait_s=0.2, ring_s=1, on_wait=told.append)
            assert (taken.value.holder, told) == ("Claude", ["Claude"])
            waiting = asyncio.create_task(take(other, wait_s=5))
            await asyncio.sleep(0.1)
            await line.aclose()
            assert await waiting is None
            await until(lambda: page.kinds(Begin) == [Begin("Claude"), Begin("Codex")])
        await other.aclose()

    async def test_a_second_page_is_no_second_voice(self, line: PageLine, server: Served, headers: dict[str, str]) -> None:
        """Whoever waits goes on waiting, also when another page is opened meanwhile."""
        other = PageLine(server.netloc, SecretStr(TOKEN), "Codex")
        async with attached(server.url, headers) as first:
            assert await take(line) is None
            waiting = asyncio.create_task(take(other, wait_s=0.6))
            await asyncio.sleep(0.1)
            async with attached(server.url, headers) as second:
                await asyncio.sleep(0.2)
                line.tell(Said("1", "assistant", "Hello", "in_flight"))
                await until(lambda: first.kinds(Said))
                with pytest.raises(FloorTakenError):
                    await waiting
                assert not second.kinds(Begin)
        await other.aclose()

    async def test_a_process_counts_who_needs_it(self, line: PageLine, server: Served, headers: dict[str, str]) -> None:
        """A conversation outlives its call."""
        async with attached(server.url, headers) as page:
            assert await take(line) is None
            line.hold_on()
            line.give()
            await asyncio.sleep(0.1)
            assert not page.kinds(End)
            line.give()
            await until(lambda: page.kinds(End))

    async def test_another_installations_server_is_told_apart(self, server: Served) -> None:
        """Its token is another one."""
        stranger = PageLine(server.netloc, SecretStr("a-token-of-somebody-else"), "Claude")
        with pytest.raises(PageLineError, match="another token"):
            await take(stranger)

    async def test_nobody_there_is_an_error_of_the_system(self) -> None:
        """So that somebody can start it."""
        with pytest.raises(ConnectionRefusedError):
            await take(PageLine("127.0.0.1:1", SecretStr(TOKEN), "Claude"))


class TestSpeaker:
    async def test_all_of_a_message_is_heard_once_and_in_order(
        self, line: PageLine, server: Served, headers: dict[str, str]
    ) -> None:
        """To the last sample; positions and instants follow the page."""
        async with attached(server.url, headers) as page:
            speaker = await speaking(line)
            began = time.monotonic()
            for _ in range(4):
                await speaker.play(ramp(0.25))
            await speaker.drain()
            took = time.monotonic() - began
            assert np.array_equal(page.sound, np.concatenate([ramp(0.25).samples] * 4))
            assert 0.9 < took < 2.5
            assert speaker.played_s == pytest.approx(1.0, abs=0.001)
            first, last = speaker.first_sound_at, speaker.audible_until
            assert first is not None
            assert last is not None
            assert 0.9 < last - first < 1.3
            assert began < first
            await speaker.close()

    async def test_no_more_is_on_its_way_than_can_be_taken_back(
        self, line: PageLine, server: Served, headers: dict[str, str]
    ) -> None:
        """Half a second, however much is queued."""
        async with attached(server.url, headers) as page:
            speaker = await speaking(line)
            await speaker.play(ramp(5.0))
            await asyncio.sleep(0.3)
            assert 4.0 < speaker.queued_s < 4.9
            await speaker.close()
            heard = len(page.sound)
            await asyncio.sleep(0.2)
            assert len(page.sound) <= heard + RATE * LAG_S

    async def test_a_pause_is_silent_and_goes_on_with_the_first_sample_that_was_not_heard(
        self, line: PageLine, server: Served, headers: dict[str, str]
    ) -> None:
        """As if nothing had been."""
        sound = AudioChunk(pattern(RATE), RATE)
        async with attached(server.url, headers) as page:
            speaker = await speaking(line)
            await speaker.play(sound)
            await asyncio.sleep(0.4)
            await speaker.pause()
            paused_at = speaker.played_s
            assert len(page.sound) == round(paused_at * RATE)
            await asyncio.sleep(0.3)
            assert speaker.paused
            assert (len(page.sound), speaker.played_s) == (round(paused_at * RATE), paused_at)
            await speaker.resume()
            await speaker.drain()
            assert np.array_equal(page.sound, sound.samples)
            await speaker.close()

    async def test_what_was_said_last_can_be_said_again(self, line: PageLine, server: Served, headers: dict[str, str]) -> None:
        """From an earlier position."""
        sound = AudioChunk(pattern(RATE), RATE)
        async with attached(server.url, headers) as page:
            speaker = await speaking(line)
            await speaker.play(sound)
            await asyncio.sleep(0.6)
            await speaker.pause()
            reached = len(page.sound)
            again = reached - RATE // 10
            await speaker.resume(again / RATE)
            await speaker.drain()
            assert np.array_equal(page.sound, np.concatenate([sound.samples[:reached], sound.samples[again:]]))
            assert speaker.played_s == pytest.approx(1.0, abs=0.001)
            await speaker.close()

    async def test_stop_forgets_what_was_not_heard(self, line: PageLine, server: Served, headers: dict[str, str]) -> None:
        """And the next message begins at once."""
        async with attached(server.url, headers) as page:
            speaker = await speaking(line)
            await speaker.play(AudioChunk(pattern(RATE), RATE))
            await asyncio.sleep(0.3)
            speaker.stop()
            assert speaker.played_s < 0.5
            heard = len(page.sound)
            await speaker.play(ramp(0.2))
            await speaker.drain()
            assert np.array_equal(page.sound[-RATE // 5 :], ramp(0.2).samples)
            assert len(page.sound) - RATE // 5 <= heard + RATE * LAG_S
            await speaker.close()

    async def test_what_is_withdrawn_is_not_heard(self, line: PageLine, server: Served, headers: dict[str, str]) -> None:
        """Unless it was on its way."""
        async with attached(server.url, headers) as page:
            speaker = await speaking(line)
            await speaker.play(ramp(1.0))
            mark = speaker.mark()
            await speaker.play(AudioChunk(pattern(RATE), RATE))
            speaker.withdraw(mark)
            await speaker.play(ramp(0.1))
            await speaker.drain()
            assert np.array_equal(page.sound, np.concatenate([ramp(1.0).samples, ramp(0.1).samples]))
            await speaker.close()

    async def test_ducking_is_the_pages(self, line: PageLine, server: Served, headers: dict[str, str]) -> None:
        """At once, and not when what is on its way was heard."""
        async with attached(server.url, headers) as page:
            speaker = await speaking(line)
            speaker.duck(-12.0)
            await until(lambda: page.kinds(Duck))
            assert page.kinds(Duck) == [Duck(-12.0)]
            await speaker.close()

    async def test_the_far_end_is_what_the_page_played_when_it_played_it(
        self, line: PageLine, server: Served, headers: dict[str, str]
    ) -> None:
        """Silence before it and after a pause, and the sound in between."""
        async with attached(server.url, headers):
            speaker = await speaking(line)
            began = time.monotonic()
            await speaker.play(AudioChunk(pattern(RATE), RATE))
            await asyncio.sleep(0.6)
            await speaker.pause()
            ended = time.monotonic()
            first = speaker.first_sound_at
            assert first is not None
            heard = speaker.far_end.heard(began - 0.5, ended + 0.5)
            audible = np.flatnonzero(np.abs(heard) > 100) / 16_000 + began - 0.5
            assert audible[0] == pytest.approx(first, abs=0.05)
            assert audible[-1] == pytest.approx(first + speaker.played_s, abs=0.05)
            await speaker.close()

    async def test_a_page_that_plays_nothing_is_not_waited_for(
        self, line: PageLine, server: Served, headers: dict[str, str]
    ) -> None:
        """A page that hangs."""
        async with attached(server.url, headers, hangs=True):
            assert await take(line) is None
            speaker = BrowserSpeaker(line)
            opening = asyncio.create_task(speaker.open())
            await asyncio.sleep(0.1)
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
            await speaker.close()


class TestMicrophone:
    async def test_what_the_page_hears_comes_in_order_with_its_time(
        self, line: PageLine, server: Served, headers: dict[str, str]
    ) -> None:
        """By our clock, whatever the page's says."""
        said = pattern(16_000)
        async with attached(server.url, headers) as page:
            assert await take(line) is None
            microphone = BrowserMicrophone(line)
            await microphone.open()
            assert microphone.name == "a microphone"
            page.say(said)
            blocks, heard = [], 0
            while heard < 24_000:
                block = await microphone.read()
                assert block is not None
                late = time.monotonic() - block.captured_at
                assert 0 < late < 0.5
                blocks.append(block.chunk.samples)
                heard += len(block.chunk.samples)
            whole = np.concatenate(blocks)
            start = int(np.flatnonzero(whole != 1)[0])
            assert np.array_equal(whole[start : start + len(said)], said)
            await microphone.close()
            assert await microphone.read() is None
            await until(lambda: not page.listens)

    async def test_nothing_is_sent_while_it_is_closed(self, line: PageLine, server: Served, headers: dict[str, str]) -> None:
        """The page listens for as long as somebody does."""
        async with attached(server.url, headers) as page:
            assert await take(line) is None
            microphone = BrowserMicrophone(line)
            await until(lambda: not page.listens)
            await microphone.open()
            await until(lambda: page.listens)
            await microphone.close()
            await until(lambda: not page.listens)

    async def test_sound_that_was_on_its_way_when_it_was_opened_anew_is_let_go(
        self, line: PageLine, server: Served, headers: dict[str, str]
    ) -> None:
        """It belongs to a turn that is over."""
        async with attached(server.url, headers) as page:
            assert await take(line) is None
            microphone = BrowserMicrophone(line)
            await microphone.open()
            await until(lambda: page.listens)
            late = SoundFrame(Kind.CAPTURED, 999, 0, np.full(320, 7, dtype="<i2").tobytes())
            microphone.heard(late, time.monotonic())
            block = await microphone.read()
            assert block is not None
            assert not (block.chunk.samples == 7).any()
            await microphone.close()


class TestPageThatGoes:
    async def test_it_is_lost_after_the_grace_time(self, line: PageLine, server: Served, headers: dict[str, str]) -> None:
        """With what to do, for both devices."""
        async with attached(server.url, headers):
            speaker = await speaking(line)
            microphone = BrowserMicrophone(line)
            await microphone.open()
            await speaker.play(ramp(3.0))
        with pytest.raises(PageLostError, match="Open the page again"):
            await speaker.drain()
        with pytest.raises(PageLostError):
            await hear(microphone)
        await speaker.close()
        await microphone.close()
        line.give()
        assert isinstance(await take(line), NotAttached)

    async def test_one_that_is_loaded_again_goes_on(self, line: PageLine, server: Served, headers: dict[str, str]) -> None:
        """The rest of the message is heard, and the microphone hears on."""
        sound = AudioChunk(pattern(2 * RATE), RATE)
        async with attached(server.url, headers) as first:
            speaker = await speaking(line)
            microphone = BrowserMicrophone(line)
            await microphone.open()
            await speaker.play(sound)
            await asyncio.sleep(0.5)
        draining = asyncio.create_task(speaker.drain())
        async with attached(server.url, headers) as second:
            await draining
            rest = second.sound
            assert np.array_equal(rest, sound.samples[-len(rest) :])
            assert 2 * RATE - len(first.sound) <= len(rest) + RATE * LAG_S
            assert speaker.played_s == pytest.approx(2.0, abs=0.001)
            second.say(pattern(1_600))
            async with asyncio.timeout(5):
                await hear_words(microphone)
            await microphone.close()
            await speaker.close()

    async def test_one_whose_person_has_enough_is_as_good_as_gone(
        self, line: PageLine, server: Served, headers: dict[str, str]
    ) -> None:
        """They withdrew what the button gave."""
        async with attached(server.url, headers) as page:
            speaker = await speaking(line)
            await page.tell(Unready())
            await until(lambda: not line.present)
            with pytest.raises(PageLostError):
                await speaker.play(ramp(0.1))
            await speaker.close()

    async def test_a_server_that_ends_is_told_at_once(self, headers: dict[str, str], server: Served, line: PageLine) -> None:
        """Nobody waits for a page that cannot come back."""
        async with attached(server.url, headers):
            speaker = await speaking(line)
            await line.aclose()
            with pytest.raises(PageLostError):
                await speaker.play(ramp(0.1))
            await speaker.close()


async def test_captions_reach_the_page_of_who_talks_and_nobody_else(
    line: PageLine, server: Served, headers: dict[str, str]
) -> None:
    """Two pages are open; the newest that is ready is used."""
    async with attached(server.url, headers) as older, attached(server.url, headers) as newer:
        await until(lambda: newer.kinds(Ring))
        assert await take(line) is None
        line.tell(Said("1", "assistant", "Hello", "in_flight"))
        await until(lambda: newer.kinds(Said))
        assert not older.kinds(Said)
        assert isinstance(newer, SimulatedPage)
