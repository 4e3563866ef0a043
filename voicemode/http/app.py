"""The server's surface: every route behind the guard, as one ASGI application."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.routing import BaseRoute, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from voicemode.http.calls import Calls
from voicemode.http.errors import HttpError
from voicemode.http.gateway import Gateway, gateway_routes
from voicemode.http.guard import Access, Guard
from voicemode.http.health import Readiness, health_routes
from voicemode.http.metrics import metrics_routes
from voicemode.http.named import Named
from voicemode.http.processes import Processes
from voicemode.http.proof import proof_routes
from voicemode.http.realtime_secrets import secret_routes
from voicemode.http.realtime_ws import websocket_routes
from voicemode.http.sessions import MakeSession

__all__ = ["Surface", "create_app"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """What the routes are made of."""

    access: Access
    calls: Calls
    make_session: MakeSession
    gateway: Gateway
    readiness: Readiness
    processes: Processes
    """That hold conversations too."""
    more: Sequence[BaseRoute] = ()
    """Of transports that are parts of their own, such as WebRTC's ``/v1/realtime/calls``."""


def create_app(surface: Surface) -> ASGIApp:
    """The application. Without Starlette's own middleware: the guard is the one boundary, and answers every error."""
    metrics = surface.gateway.metrics
    routes: list[BaseRoute] = [
        *health_routes(surface.readiness, surface.calls.places),
        *metrics_routes(metrics, surface.processes),
        *websocket_routes(surface.calls, surface.processes),
        *secret_routes(surface.access.secrets, surface.make_session),
        *proof_routes(surface.access.token),
        *surface.more,
        *gateway_routes(surface.gateway),
    ]
    router = Router(routes, redirect_slashes=False, default=_not_found)
    named = Named(router, surface.gateway.registry)
    return Guard(named, surface.access, on_refused=metrics.count_refused)


async def _not_found(scope: Scope, _receive: Receive, _send: Send) -> None:
    if scope["type"] != "lifespan":
        raise HttpError(404, "not_found", "There is nothing at this address.")
