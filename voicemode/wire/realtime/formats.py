"""The three ways sound travels in events: 24 kHz 16-bit PCM, and G.711 at 8 kHz."""

from __future__ import annotations

import base64
import binascii
from enum import Enum, unique

import numpy as np

from voicemode.audio import Samples
from voicemode.core.g711 import G711_RATE, alaw_decode, alaw_encode, ulaw_decode, ulaw_encode
from voicemode.core.resample import StreamResampler
from voicemode.wire.realtime.errors import ClientError, wrong_value
from voicemode.wire.realtime.fields import Fields

__all__ = ["ANSWER_RATE", "AnswerEncoder", "WireFormat", "read_base64", "read_format"]

ANSWER_RATE = 24_000
"""Hertz, of PCM on the wire in both directions, and of what the engine reports."""
_APPEND_BYTES = 15 * 1024 * 1024
"""The most sound in one event, as OpenAI documents it."""


@unique
class WireFormat(Enum):
    PCM = "audio/pcm"
    ULAW = "audio/pcmu"
    ALAW = "audio/pcma"

    def __init__(self, kind: str) -> None:
        """``rate`` is in hertz."""
        # Attributes, since they are asked for several times with each message.
        self.rate, self.sample_bytes = (ANSWER_RATE, 2) if kind == "audio/pcm" else (G711_RATE, 1)
        self.bytes_per_ms = self.rate * self.sample_bytes // 1000

    def wire(self) -> dict[str, object]:
        return {"type": self.value, "rate": self.rate} if self is WireFormat.PCM else {"type": self.value}

    def decode(self, data: bytes) -> Samples:
        """Mono int16 at ``rate``; whole samples only."""
        match self:
            case WireFormat.PCM:
                return np.frombuffer(data, "<i2").astype(np.int16, copy=False)
            case WireFormat.ULAW:
                return ulaw_decode(data)
            case WireFormat.ALAW:
                return alaw_decode(data)

    def encode(self, samples: Samples) -> bytes:
        """Of mono int16 at ``rate``."""
        match self:
            case WireFormat.PCM:
                return samples.astype("<i2", copy=False).tobytes()
            case WireFormat.ULAW:
                return ulaw_encode(np.ascontiguousarray(samples))
            case WireFormat.ALAW:
                return alaw_encode(np.ascontiguousarray(samples))


def read_format(fields: Fields | None) -> WireFormat:
    """An ``audio.*.format`` object; PCM where it is null. Raises ClientError."""
    kind = fields and fields.choice("type", tuple(each.value for each in WireFormat))
    if fields is None or not isinstance(kind, str):
        return WireFormat.PCM
    wire_format = WireFormat(kind)
    rate = fields.integer("rate", 1, 1_000_000)
    if rate not in {None, wire_format.rate}:
        raise wrong_value(fields.path_of("rate"), rate, str(wire_format.rate))
    return wire_format


def read_base64(audio: str, wire_format: WireFormat) -> bytes:
    """The bytes of an ``audio`` field, which hold whole samples. Raises ClientError."""
    if len(audio) > (_APPEND_BYTES + 2) // 3 * 4:
        raise ClientError("string_above_max_length", "Invalid 'audio': more than 15 MiB in one event.", "audio")
    try:
        data = base64.b64decode(audio, validate=True)
    except (binascii.Error, ValueError):
        raise ClientError("invalid_value", "Invalid 'audio'. Expected base64-encoded audio bytes.", "audio") from None
    if len(data) % wire_format.sample_bytes:
        raise ClientError(
            "invalid_value",
            f"Invalid 'audio': {len(data)} bytes are no whole number of 16-bit samples. Nothing of this event was taken.",
            "audio",
        )
    return data


class AnswerEncoder:
    """Turns the sound of one answer into what travels, as it comes; 24 kHz mono int16 goes in."""

    def __init__(self, wire_format: WireFormat) -> None:
        self._format = wire_format
        self._resampler = StreamResampler(ANSWER_RATE, wire_format.rate)

    def push(self, samples: Samples) -> bytes:
        """Empty while the resampler fills."""
        return self._format.encode(self._resampler.push(samples))

    def flush(self) -> bytes:
        """What the resampler holds back; the answer has ended."""
        return self._format.encode(self._resampler.flush())
