"""The frame of a service: health, metrics, models, errors in OpenAI's shape, and an orderly end."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from voicemode_service.access import TRUSTED, Guard
from voicemode_service.errors import BadRequestError, BusyError, ServiceError
from voicemode_service.metrics import Metrics
from voicemode_service.settings import ServiceSettings

__all__ = ["Facts", "create_app"]

Facts = Callable[[], Mapping[str, Any]]
"""What /health tells besides "ok": model, device, threads, load time, jobs. Only to those who may use the service."""


def create_app(
    settings: ServiceSettings,
    *,
    version: str,
    metrics: Metrics,
    facts: Facts,
    start: Callable[[], Awaitable[None]],
    stop: Callable[[], Awaitable[None]],
) -> FastAPI:
    """A service without its own routes. ``start`` and ``stop`` frame its life."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await start()
        try:
            yield
        finally:
            await stop()

    app = FastAPI(title=f"voicemode {settings.name}", version=version, lifespan=lifespan, docs_url=None, redoc_url=None)
    _answer_errors(app)

    @app.get("/health", summary="Whether it works, and with what")
    async def health(request: Request) -> dict[str, Any]:
        known = {"status": "ok", "service": f"voicemode-{settings.name}", "version": version}
        return {**known, **facts()} if request.scope[TRUSTED] else known

    @app.get("/metrics", summary="Figures for Prometheus", response_class=Response)
    async def figures() -> Response:
        return Response(metrics.text(), media_type=Metrics.CONTENT_TYPE)

    app.add_middleware(
        Guard,
        max_body=settings.max_upload_mb << 20,
        token=settings.token,
        remote=settings.allow_remote,
        hosts=[name.strip() for name in (settings.host, *settings.allowed_hosts.split(",")) if name.strip()],
    )
    return app


def _answer_errors(app: FastAPI) -> None:
    @app.exception_handler(ServiceError)
    async def service_error(_: Request, error: ServiceError) -> JSONResponse:
        headers = {"Retry-After": str(error.retry_after_s)} if isinstance(error, BusyError) else None
        return JSONResponse(error.as_body(), error.status, headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path")) or None
        # The rejected value is not repeated: it may be what a person said.
        return JSONResponse(BadRequestError(f"{where or 'request'}: {first['msg']}", param=where).as_body(), 400)

    @app.exception_handler(HTTPException)
    async def http_error(_: Request, error: HTTPException) -> JSONResponse:
        body = BadRequestError(str(error.detail)) if error.status_code < 500 else ServiceError(str(error.detail))
        return JSONResponse(body.as_body(), error.status_code, error.headers)
