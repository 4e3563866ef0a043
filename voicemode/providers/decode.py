"""Bytes of an answer to sound, while they arrive.

Raw PCM and 16-bit WAV, which local services deliver, are decoded here; everything else goes through PyAV.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

import numpy as np

from voicemode.audio import AudioChunk
from voicemode.errors import EndpointError
from voicemode.wire.openai_audio import MAGIC_BYTES, AudioCoding, Container, is_web_page, sniff

__all__ = ["NotAudioError", "decode"]

MIN_CHUNK_S = 0.02
"""No chunk but the last is shorter: a device block is about as long, and less would only cost."""

_WAV_HEAD_LIMIT = 1 << 16
"""Bytes before the samples of a WAV; the usual 44 grow with tags."""

_WAV_UNKNOWN_LENGTH = 0x7FFF_0000
"""Streaming writers cannot know the length: they say 0, 0xFFFFFFFF, or 0x7FFFFFFF less the header."""

_WAV_CHUNK_LIMIT = 1 << 20
"""Bytes of what may follow the samples of a WAV: titles and the like."""

_JSON = re.compile(rb"\s*[\[{]\s*[\"{]")
"""How an error in JSON begins. As samples it would be a loud one, which no speech begins with."""

_WAV_PCM, _WAV_EXTENSIBLE = 1, 0xFFFE


class NotAudioError(ValueError):
    """The bytes are not, or not to their end, the sound they were said to be. The text says what they are."""


async def decode(parts: AsyncIterator[bytes], coding: AudioCoding, *, delimited: bool = False) -> AsyncGenerator[AudioChunk]:
    """Mono chunks in order, each as soon as MIN_CHUNK_S of it has arrived.

    Whatever arrived before a failure is delivered before the failure is raised. ``delimited``: ``parts`` itself raises when
    it ends too soon; else the sound's own length, and half a sample left over, are all there is to tell by.

    Raises NotAudioError, and the EndpointError that ``parts`` raises.
    """
    incoming = _Incoming(parts)
    try:
        async with aclosing(_chunks(incoming.parts(), coding, delimited)) as chunks:
            async for chunk in chunks:
                yield chunk
    except NotAudioError:
        if incoming.failure is None:
            raise
    if incoming.failure is not None:  # it is why the sound is incomplete, and says more
        raise incoming.failure


class _Incoming:
    """Parts until they end or fail; the failure is kept for later."""

    def __init__(self, parts: AsyncIterator[bytes]) -> None:
        self._parts = parts
        self.failure: EndpointError | None = None

    async def parts(self) -> AsyncGenerator[bytes]:
        try:
            async for part in self._parts:
                yield part
        except EndpointError as error:
            self.failure = error


async def _chunks(parts: AsyncGenerator[bytes], coding: AudioCoding, delimited: bool) -> AsyncGenerator[AudioChunk]:
    head, plan = bytearray(), None
    async for part in parts:
        head += part
        if (plan := _plan(head, coding)) is not None:
            break
    plan = plan or _plan(head, coding, ended=True)
    match plan:
        case _Pcm():
            async for chunk in _samples(plan, parts):
                yield chunk
            if plan.truncated and not delimited:
                raise NotAudioError("the sound ends too soon")
        case str():
            # PyAV costs 16 MB and 80 ms, which those who are served PCM or WAV should not pay.
            from voicemode.providers.decode_av import decode_av

            async with aclosing(decode_av(_joined(bytes(head), parts), plan)) as chunks:
                async for chunk in chunks:
                    yield chunk
        case None:
            return


async def _samples(pcm: _Pcm, parts: AsyncGenerator[bytes]) -> AsyncGenerator[AudioChunk]:
    if (chunk := pcm.take()) is not None:
        yield chunk
    async for part in parts:
        if (more := pcm.take(part)) is not None:
            yield more
    if (last := pcm.rest()) is not None:
        yield last


async def _joined(head: bytes, parts: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    yield head
    async for part in parts:
        yield part


class _Pcm:
    """16-bit little-endian samples in pieces of any length, odd ones too."""

    def __init__(self, sample_rate: int, channels: int, start: bytes, length: int | None = None) -> None:
        """``length``: bytes that are announced; None when nobody knows."""
        self._rate, self._width, self._channels = sample_rate, 2 * channels, channels
        self._held = bytearray()
        self._missing = length
        self._surplus = bytearray()
        """What comes after all that was announced, until it is clear what it is."""
        self._min_bytes = round(sample_rate * MIN_CHUNK_S) * self._width
        self._add(start)

    def take(self, part: bytes = b"") -> AudioChunk | None:
        """The chunk that is complete with ``part``, if one is."""
        self._add(part)
        return self.rest() if len(self._held) >= self._min_bytes else None

    def rest(self) -> AudioChunk | None:
        """All whole samples that are there."""
        whole = len(self._held) - len(self._held) % self._width
        if not whole:
            return None
        samples = np.frombuffer(bytes(self._held[:whole]), dtype="<i2")
        del self._held[:whole]
        if self._channels > 1:
            samples = samples.reshape(-1, self._channels).mean(axis=1)
        return AudioChunk(samples.astype(np.int16), self._rate)

    @property
    def truncated(self) -> bool:
        """Half a sample is left over, or less came than was announced. Ask after the end."""
        return bool(self._held) or bool(self._missing)

    def _add(self, part: bytes) -> None:
        if self._missing is None:
            self._held += part
            return
        expected = part[: self._missing]
        self._missing -= len(expected)
        self._held += expected
        self._surplus += part[len(expected) :]
        if len(self._surplus) >= 8 and not _is_wav_chunk(self._surplus):
            # The head was wrong, as of writers that know the length of the first block only: the sound goes on.
            self._held += self._surplus
            self._missing = None


def _plan(head: bytearray, coding: AudioCoding, *, ended: bool = False) -> _Pcm | Container | None:
    """How to go on from what is there: read samples here, or give a container to PyAV; None: more must come first.

    Raises NotAudioError.
    """
    if not head or (len(head) < MAGIC_BYTES and not ended):
        return None
    start = bytes(head[:64])
    if is_web_page("", start):
        raise NotAudioError("answered a web page instead of sound")
    if _JSON.match(start) and start[:MAGIC_BYTES].isascii():
        raise NotAudioError("answered JSON instead of sound")
    container = sniff(start) or coding.container
    if container == "pcm":
        return _Pcm(coding.sample_rate, coding.channels, bytes(head))
    if container != "wav":
        return container
    wav = _wav_head(bytes(head[:_WAV_HEAD_LIMIT]))
    if wav is not None:
        return _Pcm(wav.sample_rate, wav.channels, bytes(head[wav.start :]), wav.length) if wav.is_pcm16 else "wav"
    if ended or len(head) > _WAV_HEAD_LIMIT:
        raise NotAudioError("answered a WAV without samples")
    return None


def _is_wav_chunk(data: bytearray) -> bool:
    """Whether a RIFF chunk begins here: four letters and a length."""
    name, size = bytes(data[:4]), int.from_bytes(data[4:8], "little")
    return name.isascii() and name.replace(b" ", b"x").isalnum() and size <= _WAV_CHUNK_LIMIT


@dataclass(frozen=True, slots=True)
class _WavHead:
    is_pcm16: bool
    sample_rate: int
    channels: int
    start: int
    """Where the samples begin, in bytes."""
    length: int | None
    """Bytes of samples; None in a stream."""


def _wav_head(data: bytes) -> _WavHead | None:
    """Read a WAV's chunks up to its samples; None when that needs more bytes. Raises NotAudioError."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise NotAudioError("answered something else than the WAV it announced")
    at, layout = 12, b""
    while len(data) >= at + 8:
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8
        if name == b"data":
            return _wav_layout(layout, at, size)
        if len(data) < at + size:
            return None
        if name == b"fmt ":
            layout = data[at : at + size]
        at += size + size % 2  # chunks are padded to even lengths
    return None


def _wav_layout(layout: bytes, start: int, size: int) -> _WavHead:
    if len(layout) < 16:
        raise NotAudioError("answered a WAV without a format")
    tag, channels = (int.from_bytes(layout[i : i + 2], "little") for i in (0, 2))
    sample_rate, bits = int.from_bytes(layout[4:8], "little"), int.from_bytes(layout[14:16], "little")
    if tag == _WAV_EXTENSIBLE and len(layout) >= 26:
        tag = int.from_bytes(layout[24:26], "little")  # the first field of the sub-format's GUID is the real tag
    if not (0 < sample_rate <= 384_000 and 0 < channels <= 8):
        raise NotAudioError("answered a WAV with an impossible format")
    known = size if 0 < size < _WAV_UNKNOWN_LENGTH else None
    return _WavHead(tag == _WAV_PCM and bits == 16, sample_rate, channels, start, known)
