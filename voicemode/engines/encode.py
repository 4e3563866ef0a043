"""Sound as clients ask for it, encoded while it is made: pcm, wav, mp3, opus, aac or flac."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Protocol

import av

from voicemode.audio import Samples

__all__ = ["MEDIA_TYPES", "Encoder", "encoder"]

MEDIA_TYPES: Mapping[str, str] = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
"""By the API's ``response_format``, whose default is the first."""

_UNKNOWN = 0xFFFF_FFFF
"""A length in a WAV head that is written before its sound is made."""


@dataclass(frozen=True, slots=True)
class _Codec:
    """How PyAV makes one format. Small pages and no seek tables, since nothing can seek in a stream."""

    container: str
    name: str
    bit_rate: int | None = None
    """Bits per second; None: lossless."""
    options: Mapping[str, str] = field(default_factory=dict)


_CODECS: Mapping[str, _Codec] = {
    "mp3": _Codec("mp3", "libmp3lame", 128_000, {"write_xing": "0"}),
    "opus": _Codec("ogg", "libopus", 48_000, {"page_duration": "20000"}),
    "aac": _Codec("adts", "aac", 128_000),
    "flac": _Codec("flac", "flac"),
}


class Encoder(Protocol):
    """To be fed in order, finished once, and closed in any case."""

    def feed(self, samples: Samples) -> bytes:
        """What of it is ready, perhaps nothing yet."""

    def finish(self) -> bytes:
        """The rest."""

    def close(self) -> None:
        """Give back what the codec holds, at once: left to the garbage collector it is megabytes. Idempotent."""


def encoder(wanted: str, sample_rate: int) -> Encoder:
    """An encoder of one of MEDIA_TYPES for one answer; ``sample_rate`` in hertz. Raises KeyError for another format."""
    match wanted:
        case "pcm":
            return _Plain(b"")
        case "wav":
            return _Plain(_wav_head(sample_rate))
        case _:
            return _Compressed(_CODECS[wanted], sample_rate)


class _Plain:
    """16-bit little-endian mono behind a head."""

    def __init__(self, head: bytes) -> None:
        self._head = head

    def feed(self, samples: Samples) -> bytes:
        return self.finish() + samples.astype("<i2", copy=False).tobytes()

    def finish(self) -> bytes:
        head, self._head = self._head, b""
        return head

    def close(self) -> None:
        self._head = b""


def _wav_head(sample_rate: int) -> bytes:
    form = struct.pack("<HHIIHH", 1, 1, sample_rate, 2 * sample_rate, 2, 16)
    head = struct.pack("<4sI4s4sI", b"RIFF", _UNKNOWN, b"WAVE", b"fmt ", len(form))
    return head + form + struct.pack("<4sI", b"data", _UNKNOWN)


class _Compressed:
    """Whatever PyAV has a codec for."""

    def __init__(self, codec: _Codec, sample_rate: int) -> None:
        self._written: list[bytes] = []
        self._container = av.open(self, "w", format=codec.container, options=dict(codec.options))
        stream = self._container.add_stream(codec.name, rate=sample_rate, layout="mono")
        assert isinstance(stream, av.AudioStream)  # noqa: S101  (all codecs above are of sound)
        self._stream = stream
        if codec.bit_rate is not None:
            self._stream.bit_rate = codec.bit_rate
        self._rate, self._position = sample_rate, 0

    def write(self, data: bytes) -> int:
        """What PyAV calls with each packet; ``data`` is its own memory."""
        self._written.append(bytes(data))
        return len(data)

    def feed(self, samples: Samples) -> bytes:
        if samples.size:
            frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = self._rate, self._position, Fraction(1, self._rate)
            self._position += samples.size
            self._container.mux(self._stream.encode(frame))
        return self._taken()

    def finish(self) -> bytes:
        if self._position:
            self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._taken()

    def close(self) -> None:
        self._container.close()
        self._taken()

    def _taken(self) -> bytes:
        written, self._written = self._written, []
        return b"".join(written)
