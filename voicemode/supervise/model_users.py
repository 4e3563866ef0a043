"""Which running service of this machine works with a model: it would break when it loads the model the next time."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx2

from voicemode.supervise.catalogue import Engine

__all__ = ["user_of"]

_PORTS: dict[Engine, int] = {"whisper": 2022, "kokoro": 8880}
"""Where voicemode's own services answer unless somebody moved them."""
_LIMIT_S = 1.0


async def user_of(engine: Engine, folder: Path, *, port: int | None = None) -> str:
    """What runs with the model in ``folder``, for people; empty when nothing does or nobody answers.

    ``port`` is where the engine's service answers, if not where it usually does.
    """
    where = port or _PORTS.get(engine)
    if where is None:
        return ""
    facts = await _health(where)
    service = facts.get("service")
    names = {folder.name, folder.name.removeprefix(f"{engine}-"), str(folder)}
    return f"{service} on port {where}" if facts.get("model") in names and isinstance(service, str) else ""


async def _health(port: int) -> dict[str, Any]:
    """What the service says of itself; empty when there is none."""
    try:
        async with asyncio.timeout(_LIMIT_S), httpx2.AsyncClient(trust_env=False) as client:
            answer = (await client.get(f"http://127.0.0.1:{port}/health")).json()
    except (httpx2.HTTPError, TimeoutError, ValueError):
        return {}
    return answer if isinstance(answer, dict) else {}
