"""The OpenAI gateway: audio, models and chat on the server's own port, with voicemode's endpoints, failover and engines."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from voicemode.http.errors import HttpError
from voicemode.http.gateway_chat import chat_completions
from voicemode.http.gateway_models import model, models
from voicemode.http.gateway_speech import speech
from voicemode.http.gateway_transcription import Hearing, transcription
from voicemode.http.guard import caller_of
from voicemode.http.limits import Places
from voicemode.http.metrics import Metrics
from voicemode.interfaces import Synthesizer
from voicemode.providers.registry import Registry

__all__ = ["Gateway", "gateway_routes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """What it hands requests to."""

    registry: Registry
    synthesizer: Synthesizer
    hearing: Hearing
    places: Places
    """For requests: each upload and each answer is in memory."""
    touch: Callable[[], None]
    """Somebody uses the endpoints: they are looked after from now on."""
    metrics: Metrics


def gateway_routes(gateway: Gateway) -> list[Route]:
    """Every route of it."""
    registry = gateway.registry

    async def on_speech(request: Request) -> Response:
        return await speech(request, gateway.synthesizer)

    async def on_transcription(request: Request) -> Response:
        response, seconds = await transcription(request, gateway.hearing)
        gateway.metrics.audio.labels("stt").inc(seconds)
        return response

    async def on_chat(request: Request) -> Response:
        return await chat_completions(request, registry.chat)

    async def on_models(_: Request) -> Response:
        return JSONResponse(models(registry))

    async def on_model(request: Request) -> Response:
        return JSONResponse(dict(model(registry, request.path_params["name"])))

    return [
        _placed("/v1/audio/speech", on_speech, gateway),
        _placed("/v1/audio/transcriptions", on_transcription, gateway),
        _placed("/v1/chat/completions", on_chat, gateway),
        Route("/v1/models", on_models),
        Route("/v1/models/{name:path}", on_model),
    ]


def _placed(path: str, answer: Callable[[Request], Awaitable[Response]], gateway: Gateway) -> Route:
    return Route(path, _Placed(path, answer, gateway), methods=["POST"])


class _Placed:
    """A route that holds a place until the last byte of its answer was sent."""

    def __init__(self, path: str, answer: Callable[[Request], Awaitable[Response]], gateway: Gateway) -> None:
        self._path, self._answer, self._gateway = path, answer, gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        self._gateway.touch()
        try:
            with self._gateway.places.one(caller_of(scope).address):
                response = await self._answer(Request(scope, receive, watched))
                await response(scope, receive, watched)
        except HttpError as error:
            status = error.status
            raise
        finally:
            self._gateway.metrics.requests.labels(self._path, str(status)).inc()
