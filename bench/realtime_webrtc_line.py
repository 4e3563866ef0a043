"""A WebRTC call to the realtime server: a microphone whose every sample has its time, packets judged as they arrive."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import numpy as np
import soxr
from aiortc.rtp import RtpPacket

from bench.realtime_sounds import WIRE_RATE
from tests.transports.webrtc_client import RATE, Client, client
from voicemode.audio import FULL_SCALE, Samples
from voicemode.transports.webrtc_codecs import Decoder

__all__ = ["MediaLine", "is_loud", "media_line"]

_PACKET_S = 0.02
_CONNECT_S = 20.0
_LOUD_DBFS = -50.0
"""Well over what Opus makes of silence, well under any speech."""


def is_loud(samples: Samples) -> bool:
    """Is there more than silence in it?"""
    level = np.sqrt(np.mean(samples.astype(np.float64) ** 2)) if len(samples) else 0.0
    return bool(level > FULL_SCALE * 10 ** (_LOUD_DBFS / 20))


class MediaLine:
    """One call that is open."""

    def __init__(self, far: Client, heard: Callable[[Samples, float], None], message: Callable[[str, float], None]) -> None:
        """``heard`` is told each packet's 20 ms at 48 kHz and when it came, ``message`` each event and when it came."""
        self._far, self._heard, self._message = far, heard, message
        self._decoder = Decoder("opus")

    async def open(self, url: str, headers: dict[str, str]) -> None:
        """``url`` is that of the calls. Returns when messages can be sent."""
        opened = asyncio.Event()
        self._far.channel.on("open", opened.set)
        self._far.channel.on("message", lambda text: self._message(text, time.monotonic()))
        async with httpx2.AsyncClient(trust_env=False, timeout=_CONNECT_S) as http:
            content = {"content-type": "application/sdp"}
            answer = await http.post(url, content=await self._far.offer(), headers=headers | content)
            answer.raise_for_status()
        # aiortc's receiver delays by four packets, as a player may; when a packet came is asked here.
        receiver: Any = self._far.connection.getTransceivers()[0].receiver
        receiver._handle_rtp_packet = self._packet
        await self._far.take(answer.text)
        async with asyncio.timeout(_CONNECT_S):
            await opened.wait()
            while self._far.voice._began is None:
                await asyncio.sleep(_PACKET_S)

    def send(self, text: str) -> None:
        """An event."""
        self._far.channel.send(text)

    def say(self, samples: Samples) -> float:
        """Speak 24 kHz sound from the next packet on. When its first sample is spoken: a packet leaves with its last."""
        voice = self._far.voice
        assert voice._began is not None
        at_rate = np.asarray(soxr.resample(samples.astype(np.float32), WIRE_RATE, RATE))
        voice.waiting = np.clip(at_rate, -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
        return voice._began + (voice._frames - 1) * _PACKET_S

    async def _packet(self, packet: RtpPacket, arrival_time_ms: int) -> None:  # noqa: ARG002
        now = time.monotonic()
        self._heard(self._decoder.decode(packet.payload), now)


@contextlib.asynccontextmanager
async def media_line(
    url: str, headers: dict[str, str], *, heard: Callable[[Samples, float], None], message: Callable[[str, float], None]
) -> AsyncIterator[MediaLine]:
    """A call that is hung up in the end."""
    async with client() as far:
        line = MediaLine(far, heard, message)
        await line.open(url, headers)
        yield line
