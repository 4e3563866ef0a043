"""Other machines are named to whoever may send them something, in the header ``Voicemode-Cloud`` of what begins it.

It lists the endpoints elsewhere that may get what is said: for a request to the gateway those of its task, also when it failed,
since they may have been asked; for a conversation those of every task, before a word was said. Without such endpoints there is
no header.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voicemode.core.failover import Task
from voicemode.http.errors import HttpError
from voicemode.http.guard import CALLS_PATH, REALTIME_PATH
from voicemode.providers.registry import Registry

__all__ = ["HEADER", "Named"]

HEADER = "voicemode-cloud"

_TASKS: dict[str, tuple[Task, ...]] = {
    "/v1/audio/speech": ("tts",),
    "/v1/audio/transcriptions": ("stt",),
    "/v1/chat/completions": ("chat",),
    REALTIME_PATH: ("stt", "chat", "tts"),
    CALLS_PATH: ("stt", "chat", "tts"),
}
"""Whose endpoints an address may ask."""
_STARTS = frozenset({"http.response.start", "websocket.accept"})


class Named:
    """Around the routes, inside of the guard."""

    def __init__(self, app: ASGIApp, registry: Registry) -> None:
        self._app, self._registry = app, registry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        named = self._elsewhere(_TASKS.get(scope.get("path", ""), ()))

        async def marked(message: Message) -> None:
            if message["type"] in _STARTS:
                message = {**message, "headers": [*message.get("headers", []), (HEADER.encode(), named.encode())]}
            await send(message)

        try:
            await self._app(scope, receive, marked if named else send)
        except HttpError as error:
            if named:
                error.more[HEADER] = named
            raise

    def _elsewhere(self, tasks: tuple[Task, ...]) -> str:
        found = [entry.name for shelf in self._registry.shelves() if shelf.task in tasks for entry in shelf if entry.remote]
        return ", ".join(dict.fromkeys(found))
