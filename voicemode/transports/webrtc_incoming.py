"""The person's track: RTP packets in, mono sound in real time out.

Not aiortc's receiver. That one is made for playing: it holds four packets back, keeps fifteen (300 ms) for the rest of the call
once one was lost, leaves pauses out, and decodes in a thread of its own per call. Here sound is passed on with its packet.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcrtpparameters import RTCRtpDecodingParameters, RTCRtpReceiveParameters
from aiortc.rtcrtpreceiver import StreamStatistics
from aiortc.rtp import AnyRtcpPacket, RtcpReceiverInfo, RtcpRrPacket, RtcpSrPacket, RtpPacket

from voicemode.audio import Samples
from voicemode.core.jitter import JitterBuffer, Piece, Silence
from voicemode.transports.webrtc_codecs import Decoder
from voicemode.transports.webrtc_sdp import AudioOffer

__all__ = ["AudioReceiver"]

_REPORT_S = 1.0
"""Between receiver reports, from which a browser learns of losses; within RFC 3550's minimum of 5 s by RFC 4585, 3.4."""


class AudioReceiver:
    """One per call. It keeps the protocol ``RtpReceiver`` of ``aiortc.rtcdtlstransport``, which routes packets to it."""

    def __init__(
        self, audio: AudioOffer, heard: Callable[[Samples, int], None], *, ssrc: int, clock: Callable[[], float]
    ) -> None:
        """``heard`` is told mono int16 and its rate. ``ssrc``: under which number reports are sent."""
        self._audio, self._heard, self._ssrc, self._clock = audio, heard, ssrc, clock
        self._decoder = Decoder(audio.codec.name.lower())
        self._buffer: JitterBuffer | None = None
        """None until it was opened."""
        self._transport: RTCDtlsTransport | None = None
        self._source: int | None = None
        """The SSRC that is heard; None before the first packet."""
        self._statistics = StreamStatistics(audio.codec.clockRate)
        self._reported_at = 0.0
        self._sender_report = (0, 0.0)
        """The middle of the last one's NTP time, and when it came."""

    @property
    def lost(self) -> int:
        """Packets that never came, or too late."""
        return self._buffer.lost if self._buffer is not None else 0

    def open(self, transport: RTCDtlsTransport) -> None:
        """Time begins: from now on there is sound, or silence while there is none."""
        now = self._clock()
        self._buffer = JitterBuffer(self._decoder.sample_rate, self._decoder.duration, now)
        self._transport, self._reported_at = transport, now
        payload = self._audio.codec.payloadType or 0
        transport._register_rtp_receiver(
            self,
            RTCRtpReceiveParameters(
                codecs=[self._audio.codec],
                headerExtensions=list(self._audio.extensions),
                muxId=self._audio.mid,
                encodings=[RTCRtpDecodingParameters(ssrc, payload) for ssrc in self._audio.ssrcs[:1]],
            ),
        )

    def advance(self) -> None:
        """Time has passed. To be called every 20 to 40 ms."""
        if self._buffer is not None:
            self._pass_on(self._buffer.advance(self._clock()))

    def close(self) -> None:
        """Hear no more. Idempotent."""
        if self._transport is not None:
            self._transport._unregister_rtp_receiver(self)
        self._transport = self._buffer = None

    # -- what aiortc calls

    async def _handle_rtp_packet(self, packet: RtpPacket, arrival_time_ms: int) -> None:  # noqa: ARG002
        buffer = self._buffer
        if buffer is None or packet.payload_type != self._audio.codec.payloadType:
            return
        if packet.ssrc != self._source:
            buffer.restart()
            self._source, self._statistics = packet.ssrc, StreamStatistics(self._audio.codec.clockRate)
        self._statistics.add(packet)
        now = self._clock()
        self._pass_on(buffer.push(packet.sequence_number, packet.timestamp, packet.payload, now))
        if now - self._reported_at >= _REPORT_S:
            self._reported_at = now
            await self._report(now)

    async def _handle_rtcp_packet(self, packet: AnyRtcpPacket) -> None:
        if isinstance(packet, RtcpSrPacket):
            self._sender_report = ((packet.sender_info.ntp_timestamp >> 16) & 0xFFFFFFFF, self._clock())

    def _handle_disconnect(self) -> None:
        """The peer connection hears of it from the transport."""

    # -- inside

    def _pass_on(self, pieces: list[Piece]) -> None:
        if not pieces:
            return
        sounds = [
            np.zeros(piece.samples, dtype=np.int16) if isinstance(piece, Silence) else self._decoder.decode(piece)
            for piece in pieces
        ]
        self._heard(sounds[0] if len(sounds) == 1 else np.concatenate(sounds), self._decoder.sample_rate)

    async def _report(self, now: float) -> None:
        """A receiver report (RFC 3550, 6.4.2)."""
        if self._transport is None or self._source is None:
            return
        last, came = self._sender_report
        statistics = self._statistics
        report = RtcpReceiverInfo(
            ssrc=self._source,
            fraction_lost=statistics.fraction_lost,
            packets_lost=statistics.packets_lost,
            highest_sequence=statistics.max_seq or 0,
            jitter=statistics.jitter,
            lsr=last,
            dlsr=min(int((now - came) * 65536), 0xFFFFFFFF) if last else 0,
        )
        try:
            await self._transport._send_rtp(bytes(RtcpRrPacket(ssrc=self._ssrc, reports=[report])))
        except ConnectionError:
            return  # the transport has closed, and tells so itself
