"""WAV files: what is written is 16-bit mono PCM; what is read is anything the field calls WAV.

RIFF/WAVE as in the "Multimedia Programming Interface and Data Specifications 1.0" (1991) and Microsoft's extensible format.
"""

from __future__ import annotations

import io
import struct
import wave
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voicemode.audio import AudioChunk, Samples
from voicemode.errors import MediaError

__all__ = ["decode_wav", "encode_wav"]

_PCM, _FLOAT, _EXTENSIBLE = 0x0001, 0x0003, 0xFFFE
_RATES_HZ = (1_000, 384_000)
"""No sound card records outside of these; a header that says so is not one."""
_MAX_CHANNELS = 64


def encode_wav(chunk: AudioChunk) -> bytes:
    """A WAV file of 16-bit mono PCM at the chunk's sample rate."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(chunk.sample_rate)
        file.writeframes(chunk.pcm)
    return out.getvalue()


def decode_wav(data: bytes) -> AudioChunk:
    """Read 8, 16, 24 or 32-bit PCM or 32-bit float of any channel count, mixed down to mono.

    Servers that stream write a data size of 0 or 0xFFFFFFFF: then all the rest is sound. Raises MediaError.
    """
    layout, body = _chunks(data)
    width = layout.bits // 8
    whole = len(body) - len(body) % (width * layout.channels)
    samples = _to_int16(body[:whole], layout)
    if layout.channels > 1:
        samples = samples.reshape(-1, layout.channels).mean(axis=1).astype(np.int16)
    return AudioChunk(samples, layout.sample_rate)


@dataclass(frozen=True, slots=True)
class _Layout:
    """What the "fmt " chunk says."""

    tag: int
    channels: int
    sample_rate: int
    bits: int


def _bad(problem: str) -> MediaError:
    return MediaError("the WAV file", problem)


def _chunks(data: bytes) -> tuple[_Layout, bytes]:
    if len(data) < 12 or data[:4] not in (b"RIFF", b"RF64") or data[8:12] != b"WAVE":
        raise _bad("it does not begin like one")
    layout: _Layout | None = None
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        start = at + 8
        if name == b"fmt ":
            layout = _layout(data[start : start + size])
        elif name == b"data":
            if layout is None:
                raise _bad("its sound comes before its format")
            streamed = size in (0, 0xFFFFFFFF)
            return layout, data[start:] if streamed else data[start : start + size]
        at = start + size + size % 2  # chunks are padded to even sizes
    raise _bad("it holds no sound")


def _layout(body: bytes) -> _Layout:
    if len(body) < 16:
        raise _bad("its header is cut off")
    tag, channels, sample_rate, _, _, bits = struct.unpack("<HHIIHH", body[:16])
    if tag == _EXTENSIBLE and len(body) >= 26:
        tag = int.from_bytes(body[24:26], "little")
    if not 0 < channels <= _MAX_CHANNELS:
        raise _bad(f"it says it has {channels} channels")
    if not _RATES_HZ[0] <= sample_rate <= _RATES_HZ[1]:
        raise _bad(f"it says it runs at {sample_rate} Hz")
    if (tag, bits) not in {(_PCM, 8), (_PCM, 16), (_PCM, 24), (_PCM, 32), (_FLOAT, 32)}:
        raise _bad(f"its coding ({tag:#06x}, {bits} bit) is not one that is read")
    return _Layout(tag, channels, sample_rate, bits)


def _to_int16(body: bytes, layout: _Layout) -> Samples:
    if layout.tag == _FLOAT:
        floats = np.nan_to_num(np.frombuffer(body, "<f4"), nan=0.0, posinf=1.0, neginf=-1.0)
        scaled: npt.NDArray[np.float32] = np.clip(floats, -1.0, 1.0) * 32_767
        return scaled.astype(np.int16)
    match layout.bits:
        case 8:  # the only width that is unsigned
            return (np.frombuffer(body, np.uint8).astype(np.int16) - 128) * 256
        case 24:
            high = np.frombuffer(body, np.uint8).reshape(-1, 3)[:, 1:]
            return np.ascontiguousarray(high).view("<i2").reshape(-1).astype(np.int16)
        case 32:
            return (np.frombuffer(body, "<i4") >> 16).astype(np.int16)
        case _:
            return np.frombuffer(body, "<i2").astype(np.int16)
