"""One copy of a model: loaded when it is first needed (or at start), and given back after an idle time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Generic, TypeVar

from voicemode_service.errors import EngineFailedError, ServiceError

__all__ = ["ModelHost"]

M = TypeVar("M")


class ModelHost(Generic[M]):
    """Owns the model, the task that loads it and the timer that gives it back. Belongs to one event loop."""

    def __init__(self, load: Callable[[], M], *, idle_s: float | None) -> None:
        """``load`` blocks and is run in a thread. ``idle_s`` is how long an unused model stays; None keeps it."""
        self._load, self._idle_s = load, idle_s
        self._model: M | None = None
        self._users = 0
        self._loading: asyncio.Task[None] | None = None
        """The load under way: whoever comes meanwhile waits for it, and it outlives those who leave."""
        self._expiry: asyncio.TimerHandle | None = None
        """Set while the model is loaded and nobody uses it."""
        self.load_s: float | None = None
        """How long the last load took; None until there was one."""
        self.failure = ""
        """Why the last load failed; empty when it did not."""

    @property
    def loaded(self) -> bool:
        return self._model is not None

    @contextlib.asynccontextmanager
    async def use(self) -> AsyncIterator[M]:
        """The model, which stays while the block runs. Raises EngineFailedError, and tries again at the next use."""
        self._users += 1
        self._cancel_expiry()
        try:
            yield await self._loaded()
        finally:
            self._users -= 1
            self._expect_idleness()

    def unload(self) -> None:
        """Give it back now; whoever uses it keeps it until done. Idempotent."""
        self._cancel_expiry()
        self._model = None

    async def _loaded(self) -> M:
        while self._model is None:
            if self._loading is None:
                self._loading = asyncio.create_task(self._load_once())
                self._loading.add_done_callback(self._settle)
            # Shielded: whoever leaves must not make others begin again, and beside this load.
            await asyncio.shield(self._loading)
        return self._model

    async def _load_once(self) -> None:
        began = time.monotonic()
        try:
            self._model = await asyncio.to_thread(self._load)
        except ServiceError as error:
            self.failure = error.message
            raise
        except Exception as error:  # engines raise whatever they like about a corrupt file
            self.failure = f"The model cannot be loaded ({type(error).__name__}: {str(error)[:200]})"
            raise EngineFailedError(self.failure) from error
        self.failure, self.load_s = "", time.monotonic() - began

    def _settle(self, _: asyncio.Task[None]) -> None:
        self._loading = None
        self._expect_idleness()

    def _expect_idleness(self) -> None:
        self._cancel_expiry()
        if self._idle_s is not None and self._users == 0 and self._model is not None:
            self._expiry = asyncio.get_running_loop().call_later(self._idle_s, self.unload)

    def _cancel_expiry(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
