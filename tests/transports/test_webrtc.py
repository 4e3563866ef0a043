"""Two peers on loopback: what one says the other hears, messages go both ways, and in the end nothing is left."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from tests.transports.webrtc_client import RATE, Client, client, tone
from voicemode.audio import Samples
from voicemode.transports.errors import OfferError
from voicemode.transports.webrtc import Callbacks, PeerGoneError, PeerTimes, WebRtcPeer

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Server:
    """A peer and what it was told."""

    def __init__(self, **options: Any) -> None:
        self.blocks: list[Samples] = []
        self.rates: set[int] = set()
        self.messages: list[str | bytes] = []
        self.opened, self.ended = asyncio.Event(), asyncio.Event()
        self.reasons: list[str] = []
        callbacks = Callbacks(self._audio, self.messages.append, self.opened.set, self._ended)
        self.peer = WebRtcPeer(callbacks, addresses=("127.0.0.1",), **options)

    @property
    def heard(self) -> Samples:
        return np.concatenate(self.blocks) if self.blocks else np.zeros(0, dtype=np.int16)

    async def until_heard(self, seconds: float) -> None:
        """So much sound has come, by the sound's own time."""
        async with asyncio.timeout(seconds + 10):
            while sum(map(len, self.blocks)) < seconds * RATE:
                await asyncio.sleep(0.02)

    def _audio(self, samples: Samples, rate: int) -> None:
        self.blocks.append(samples)
        self.rates.add(rate)

    def _ended(self, why: str) -> None:
        self.reasons.append(why)
        self.ended.set()


@contextlib.asynccontextmanager
async def connected(far: Client, **options: Any) -> AsyncIterator[Server]:
    """A server that answered the client, and to which its data channel is open."""
    server = Server(**options)
    try:
        await far.take(await server.peer.answer(await far.offer()))
        async with asyncio.timeout(10):
            await server.opened.wait()
        yield server
    finally:
        await server.peer.aclose()


class Listener:
    def __init__(self) -> None:
        self.happened: list[tuple[str, str]] = []
        self.stopped = asyncio.Event()

    def playout_started(self, response_id: str) -> None:
        self.happened.append(("started", response_id))

    def playout_stopped(self, response_id: str) -> None:
        self.happened.append(("stopped", response_id))
        self.stopped.set()


def descriptors() -> int:
    """Open ones of this process."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def native_threads() -> int:
    """Of this process, those of libraries too."""
    return int(psutil.Process().num_threads())


def levels(sound: Samples, rate: int = RATE) -> list[float]:
    """Root mean square of each 20 ms."""
    frame = rate // 50
    whole = sound[: len(sound) // frame * frame].astype(np.float64).reshape(-1, frame)
    return [float(level) for level in np.sqrt(np.mean(whole**2, axis=1))]


def pitch(sound: Samples, rate: int) -> float:
    """The loudest frequency, in hertz."""
    spectrum = np.abs(np.fft.rfft(sound.astype(np.float64) * np.hanning(len(sound))))
    return float(np.argmax(spectrum) * rate / len(sound))


def loud(sound: Samples, rate: int = RATE) -> Samples:
    """From the first loud frame to the last one."""
    frames = [number for number, level in enumerate(levels(sound, rate)) if level > 500]
    return sound[frames[0] * rate // 50 : (frames[-1] + 1) * rate // 50] if frames else sound[:0]


@pytest.mark.parametrize(("codec", "rate"), [("opus", 48_000), ("pcmu", 8000), ("pcma", 8000)])
async def test_what_the_person_says_is_heard_whole_at_its_pitch_and_level(codec: str, rate: int) -> None:
    """Half a second of a tone, mono, without a hole in it, as loud as it was."""
    async with client(codec=codec) as far, connected(far, clock=lambda: 0.0) as server:
        far.voice.waiting = np.concatenate((np.zeros(RATE // 5, dtype=np.int16), tone(440, 0.5, RATE)))
        async with asyncio.timeout(10):
            while len(loud(server.heard, rate)) < rate * 0.48:
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.1)
        sound = loud(server.heard, rate)
        assert server.rates == {rate}
        assert 0.48 <= len(sound) / rate <= 0.56
        assert abs(pitch(sound, rate) - 440) < 5
        inner = levels(sound, rate)[2:-2]
        assert min(inner) > 0.8 * max(inner)
        assert abs(np.median(inner) / (8000 / np.sqrt(2)) - 1) < 0.1


async def test_what_the_assistant_says_is_heard_whole_and_its_start_and_end_are_told() -> None:
    """A second of a tone at 24 kHz: as long, as high and as loud at the other end, and silence before and after."""
    async with client() as far, connected(far) as server:
        listener = Listener()
        server.peer.playout.listen(listener)
        server.peer.playout.write("r1", tone(300, 0.4, 24_000))
        server.peer.playout.write("r1", tone(300, 0.6, 24_000))
        server.peer.playout.finish("r1")
        async with asyncio.timeout(10):
            await listener.stopped.wait()
        await far.until(lambda: len(far.frames) > 0 and levels(far.heard)[-1] < 50 and len(loud(far.heard)) > 0.9 * RATE)
        sound = loud(far.heard)
        assert listener.happened == [("started", "r1"), ("stopped", "r1")]
        assert abs(len(sound) / RATE - 1.0) <= 0.06
        assert abs(pitch(sound, RATE) - 300) < 2
        inner = levels(sound)[2:-2]
        assert min(inner) > 0.8 * max(inner)


async def test_a_flush_is_silent_within_a_packet_and_tells_what_was_heard_to_20_ms() -> None:
    """What the client heard of the answer is as long as the server says, and what is written later is not heard."""
    async with client() as far, connected(far) as server:
        server.peer.playout.write("r1", tone(300, 5.0, 24_000))
        await far.until(lambda: len(loud(far.heard)) > 0.3 * RATE)
        heard_ms = server.peer.playout.flush()
        assert server.peer.playout.queued_s == 0
        server.peer.playout.write("r1", tone(300, 1.0, 24_000))
        count = len(far.frames)
        await far.until(lambda: len(far.frames) > count + 30)
        assert levels(far.heard)[-1] < 50
        # aiortc's receiver loses nothing on loopback, so what it got is what left. An edge may halve a frame.
        assert abs(len(loud(far.heard)) / RATE * 1000 - heard_ms) <= 20


async def test_lost_packets_are_silence_where_they_were_and_nothing_moves() -> None:
    """Each tenth packet of two seconds is lost: the tone keeps its length, and the holes are as many as packets."""
    async with client() as far, connected(far, clock=lambda: far.said_s) as server:
        far.lose(lambda number: number % 10 == 9)
        far.voice.waiting = np.concatenate((np.zeros(RATE // 5, dtype=np.int16), tone(440, 2.0, RATE)))
        await server.until_heard(3.0)
        sound = loud(server.heard)
        assert abs(len(sound) / RATE - 2.0) <= 0.06
        holes = sum(level < 100 for level in levels(sound))
        assert 8 <= holes <= 11
        assert server.peer.lost_packets >= 9


async def test_while_nothing_is_sent_the_person_is_silent_in_real_time() -> None:
    """As with a track that was taken away, or Opus DTX."""
    async with client() as far, connected(far) as server:
        await server.until_heard(0.2)
        far.lose(lambda _: True)
        before, began = sum(map(len, server.blocks)), asyncio.get_running_loop().time()
        await asyncio.sleep(1.0)
        passed = asyncio.get_running_loop().time() - began
        assert passed / 2 < (sum(map(len, server.blocks)) - before) / RATE < passed + 0.5


async def test_messages_go_both_ways_whole_and_in_order() -> None:
    """Small and large ones, and some in letters that take several bytes."""
    async with client() as far, connected(far) as server:
        for number in range(5):
            await server.peer.send(f"down {number}")
        await server.peer.send("x" * 200_000)
        await far.until(lambda: len(far.messages) == 6)
        for number in range(5):
            far.channel.send(f"up {number}")
        far.channel.send("ü" * 100_000)
        async with asyncio.timeout(10):
            while len(server.messages) < 6:
                await asyncio.sleep(0.02)
        assert far.messages == [*(f"down {number}" for number in range(5)), "x" * 200_000]
        assert server.messages == [*(f"up {number}" for number in range(5)), "ü" * 100_000]


async def test_what_was_sent_before_the_end_still_arrives() -> None:
    """A peer that closes says its last words."""
    async with client() as far, connected(far) as server:
        await server.peer.send("the last words")
        await server.peer.aclose(drain_s=0.5)
        await far.until(lambda: far.messages == ["the last words"])
        with pytest.raises(PeerGoneError):
            await server.peer.send("more")


async def test_a_client_that_hangs_up_ends_the_call_once() -> None:
    """Its farewell is heard at once."""
    async with client() as far, connected(far) as server:
        await far.connection.close()
        async with asyncio.timeout(5):
            await server.ended.wait()
        with pytest.raises(PeerGoneError):
            await server.peer.send("anyone?")
        await server.peer.aclose()
        assert len(server.reasons) == 1


async def test_a_client_that_vanishes_is_noticed() -> None:
    """Nothing more is heard of it, by whatever way."""
    async with client() as far, connected(far, times=PeerTimes(silent_s=0.5)) as server:
        ice = far.connection.getTransceivers()[0].sender.transport.transport._connection
        for protocol in ice._protocols:
            protocol.transport.pause_reading()  # type: ignore[attr-defined]  # the socket's, as asyncio makes them

        async def nothing(data: bytes, component: int) -> None:
            return

        ice.sendto = nothing  # type: ignore[method-assign]
        for protocol in ice._protocols:
            protocol.send_stun = lambda message, addr: None  # type: ignore[method-assign]
        async with asyncio.timeout(5):
            await server.ended.wait()
        assert server.reasons == ["nothing heard"]


async def test_a_client_that_never_comes_is_not_waited_for() -> None:
    """It asked, and took no answer."""
    async with client() as far:
        server = Server(times=PeerTimes(connect_s=0.2))
        await server.peer.answer(await far.offer())
        async with asyncio.timeout(5):
            await server.ended.wait()
        assert server.reasons == ["no connection in time"]
        await server.peer.aclose()


async def test_a_channel_of_another_name_is_not_ours() -> None:
    """Its messages are nobody's, and the call does not begin with it."""
    async with client(channel="other") as far:
        server = Server(times=PeerTimes(connect_s=1.0))
        await far.take(await server.peer.answer(await far.offer()))
        async with asyncio.timeout(5):
            await server.ended.wait()
        assert (server.messages, server.opened.is_set()) == ([], False)
        await server.peer.aclose()


async def test_the_server_is_reached_at_its_own_address_and_nowhere_else() -> None:
    """No other candidate, and no socket that listens elsewhere."""
    async with client() as far:
        server = Server()
        answer = await server.peer.answer(await far.offer())
        candidates = {line.split()[4] for line in answer.splitlines() if line.startswith("a=candidate")}
        assert candidates == {"127.0.0.1"}
        await server.peer.aclose()


async def test_an_offer_that_cannot_be_answered_leaves_nothing_open() -> None:
    """And says so by its type."""
    server = Server()
    before = descriptors()
    with pytest.raises(OfferError):
        await server.peer.answer("v=0\r\n")
    with pytest.raises(PeerGoneError):
        _ = server.peer.playout
    assert descriptors() == before


async def test_a_hundred_calls_leave_no_task_socket_or_thread() -> None:
    """One after the other, each of them spoken into; closed by the server, or by the client."""

    async def one(number: int) -> None:
        async with client() as far, connected(far) as server:
            server.peer.playout.write("r", tone(300, 1.0, 24_000))
            await far.until(lambda: len(far.frames) > 1)
            if number % 2:
                await far.connection.close()

    # The client's encoders run in the loop's own pool, which is grown to its bound: 32 threads, or four more than processors.
    await asyncio.gather(*(asyncio.to_thread(time.sleep, 0.1) for _ in range(40)))
    await asyncio.gather(*(one(number) for number in range(10)))
    gc.collect()
    await asyncio.sleep(0.1)
    tasks, sockets, threads = asyncio.all_tasks(), descriptors(), native_threads()
    for start in range(0, 100, 10):
        await asyncio.gather(*(one(start + number) for number in range(10)))
    gc.collect()
    await asyncio.sleep(0.1)
    assert asyncio.all_tasks() == tasks
    assert descriptors() <= sockets
    assert native_threads() <= threads


async def test_a_close_that_was_cancelled_is_finished_all_the_same() -> None:
    """Whoever closes again waits until all is freed."""
    async with client() as far, connected(far) as server:
        await far.until(lambda: len(far.frames) > 0)
        open_before = descriptors()
        closing = asyncio.create_task(server.peer.aclose())
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait({closing})
        await server.peer.aclose()
        assert descriptors() < open_before
