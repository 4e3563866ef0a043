"""What the tools of a server share: the settings in force, and the product behind them, built at first use."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mcp.server.mcpserver import Context

from voicemode.errors import SettingsError
from voicemode.load_config import LoadedSettings
from voicemode.serving.settings_watch import SettingsWatch

if TYPE_CHECKING:
    from voicemode.assemble import Voice

__all__ = ["App"]

_log = logging.getLogger(__name__)


class App:
    """What tools reach through the lifespan context. The sound stack is built at the first call that needs it."""

    def __init__(self, loaded: LoadedSettings, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self._watch = SettingsWatch(loaded, environ)
        self._seen = loaded
        self._voice: asyncio.Task[Voice] | None = None
        self._renewed: Voice | None = None
        """The voice with the settings that came after those it was built with; None while there were none."""
        self._applied = loaded
        """What the voice, if there is one, was built with or renewed to."""

    @property
    def loaded(self) -> LoadedSettings:
        """The settings in force at this moment; the files are looked at."""
        loaded = self._watch.current()
        if loaded is not self._seen:
            for warning in loaded.warnings:
                if warning not in self._seen.warnings:
                    _log.warning("%s", warning)
            if loaded.settings.log_level != self._seen.settings.log_level:
                logging.getLogger().setLevel(loaded.settings.log_level.upper())
            self._seen = loaded
        return loaded

    @property
    def warning(self) -> str:
        """That the settings files as they are now are not in force, and why; empty when they are."""
        return self._watch.warning

    async def voice(self, ctx: Context[Any, Any] | None = None) -> Voice:
        """The assembled product under the settings in force. Raises VoicemodeError."""
        if self._voice is None or (self._voice.done() and self._voice.exception() is not None):
            self._applied = self.loaded
            self._voice = asyncio.create_task(self._build(self._applied, self.client_name(ctx) if ctx is not None else ""))
        try:
            built = await asyncio.shield(self._voice)
        except SettingsError as error:
            if self._watch.trouble is None:
                raise
            # What it was built with is wrong, but the files say something else by now, which is wrong too.
            raise self._watch.trouble from error
        loaded = self.loaded
        if loaded is not self._applied:
            self._renewed, self._applied = built.renewed(loaded), loaded
        return self._renewed or built

    async def _build(self, loaded: LoadedSettings, client: str) -> Voice:
        # numpy, soxr and PortAudio take half a second to import: in a thread, so that pings are answered meanwhile.
        voice = await asyncio.to_thread(_assemble, loaded, self.environ, client)
        await voice.control.start()
        return voice

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
