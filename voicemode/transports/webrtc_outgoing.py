"""The assistant's track: queued sound, sent as a packet every 20 ms by the clock, silence included."""

from __future__ import annotations

import asyncio
from fractions import Fraction
from typing import Any

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av.packet import Packet

from voicemode.audio import Samples
from voicemode.core.playout_queue import PlayoutQueue
from voicemode.playout import PlayoutListener
from voicemode.transports.webrtc_codecs import SPEECH_RATE, Encoder

__all__ = ["FRAME_S", "PlayoutTrack"]

FRAME_S = 0.02
"""Seconds in a packet, as browsers expect them."""
_FRAME = SPEECH_RATE // 50

_STALL_S = 0.2
"""Later than that, packets are left out instead of sent all at once: a browser's buffer would drop them."""


class PlayoutTrack(MediaStreamTrack):
    """A ``PlayoutSink``. aiortc's sender asks for a packet after the other; what it took counts as heard.

    How long a packet is on its way and in the peer's buffer is not known, and not counted.
    """

    kind = "audio"

    def __init__(self, codec: str) -> None:
        """``codec``: "opus", "pcmu" or "pcma"."""
        super().__init__()
        self._encoder: Encoder | None = Encoder(codec)
        """None once it was stopped: it holds threads, and a track may be known for long."""
        self._ticks = self._encoder.ticks
        """RTP timestamps in a packet."""
        self._time_base = Fraction(1, self._encoder.clock_rate)
        self._queue = PlayoutQueue()
        self._listener: PlayoutListener | None = None
        self._due: float | None = None
        """When the next packet leaves, by the loop's clock; None before the first."""
        self._timestamp = 0

    # -- the sink

    def listen(self, listener: PlayoutListener | None) -> None:
        """Tell this one from now on; None: nobody."""
        self._listener = listener

    def write(self, response_id: str, samples: Samples) -> None:
        """Queue sound behind what is queued: 24 kHz mono int16."""
        self._queue.write(response_id, samples)

    def finish(self, response_id: str) -> None:
        """No more sound of this answer comes."""
        self._queue.finish(response_id)

    def flush(self) -> int:
        """Be silent from the next packet on; returns how many ms of the answer that was being heard had left."""
        return self._queue.flush() * 1000 // SPEECH_RATE

    @property
    def queued_s(self) -> float:
        """Seconds of queued sound that did not leave yet."""
        return self._queue.queued / SPEECH_RATE

    # -- the track

    def stop(self) -> None:
        """Be over. Idempotent."""
        super().stop()
        self._encoder = None

    async def recv(self) -> Packet[Any]:
        """The next packet, when it is due. Raises MediaStreamError when it was stopped."""
        now = asyncio.get_running_loop().time()
        if self._due is None:
            self._due = now
        behind = now - self._due
        if behind > _STALL_S:
            missed = int(behind / FRAME_S)
            self._due += missed * FRAME_S
            self._timestamp += missed * self._ticks
        elif behind < 0:
            await asyncio.sleep(-behind)
        if self._encoder is None:
            raise MediaStreamError
        self._due += FRAME_S
        frame = self._queue.take(_FRAME)
        packet = Packet(self._encoder.encode(frame.samples))
        packet.pts, packet.time_base = self._timestamp, self._time_base
        self._timestamp += self._ticks
        for happening, response_id in frame.happenings:
            self._tell(happening, response_id)
        return packet

    def _tell(self, happening: str, response_id: str) -> None:
        if self._listener is None:
            return
        if happening == "started":
            self._listener.playout_started(response_id)
        else:
            self._listener.playout_stopped(response_id)
