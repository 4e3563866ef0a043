"""A page as the line sees it, in Python: it plays to nowhere in real time, and hears what it is given."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from voicemode.audio import Samples
from voicemode.wire.page_line import (
    CAPTURE_RATE,
    PLAY_RATE,
    CloseMicrophone,
    CloseSpeaker,
    Complete,
    Cut,
    Kind,
    Message,
    MicrophoneOpened,
    OpenMicrophone,
    OpenSpeaker,
    Played,
    Ready,
    SoundFrame,
    SpeakerOpened,
    WasCut,
    decode,
    decode_sound,
    encode,
    encode_sound,
)

__all__ = ["SimulatedPage", "attached"]

_TICK_S = 0.02
_REPORT_TICKS = 3


class SimulatedPage:
    """One tab. ``says`` is heard by its microphone, silence before and after it."""

    def __init__(self, socket: ClientConnection, *, hangs: bool = False) -> None:
        """``hangs``: it takes everything and answers nothing about its loudspeaker."""
        self._socket, self._hangs = socket, hangs
        self.told: list[Message] = []
        self.heard: list[Samples] = []
        """What was audible, run after run."""
        self._queue = bytearray()
        self._position = 0
        self._speaker: int | None = None
        self._microphone: int | None = None
        self._captured = 0
        self._says = np.zeros(0, dtype=np.int16)
        self._zero = time.monotonic() - 1000.0
        """Its clock is another one."""

    @property
    def sound(self) -> Samples:
        return np.concatenate([np.zeros(0, dtype=np.int16), *self.heard])

    @property
    def listens(self) -> bool:
        return self._microphone is not None

    def say(self, samples: Samples) -> None:
        """From now on its microphone hears these; 16 kHz."""
        self._says = np.concatenate([self._says, samples])

    def kinds(self, kind: type[Message]) -> list[Message]:
        return [message for message in self.told if isinstance(message, kind)]

    async def tell(self, message: Message) -> None:
        await self._socket.send(encode(message))

    async def run(self) -> None:
        ticking = asyncio.create_task(self._tick())
        try:
            async for frame in self._socket:
                if isinstance(frame, bytes):
                    self._take(decode_sound(frame))
                elif (message := decode(frame)) is not None:
                    self.told.append(message)
                    await self._obey(message)
        except ConnectionClosed:
            pass
        finally:
            ticking.cancel()
            await asyncio.gather(ticking, return_exceptions=True)

    async def close(self) -> None:
        await self._socket.close()

    def _now_ms(self) -> float:
        return (time.monotonic() - self._zero) * 1000

    def _take(self, frame: SoundFrame) -> None:
        if frame.run == self._speaker:
            if not self._queue:
                self._position = frame.position
            self._queue += frame.samples

    async def _obey(self, message: Message) -> None:
        match message:
            case OpenSpeaker(run=run):
                self._speaker, self._position = run, 0
                self._queue.clear()
                if not self._hangs:
                    await self.tell(SpeakerOpened(run, 20.0))
            case Cut(run=run):
                self._speaker = run
                self._queue.clear()
                if not self._hangs:
                    await self.tell(WasCut(run, self._position, self._now_ms(), self._now_ms()))
            case CloseSpeaker():
                self._speaker = None
            case OpenMicrophone(run=run):
                self._microphone, self._captured = run, 0
                await self.tell(MicrophoneOpened(run, "a microphone"))
            case CloseMicrophone():
                self._microphone = None
            case Complete():
                pass

    async def _tick(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            began, ticks = time.monotonic(), 0
            while True:
                ticks += 1
                await asyncio.sleep(max(began + ticks * _TICK_S - time.monotonic(), 0))
                await self._play(ticks)
                await self._hear()

    async def _play(self, ticks: int) -> None:
        if self._speaker is None or not self._queue or self._hangs:
            return
        count = 2 * round(PLAY_RATE * _TICK_S)
        played, self._queue = bytes(self._queue[:count]), self._queue[count:]
        self.heard.append(np.frombuffer(played, dtype="<i2").astype(np.int16))
        self._position += len(played) // 2
        if ticks % _REPORT_TICKS == 0 or not self._queue:
            await self.tell(Played(self._speaker, self._position, self._now_ms() + 1000 * _TICK_S, self._now_ms()))

    async def _hear(self) -> None:
        if self._microphone is None:
            return
        count = round(CAPTURE_RATE * _TICK_S)
        block, self._says = self._says[:count], self._says[count:]
        block = np.concatenate([block, np.ones(count - len(block), dtype=np.int16)])
        at_ms = int(self._now_ms() - 1000 * _TICK_S)
        data = block.astype("<i2").tobytes()
        await self._socket.send(encode_sound(SoundFrame(Kind.CAPTURED, self._microphone, self._captured, data, at_ms)))
        self._captured += count


@contextlib.asynccontextmanager
async def attached(
    url: str, headers: dict[str, str], *, ready: bool = True, hangs: bool = False
) -> AsyncIterator[SimulatedPage]:
    """A page that is open while the block runs. ``url`` is the server's; ``headers`` let it in."""
    async with connect(f"{url.replace('http', 'ws', 1)}/api/page/line", additional_headers=headers, proxy=None) as socket:
        page = SimulatedPage(socket, hangs=hangs)
        running = asyncio.create_task(page.run())
        try:
            if ready:
                await page.tell(Ready("Testbrowser"))
            yield page
        finally:
            await socket.close()
            await running
