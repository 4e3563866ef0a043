"""A client of ``/api/sessions``, and what tests of it share."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx2
from websockets.asyncio.client import ClientConnection

from tests.security.assembled import House

API = "/api/sessions"


class Api:
    """A client of it, with one key."""

    def __init__(self, web: httpx2.AsyncClient) -> None:
        self.web = web

    async def post(self, path: str, status: int = 200, **body: Any) -> dict[str, Any]:
        answer = await self.web.post(f"{API}/{path}", json=body)
        assert answer.status_code == status, answer.text
        told: dict[str, Any] = answer.json()
        return told if status == 200 else told["error"]

    async def get(self, path: str = "", status: int = 200, **query: str) -> dict[str, Any]:
        answer = await self.web.get(f"{API}{path}", params=query)
        assert answer.status_code == status, answer.text
        told: dict[str, Any] = answer.json()
        return told if status == 200 else told["error"]

    async def said(self, thread: str) -> list[tuple[str, str, str]]:
        entries = (await self.get(f"/{thread}"))["entries"]
        return [(each["role"], each["text"], each["standing"]) for each in entries]


@contextlib.asynccontextmanager
async def owner(here: House) -> AsyncIterator[Api]:
    async with here.web() as web:
        yield Api(web)


@contextlib.asynccontextmanager
async def holder(here: House, secret: str) -> AsyncIterator[Api]:
    """Somebody with a client secret."""
    headers = {"Authorization": f"Bearer {secret}"}
    async with httpx2.AsyncClient(base_url=f"http://{here.netloc}", headers=headers, trust_env=False, timeout=30) as web:
        yield Api(web)


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


async def event(socket: ClientConnection, kind: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            told: dict[str, Any] = json.loads(await socket.recv())
            if told["type"] == kind:
                return told


async def ask(socket: ClientConnection, text: str) -> str:
    """Say something in writing; what is answered, in writing."""
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    await socket.send(json.dumps({"type": "conversation.item.create", "item": item}))
    await socket.send(json.dumps({"type": "response.create", "response": {"output_modalities": ["text"]}}))
    answer: str = (await event(socket, "response.done"))["response"]["output"][0]["content"][0]["text"]
    return answer


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.02)


def stored(home: Path) -> list[Path]:
    """Files of kept conversations, if there are any."""
    return [path for path in home.rglob("*") if path.is_file() and "history" in path.parts]
