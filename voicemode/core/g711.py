"""G.711, the eight bits of the telephone: µ-law and A-law to 16-bit PCM and back, after ITU-T G.711 (11/88).

A byte is a sign, three bits of a segment and four bits within it; the segments double in width. Both ways are a look-up in
a table, made at the first use.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from voicemode.audio import Samples

__all__ = ["G711_RATE", "alaw_decode", "alaw_encode", "ulaw_decode", "ulaw_encode"]

G711_RATE = 8_000
"""Hertz."""

_ULAW_BIAS = 132
"""33 in the recommendation's 14 bits: it makes the segments begin at powers of two."""
_ULAW_CLIP = 32_635
"""The loudest magnitude that, with the bias, still fits 15 bits."""
_ALAW_TOGGLED = 0x55
"""Even bits are inverted on the line, so that silence is no long run of zeros."""

Codes = npt.NDArray[np.uint8]


def ulaw_decode(data: bytes) -> Samples:
    """8 kHz mono int16 of µ-law bytes."""
    return _ulaw_levels()[np.frombuffer(data, np.uint8)]


def ulaw_encode(samples: Samples) -> bytes:
    """µ-law bytes of 8 kHz mono int16."""
    return _ulaw_codes()[samples.view(np.uint16)].tobytes()


def alaw_decode(data: bytes) -> Samples:
    """8 kHz mono int16 of A-law bytes."""
    return _alaw_levels()[np.frombuffer(data, np.uint8)]


def alaw_encode(samples: Samples) -> bytes:
    """A-law bytes of 8 kHz mono int16."""
    return _alaw_codes()[samples.view(np.uint16)].tobytes()


def _every_sample() -> npt.NDArray[np.int32]:
    """Each int16, at the place that its bits have as uint16."""
    return np.arange(1 << 16, dtype=np.uint16).view(np.int16).astype(np.int32)


@functools.cache
def _ulaw_levels() -> Samples:
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    magnitude = ((((code & 0x0F) << 3) + _ULAW_BIAS) << ((code & 0x70) >> 4)) - _ULAW_BIAS
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


@functools.cache
def _ulaw_codes() -> Codes:
    sample = _every_sample()
    magnitude = np.minimum(np.abs(sample), _ULAW_CLIP) + _ULAW_BIAS
    segment = np.log2(magnitude).astype(np.int32) - 7
    code = np.where(sample < 0, 0x80, 0) | segment << 4 | magnitude >> (segment + 3) & 0x0F
    codes: Codes = (~code & 0xFF).astype(np.uint8)
    return codes


@functools.cache
def _alaw_levels() -> Samples:
    code = np.arange(256, dtype=np.int32) ^ _ALAW_TOGGLED
    segment = (code & 0x70) >> 4
    within = ((code & 0x0F) << 4) + 8
    magnitude = np.where(segment == 0, within, (within + 0x100) << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


@functools.cache
def _alaw_codes() -> Codes:
    sample = _every_sample()
    # 12 bits of magnitude; that of a negative sample is its complement, so that -1 is the smallest negative level.
    magnitude = np.where(sample < 0, ~sample, sample) >> 4
    segment = np.maximum(np.log2(np.maximum(magnitude, 1)).astype(np.int32) - 4, 0)
    segment = np.where(magnitude >= 16, segment + 1, 0)
    within = magnitude >> np.maximum(segment - 1, 0) & 0x0F
    code = np.where(sample < 0, 0, 0x80) | segment << 4 | within
    codes: Codes = (code ^ _ALAW_TOGGLED).astype(np.uint8)
    return codes
