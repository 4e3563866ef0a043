"""``POST /v1/chat/completions``: handed on as it is to whichever endpoint can, and its answer handed back as it arrives.

An endpoint that fails before its first byte is replaced by the next one. One that breaks off later is not: another model would
go on differently with tools and fields that only the client understands. So the client is told, in the stream.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from voicemode.answers import Answerer
from voicemode.core.failover import Choice, Need
from voicemode.errors import EndpointError, VoicemodeError
from voicemode.http.bodies import json_object
from voicemode.http.errors import HttpError, of_voicemode
from voicemode.providers.http import Answer
from voicemode.providers.http_chat import HttpAnswerer
from voicemode.providers.racing import Won, failure_of, race
from voicemode.providers.shelf import Entry, Shelf

__all__ = ["chat_completions"]


@dataclass(frozen=True, slots=True, eq=False)
class _Opening:
    """An answer whose first bytes are there; of one that is not streamed, all of them."""

    answer: Answer
    first: bytes
    rest: AsyncIterator[bytes]

    async def aclose(self) -> None:
        await self.answer.aclose()


async def chat_completions(request: Request, shelf: Shelf[Answerer]) -> Response:
    """Answer it. Raises HttpError while nothing was sent."""
    body = await json_object(request)
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise HttpError(400, "missing_required_parameter", "There are no messages.", param="messages")
    private = _texts(messages)
    streams = body.get("stream") is True

    async def ask(entry: Entry[Answerer], _: Choice) -> _Opening:
        return await _open(entry.engine, body, private, streams=streams)

    try:
        won = await race(shelf, Need(task="chat", streaming=streams), ask, _Opening.aclose)
    except VoicemodeError as error:
        raise of_voicemode(error) from error
    media_type = won.answer.answer.content_type or "application/json"
    if streams:
        return StreamingResponse(_relayed(won, shelf), media_type=media_type, headers={"cache-control": "no-store"})
    won.entry.health.worked(won.ticket, shelf.clock())
    await won.answer.aclose()
    return Response(won.answer.first, media_type=media_type)


async def _open(engine: Answerer, body: Mapping[str, Any], private: list[str], *, streams: bool) -> _Opening:
    if not isinstance(engine, HttpAnswerer):
        raise EndpointError(engine.name, "hands no requests on", retryable=False)
    answer = await engine.relay(body, private)
    try:
        chunks = answer.chunks()
        first = await (anext(chunks, b"") if streams else answer.read())
    except BaseException:
        await answer.aclose()
        raise
    if not first:
        await answer.aclose()
        raise EndpointError(engine.name, "answered nothing", answer.status)
    return _Opening(answer, first, chunks)


async def _relayed(won: Won[Answerer, _Opening], shelf: Shelf[Answerer]) -> AsyncGenerator[bytes]:
    health = won.entry.health
    try:
        yield won.answer.first
        async for data in won.answer.rest:
            yield data
    except EndpointError as error:
        failure, retry_after_s = failure_of(error)
        health.failed(won.ticket, shelf.clock(), failure, error.problem, retry_after_s, error=error)
        # Behind an empty line, which ends the event that was cut.
        yield b"\n\ndata: " + json.dumps({"error": of_voicemode(error).error}).encode() + b"\n\n"
    else:
        health.worked(won.ticket, shelf.clock())
    finally:
        health.abandoned(won.ticket, shelf.clock())  # nothing happens to a request whose end was told already
        await won.answer.aclose()


def _texts(messages: list[Any]) -> list[str]:
    """What no error may repeat."""
    found: list[str] = []
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else None
        parts = content if isinstance(content, list) else [content]
        found += (text for part in parts if isinstance(text := part.get("text") if isinstance(part, dict) else part, str))
    return found
