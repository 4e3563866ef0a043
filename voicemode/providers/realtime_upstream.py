"""One connection to an upstream realtime API: the first of the models that it has, and messages both ways."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from pydantic import SecretStr

from voicemode.errors import VoicemodeError

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

__all__ = ["UpstreamError", "UpstreamSocket", "UpstreamTarget", "connect_upstream"]

Kind = Literal["unreachable", "refused", "model", "key", "quota", "lost", "slow"]

_REMEDIES: Mapping[Kind, str] = {
    "unreachable": "Check VOICEMODE_UPSTREAM and this machine's network.",
    "refused": "Try again later, or empty VOICEMODE_UPSTREAM to use voicemode's own engines.",
    "model": "Name one that it has with VOICEMODE_UPSTREAM_MODELS.",
    "key": "Give it a key it accepts with VOICEMODE_UPSTREAM_API_KEY, or empty VOICEMODE_UPSTREAM.",
    "quota": "Add credit to the account, or empty VOICEMODE_UPSTREAM to use voicemode's own engines.",
    "lost": "",
    "slow": "",
}
_MOST_BYTES = 16 << 20
"""Of one message, and of all that wait to be sent: sound is 64 kB of base64 a second."""
_PING_S = 10.0
"""A connection whose other end is gone is found out after twice this."""
_MODEL_STATUSES = (400, 404)
"""With which a handshake is refused whose model is not known."""


class UpstreamError(VoicemodeError):
    """An upstream realtime API cannot be had, or went away."""

    code = "upstream"

    def __init__(self, name: str, kind: Kind, detail: str, status: int | None = None) -> None:
        super().__init__(name, kind, detail, status)
        self.name, self.kind, self.detail, self.status = name, kind, detail, status

    @property
    def terminal(self) -> bool:
        """Asking again would be answered alike."""
        return self.kind in ("key", "quota", "model")

    @property
    def problem(self) -> str:
        status = f" (HTTP {self.status})" if self.status is not None else ""
        return f"{self.name}: {self.detail}{status}."

    @property
    def remedy(self) -> str:  # type: ignore[override]
        return _REMEDIES[self.kind]


@dataclass(frozen=True, slots=True)
class UpstreamTarget:
    """Whom to call, and how."""

    name: str
    url: str
    """http or https, without a query."""
    models: tuple[str, ...]
    """In order of preference; none: it is not named."""
    key: SecretStr | None = field(default=None, repr=False)
    use_proxy: bool = True
    connect_s: float = 5.0


class UpstreamSocket:
    """An open connection. Close it."""

    def __init__(self, name: str, model: str, socket: ClientConnection) -> None:
        self.name, self.model, self._socket = name, model, socket
        self._waiting: deque[str] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()
        self._writer = asyncio.create_task(self._write())
        self._slow = False

    def send(self, events: Sequence[Mapping[str, object]]) -> None:
        """In order; returns at once. What is sent after its end is lost."""
        for event in events:
            text = json.dumps(event, separators=(",", ":"))
            self._bytes += len(text)
            self._waiting.append(text)
        if self._bytes > _MOST_BYTES:
            self._slow = True
            self._writer.cancel()
            self._waiting.clear()
        self._wake.set()

    async def receive(self) -> str | bytes:
        """The next message; may be cancelled. Raises UpstreamError: nobody but us ends it in good order."""
        from websockets.exceptions import ConnectionClosed

        try:
            if not self._slow:
                return await self._socket.recv()
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd is not None else None
            raise UpstreamError(self.name, "lost", f"ended the connection ({code or 'without a word'})") from closed
        raise UpstreamError(self.name, "slow", "does not read what it is sent")

    async def aclose(self) -> None:
        """Idempotent; never raises."""
        self._writer.cancel()
        await asyncio.gather(self._writer, return_exceptions=True)
        with contextlib.suppress(Exception):  # it is gone in any case
            await self._socket.close()

    async def _write(self) -> None:
        from websockets.exceptions import ConnectionClosed

        with contextlib.suppress(ConnectionClosed):  # the reader tells
            while True:
                while self._waiting:
                    text = self._waiting.popleft()
                    await self._socket.send(text)
                    self._bytes -= len(text)
                self._wake.clear()
                await self._wake.wait()


async def connect_upstream(target: UpstreamTarget, refused: Sequence[str] = ()) -> UpstreamSocket:
    """The first of its models that it has, without those that it was found to ``refuse``. Raises UpstreamError."""
    try:
        # In a thread: whoever speaks just now must not wait for an import.
        await asyncio.to_thread(importlib.import_module, "voicemode.providers.websocket")
    except ImportError as error:
        raise UpstreamError(target.name, "unreachable", "the package websockets is not installed") from error
    models = [model for model in target.models or ("",) if model not in refused]
    for model in models:
        try:
            return UpstreamSocket(target.name, model, await _dial(target, model))
        except UpstreamError as error:
            if error.kind != "model" or model == models[-1]:
                raise
    raise UpstreamError(target.name, "model", f"has none of the models {', '.join(target.models)[:200]}")


async def _dial(target: UpstreamTarget, model: str) -> ClientConnection:
    from websockets.exceptions import InvalidStatus, WebSocketException

    from voicemode.providers.websocket import dial

    headers = {} if target.key is None else {"Authorization": f"Bearer {target.key.get_secret_value()}"}
    url = f"{target.url}?model={quote(model, safe='')}" if model else target.url
    try:
        return await dial(
            url,
            headers=headers,
            connect_s=target.connect_s,
            use_proxy=target.use_proxy,
            ping_s=_PING_S,
            most_bytes=_MOST_BYTES,
        )
    except InvalidStatus as error:
        raise _refusal(target, model, error.response.status_code, bytes(error.response.body or b"")) from error
    except TimeoutError as error:
        raise UpstreamError(target.name, "unreachable", f"no connection within {target.connect_s:g} s") from error
    except OSError as error:
        raise UpstreamError(target.name, "unreachable", "no connection") from error
    except (WebSocketException, ImportError) as error:  # ImportError: a SOCKS proxy wants one more package
        raise UpstreamError(target.name, "refused", f"opens no conversation ({type(error).__name__})") from error


def _refusal(target: UpstreamTarget, model: str, status: int, body: bytes) -> UpstreamError:
    """What a status means; the words of the body stay out of it, since they may hold a part of the key."""
    said = body[:4096].lower()
    if status in _MODEL_STATUSES and model and b"model" in said:
        return UpstreamError(target.name, "model", f"does not have the model {model[:80]}", status)
    if status in (401, 403):
        return UpstreamError(target.name, "key", "does not accept the key" if target.key else "wants a key", status)
    if status == 402 or (status == 429 and (b"quota" in said or b"billing" in said)):
        return UpstreamError(target.name, "quota", "the account's quota is used up", status)
    return UpstreamError(target.name, "refused", "opens no conversation", status)
