"""Start a local service that is installed and stopped when a conversation could use it; until it answers, others speak.

Nobody waits for it: it is found by its port like every service, and the built-in engine serves meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from voicemode.core.failover import Task
from voicemode.errors import VoicemodeError
from voicemode.supervise.layout import Layout

__all__ = ["OnDemand", "Starter"]

SERVING: Mapping[Task, str] = {"tts": "kokoro", "stt": "whisper"}
"""The service of each task."""

AGAIN_S = 60.0
"""A service that did not come up is not started at every sentence."""

_log = logging.getLogger(__name__)


class Starter(Protocol):
    """The part of ``manager.Services`` that is needed here."""

    def start(self, name: str, *, wait_s: float) -> object:
        """Blocks until it answers, or ``wait_s``. Idempotent. Raises VoicemodeError."""


class OnDemand:
    """One per process. Owns the threads it starts services in; ``aclose`` does not wait for them."""

    def __init__(
        self, base_dir: Path, make_starter: Callable[[], Starter], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``make_starter`` is called in a thread, and only when a service is installed: it loads what nobody else needs."""
        self._base_dir, self._make_starter, self._clock = base_dir, make_starter, clock
        self._tried_at: dict[str, float] = {}
        self._starting: dict[str, asyncio.Task[None]] = {}

    def lacks(self, task: Task) -> None:
        """Nothing better than the built-in engine serves this task now. Returns at once; needs a running event loop."""
        name = SERVING.get(task)
        if name is None or name in self._starting or not Layout(self._base_dir, name).record.exists():
            return
        now = self._clock()
        if now - self._tried_at.get(name, float("-inf")) < AGAIN_S:
            return
        self._tried_at[name] = now
        self._starting[name] = starting = asyncio.create_task(self._start(name))
        starting.add_done_callback(lambda _: self._starting.pop(name, None))

    async def aclose(self) -> None:
        """Forget what is being started; it goes on by itself. Idempotent."""
        for starting in tuple(self._starting.values()):
            starting.cancel()
        await asyncio.gather(*self._starting.values(), return_exceptions=True)

    async def _start(self, name: str) -> None:
        try:
            await asyncio.to_thread(lambda: self._make_starter().start(name, wait_s=0))
        except VoicemodeError as error:
            _log.warning("%s could not be started: %s", name, error)
