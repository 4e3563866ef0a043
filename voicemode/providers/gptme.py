"""gptme's server: what was said in a call becomes part of the conversation that one types in.

``POST {gptme}/api/v2/conversations/{id}/transcript``, which adds a call's turns once, however often it is told of them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from urllib.parse import quote

from pydantic import SecretStr

from voicemode.errors import EndpointError
from voicemode.providers.address import Address
from voicemode.providers.http import Call, HttpPool

__all__ = ["FinishedCall", "GptmeClient"]

_FINAL = frozenset({400, 404, 405, 413, 422})
"""gptme will not take this call, whenever it is asked."""


@dataclass(frozen=True, slots=True)
class FinishedCall:
    """What was said in one call, for gptme."""

    call_id: str
    """gptme's ``call_sid``: it takes each once."""
    conversation: str
    turns: tuple[tuple[str, str], ...] = field(repr=False)
    """Role and words."""
    kept: bool = False
    """It may be on disk until gptme has it."""

    def body(self) -> bytes:
        """As gptme wants it."""
        turns = [{"role": role, "text": text} for role, text in self.turns]
        return json.dumps({"turns": turns, "call_metadata": {"call_sid": self.call_id}}).encode()


class GptmeClient:
    """gptme's server."""

    def __init__(self, pool: HttpPool, address: Address, token: SecretStr | None) -> None:
        self._pool, self._address, self._token = pool, address, token

    async def promote(self, call: FinishedCall) -> None:
        """Hand it over. Raises EndpointError; not ``retryable`` where gptme will never take it."""
        authorization = {} if self._token is None else {"Authorization": f"Bearer {self._token.get_secret_value()}"}
        answer = await self._pool.open(
            Call(
                self._address,
                "gptme",
                f"/api/v2/conversations/{quote(call.conversation, safe='')}/transcript",
                headers={"Content-Type": "application/json", **authorization},
                content=call.body(),
            )
        )
        try:
            await answer.read()
        finally:
            await answer.aclose()
        if answer.status >= 300:
            raise EndpointError("gptme", f"answered with {answer.status}", answer.status, retryable=answer.status not in _FINAL)
