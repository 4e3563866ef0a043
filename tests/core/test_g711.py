"""The telephone's bytes are those of the recommendation, and what they lose is what they may lose."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from voicemode.audio import Samples
from voicemode.core.g711 import alaw_decode, alaw_encode, ulaw_decode, ulaw_encode

EVERY_BYTE = bytes(range(256))
EVERY_SAMPLE = np.arange(-32768, 32768).astype(np.int16)

Encode = Callable[[Samples], bytes]
Decode = Callable[[bytes], Samples]
BOTH = pytest.mark.parametrize(("encode", "decode"), [(ulaw_encode, ulaw_decode), (alaw_encode, alaw_decode)], ids=["µ", "A"])


@BOTH
def test_each_byte_stands_for_a_level_of_its_own(encode: Encode, decode: Decode) -> None:
    """What is decoded is encoded to the same byte; only µ-law has a zero below zero, which is zero."""
    again = encode(decode(EVERY_BYTE))
    assert [a for a, b in zip(EVERY_BYTE, again, strict=True) if a != b] == ([0x7F] if encode is ulaw_encode else [])


@BOTH
def test_no_sample_is_off_by_more_than_half_a_step(encode: Encode, decode: Decode) -> None:
    """Half a step: segments double, and each has sixteen steps; in A-law's lowest, 8 of 32,768, and µ-law is biased by 132."""
    off = np.abs(decode(encode(EVERY_SAMPLE)).astype(int) - EVERY_SAMPLE)
    loud = np.abs(EVERY_SAMPLE.astype(int))
    assert np.all(off <= np.maximum((loud + 132) / 32, 8))


@BOTH
def test_louder_stays_louder(encode: Encode, decode: Decode) -> None:
    """The levels are in the order of the samples."""
    assert np.all(np.diff(decode(encode(EVERY_SAMPLE)).astype(int)) >= 0)


@pytest.mark.parametrize(
    ("encode", "sample", "byte"),
    [
        (ulaw_encode, 0, 0xFF),
        (ulaw_encode, 32767, 0x80),
        (ulaw_encode, -32768, 0x00),
        (ulaw_encode, 1000, 0xCE),
        (alaw_encode, 0, 0xD5),
        (alaw_encode, 32767, 0xAA),
        (alaw_encode, -32768, 0x2A),
        (alaw_encode, -1, 0x55),
    ],
)
def test_known_bytes(encode: Encode, sample: int, byte: int) -> None:
    """Silence, the loudest, and one between: as the tables of the recommendation have them."""
    assert encode(np.array([sample], np.int16))[0] == byte
