"""The HTTP surface: OpenAI's speech route, and what Kokoro's users know beside it."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing, suppress
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, Field
from voicemode_service import __version__
from voicemode_service.app import create_app
from voicemode_service.encode import MEDIA_TYPES, Format
from voicemode_service.errors import BadRequestError, BusyError, EngineFailedError, NotFoundError, ServiceError, TooLargeError
from voicemode_service.gone import ClientGoneError, Streamed, unless_gone
from voicemode_service.metrics import Metrics
from voicemode_service.model_host import ModelHost
from voicemode_service.settings import ServiceSettings
from voicemode_service.work import WorkQueue

from voicemode_kokoro.choose import load
from voicemode_kokoro.engine import SPEEDS, Engine, Spoken
from voicemode_kokoro.files import DEFAULT_MODEL, ModelFiles, find
from voicemode_kokoro.speech import Pace, speech
from voicemode_kokoro.styles import voice_names
from voicemode_kokoro.voices import DEFAULT, OPENAI_VOICES, language_of, languages, read_language, read_voice

__all__ = ["MAX_TEXT", "SpeechRequest", "make_app"]

MAX_TEXT = 100_000
"""Characters: about two hours of speech."""

ALIASES = ("kokoro", "tts-1", "tts-1-hd", "gpt-4o-mini-tts")
"""Names of the one model: clients of OpenAI's send theirs unasked."""

_SPARES = 1
"""An interrupted run ends at the next node of the graph, 36 ms later in the median and up to 140; nobody waits for that."""

SSE = "text/event-stream"

EVENT = {"type": "object", "properties": {"data": {"type": "string"}}, "required": ["data"]}
"""The schema of each event of a stream; its data is a JSON text of OpenAI's speech.audio.delta or speech.audio.done."""


class VoiceId(BaseModel):
    """A voice as newer clients may name it."""

    id: str


class SpeechRequest(BaseModel):
    """https://platform.openai.com/docs/api-reference/audio/createSpeech, and ``lang_code`` as Kokoro-FastAPI has it."""

    input: str
    model: str = "kokoro"
    voice: str | VoiceId = "default"
    response_format: Format = "mp3"
    speed: Annotated[float, Field(ge=0.25, le=4.0, allow_inf_nan=False)] = 1.0
    stream_format: Literal["audio", "sse"] = "audio"
    lang_code: str | None = None
    """A language such as "en-gb", or the first letter of its voices; None takes that of the voice."""


class _Service:
    """What the routes share. Belongs to one event loop."""

    def __init__(self, settings: ServiceSettings) -> None:
        self.settings = settings
        self.metrics = Metrics(settings.name)
        self.queue = WorkQueue(workers=settings.workers, capacity=settings.queue, spares=_SPARES, name="kokoro")
        self.host: ModelHost[Engine] = ModelHost(lambda: load(find(settings), settings, self.pace), idle_s=settings.idle_s)
        self.pace = Pace()
        self.metrics.jobs.set_function(lambda: self.queue.jobs)
        self.metrics.model_loaded.set_function(lambda: self.host.loaded)
        self._engine: tuple[str, str] | None = None
        self._names: tuple[ModelFiles, float, tuple[str, ...]] | None = None

    async def start(self) -> None:
        """A model that cannot be loaded stops nothing: /health says why."""
        if self.settings.preload:
            with suppress(EngineFailedError):
                async with self.host.use() as engine:
                    self._engine = engine.name, engine.device

    async def stop(self) -> None:
        await self.queue.aclose()
        self.host.unload()

    def facts(self) -> Mapping[str, Any]:
        name, device = self._engine or (None, None)
        return {
            "model": self.settings.model or DEFAULT_MODEL,
            "loaded": self.host.loaded,
            "engine": name,
            "device": device,
            "load_s": self.host.load_s,
            "jobs": self.queue.jobs,
            "busy": self.queue.busy,
            "workers": self.settings.workers,
            "failure": self.host.failure,
        }

    def voices(self) -> tuple[str, ...]:
        """From the voices file, read again when it has changed; the model need not be loaded."""
        files = find(self.settings)
        changed = files.voices.stat().st_mtime
        if self._names is None or self._names[:2] != (files, changed):
            self._names = files, changed, voice_names(files.voices)
        return self._names[2]

    def read(self, asked: SpeechRequest) -> Spoken:
        """Raises BadRequestError, NotFoundError, TooLargeError, or EngineFailedError when there is no model."""
        if asked.model not in self.models():
            raise NotFoundError(f"There is no model {asked.model[:40]!a} here, but {', '.join(self.models())}.", param="model")
        if len(asked.input) > MAX_TEXT:
            raise TooLargeError(f"The text has more than {MAX_TEXT} characters.", param="input")
        if not asked.input.strip():
            raise BadRequestError("The text is empty.", param="input")
        wanted = asked.voice if isinstance(asked.voice, str) else asked.voice.id
        voice = read_voice(wanted, self.voices())
        language = language_of(voice.main) if asked.lang_code is None else read_language(asked.lang_code)
        return Spoken(voice, language, min(max(asked.speed, SPEEDS[0]), SPEEDS[1]))

    def models(self) -> tuple[str, ...]:
        """What the one model is called: clients may send any of it."""
        return tuple(dict.fromkeys((*ALIASES, DEFAULT_MODEL, Path(self.settings.model or DEFAULT_MODEL).name)))

    async def chunks(self, engine: Engine, asked: SpeechRequest, how: Spoken) -> AsyncGenerator[bytes]:
        """The encoded sound as it is made; counts what came of it."""
        began, outcome = time.monotonic(), "left"
        self._engine = engine.name, engine.device
        try:
            job = self.queue.run(
                lambda stop: speech(engine, self.pace, asked.input, how, wanted=asked.response_format, stop=stop)
            )
            async with aclosing(job) as made:
                async for chunk in made:
                    self.metrics.audio.inc(chunk.seconds)
                    if chunk:
                        if outcome == "left":
                            self.metrics.first_byte.observe(time.monotonic() - began)
                        outcome = "broke off"
                        yield bytes(chunk)
                    if chunk.last:
                        outcome = "ok"
                        break
        except BusyError:
            outcome = "busy"
            raise
        except ServiceError:
            outcome = "failed"
            raise
        finally:
            self.metrics.requests.labels(outcome).inc()


def make_app(settings: ServiceSettings) -> FastAPI:
    """The service, which loads its model at the first request unless ``settings.preload``."""
    service = _Service(settings)
    app = create_app(
        settings,
        version=__version__,
        metrics=service.metrics,
        facts=service.facts,
        start=service.start,
        stop=service.stop,
    )
    _add_speech(app, service)
    _add_lists(app, service)
    return app


def _add_speech(app: FastAPI, service: _Service) -> None:
    sound = {"audio/*": {"schema": {"type": "string", "format": "binary"}}, SSE: {"schema": EVENT}}
    refusals: dict[int | str, dict[str, Any]] = {
        400: {"description": "Something asked for cannot be had"},
        404: {"description": "No such model"},
        413: {"description": "The text is too long"},
        429: {"description": "Too many wait; see Retry-After"},
        503: {"description": "The model cannot be loaded or broke"},
    }

    @app.post(
        "/v1/audio/speech",
        summary="Speak a text",
        response_class=Response,
        responses={200: {"content": sound, "description": "Sound, sent while it is made"}, **refusals},
    )
    async def speak(asked: SpeechRequest, request: Request) -> Response:
        how = service.read(asked)
        async with AsyncExitStack() as stack:
            try:
                first, rest = await unless_gone(request.receive, _begun(stack, service, asked, how))
            except ClientGoneError:
                return Response(status_code=499)
            content = _chained(first, rest)
            headers = {"X-Voicemode-Speed": f"{how.speed:g}", "Cache-Control": "no-store"}
            return Streamed(
                _events(content) if asked.stream_format == "sse" else content,
                owned=stack.pop_all(),
                media_type=SSE if asked.stream_format == "sse" else MEDIA_TYPES[asked.response_format],
                headers=headers,
            )


async def _begun(
    stack: AsyncExitStack, service: _Service, asked: SpeechRequest, how: Spoken
) -> tuple[bytes, AsyncGenerator[bytes]]:
    """The first sound before the answer begins, so that what fails until then has a status of its own."""
    engine = await stack.enter_async_context(service.host.use())
    rest = await stack.enter_async_context(aclosing(service.chunks(engine, asked, how)))
    return await anext(rest, b""), rest


async def _chained(first: bytes, rest: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk


async def _events(content: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """OpenAI's speech.audio.delta and speech.audio.done; tokens are not counted here."""
    async for chunk in content:
        yield _event({"type": "speech.audio.delta", "audio": base64.b64encode(chunk).decode()})
    usage = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
    yield _event({"type": "speech.audio.done", "usage": usage})


def _event(body: Mapping[str, Any]) -> bytes:
    return f"data: {json.dumps(body)}\n\n".encode()


def _add_lists(app: FastAPI, service: _Service) -> None:
    @app.get("/v1/audio/voices", summary="The voices of the model", responses={503: {"description": "No model"}})
    async def voices() -> dict[str, Any]:
        known = await asyncio.to_thread(service.voices)
        return {
            "voices": known,
            "languages": languages(known),
            "default": DEFAULT if DEFAULT in known else known[0],
            "openai": {name: read_voice(name, known).main for name in OPENAI_VOICES},
        }

    @app.get("/v1/audio/languages", summary="The languages of the model", responses={503: {"description": "No model"}})
    async def spoken() -> dict[str, Any]:
        known = await asyncio.to_thread(service.voices)
        return {"languages": {name: [v for v in known if language_of(v) == name] for name in languages(known)}}

    @app.get("/v1/models", summary="The names of the model")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [_model(name) for name in service.models()]}

    @app.get("/v1/models/{model}", summary="One of them", responses={404: {"description": "No such model"}})
    async def model(model: str) -> dict[str, Any]:
        if model not in service.models():
            raise NotFoundError("There is no such model here.", param="model")
        return _model(model)


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "voicemode"}
