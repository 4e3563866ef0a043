"""WAV files: what is written is 16-bit mono PCM; what is read is anything the field calls WAV.

RIFF/WAVE as in "Multimedia Programming Interface and Data Specifications 1.0" (1991), WAVE_FORMAT_EXTENSIBLE as in Microsoft's
"Multiple Channel Audio Data and WAVE Files", RF64 as in EBU Tech 3306. The standard library writes; it cannot read floats,
the extensible format before Python 3.12, or the sizes that streaming servers make up.
"""

from __future__ import annotations

import io
import struct
import wave
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voicemode.audio import FULL_SCALE, AudioChunk, Samples
from voicemode.errors import MediaError

__all__ = ["decode_wav", "encode_wav"]

_PCM, _FLOAT, _EXTENSIBLE = 0x0001, 0x0003, 0xFFFE
_READABLE = frozenset({(_PCM, 8), (_PCM, 16), (_PCM, 24), (_PCM, 32), (_FLOAT, 32), (_FLOAT, 64)})
_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
"""Ends the subformat of the extensible format when its first two bytes are a plain format tag."""
_RATES_HZ = (1_000, 384_000)
"""No sound card records outside of these; a header that says so is not one."""
_MAX_CHANNELS = 64
_UNKNOWN_SIZE = 0x7FFF_FF00
"""Sizes from here on (2 GiB) are what writers put that do not know the size yet: 0x7FFFFFFF, 0xFFFFFFFF and the like."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """What the "fmt " chunk says."""

    tag: int
    """Either _PCM or _FLOAT."""
    channels: int
    sample_rate: int
    """Hertz."""
    bits: int
    """Of one sample of one channel."""


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
    """Read 8, 16, 24 or 32-bit PCM or 32 or 64-bit float of up to 64 channels, mixed down to mono.

    Where the writer did not know the size, all the rest is sound; a known size that is not there is a truncated file.
    Raises MediaError.
    """
    layout, body = _chunks(data)
    frame_bytes = layout.bits // 8 * layout.channels
    body = body[: len(body) - len(body) % frame_bytes]
    if (layout.tag, layout.bits, layout.channels) == (_PCM, 16, 1):
        return AudioChunk(np.frombuffer(body, "<i2").astype(np.int16), layout.sample_rate)
    samples = _to_float(body, layout)
    if layout.channels > 1:
        samples = samples.reshape(-1, layout.channels).mean(axis=1)
    return AudioChunk(_to_int16(samples), layout.sample_rate)


def _bad(problem: str) -> MediaError:
    return MediaError("the WAV file", problem)


def _chunks(data: bytes) -> tuple[_Layout, bytes]:
    """The format, and the bytes of the sound."""
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
            return layout, _sound(data, start, size)
        at = start + size + size % 2  # chunks are padded to even sizes
    raise _bad("it holds no sound")


def _layout(body: bytes) -> _Layout:
    if len(body) < 16:
        raise _bad("its header is cut off")
    tag, channels, sample_rate, _, _, bits = struct.unpack_from("<HHIIHH", body)
    if tag == _EXTENSIBLE:
        if len(body) < 40:
            raise _bad("its header is cut off")
        tag = int.from_bytes(body[24:26], "little") if body[26:40] == _GUID_TAIL else _EXTENSIBLE
    if not 0 < channels <= _MAX_CHANNELS:
        raise _bad(f"it says it has {channels} channels")
    if not _RATES_HZ[0] <= sample_rate <= _RATES_HZ[1]:
        raise _bad(f"it says it runs at {sample_rate} Hz")
    if (tag, bits) not in _READABLE:
        raise _bad(f"its coding ({tag:#06x}, {bits} bit) is not one that is read")
    return _Layout(tag, channels, sample_rate, bits)


def _sound(data: bytes, start: int, size: int) -> bytes:
    """The bytes of the "data" chunk that begins at ``start``."""
    file_end = int.from_bytes(data[4:8], "little") + 8
    # A size of 0 in a file that says it goes on is an empty recording; in one that ends here, or nowhere, it is a stream.
    streamed = size >= _UNKNOWN_SIZE or (size == 0 and not start < file_end < _UNKNOWN_SIZE)
    if streamed:
        return data[start:]
    if len(data) - start < size:
        raise _bad(f"it breaks off after {len(data) - start} of {size} bytes of sound")
    return data[start : start + size]


def _to_float(body: bytes, layout: _Layout) -> npt.NDArray[np.float32]:
    """Samples from -1 to 1, of all channels in turn. 24 bits of mantissa are enough for what becomes 16 bits."""
    if layout.tag == _FLOAT:
        floats = np.nan_to_num(np.frombuffer(body, f"<f{layout.bits // 8}"), nan=0.0, posinf=1.0, neginf=-1.0)
        limited: npt.NDArray[np.float32] = np.clip(floats, -1.0, 1.0).astype(np.float32)
        return limited
    match layout.bits:
        case 8:  # the only width that is unsigned
            whole, full_scale = np.frombuffer(body, np.uint8).astype(np.float32) - 128, 128.0
        case 24:
            wide = np.zeros((len(body) // 3, 4), np.uint8)
            wide[:, 1:] = np.frombuffer(body, np.uint8).reshape(-1, 3)
            whole, full_scale = wide.view("<i4").reshape(-1).astype(np.float32), 2.0**31
        case bits:
            whole, full_scale = np.frombuffer(body, f"<i{bits // 8}").astype(np.float32), 2.0 ** (bits - 1)
    whole /= full_scale
    return whole


def _to_int16(samples: npt.NDArray[np.float32]) -> Samples:
    scaled: Samples = np.clip(np.rint(samples * np.float32(FULL_SCALE)), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
    return scaled
