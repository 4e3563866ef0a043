"""A page as microphone and loudspeaker: what is played, paused and heard, over the server's own line."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest
from pydantic import SecretStr

from tests.http.serving import TOKEN, Served
from tests.transports.on_the_line import LAG_S, RATE, pattern, ramp, speaking, take, until
from tests.transports.page import attached
from voicemode.audio import AudioChunk
from voicemode.errors import FloorTakenError
from voicemode.http.page_visitors import PageVisitors
from voicemode.transports.browser import BrowserSpeaker
from voicemode.transports.errors import PageLineError
from voicemode.transports.page_line import NotAttached, PageLine
from voicemode.wire.page_line import Begin, Duck, End, Ready, Ring, Said

pytestmark = pytest.mark.anyio


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
