"""``/v1/realtime/client_secrets``, and ``/v1/realtime/sessions``, which came before it.

https://platform.openai.com/docs/api-reference/realtime-sessions
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from voicemode.http.bodies import json_object
from voicemode.http.client_secrets import DEFAULT_S, ClientSecrets
from voicemode.http.errors import HttpError
from voicemode.http.sessions import MakeSession, SessionWish, effective_session

__all__ = ["secret_routes"]

_LEGACY_S = 60
"""What ``/v1/realtime/sessions`` gave: a minute to connect."""


def secret_routes(secrets: ClientSecrets, make_session: MakeSession) -> list[Route]:
    """Both routes."""

    async def client_secrets(request: Request) -> JSONResponse:
        body = await json_object(request, empty={})
        wish = SessionWish.of_session(_object(body, "session") or {})
        shown = effective_session(make_session, wish)
        value, secret = secrets.make(_seconds(body), wish)
        return JSONResponse({"value": value, "expires_at": secret.expires_at, "session": dict(shown)})

    async def sessions(request: Request) -> JSONResponse:
        body = await json_object(request, empty={})
        wish = SessionWish.of_session(body, beta=True)
        shown = effective_session(make_session, wish)
        value, secret = secrets.make(_LEGACY_S, wish)
        return JSONResponse({**shown, "client_secret": {"value": value, "expires_at": secret.expires_at}})

    return [
        Route("/v1/realtime/client_secrets", client_secrets, methods=["POST"]),
        Route("/v1/realtime/sessions", sessions, methods=["POST"]),
    ]


def _seconds(body: Mapping[str, Any]) -> int:
    expiry = _object(body, "expires_after")
    if expiry is None:
        return DEFAULT_S
    if expiry.get("anchor", "created_at") != "created_at":
        raise HttpError(400, "invalid_value", "It is 'created_at'.", param="expires_after.anchor")
    seconds = expiry.get("seconds", DEFAULT_S)
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        raise HttpError(400, "invalid_type", "It is a whole number.", param="expires_after.seconds")
    return seconds


def _object(body: Mapping[str, Any], field: str) -> Mapping[str, Any] | None:
    value = body.get(field)
    if value is not None and not isinstance(value, Mapping):
        raise HttpError(400, "invalid_type", "It is an object.", param=field)
    return value
