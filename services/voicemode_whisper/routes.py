"""The HTTP side of the service: OpenAI's audio API for transcriptions and translations."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from voicemode_service import __version__
from voicemode_service.app import create_app
from voicemode_service.decode import blocks
from voicemode_service.errors import BadRequestError, EngineFailedError, ServiceError
from voicemode_service.gone import ClientGoneError, Streamed, unless_gone
from voicemode_service.settings import ServiceSettings

from voicemode_whisper.engine import UNKNOWN, Reading
from voicemode_whisper.formats import Segment, Transcription, plain, srt, verbose, vtt
from voicemode_whisper.models import load
from voicemode_whisper.service import Service
from voicemode_whisper.stream import PROTOCOL, add_stream
from voicemode_whisper.uploads import Form, TranslationForm, Upload, request_body, upload

__all__ = ["make_app"]

_GONE = 499
"""nginx' status for a client that left; nobody reads it."""

_ERROR = {"type": "object", "properties": {"error": {"type": "object"}}, "required": ["error"]}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "In the format asked for.",
        "content": {
            "application/json": {
                "schema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
            },
            "text/plain": {"schema": {"type": "string"}},
            "text/vtt": {"schema": {"type": "string"}},
            "text/event-stream": {
                "schema": {"type": "object", "properties": {"data": {"type": "string"}}, "required": ["data"]}
            },
        },
    },
    **{
        status: {"description": what, "content": {"application/json": {"schema": _ERROR}}}
        for status, what in (
            (400, "The request or its file is wrong."),
            (404, "Another model was asked for."),
            (413, "The upload or its sound is too long."),
            (429, "All places are taken; Retry-After says when to come back."),
            (503, "The model cannot be loaded."),
        )
    },
}


def make_app(settings: ServiceSettings) -> FastAPI:
    """The service."""
    service = Service(settings, lambda: load(settings))
    app = create_app(
        settings,
        version=__version__,
        metrics=service.metrics,
        facts=service.facts,
        start=service.start,
        stop=service.stop,
    )
    app.state.service = service
    _add_models(app, service)

    @app.post(
        "/v1/audio/transcriptions",
        summary="What is said in a file",
        response_class=Response,
        responses=_ANSWERS,
        openapi_extra=request_body(Form),
    )
    async def transcriptions(request: Request) -> Response:
        return await _answered(service, request, Form, task="transcribe")

    @app.post(
        "/v1/audio/translations",
        summary="What is said in a file, in English",
        response_class=Response,
        responses=_ANSWERS,
        openapi_extra=request_body(TranslationForm),
    )
    async def translations(request: Request) -> Response:
        return await _answered(service, request, TranslationForm, task="translate")

    add_stream(app, service)
    return app


def _add_models(app: FastAPI, service: Service) -> None:
    began = int(time.time())

    def described(name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": began, "owned_by": "voicemode", "audio_stream": PROTOCOL}

    @app.get("/v1/models", summary="The model under its names")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [described(name) for name in service.names]}

    @app.get("/v1/models/{model}", summary="The model", responses={404: _ANSWERS[404]})
    async def model(model: str) -> dict[str, Any]:
        service.check_model(model)
        return described(model)


async def _answered(service: Service, request: Request, kind: type[TranslationForm], *, task: str) -> Response:
    """Count how it ends, whoever's fault that is."""
    outcome = "failed"
    try:
        response = await _answer(service, request, kind, task)
        outcome = "ok"
    except ClientGoneError:
        outcome = "gone"
        return Response(status_code=_GONE)
    except ServiceError as error:
        outcome = error.code
        raise
    else:
        return response
    finally:
        service.metrics.requests.labels(outcome).inc()


async def _answer(service: Service, request: Request, kind: type[TranslationForm], task: str) -> Response:
    async with AsyncExitStack() as stack:
        stack.enter_context(service.admission.place(_size(request, service.settings)))
        sent = await stack.enter_async_context(upload(request, kind))
        began = time.monotonic()
        form = sent.form
        service.check_model(form.model)
        if isinstance(form, Form) and form.stream and form.response_format not in ("json", "text"):
            raise BadRequestError("stream=true goes with response_format json or text.", param="stream")
        parts = _parts(service, sent, translate=task == "translate")
        stack.push_async_callback(parts.aclose)
        if isinstance(form, Form) and form.stream:
            # The first part is awaited here: what is wrong with the file is told by the status.
            first = await unless_gone(request.receive, _next(parts))
            service.metrics.first_byte.observe(time.monotonic() - began)
            events = _events(service, first, parts)
            return Streamed(
                events, owned=stack.pop_all(), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
            )
        done = await unless_gone(request.receive, _whole(service, parts))
        service.metrics.first_byte.observe(time.monotonic() - began)
        return _shaped(done, form, task)


def _size(request: Request, settings: ServiceSettings) -> int:
    """Bytes of the upload; without Content-Length, as many as there may be."""
    length = request.headers.get("content-length", "")
    return int(length) if length.isdecimal() else settings.max_upload_mb << 20


async def _parts(service: Service, sent: Upload, *, translate: bool) -> AsyncGenerator[Reading]:
    asked = sent.form.asked(translate=translate)
    sound = blocks(sent.file, max_s=service.settings.max_audio_s)
    async with service.readings(sound, asked) as readings:
        async for reading in readings:
            yield reading
            if reading.final:
                return


async def _next(parts: AsyncIterator[Reading]) -> Reading:
    async for reading in parts:
        return reading
    raise EngineFailedError("The engine gave no answer.")  # it always gives one, or raises


async def _whole(service: Service, parts: AsyncIterator[Reading]) -> Transcription:
    segments: list[Segment] = []
    language, until = UNKNOWN, 0.0
    async for reading in parts:
        segments += reading.segments
        language, until = reading.language, reading.until
    service.metrics.audio.inc(until)
    return Transcription(language, until, tuple(segments))


async def _events(service: Service, first: Reading, parts: AsyncIterator[Reading]) -> AsyncIterator[bytes]:
    """https://platform.openai.com/docs/api-reference/audio/transcript-text-delta-event: the deltas together are the text."""
    text = ""
    reading = first
    try:
        while True:
            for segment in reading.segments:
                delta = segment.text.rstrip() if text else segment.text.strip()
                if delta:
                    text += delta
                    yield _event({"type": "transcript.text.delta", "delta": delta})
            if reading.final:
                break
            reading = await _next(parts)
    except ServiceError as error:
        yield _event(error.as_body())  # the status is sent; the official clients raise this
        return
    service.metrics.audio.inc(reading.until)
    yield _event({"type": "transcript.text.done", "text": text})


def _event(data: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def _shaped(done: Transcription, form: TranslationForm, task: str) -> Response:
    match form.response_format:
        case "text":
            return PlainTextResponse(done.text + "\n")
        case "srt":
            return PlainTextResponse(srt(done.segments))
        case "vtt":
            return PlainTextResponse(vtt(done.segments), media_type="text/vtt")
        case "verbose_json":
            wanted = form.timestamp_granularities if isinstance(form, Form) else ["segment"]
            return JSONResponse(verbose(done, task=task, words="word" in wanted, segments="segment" in wanted))
        case _:
            return JSONResponse(plain(done))
