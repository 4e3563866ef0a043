"""The server's end of a WebRTC call: one audio track each way and the data channel ``oai-events``, on aiortc's transports.

::

    peer = WebRtcPeer(Callbacks(audio, message, opened, ended), addresses=addresses_for(host))
    answer = await peer.answer(offer)        # SDP in, SDP out; raises OfferError
    peer.playout                             # a PlayoutSink: what is written there is heard
    await peer.send(text)                    # a message on the data channel
    await peer.aclose()                      # frees every socket and task

aiortc's ICE, DTLS, SCTP and RTP sender are used as they are; its ``RTCPeerConnection`` is not, since with it neither the
addresses nor the receiver can be chosen. There is no renegotiation: a client that lost its connection makes a new call.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiortc import RTCCertificate, RTCDataChannel, RTCDtlsTransport, RTCIceTransport, RTCRtpSender, RTCSctpTransport
from aiortc.rtcrtpparameters import RTCRtcpParameters, RTCRtpSendParameters
from aiortc.rtcsctptransport import RTCSctpCapabilities

from voicemode.audio import Samples
from voicemode.playout import PlayoutSink
from voicemode.transports.webrtc_ice import BoundGatherer, addresses_for, ice_transport, own_addresses
from voicemode.transports.webrtc_incoming import AudioReceiver
from voicemode.transports.webrtc_outgoing import PlayoutTrack
from voicemode.transports.webrtc_sdp import MAX_MESSAGE_BYTES, LocalSide, Offer, read_offer, write_answer

__all__ = ["CHANNEL", "Callbacks", "PeerGoneError", "PeerTimes", "WebRtcPeer", "addresses_for", "own_addresses"]

CHANNEL = "oai-events"
"""Label of the data channel, as OpenAI's clients name it."""

_TICK_S = 0.04
"""Between looks at the clock for silence that nobody sent, and for a peer that is gone."""

_BUFFERED_BYTES = 1 << 20
"""What may wait on the data channel before ``send`` waits, and (half of it) until when."""

_CLOSE_S = 2.0
"""How long each of the transports' farewells may take."""

_log = logging.getLogger(__name__)


class PeerGoneError(Exception):
    """The peer's connection has ended."""


@dataclass(frozen=True, slots=True)
class PeerTimes:
    """Seconds that a peer is waited for."""

    connect_s: float = 15.0
    """From the answer to an open data channel. On a local network it takes half a second."""
    silent_s: float = 15.0
    """Without any packet, while even a muted browser sends a check every 2.5 s. RFC 7675 would wait for 30."""


@dataclass(frozen=True, slots=True)
class Callbacks:
    """Who is told what the peer does. All return at once."""

    audio: Callable[[Samples, int], None]
    """Mono int16 and its rate in hertz, in real time from the connection on, silence where nothing was sent."""
    message: Callable[[str | bytes], None]
    opened: Callable[[], None]
    """The data channel is open (or, in an offer without one, the connection): messages arrive. Told once."""
    ended: Callable[[str], None]
    """The connection is over, and why, in a word or two. Told once, and not after ``aclose``."""


class WebRtcPeer:
    """One peer. Made and used on one event loop."""

    def __init__(
        self,
        callbacks: Callbacks,
        *,
        addresses: Sequence[str],
        only_from: frozenset[str] = frozenset(),
        times: PeerTimes | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``addresses`` are where the peer may reach us (``addresses_for``), and from where, if not from everywhere.

        Opens nothing.
        """
        self._callbacks, self._times, self._clock = callbacks, times or PeerTimes(), clock
        self._addresses, self._only_from = tuple(addresses), only_from
        self._line: _Line | None = None
        """None before ``answer`` and after ``aclose``."""
        self._channel: RTCDataChannel | None = None
        """None until the client has opened it."""
        self._drained = asyncio.Event()
        self._opened = asyncio.Event()
        self._over = False
        self._due = 0.0
        """When ``_look`` is to be called, by the loop's clock."""
        self._tick: asyncio.TimerHandle | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        """Frees everything; None before ``aclose``."""

    @property
    def playout(self) -> PlayoutSink:
        """Where the assistant's sound goes. Raises PeerGoneError before ``answer`` and after ``aclose``."""
        if self._line is None:
            raise PeerGoneError
        return self._line.track

    @property
    def max_message_bytes(self) -> int:
        """The longest message that the client takes; 0 where there is no limit."""
        offer = self._line.offer if self._line is not None else None
        return offer.data.max_message_bytes if offer is not None and offer.data is not None else 0

    @property
    def lost_packets(self) -> int:
        """Of the person's sound."""
        return self._line.receiver.lost if self._line is not None else 0

    async def answer(self, offer: str) -> str:
        """Answer an offer and wait for the peer in the background. Once. Raises OfferError; then nothing is left open."""
        wanted = read_offer(offer)
        gatherer = BoundGatherer(self._addresses, self._only_from, self._clock)
        line = await _Line.open(wanted, gatherer, self._callbacks.audio, self._clock)
        self._line = line
        line.dtls.on("statechange", self._dtls_changed)
        line.ice.on("statechange", self._ice_changed)
        if line.sctp is not None:
            line.sctp.on("datachannel", self._channel_came)
        self._connecting = asyncio.create_task(self._connect(line))
        return line.answer

    async def send(self, text: str) -> None:
        """Send a message; waits for the channel to be open, and while much waits to be sent. Raises PeerGoneError.

        Without a data channel in the offer nobody reads it, and it is dropped.
        """
        if self._line is not None and self._line.offer.data is None:
            return
        await self._opened.wait()
        while not self._over and self._channel is not None and self._channel.bufferedAmount > _BUFFERED_BYTES:
            self._drained.clear()
            await self._drained.wait()
        if self._over or self._channel is None or self._channel.readyState != "open":
            raise PeerGoneError
        self._channel.send(text)

    async def aclose(self, drain_s: float = 0.0) -> None:
        """Close the connection and free everything. Idempotent, and never raises.

        What was sent may take ``drain_s`` seconds to leave. Whoever is cancelled here only waits no longer: it is freed
        all the same, and another call waits for that.
        """
        if self._line is None:
            return
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(self._line, drain_s))
        await asyncio.shield(self._closing)

    async def _close(self, line: _Line, drain_s: float) -> None:
        if drain_s and not self._over:
            await self._drain(drain_s)
        self._set_over()
        connecting, self._connecting = self._connecting, None
        if connecting is not None:
            connecting.cancel()
            await asyncio.wait({connecting})
        await line.close()
        self._line = None

    # -- connecting

    async def _connect(self, line: _Line) -> None:
        try:
            async with asyncio.timeout(self._times.connect_s):
                if not await line.connect():
                    self._end("no connection")
                    return
                self._due = asyncio.get_running_loop().time()
                self._look()
                if line.sctp is None:
                    self._open()
                await self._opened.wait()
        except TimeoutError:
            self._end("no connection in time")
        except ConnectionError:
            self._end("connection lost")

    def _channel_came(self, channel: RTCDataChannel) -> None:
        if channel.label != CHANNEL or self._channel is not None:
            channel.close()
            return
        self._channel = channel
        channel.bufferedAmountLowThreshold = _BUFFERED_BYTES // 2
        channel.on("bufferedamountlow", self._drained.set)
        channel.on("message", self._message_came)
        channel.on("close", lambda: self._end("data channel closed"))
        self._open()

    def _open(self) -> None:
        if not self._opened.is_set() and not self._over:
            self._opened.set()
            self._callbacks.opened()

    def _message_came(self, message: str | bytes) -> None:
        if self._over:
            return
        if len(message) > MAX_MESSAGE_BYTES:
            self._end("message too large")
            return
        self._callbacks.message(message)

    # -- the end

    def _look(self) -> None:
        """Let time pass: for the receiver, and for a peer that is gone."""
        line = self._line
        if self._over or line is None:
            return
        loop = asyncio.get_running_loop()
        if loop.time() - self._due < _TICK_S:
            line.receiver.advance()
        # Otherwise the loop was late, and sound may wait in the socket: it comes before silence is made up for it.
        if self._clock() - line.gatherer.heard_at > self._times.silent_s:
            self._end("nothing heard")
        elif line.overrun:
            self._end("message too large")
        else:
            self._due = loop.time() + _TICK_S
            self._tick = loop.call_at(self._due, self._look)

    def _dtls_changed(self) -> None:
        if self._line is not None and self._line.dtls.state in ("closed", "failed"):
            self._end("connection closed" if self._line.dtls.state == "closed" else "no connection")

    def _ice_changed(self) -> None:
        if self._line is not None and self._line.ice.state == "failed":
            self._end("no connection")

    def _end(self, why: str) -> None:
        if not self._over:
            self._set_over()
            self._callbacks.ended(why)

    def _set_over(self) -> None:
        self._over = True
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None
        # Whoever waits to send is to find out.
        self._opened.set()
        self._drained.set()

    async def _drain(self, seconds: float) -> None:
        channel = self._channel
        if channel is None or not channel.bufferedAmount:
            return
        channel.bufferedAmountLowThreshold = 0
        self._drained.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._drained.wait()


@dataclass(frozen=True, slots=True)
class _Line:
    """The transports of one peer, from the bottom up."""

    offer: Offer
    answer: str
    gatherer: BoundGatherer
    ice: RTCIceTransport
    dtls: RTCDtlsTransport
    track: PlayoutTrack
    sender: RTCRtpSender
    receiver: AudioReceiver
    sctp: RTCSctpTransport | None
    """None where the offer has no data section."""
    cname: str

    @classmethod
    async def open(
        cls, offer: Offer, gatherer: BoundGatherer, heard: Callable[[Samples, int], None], clock: Callable[[], float]
    ) -> _Line:
        """Open a socket per address, and write the answer. Raises OSError when none could be opened."""
        ice = await ice_transport(gatherer, offer.candidates)
        await gatherer.gather()
        candidates = tuple(gatherer.getLocalCandidates())
        if not candidates:
            await ice.stop()
            raise OSError("no address to be reached at")
        dtls = RTCDtlsTransport(ice, [RTCCertificate.generateCertificate()])
        track = PlayoutTrack(offer.audio.codec.name.lower())
        sender = RTCRtpSender(track, dtls)
        cname = uuid.uuid4().hex
        local = LocalSide(
            gatherer.getLocalParameters(), dtls.getLocalParameters(), candidates, "voicemode", track.id, sender._ssrc, cname
        )
        receiver = AudioReceiver(offer.audio, heard, ssrc=sender._ssrc, clock=clock)
        sctp = RTCSctpTransport(dtls) if offer.data is not None else None
        return cls(offer, write_answer(offer, local), gatherer, ice, dtls, track, sender, receiver, sctp, cname)

    async def connect(self) -> bool:
        """Wait for the peer and let sound and messages flow; whether it came."""
        await self.ice.start(self.offer.ice)
        if self.ice.state != "completed":
            return False
        await self.dtls.start(self.offer.dtls)
        if self.dtls.state != "connected":
            return False
        audio = self.offer.audio
        if audio.direction != "sendonly":
            self.receiver.open(self.dtls)
        if audio.direction != "recvonly":
            parameters = RTCRtpSendParameters(
                codecs=[audio.codec],
                headerExtensions=list(audio.extensions),
                muxId=audio.mid,
                rtcp=RTCRtcpParameters(cname=self.cname, mux=True),
            )
            await self.sender.send(parameters)
        if self.sctp is not None and self.offer.data is not None:
            await self.sctp.start(RTCSctpCapabilities(self.offer.data.max_message_bytes), self.offer.data.port)
        return True

    @property
    def overrun(self) -> bool:
        """Whether the peer sends pieces of messages beyond the window it was given, so that memory would fill."""
        return self.sctp is not None and self.sctp._advertised_rwnd < -MAX_MESSAGE_BYTES

    async def close(self) -> None:
        """Say farewell and free everything."""
        self.receiver.close()
        self.track.listen(None)
        self.track.stop()
        for part in (self.sender, self.sctp, self.dtls, self.ice):
            if part is None:
                continue
            try:
                async with asyncio.timeout(_CLOSE_S):
                    await part.stop()
            except Exception as error:  # noqa: BLE001 - the boundary to the library: the others must be closed all the same
                _log.warning("closing a WebRTC transport: %s", type(error).__name__)
