"""Compressed sound to samples while it arrives, through PyAV in a thread of its own.

PyAV pulls from a file object and blocks; the event loop must never wait for it. So a thread does the decoding, with
bounded stretches in both directions: bytes going in, chunks coming out.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from functools import partial

import av
import numpy as np

from voicemode.audio import AudioChunk
from voicemode.providers.decode import NotAudioError
from voicemode.wire.openai_audio import Container

__all__ = ["decode_av"]

_FORMATS: Mapping[Container, str] = {
    "mp3": "mp3",
    "opus": "ogg",
    "aac": "aac",
    "flac": "flac",
    "wav": "wav",
    "webm": "matroska",
}
"""Always named, never guessed: among FFmpeg's formats are playlists, which would open addresses and files they name."""

_PROBE = {"probesize": "1024", "analyzeduration": "1"}
"""Bytes and microseconds FFmpeg looks ahead; it likes five megabytes and (for 0, too) five seconds. The format is known,
so one frame is enough: an mp3 is heard after 1.4 kB."""

_PARTS_AHEAD = 64
"""Network reads waiting for the decoder."""

_CHUNKS_AHEAD = 256
"""Decoded frames (20 to 80 ms each) waiting for the listener."""

_END_DEADLINE_S = 1.0
"""The thread ends after the frame it is at: a few milliseconds. Longer is not waited for; it is a daemon."""


async def decode_av(parts: AsyncIterator[bytes], container: Container) -> AsyncGenerator[AudioChunk]:
    """Mono chunks at the stream's own rate. ``container`` is any but "pcm"; ``parts`` must not raise.

    Raises NotAudioError, after all that could be decoded.
    """
    worker = _Worker(_FORMATS[container])
    feeding = asyncio.create_task(worker.feed(parts))
    worker.start()
    heard = False
    try:
        while (chunk := await worker.next()) is not None:
            yield chunk
            heard = True
        if worker.problem is not None or (worker.fed and not heard):
            raise NotAudioError(worker.problem or "the sound cannot be decoded")
    finally:
        feeding.cancel()
        worker.stop()
        await asyncio.wait([feeding])
        await worker.ended()


class _Worker:
    """One decoding thread, and what the event loop needs to talk to it."""

    def __init__(self, av_format: str) -> None:
        self.problem: str | None = None
        """What was wrong with the bytes; set before the last chunk is out."""
        self.fed = False
        """There were bytes at all."""
        self._format = av_format
        self._loop = asyncio.get_running_loop()
        self._input: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._input_room = asyncio.Semaphore(_PARTS_AHEAD)
        self._output: asyncio.Queue[AudioChunk | None] = asyncio.Queue()
        self._output_room = threading.Semaphore(_CHUNKS_AHEAD)
        self._stopped = False
        self._pending = b""
        self._at_end = False
        self._thread = threading.Thread(target=self._run, name="voicemode-decode", daemon=True)
        self._done = asyncio.Event()

    def start(self) -> None:
        self._thread.start()

    async def feed(self, parts: AsyncIterator[bytes]) -> None:
        """Hand everything to the thread, and the end in any case."""
        try:
            async for part in parts:
                if part:
                    self.fed = True
                    await self._input_room.acquire()
                    self._input.put(part)
        finally:
            self._input.put(b"")

    async def next(self) -> AudioChunk | None:
        """The next chunk; None at the end."""
        chunk = await self._output.get()
        if chunk is not None:
            self._output_room.release()
        return chunk

    def stop(self) -> None:
        """Make the thread end soon, wherever it waits."""
        self._stopped = True
        self._input.put(b"")
        self._output_room.release()

    async def ended(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_DEADLINE_S):
                await self._done.wait()

    # -- in the thread

    def read(self, size: int) -> bytes:
        """What PyAV calls. At the end it must answer b"" for ever, else FFmpeg waits for ever."""
        if not self._pending and not self._at_end and not self._stopped:
            self._pending = self._input.get()
            self._at_end = not self._pending
            self._tell(self._input_room.release)
        if self._stopped:
            return b""
        data, self._pending = self._pending[:size], self._pending[size:]
        return data

    def _run(self) -> None:
        try:
            self._decode()
        except (av.FFmpegError, IndexError, ValueError) as error:
            self.problem = _not_decodable(error)
        finally:
            self._tell(self._finish)

    def _decode(self) -> None:
        with av.open(self, mode="r", format=self._format, options=dict(_PROBE), metadata_errors="ignore") as box:
            to_mono = av.AudioResampler(format="s16", layout="mono")
            for packet in box.demux(box.streams.audio[0]):
                try:
                    frames = packet.decode()
                except av.FFmpegError as error:  # the last one of a broken answer; those before it are good
                    self.problem = _not_decodable(error)
                    continue
                for frame in frames:
                    self._deliver(to_mono.resample(frame))
                if self._stopped:
                    return
            self._deliver(to_mono.resample(None))

    def _deliver(self, frames: list[av.AudioFrame]) -> None:
        for frame in frames:
            self._output_room.acquire()
            if self._stopped:
                return
            samples = frame.to_ndarray().reshape(-1).astype(np.int16, copy=False)
            self._tell(partial(self._output.put_nowait, AudioChunk(samples, frame.sample_rate)))

    def _finish(self) -> None:
        self._output.put_nowait(None)
        self._done.set()

    def _tell(self, what: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(what)


def _not_decodable(error: Exception) -> str:
    return f"the sound cannot be decoded ({type(error).__name__})"
