"""Offers of browsers are answered; what cannot be is refused, with the reason."""

from __future__ import annotations

import pytest
from aiortc import RTCDtlsFingerprint, RTCDtlsParameters, RTCIceCandidate, RTCIceParameters
from hypothesis import given
from hypothesis import strategies as st

from voicemode.transports.errors import OfferError
from voicemode.transports.webrtc_sdp import LocalSide, read_offer, write_answer

FINGERPRINT = ":".join(["AB"] * 32)

OFFER = f"""v=0
o=- 1 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1
a=msid-semantic: WMS stream
m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=candidate:1 1 udp 2113937151 5d1f6fa4-9d73-4b8e-9d42-5a0f1d2ce0ab.local 51234 typ host generation 0
a=ice-ufrag:abcd
a=ice-pwd:0123456789012345678901
a=ice-options:trickle
a=fingerprint:sha-256 {FINGERPRINT}
a=setup:actpass
a=mid:0
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
a=sendrecv
a=msid:stream track
a=rtcp-mux
a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 transport-cc
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:63 red/48000/2
a=fmtp:63 111/111
a=rtpmap:9 G722/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:13 CN/8000
a=rtpmap:110 telephone-event/48000
a=rtpmap:126 telephone-event/8000
a=ssrc:1234 cname:x
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=ice-ufrag:abcd
a=ice-pwd:0123456789012345678901
a=fingerprint:sha-256 {FINGERPRINT}
a=setup:actpass
a=mid:1
a=sctp-port:5000
a=max-message-size:262144
""".replace("\n", "\r\n")
"""As Chromium writes it."""

LOCAL = LocalSide(
    RTCIceParameters("ours", "x" * 22),
    RTCDtlsParameters([RTCDtlsFingerprint("sha-256", FINGERPRINT)]),
    (RTCIceCandidate(1, "f", "127.0.0.1", 4242, 1, "udp", "host"),),
    "stream",
    "track",
    77,
    "cname",
)


def without(line: str) -> str:
    """The offer without the lines that begin so."""
    assert f"\r\n{line}" in OFFER
    return "\r\n".join(each for each in OFFER.split("\r\n") if not each.startswith(line))


def sections(answer: str) -> list[list[str]]:
    """The lines of each section, the m-line first."""
    return [part.splitlines() for part in answer.split("\r\nm=")[1:]]


def test_a_browsers_offer_is_answered_with_opus_a_data_channel_and_one_transport() -> None:
    """Payload type, header extension and names are the offer's."""
    audio, data = sections(write_answer(read_offer(OFFER), LOCAL))
    assert audio[0] == "audio 4242 UDP/TLS/RTP/SAVPF 111"
    assert {"a=rtpmap:111 opus/48000/2", "a=mid:0", "a=sendrecv", "a=setup:active", "a=rtcp-mux"} <= set(audio)
    assert "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid" in audio
    assert data[0] == "application 4242 UDP/DTLS/SCTP webrtc-datachannel"
    assert {"a=mid:1", "a=sctp-port:5000", "a=max-message-size:262144"} <= set(data)
    assert "a=group:BUNDLE 0 1\r\n" in write_answer(read_offer(OFFER), LOCAL)


def test_sections_that_are_not_used_are_refused_in_their_places() -> None:
    """Video before, a second audio section behind: both with port 0, and out of the bundle."""
    before = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:v\r\na=sendrecv\r\na=rtpmap:96 VP8/90000\r\n"
    behind = "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:2\r\na=recvonly\r\na=rtcp-mux\r\na=setup:actpass\r\n"
    offer = OFFER.replace("BUNDLE 0 1", "BUNDLE v 0 1 2").replace("m=audio", before + "m=audio", 1) + behind
    answer = write_answer(read_offer(offer), LOCAL)
    assert [part[0].split()[:2] for part in sections(answer)] == [
        ["video", "0"],
        ["audio", "4242"],
        ["application", "4242"],
        ["audio", "0"],
    ]
    assert "a=group:BUNDLE 0 1\r\n" in answer


@pytest.mark.parametrize(
    ("payloads", "codec"),
    [("111 0 8", "opus"), ("8 0 111", "opus"), ("8 0", "PCMU"), ("9 13 8", "PCMA"), ("110 126 0", "PCMU")],
)
def test_the_best_codec_that_is_offered_is_used(payloads: str, codec: str) -> None:
    """Opus before µ-law before A-law, in whatever order they are offered."""
    assert read_offer(OFFER.replace("111 63 9 0 8 13 110 126", payloads)).audio.codec.name == codec


def test_the_static_payload_types_need_no_name() -> None:
    """RFC 3551: 0 is µ-law, with or without an rtpmap line."""
    offer = without("a=rtpmap:0").replace("SAVPF 111 63 9 0 8 13 110 126", "SAVPF 0")
    assert read_offer(offer).audio.codec.name == "PCMU"


@pytest.mark.parametrize(("theirs", "ours"), [("sendrecv", "sendrecv"), ("sendonly", "recvonly"), ("recvonly", "sendonly")])
def test_the_answer_faces_the_offer(theirs: str, ours: str) -> None:
    """Who only sends is only heard."""
    assert read_offer(OFFER.replace("a=sendrecv", f"a={theirs}")).audio.direction == ours


def test_an_offer_may_have_no_data_channel() -> None:
    """Then there is none in the answer."""
    offer = OFFER[: OFFER.index("m=application")].replace("BUNDLE 0 1", "BUNDLE 0")
    assert read_offer(offer).data is None
    assert len(sections(write_answer(read_offer(offer), LOCAL))) == 1


@pytest.mark.parametrize(
    ("offer", "reason"),
    [
        ("", "invalid"),
        ("hello", "invalid"),
        ('{"type":"offer","sdp":"v=0"}', "invalid"),
        ("v=0\r\n", "no_audio"),
        ("v=0\r\nm=audio x y z\r\n", "invalid"),
        ("v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 999\r\n", "invalid"),
        (OFFER[: OFFER.index("m=audio")] + OFFER[OFFER.index("m=application") :], "no_audio"),
        (OFFER.replace("m=audio 9", "m=audio 0"), "no_audio"),
        (OFFER.replace("a=sendrecv", "a=inactive"), "no_audio"),
        (OFFER.replace("SAVPF 111 63 9 0 8 13 110 126", "SAVPF 9 13"), "unsupported_codec"),
        (OFFER.replace("opus/48000/2", "speex/48000/2").replace("111 63 9 0 8", "111 63 9"), "unsupported_codec"),
        (OFFER + "a=x\r\n" * 40_000, "too_large"),
        (OFFER + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n" * 20, "too_large"),
        (without("a=rtcp-mux"), "unsupported"),
        (without("a=group:BUNDLE"), "unsupported"),
        (OFFER.replace("BUNDLE 0 1", "BUNDLE 0"), "unsupported"),
        (without("a=mid"), "unsupported"),
        (without("a=ice-ufrag"), "unsupported"),
        (without("a=ice-pwd"), "unsupported"),
        (without("a=fingerprint"), "unsupported"),
        (without("a=setup"), "unsupported"),
        (OFFER.replace("sha-256", "sha-1"), "unsupported"),
        (OFFER.replace("a=setup:actpass", "a=setup:active"), "unsupported"),
        (without("a=sctp-port"), "unsupported"),
        (OFFER.replace("t=0 0\r\n", "t=0 0\r\na=ice-lite\r\n"), "unsupported"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_the_reason(offer: str, reason: str) -> None:
    """Bad text, missing parts, codecs that nobody here speaks."""
    with pytest.raises(OfferError) as refused:
        read_offer(offer)
    assert refused.value.reason == reason
    assert str(refused.value).endswith(".")


@given(st.data())
def test_no_offer_breaks_the_reader(data: st.DataObject) -> None:
    """Lines that are left out, doubled, cut or put elsewhere: an answer or an OfferError."""
    lines = OFFER.split("\r\n")
    chosen = data.draw(st.lists(st.sampled_from(lines), max_size=60))
    cut = data.draw(st.integers(0, 40))
    text = "v=0\r\n" + "\r\n".join([*chosen, data.draw(st.sampled_from(lines))[:cut], data.draw(st.text(max_size=20))])
    try:
        offer = read_offer(text)
    except OfferError:
        return
    assert write_answer(offer, LOCAL).startswith("v=0")
