"""A page as microphone, one that goes and comes back, and captions."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest

from tests.http.serving import Served
from tests.transports.on_the_line import LAG_S, RATE, hear, hear_words, pattern, ramp, speaking, take, until
from tests.transports.page import SimulatedPage, attached
from voicemode.audio import AudioChunk
from voicemode.errors import PageLostError
from voicemode.transports.browser_microphone import BrowserMicrophone
from voicemode.transports.page_line import NotAttached, PageLine
from voicemode.wire.page_line import Kind, Ring, Said, SoundFrame, Unready

pytestmark = pytest.mark.anyio


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
