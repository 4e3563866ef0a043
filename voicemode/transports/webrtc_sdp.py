"""Read a browser's offer and write the answer: one audio section, one data channel, everything on one transport.

What an offer must have is in RFC 8829 (JSEP); every offer of a browser has it. aiortc parses and writes the lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from aiortc import RTCDtlsParameters, RTCIceCandidate, RTCIceParameters, RTCRtpCodecParameters
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from aiortc.rtcsctptransport import RTCSctpCapabilities
from aiortc.sdp import GroupDescription, MediaDescription, SessionDescription, SsrcDescription

from voicemode.transports.errors import OfferError

__all__ = [
    "CODECS",
    "MAX_MESSAGE_BYTES",
    "MAX_OFFER_BYTES",
    "AudioOffer",
    "DataOffer",
    "LocalSide",
    "Offer",
    "read_offer",
    "write_answer",
]

MAX_OFFER_BYTES = 65_536
"""Chromium's offer of everything it has, video included, is 8 kB."""
_MAX_LINES = 2000
_MAX_SECTIONS = 16
_MAX_CANDIDATES = 32
"""More are not looked at: each may cost a check to each of our addresses."""

MAX_MESSAGE_BYTES = 262_144
"""Of a message on the data channel: what browsers offer too."""

CODECS = ("opus", "pcmu", "pcma")
"""What is understood, the best first."""

_STATIC_PAYLOADS = {0: "PCMU", 8: "PCMA"}
"""Payload types that need no rtpmap line (RFC 3551, table 4)."""

_EXTENSIONS = ("urn:ietf:params:rtp-hdrext:sdes:mid",)
"""Header extensions that are sent: the section's name, by which a browser finds the track."""

_FINGERPRINTS = ("sha-256", "sha-384", "sha-512")
_OPPOSITE = {"sendrecv": "sendrecv", "sendonly": "recvonly", "recvonly": "sendonly"}


@dataclass(frozen=True, slots=True)
class AudioOffer:
    """The section whose sound is exchanged."""

    mid: str
    codec: RTCRtpCodecParameters
    """The one that is used, with the offer's payload type."""
    extensions: tuple[RTCRtpHeaderExtensionParameters, ...]
    """Those of ours that are offered, with the offer's numbers."""
    direction: str
    """Ours: the opposite of what is offered."""
    ssrcs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DataOffer:
    """The section of the data channel."""

    mid: str
    port: int
    """Of SCTP."""
    max_message_bytes: int
    """What the client takes; 0 is no limit."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a client offers, as far as it is used."""

    sections: tuple[tuple[str, str, str], ...]
    """Of all sections in order: kind, profile, mid."""
    audio: AudioOffer
    data: DataOffer | None
    ice: RTCIceParameters
    dtls: RTCDtlsParameters
    candidates: tuple[RTCIceCandidate, ...]


@dataclass(frozen=True, slots=True)
class LocalSide:
    """What the answer says of us."""

    ice: RTCIceParameters
    dtls: RTCDtlsParameters
    candidates: tuple[RTCIceCandidate, ...]
    """Not empty."""
    stream: str
    track: str
    ssrc: int
    cname: str


def read_offer(text: str) -> Offer:
    """What a client offers. Raises OfferError, whose text says what is missing, for whatever cannot be answered."""
    if len(text.encode("utf-8", "replace")) > MAX_OFFER_BYTES or text.count("\n") > _MAX_LINES:
        raise OfferError("too_large", f"The offer is larger than {MAX_OFFER_BYTES} bytes or {_MAX_LINES} lines")
    if not text.lstrip().startswith("v=0"):
        raise OfferError("invalid", "The offer is not a session description: it does not begin with 'v=0'")
    try:
        description = SessionDescription.parse(text.strip() + "\r\n")
    except Exception as error:
        # The parser checks with asserts, indexes and look-ups: whatever it raises says that this is no SDP.
        raise OfferError("invalid", "The offer is not a session description that can be read") from error
    sections = description.media
    if len(sections) > _MAX_SECTIONS:
        raise OfferError("too_large", f"The offer has more than {_MAX_SECTIONS} media sections")
    audio = _audio(sections)
    data = next((section for section in sections if section.kind == "application" and section.port), None)
    used = [section for section in (audio[0], data) if section is not None]
    first = _carrier(description, used)
    return Offer(
        tuple((section.kind, section.profile, section.rtp.muxId) for section in sections),
        audio[1],
        _data(data) if data is not None else None,
        _ice(first),
        _dtls(first),
        tuple(candidate for section in used for candidate in section.ice_candidates)[:_MAX_CANDIDATES],
    )


def _audio(sections: list[MediaDescription]) -> tuple[MediaDescription, AudioOffer]:
    offered = [section for section in sections if section.kind == "audio" and section.port]
    if not offered:
        raise OfferError("no_audio", "The offer has no audio section")
    section = offered[0]
    if section.direction not in (None, *_OPPOSITE):
        raise OfferError("no_audio", f"The audio section is {section.direction}")
    if not section.rtcp_mux:
        raise OfferError("unsupported", "The audio section does not offer rtcp-mux")
    extensions = tuple(each for each in section.rtp.headerExtensions if each.uri in _EXTENSIONS)
    direction = _OPPOSITE[section.direction or "sendrecv"]
    ssrcs = tuple(each.ssrc for each in section.ssrc)
    return section, AudioOffer(section.rtp.muxId, _codec(section), extensions, direction, ssrcs)


def _codec(section: MediaDescription) -> RTCRtpCodecParameters:
    """The best of ours that is offered, with its payload type."""
    offered = {codec.payloadType: codec for codec in section.rtp.codecs}
    for payload, name in _STATIC_PAYLOADS.items():
        if payload in section.fmt:
            offered.setdefault(payload, RTCRtpCodecParameters(f"audio/{name}", 8000, 1, payload))
    for name in CODECS:
        for payload in section.fmt:
            codec = offered.get(payload)
            if codec is None or codec.name.lower() != name or codec.clockRate != (48000 if name == "opus" else 8000):
                continue
            # What an answer says of Opus is how we would like it: mono, without the silence left out (RFC 7587, 7).
            parameters: dict[str, int | str | None] = {"minptime": 10, "stereo": 0, "usedtx": "0"} if name == "opus" else {}
            return RTCRtpCodecParameters(codec.mimeType, codec.clockRate, codec.channels, payload, [], parameters)
    names = ", ".join(dict.fromkeys(codec.name for codec in offered.values())) or "none that is named"
    raise OfferError("unsupported_codec", f"None of the offered audio codecs ({names[:200]}) is one of opus, PCMU and PCMA")


def _data(section: MediaDescription) -> DataOffer:
    port = section.sctp_port
    if section.profile == "DTLS/SCTP" and str(section.fmt[0]).isdigit():
        port = int(section.fmt[0])  # as it was written before RFC 8841
    if port is None:
        raise OfferError("unsupported", "The data section names no sctp-port")
    # Without the attribute it is 64 kB (RFC 8841, 6.1).
    limit = section.sctpCapabilities.maxMessageSize if section.sctpCapabilities is not None else 65_536
    return DataOffer(section.rtp.muxId, port, limit)


def _carrier(description: SessionDescription, used: list[MediaDescription]) -> MediaDescription:
    """The section whose transport carries all of them."""
    bundles = [list(map(str, group.items)) for group in description.group if group.semantic == "BUNDLE"]
    mids = [section.rtp.muxId for section in used]
    if not all(re.fullmatch(r"[\w.+*!#$%&'^`{|}~-]{1,32}", mid) for mid in mids) or len(set(mids)) != len(mids):
        raise OfferError("unsupported", "The sections of the offer have no names of their own (a=mid)")
    bundle = next((bundle for bundle in bundles if set(mids) <= set(bundle)), [])
    if not bundle and len(used) > 1:
        raise OfferError("unsupported", "The offer does not bundle audio and data on one transport (a=group:BUNDLE)")
    return min(used, key=lambda section: bundle.index(section.rtp.muxId)) if bundle else used[0]


def _ice(section: MediaDescription) -> RTCIceParameters:
    ice = section.ice
    if ice is None or not ice.usernameFragment or not ice.password:
        raise OfferError("unsupported", "The offer names no ice-ufrag and ice-pwd")
    if ice.iceLite:
        raise OfferError("unsupported", "The offer is of an ICE lite agent, which cannot be answered")
    return ice


def _dtls(section: MediaDescription) -> RTCDtlsParameters:
    dtls = section.dtls
    if dtls is None or not any(each.algorithm.lower() in _FINGERPRINTS for each in dtls.fingerprints):
        raise OfferError("unsupported", "The offer names no SHA-256 fingerprint and DTLS set-up (a=fingerprint, a=setup)")
    if dtls.role == "client":
        raise OfferError("unsupported", "The offer insists on being the DTLS client; offer a=setup:actpass")
    return dtls


def write_answer(offer: Offer, local: LocalSide) -> str:
    """The answer. Sections that are not used are refused, in their places (RFC 8829, 5.3.1)."""
    description = SessionDescription()
    description.origin = "- 1 1 IN IP4 127.0.0.1"  # of a session that never changes, as browsers write it
    description.group = [GroupDescription("BUNDLE", [])]
    description.msid_semantic = [GroupDescription("WMS", [local.stream])]
    for kind, profile, mid in offer.sections:
        if mid == offer.audio.mid:
            section = _audio_section(offer.audio, profile, local)
        elif offer.data is not None and mid == offer.data.mid:
            section = _data_section(offer.data, profile)
        else:
            description.media.append(_refused(kind, profile, mid))
            continue
        section.rtp.muxId = mid
        section.host, section.port = local.candidates[0].ip, local.candidates[0].port
        section.ice, section.dtls = local.ice, RTCDtlsParameters(local.dtls.fingerprints, "client")
        section.ice_candidates, section.ice_candidates_complete = list(local.candidates), True
        description.group[0].items.append(mid)
        description.media.append(section)
    return str(description)


def _audio_section(audio: AudioOffer, profile: str, local: LocalSide) -> MediaDescription:
    section = MediaDescription("audio", 9, profile, [audio.codec.payloadType])
    section.rtp = RTCRtpParameters(codecs=[audio.codec], headerExtensions=list(audio.extensions))
    section.direction = audio.direction
    section.rtcp_port, section.rtcp_host, section.rtcp_mux = 9, "0.0.0.0", True  # noqa: S104 - the discard address of RFC 8829
    if audio.direction != "recvonly":
        section.msid = f"{local.stream} {local.track}"
        section.ssrc = [SsrcDescription(local.ssrc, cname=local.cname)]
    return section


def _data_section(data: DataOffer, profile: str) -> MediaDescription:
    if profile == "DTLS/SCTP":
        section = MediaDescription("application", 9, profile, [data.port])
        section.sctpmap[data.port] = "webrtc-datachannel 1024"
    else:
        section = MediaDescription("application", 9, profile, ["webrtc-datachannel"])
        section.sctp_port = 5000
    section.sctpCapabilities = RTCSctpCapabilities(maxMessageSize=MAX_MESSAGE_BYTES)
    return section


def _refused(kind: str, profile: str, mid: str) -> MediaDescription:
    section = MediaDescription(kind, 0, profile, [0])
    section.host, section.direction, section.ice = "0.0.0.0", "inactive", RTCIceParameters()  # noqa: S104 - no address at all
    section.rtp.muxId = mid
    return section
