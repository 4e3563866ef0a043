"""What the tools of a server share: settings, and the product behind them, built at first use."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mcp.server.mcpserver import Context

from voicemode.load_config import LoadedSettings

if TYPE_CHECKING:
    from voicemode.assemble import Voice

__all__ = ["App"]


class App:
    """What tools reach through the lifespan context. The sound stack is built at the first call that needs it."""

    def __init__(self, loaded: LoadedSettings, environ: Mapping[str, str]) -> None:
        self.loaded = loaded
        self.environ = environ
        self._voice: asyncio.Task[Voice] | None = None

    async def voice(self, ctx: Context[Any, Any] | None = None) -> Voice:
        """The assembled product. Raises VoicemodeError."""
        if self._voice is None or (self._voice.done() and self._voice.exception() is not None):
            self._voice = asyncio.create_task(self._build(self.client_name(ctx) if ctx is not None else ""))
        return await asyncio.shield(self._voice)

    async def _build(self, client: str) -> Voice:
        # numpy, soxr and PortAudio take half a second to import: in a thread, so that pings are answered meanwhile.
        return await asyncio.to_thread(_assemble, self.loaded, self.environ, client)

    @staticmethod
    def client_name(ctx: Context[Any, Any]) -> str:
        """The client's own name, such as "claude-code"; empty when it did not say."""
        params = ctx.request_context.session.client_params
        return params.client_info.name if params is not None else ""

    async def aclose(self) -> None:
        """Free devices, processes and connections. Idempotent."""
        if self._voice is None:
            return
        building, self._voice = self._voice, None
        if not building.done():
            building.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):  # a voice that was never built needs no closing
            voice = await building
            await voice.aclose()


def _assemble(loaded: LoadedSettings, environ: Mapping[str, str], client: str) -> Voice:
    # What others are told who wait for the floor: two windows of one editor have the same name, and some have none.
    holder = f"{client or 'an MCP client'} (pid {os.getpid()})"
    voice: Voice = importlib.import_module("voicemode.assemble").build_voice(loaded, environ, holder)
    voice.pool.warm()
    return voice
