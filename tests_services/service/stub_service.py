"""A stub: a service on the shared frame whose engine makes nothing, so that the frame can be tested without a model.

``python -m tests_services.service.stub_service --port N``, as the true ones are started.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, aclosing
from typing import Annotated, Any

from fastapi import FastAPI, Request, Response, WebSocket
from pydantic import BaseModel, Field
from voicemode_service.app import create_app
from voicemode_service.gone import ClientGoneError, Streamed, unless_gone
from voicemode_service.metrics import Metrics
from voicemode_service.model_host import ModelHost
from voicemode_service.serve import parse, serve
from voicemode_service.settings import ServiceSettings
from voicemode_service.work import Stop, WorkQueue

__all__ = ["DEFAULTS", "SAID", "STEP_MS", "make_app"]

STEP_MS = "x-stub-step-ms"
"""Header: how long each step blocks a thread. Not in the description, so that no fuzzer makes all others wait."""

DEFAULTS = ServiceSettings(name="stub", port=0, max_upload_mb=4, queue=256)
SAID = "my password is swordfish"
"""What a stub of a broken engine has in its exception, and nobody may see."""

_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"description": what} for status, what in ((400, "Wrong"), (413, "Too long"), (429, "Too many wait"))
}


class Count(BaseModel):
    """How many steps a request takes."""

    steps: Annotated[int, Field(ge=0, le=50)] = 1


def make_app(settings: ServiceSettings) -> FastAPI:
    """The stub."""
    metrics, queue = Metrics(settings.name), WorkQueue(workers=settings.workers, capacity=settings.queue, name="stub")
    host = ModelHost(lambda: "stub", idle_s=settings.idle_s)

    async def start() -> None:
        return

    app = create_app(
        settings,
        version="0-stub",
        metrics=metrics,
        facts=lambda: {"jobs": queue.jobs, "busy": queue.busy, "loaded": host.loaded},
        start=start,
        stop=queue.aclose,
    )

    @app.post("/v1/count", response_class=Response, responses=_REFUSALS)
    async def count(asked: Count, request: Request) -> Response:
        step_ms = int(request.headers.get(STEP_MS, "0"))
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(host.use())
            numbers = await stack.enter_async_context(aclosing(queue.run(lambda stop: _steps(asked.steps, step_ms, stop))))
            try:
                first = await unless_gone(request.receive, _first(numbers))
            except ClientGoneError:
                return Response(status_code=499)
            return Streamed(_joined(first, numbers), owned=stack.pop_all(), media_type="text/plain")

    @app.post("/v1/length", responses=_REFUSALS)
    async def length(request: Request) -> dict[str, int]:
        return {"bytes": sum([len(chunk) async for chunk in request.stream()])}

    @app.get("/broken", include_in_schema=False)
    async def broken() -> None:
        raise RuntimeError(SAID)

    @app.get("/breaks-off", include_in_schema=False)
    async def breaks_off() -> Response:
        return Streamed(_breaking(), owned=AsyncExitStack(), media_type="text/plain")

    @app.websocket("/v1/lengths")
    async def lengths(socket: WebSocket) -> None:
        await socket.accept()
        async for message in socket.iter_bytes():
            if not message:
                raise RuntimeError(SAID)
            await socket.send_json(len(message))

    return app


def _steps(steps: int, step_ms: int, stop: Stop) -> Iterator[bytes]:
    for number in range(steps):
        until = time.monotonic() + step_ms / 1000
        while time.monotonic() < until and not stop:
            time.sleep(0.001)
        yield f"{number}\n".encode()


async def _first(numbers: AsyncGenerator[bytes]) -> bytes:
    return await anext(numbers, b"")


async def _joined(first: bytes, rest: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk


async def _breaking() -> AsyncGenerator[bytes]:
    yield b"the beginning"
    raise RuntimeError(SAID)


if __name__ == "__main__":
    sys.exit(serve(parse(DEFAULTS, sys.argv[1:], os.environ), make_app))
