"""WebSocket /v1/audio/stream: sound in while it is spoken, words out while they are heard.

In: binary messages of 16 kHz 16-bit little-endian mono sound, ``{"type": "flush"}`` whenever the words of all of it are wanted
at once, then ``{"type": "end"}``. Out, each a JSON text message:

- ``{"type": "ready", "sample_rate": 16000, "model": ...}`` once.
- ``{"type": "partial", "settled": ..., "tail": ..., "until": ...}``: append ``settled``, which is never taken back; ``tail`` is
  how it goes on so far, and is replaced by the next one. Together they are the text so far. ``until`` is in seconds.
- ``{"type": "flushed", "text": ..., "until": ...}`` for each flush: the words of all that came before it, as an upload of that
  sound would have them while it is no longer than ``hearing.TRIM_S``. It may differ from what was settled, and then is right.
- ``{"type": "final", "text": ..., "settled": ..., "language": ..., "duration": ...}`` last; ``text`` is all that was settled.
- ``{"type": "error", "error": {...}}`` in OpenAI's shape, before a close with 1008 (wrong), 1009 (too long), 1013 (busy) or
  1011.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from fastapi import FastAPI, WebSocket
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from voicemode_service.decode import RATE
from voicemode_service.errors import BadRequestError, BusyError, ServiceError, TooLargeError
from voicemode_service.gone import ClientGoneError

from voicemode_whisper.agreement import Word
from voicemode_whisper.engine import UNKNOWN, Asked, Reading
from voicemode_whisper.formats import Segment
from voicemode_whisper.hearing import Hearing
from voicemode_whisper.service import Service
from voicemode_whisper.uploads import language_code

__all__ = ["PATH", "PROTOCOL", "add_stream"]

PATH = "/v1/audio/stream"
PROTOCOL = "voicemode-1"
"""What the list of models calls this, so that clients know that it is there, and which it is."""

_NEW_S = 0.5
"""Seconds of new sound that are worth a reading; and as many as the last one took: a slow engine has time for others."""
_AHEAD_S = 30.0
"""Seconds that a client may be ahead of the engine. Then it is not read from until the engine has caught up."""
_SILENT_S = 60.0
"""Seconds without a message, after which nobody is there: silence is sound too, and is sent."""
_SEND_S = 10.0
_MAX_MESSAGE = 1 << 20
"""Bytes; half a minute of sound."""
_UNKNOWN = 'A text message was neither {"type": "flush"} nor {"type": "end"}.'
_CLOSE = {BadRequestError: 1008, TooLargeError: 1009, BusyError: 1013}


class _Query(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    model: str = Field("whisper-1", max_length=200)
    language: Annotated[str | None, BeforeValidator(language_code)] = Field(None, max_length=20)
    prompt: str | None = Field(None, max_length=10_000)
    translate: bool = False


def add_stream(app: FastAPI, service: Service) -> None:
    @app.websocket(PATH)
    async def stream(socket: WebSocket) -> None:
        await socket.accept()
        outcome = "failed"
        try:
            with service.admission.place():
                await _Stream(socket, service, _asked(socket.query_params, service)).run()
            outcome = "ok"
        except ClientGoneError:
            outcome = "gone"
        except ServiceError as error:
            outcome = error.code
            await _refuse(socket, error)
        finally:
            service.metrics.requests.labels(outcome).inc()


class _Stream:
    """One client's. Two tasks: one takes what comes, the other reads it."""

    def __init__(self, socket: WebSocket, service: Service, asked: Asked) -> None:
        self._socket, self._service, self._asked = socket, service, asked
        self._hearing = Hearing()
        self._fed = 0
        """Bytes that came."""
        self._ended = False
        self._owed = 0
        """Flushes that were not answered yet."""
        self._flush = asyncio.Event()
        self._came, self._room = asyncio.Event(), asyncio.Event()
        self._language = asked.language or UNKNOWN

    async def run(self) -> None:
        """Until the end, or until the client leaves (ClientGoneError). Raises ServiceError."""
        await self._send({"type": "ready", "sample_rate": RATE, "model": self._service.names[0]})
        receiving, reading = asyncio.create_task(self._receive()), asyncio.create_task(self._read())
        try:
            await asyncio.wait({receiving, reading}, return_when=asyncio.FIRST_COMPLETED)
            if receiving.done() and not reading.done():
                receiving.result()  # raises: it only returns when the words are out
            await reading
        finally:
            for task in (receiving, reading):
                task.cancel()
            await asyncio.gather(receiving, reading, return_exceptions=True)
        await self._socket.close(1000)

    async def _receive(self) -> None:
        while True:
            try:
                message = await asyncio.wait_for(self._socket.receive(), _SILENT_S)
            except TimeoutError as error:
                raise BadRequestError(f"Nothing came for {_SILENT_S:g} s.") from error
            if message["type"] == "websocket.disconnect":
                raise ClientGoneError
            if self._ended:
                continue  # it waits for the words; a disconnect is what matters
            if message.get("bytes") is not None:
                await self._take(message["bytes"])
            else:
                self._control(message.get("text") or "")

    async def _take(self, sound: bytes) -> None:
        if len(sound) % 2:
            raise BadRequestError("A message held half a sample: send 16-bit sound.")
        self._fed += len(sound)
        if len(sound) > _MAX_MESSAGE:
            raise TooLargeError(f"A message was larger than {_MAX_MESSAGE >> 20} MiB.")
        if self._fed / 2 / RATE > self._service.settings.max_audio_s:
            raise TooLargeError(f"The sound is longer than {self._service.settings.max_audio_s:g} s.")
        self._hearing.feed(sound)
        self._came.set()
        while self._hearing.pending > _AHEAD_S:
            self._room.clear()
            await self._room.wait()

    def _control(self, text: str) -> None:
        try:
            kind = json.loads(text)["type"]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise BadRequestError(_UNKNOWN) from error
        match kind:
            case "end":
                self._ended = True
            case "flush":
                self._owed += 1
                self._flush.set()
            case _:
                raise BadRequestError(_UNKNOWN)
        self._came.set()

    async def _read(self) -> None:
        wanted_s, told = _NEW_S, ""
        while True:
            await self._more(wanted_s)
            samples = self._hearing.window()
            self._room.set()
            drained = not self._hearing.pending
            if self._owed and drained:
                await self._answer_flushes(samples)
                continue
            last = self._ended and drained
            began = time.monotonic()
            words = await (self._heard(samples) if last or self._owed else self._heard_unless_flushed(samples))
            wanted_s = max(_NEW_S, time.monotonic() - began)
            if last:
                break
            if words is None:
                continue
            update = self._hearing.read(words)
            if update.settled or update.tail != told:
                told = update.tail
                await self._send({"type": "partial", "settled": update.settled, "tail": told, "until": round(update.until, 3)})
        update = self._hearing.finish(words or [])
        self._service.metrics.audio.inc(update.until)
        await self._send(
            {
                "type": "final",
                "text": self._hearing.text,
                "settled": update.settled,
                "language": self._language,
                "duration": round(update.until, 3),
            }
        )

    async def _more(self, wanted_s: float) -> None:
        """Return when so much sound waits, or somebody waits for words. The deadline is the receiver's."""
        while self._hearing.pending < wanted_s and not self._ended and not self._owed:
            self._came.clear()
            await self._came.wait()

    async def _answer_flushes(self, samples: NDArray[np.float32]) -> None:
        """All that came is in ``samples``, and in what is settled."""
        owed, self._owed = self._owed, 0
        self._flush.clear()
        if not self._hearing.whole:
            # Its beginning is not heard any more: the words go behind those that are settled.
            update = self._hearing.read(await self._heard(samples))
            text, told = self._hearing.text + update.tail, {"settled": update.settled, "tail": update.tail}
            await self._send({"type": "partial", **told, "until": round(update.until, 3)})
        else:
            text = "".join(s.text for s in await self._segments(samples, replace(self._asked, words=False)))
        for _ in range(owed):
            await self._send({"type": "flushed", "text": text.strip(), "until": round(self._hearing.until, 3)})

    async def _heard_unless_flushed(self, samples: NDArray[np.float32]) -> list[Word] | None:
        """The words; None when somebody wants those of more sound meanwhile."""
        hearing, flushed = asyncio.create_task(self._heard(samples)), asyncio.create_task(self._flush.wait())
        try:
            await asyncio.wait({hearing, flushed}, return_when=asyncio.FIRST_COMPLETED)
            return hearing.result() if hearing.done() else None
        finally:
            for task in (hearing, flushed):
                task.cancel()
            await asyncio.gather(hearing, flushed, return_exceptions=True)

    async def _heard(self, samples: NDArray[np.float32]) -> list[Word]:
        segments = await self._segments(samples, self._asked)
        return [Word(w.word, w.start, w.end) for segment in segments for w in segment.words]

    async def _segments(self, samples: NDArray[np.float32], asked: Asked) -> list[Segment]:
        if not samples.size:
            return []
        found: list[Reading] = []
        async with self._service.readings([samples], asked) as readings:
            async for reading in readings:
                found.append(reading)
                if reading.final:
                    break
        if found and found[-1].language != UNKNOWN and self._asked.language is None:
            # Detected once: doing it again costs time, and a word in another language would turn all of it.
            self._language = found[-1].language
            self._asked = replace(self._asked, language=self._language)
        return [segment for reading in found for segment in reading.segments]

    async def _send(self, message: Mapping[str, Any]) -> None:
        try:
            await asyncio.wait_for(self._socket.send_text(json.dumps(message, ensure_ascii=False)), _SEND_S)
        except (TimeoutError, RuntimeError, OSError) as error:  # starlette raises RuntimeError on a closed socket
            raise ClientGoneError from error


def _asked(query: Mapping[str, str], service: Service) -> Asked:
    try:
        wanted = _Query.model_validate(dict(query))
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise BadRequestError(f"{first['loc'][0]}: {first['msg']}", param=str(first["loc"][0])) from error
    service.check_model(wanted.model)
    return Asked(language=wanted.language, prompt=wanted.prompt, translate=wanted.translate, words=True)


async def _refuse(socket: WebSocket, error: ServiceError) -> None:
    code = next((code for kind, code in _CLOSE.items() if isinstance(error, kind)), 1011)
    with suppress(TimeoutError, RuntimeError, OSError):  # it left meanwhile
        await asyncio.wait_for(socket.send_text(json.dumps({"type": "error", **error.as_body()})), _SEND_S)
        await asyncio.wait_for(socket.close(code), _SEND_S)
