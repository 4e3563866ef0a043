"""One speech endpoint as its settings describe it: address, key and models; answers are checked here, once."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import SecretStr

from voicemode.core.failover import UNDECLARED, Declared, Task
from voicemode.core.models import pick_model
from voicemode.core.voices import preferred_voice
from voicemode.errors import EndpointError
from voicemode.providers.address import check_address
from voicemode.providers.http import Answer, Call, HttpPool
from voicemode.wire.openai_audio import MODELS_PATH, error_reason

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

__all__ = ["Endpoint"]

WARM_EVERY_S = 30.0
"""A connection that was used within this time needs no warming."""

WARM_DEADLINE_S = 1.5
"""Seconds that warming may take; without it the request itself connects."""

REASON_DEADLINE_S = 1.0
"""Seconds the body of a refusal may take; without it the status alone is told."""

_MEANINGS: Mapping[int, str] = {
    400: "does not accept the request",
    401: "wants a key, or another one",
    403: "does not allow it",
    404: "does not know the path or the model",
    405: "does not take such requests",
    413: "finds the request too long",
    415: "does not offer the audio format",
    422: "does not accept the request",
    429: "gets too many requests",
}
_FINAL = frozenset({400, 401, 403, 404, 405, 413, 415, 422})
"""Asking again would be answered alike."""


class Endpoint:
    """What all tasks over HTTP have in common. ``models`` are in order of preference.

    What the endpoint said of itself is asked of ``declared`` with each request, since others find it out at any time.
    """

    def __init__(
        self,
        base_url: str,
        pool: HttpPool,
        task: Task,
        *,
        models: Sequence[str],
        key: SecretStr | None = None,
        declared: Callable[[], Declared] = lambda: UNDECLARED,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises SettingsError for an address that cannot be used. Opens nothing."""
        setting = f"VOICEMODE_{task.upper()}_BASE_URLS"
        self._address = check_address(base_url, local_only=pool.local_only, key=setting)
        self._key_setting = f"VOICEMODE_{task.upper()}_API_KEY"
        self.pool, self._models, self._key, self._clock = pool, tuple(models), key, clock
        self._declared = declared
        self._used_at: float | None = None

    @property
    def name(self) -> str:
        """The base address: "http://127.0.0.1:8880/v1"."""
        return self._address.base_url

    @property
    def model(self) -> str:
        """The first configured model that the endpoint has, else its first one; not known, the first configured one."""
        return pick_model(self._models, self._declared().models)

    def voice(self, wanted: Sequence[str], language: str | None) -> str | None:
        """The voice to ask for, as ``core.voices.preferred_voice``."""
        return preferred_voice(wanted, self._declared().voices, language)

    async def warm(self) -> None:
        """Have a connection ready. Never raises; does nothing when one was used lately."""
        if self._used_at is None or self._clock() - self._used_at > WARM_EVERY_S:
            self._used_at = self._clock()
            with contextlib.suppress(EndpointError, TimeoutError):
                async with asyncio.timeout(WARM_DEADLINE_S):
                    call = Call(self._address, self.name, MODELS_PATH, method="GET", headers=self._headers())
                    answer = await self.pool.open(call)
                    try:
                        await answer.read()
                    finally:
                        await answer.aclose()

    async def post(
        self,
        path: str,
        *,
        content: bytes | None = None,
        form: Mapping[str, str] | None = None,
        upload: tuple[str, bytes, str] | None = None,
        private: Iterable[str] = (),
        first_byte_s: float | None = None,
    ) -> Answer:
        """Ask, and return an answer whose status is 200 to 299; the caller closes it.

        Raises EndpointError, which repeats nothing of the key and of ``private``.
        """
        headers = self._headers() | ({"Content-Type": "application/json"} if content is not None else {})
        answer = await self.pool.open(
            Call(
                self._address,
                self.name,
                path,
                headers=headers,
                content=content,
                form=form or {},
                upload=upload,
                first_byte_s=first_byte_s,
            )
        )
        self._used_at = self._clock()
        if 200 <= answer.status < 300:
            return answer
        raise await self._refusal(answer, private)

    @property
    def live(self) -> bool:
        """It says that it takes sound while it is spoken."""
        return self._declared().live is True

    async def dial(self, path: str) -> ClientConnection:
        """Open a WebSocket at a path with its query; the caller closes it. Raises EndpointError."""
        if self.pool.local_only and not self._address.loopback:
            problem = "is not this machine, and VOICEMODE_LOCAL_ONLY is on"
            raise EndpointError(self.name, problem, retryable=False, reached=False)
        try:
            # In a thread: the person speaks just now, and their sound must not wait for an import.
            await asyncio.to_thread(importlib.import_module, "voicemode.providers.websocket")
        except ImportError as error:
            raise EndpointError(self.name, "no stream without the package websockets", reached=False) from error
        from voicemode.providers.websocket import open_socket

        return await open_socket(
            self._address.url(path),
            self.name,
            headers=self._headers(),
            connect_s=self.pool.connect_s,
            use_proxy=not (self._address.loopback or self.pool.local_only),
        )

    def reason(self, content_type: str, body: bytes, private: Iterable[str]) -> str:
        """The endpoint's own words about a failure, without the key and without ``private``; empty when it has none."""
        return error_reason(content_type, body, [*private, *([self._key.get_secret_value()] if self._key else [])])

    def _headers(self) -> dict[str, str]:
        return {} if self._key is None else {"Authorization": f"Bearer {self._key.get_secret_value()}"}

    async def _refusal(self, answer: Answer, private: Iterable[str]) -> EndpointError:
        try:
            async with asyncio.timeout(REASON_DEADLINE_S):
                body = await answer.read()
        except (EndpointError, TimeoutError):
            body = b""  # the status is the reason; a body that breaks off adds none
        finally:
            await answer.aclose()
        if 300 <= answer.status < 400:
            return EndpointError(self.name, "redirects elsewhere, which is not followed", answer.status, retryable=False)
        reason = self.reason(answer.content_type, body, private)
        meaning = _MEANINGS.get(answer.status, "failed" if answer.status >= 500 else "does not accept the request")
        if answer.status == 401 and self._key is None:
            meaning = f"wants a key ({self._key_setting})"
        return EndpointError(
            self.name,
            f"{meaning}: {reason}".removesuffix(": ").rstrip("."),
            answer.status,
            retryable=answer.status not in _FINAL,
            retry_after_s=_seconds(answer.header("retry-after")),
        )


def _seconds(value: str) -> float | None:
    """Read the usual form of Retry-After; a date would need to trust two clocks and is ignored."""
    return float(value) if value.isascii() and value.isdigit() else None
