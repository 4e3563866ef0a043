"""Sound as clients ask for it, encoded while it is made: pcm, wav, mp3, opus, aac or flac."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import Literal, Protocol, TypeAlias

import av
import numpy as np
from numpy.typing import NDArray

__all__ = ["MEDIA_TYPES", "Encoder", "Format", "encoder"]

Format: TypeAlias = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]

MEDIA_TYPES: dict[Format, str] = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}

_CODECS: dict[str, tuple[str, str, int | None, dict[str, str]]] = {
    "mp3": ("mp3", "libmp3lame", 128_000, {"write_xing": "0"}),
    "opus": ("ogg", "libopus", 48_000, {"page_duration": "20000"}),
    "aac": ("adts", "aac", 128_000, {}),
    "flac": ("flac", "flac", None, {}),
}
"""Container, codec, bits per second, container options: small pages and no seek tables, since nothing can seek."""


class Encoder(Protocol):
    """To be fed in order, finished once, and closed in any case."""

    def feed(self, samples: NDArray[np.float32]) -> bytes:
        """Encode mono samples, -1 to 1; what is ready of it, perhaps nothing yet."""

    def finish(self) -> bytes:
        """The rest."""

    def close(self) -> None:
        """Give back what the codec holds, at once: left to the garbage collector it is megabytes. Idempotent."""


def encoder(wanted: Format, sample_rate: int) -> Encoder:
    """An encoder for one answer. ``sample_rate`` in hertz."""
    return _Pcm(sample_rate, header=wanted == "wav") if wanted in ("pcm", "wav") else _Av(wanted, sample_rate)


def to_int16(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """Samples of -1 to 1 as 16-bit PCM; louder ones are clipped."""
    clipped: NDArray[np.int16] = np.clip(np.rint(np.nan_to_num(samples) * 32767.0), -32768, 32767).astype("<i2")
    return clipped


class _Pcm:
    """16-bit little-endian mono; as WAV with a head that does not know the length, as streams have it."""

    def __init__(self, sample_rate: int, *, header: bool) -> None:
        self._head = _wav_head(sample_rate) if header else b""

    def feed(self, samples: NDArray[np.float32]) -> bytes:
        head, self._head = self._head, b""
        return head + to_int16(samples).tobytes()

    def finish(self) -> bytes:
        head, self._head = self._head, b""
        return head

    def close(self) -> None:
        self._head = b""


def _wav_head(sample_rate: int) -> bytes:
    unknown = 0xFFFFFFFF
    form = struct.pack("<HHIIHH", 1, 1, sample_rate, 2 * sample_rate, 2, 16)
    return (
        b"RIFF"
        + struct.pack("<I", unknown)
        + b"WAVEfmt "
        + struct.pack("<I", len(form))
        + form
        + b"data"
        + struct.pack("<I", unknown)
    )


class _Drain:
    """A file that is only written to, and emptied after each write."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


class _Av:
    """Any codec of PyAV."""

    def __init__(self, wanted: str, sample_rate: int) -> None:
        container, codec, bits, options = _CODECS[wanted]
        self._out = _Drain()
        self._container = av.open(self._out, "w", format=container, options=options)
        stream = self._container.add_stream(codec, rate=sample_rate, layout="mono")
        assert isinstance(stream, av.AudioStream)  # noqa: S101  (all codecs above are of sound)
        self._stream = stream
        if bits is not None:
            self._stream.bit_rate = bits
        self._rate, self._position = sample_rate, 0

    def feed(self, samples: NDArray[np.float32]) -> bytes:
        if samples.size:
            frame = av.AudioFrame.from_ndarray(to_int16(samples).reshape(1, -1), format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = self._rate, self._position, Fraction(1, self._rate)
            self._position += samples.size
            self._container.mux(self._stream.encode(frame))
        return self._out.take()

    def finish(self) -> bytes:
        if self._position:
            self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._out.take()

    def close(self) -> None:
        self._container.close()
        self._out.take()
