"""A client as browsers are one: aiortc's peer connection, on loopback only, with sound to say and ears for what it hears."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from fractions import Fraction
from typing import Any

import av
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError

from voicemode.audio import Samples
from voicemode.transports.webrtc import CHANNEL

__all__ = ["RATE", "Client", "client", "tone"]

RATE = 48_000
_FRAME = 960


def tone(hertz: float, seconds: float, rate: int, level: int = 8000) -> Samples:
    """A sine that begins at 0."""
    return (level * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.int16)


class _Voice(MediaStreamTrack):
    """Says what it is given, in real time, and is silent before and after."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self.waiting: Samples = np.zeros(0, dtype=np.int16)
        self._began: float | None = None
        self._frames = 0

    async def recv(self) -> av.AudioFrame:
        now = asyncio.get_running_loop().time()
        self._began = self._began if self._began is not None else now
        await asyncio.sleep(max(self._began + self._frames * _FRAME / RATE - now, 0))
        piece, self.waiting = self.waiting[:_FRAME], self.waiting[_FRAME:]
        both = np.repeat(np.pad(piece, (0, _FRAME - len(piece))), 2)
        frame = av.AudioFrame.from_ndarray(both[np.newaxis], format="s16", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._frames * _FRAME, Fraction(1, RATE)
        self._frames += 1
        return frame


class Client:
    """One peer that offers."""

    def __init__(self, *, codec: str = "opus", channel: str = CHANNEL) -> None:
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self.voice = _Voice()
        self.connection.addTrack(self.voice)
        transceiver = self.connection.getTransceivers()[0]
        capabilities = RTCRtpSender.getCapabilities("audio").codecs
        transceiver.setCodecPreferences([each for each in capabilities if each.name.lower() == codec])
        self._packets = 0
        self._lost: Callable[[int], bool] = lambda _: False
        self.messages: list[Any] = []
        self.frames: list[Samples] = []
        """What was heard, 48 kHz mono."""
        self.changed = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None
        self.channel = self.connection.createDataChannel(channel)
        self.channel.on("message", self._message)
        self.connection.on("track", self._track)

    async def offer(self) -> str:
        """Its offer, with a candidate on loopback and nowhere else."""
        gatherer = self.connection.getTransceivers()[0].receiver.transport.transport.iceGatherer
        gather = gatherer._connection.get_component_candidates

        async def on_loopback(component: int, addresses: list[str], timeout: int = 5) -> Any:
            return await gather(component, ["127.0.0.1"], timeout)

        gatherer._connection.get_component_candidates = on_loopback  # type: ignore[method-assign]
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return self.connection.localDescription.sdp

    async def take(self, answer: str) -> None:
        """The server's answer."""
        self._count()
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    def lose(self, lost: Callable[[int], bool]) -> None:
        """Do not send those packets of its sound: they are counted from 0."""
        self._lost = lost

    @property
    def said_s(self) -> float:
        """Seconds of sound that were sent, or lost on the way: a clock that stands still while this client does."""
        return self._packets * _FRAME / RATE

    def _count(self) -> None:
        transport = self.connection.getTransceivers()[0].sender.transport
        send = transport._send_rtp

        async def counted(data: bytes) -> None:
            if not 192 <= data[1] <= 223:  # RTCP: RFC 5761, 4
                self._packets += 1
                if self._lost(self._packets - 1):
                    return
            await send(data)

        transport._send_rtp = counted  # type: ignore[method-assign]

    async def until(self, reached: Callable[[], bool], seconds: float = 10.0) -> None:
        """Wait for something that comes with a message or a frame."""
        async with asyncio.timeout(seconds):
            while not reached():
                self.changed.clear()
                await self.changed.wait()

    @property
    def heard(self) -> Samples:
        """All of it so far."""
        return np.concatenate(self.frames) if self.frames else np.zeros(0, dtype=np.int16)

    async def close(self) -> None:
        await self.connection.close()
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait({self._listening})

    def _message(self, message: Any) -> None:
        self.messages.append(message)
        self.changed.set()

    def _track(self, track: MediaStreamTrack) -> None:
        self._listening = asyncio.create_task(self._listen(track))

    async def _listen(self, track: MediaStreamTrack) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                assert isinstance(frame, av.AudioFrame)
                channels = len(frame.layout.channels)
                self.frames.append(frame.to_ndarray().reshape(-1)[::channels].astype(np.int16))
                self.changed.set()


@contextlib.asynccontextmanager
async def client(**options: Any) -> AsyncIterator[Client]:
    """One that is closed in the end."""
    made = Client(**options)
    try:
        yield made
    finally:
        await made.close()
