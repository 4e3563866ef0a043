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
    """Owns the model and the task that gives it back. Belongs to one event loop."""

    def __init__(self, load: Callable[[], M], *, idle_s: float | None) -> None:
        """``load`` blocks and is run in a thread. ``idle_s`` is how long an unused model stays; None keeps it."""
        self._load, self._idle_s = load, idle_s
        self._model: M | None = None
        self._users = 0
        self._loading = asyncio.Lock()
        self._expiry: asyncio.TimerHandle | None = None
        self.load_s: float | None = None
        """How long the last load took."""
        self.failure = ""
        """Why the last load failed; empty when it did not."""

    @property
    def loaded(self) -> bool:
        return self._model is not None

    @contextlib.asynccontextmanager
    async def use(self) -> AsyncIterator[M]:
        """The model, which stays while the block runs. Raises EngineFailedError, and tries again at the next use."""
        self._users += 1
        try:
            yield await self._loaded()
        finally:
            self._users -= 1
            self._expect_idleness()

    def unload(self) -> None:
        """Give it back now; whoever uses it keeps it until done. Idempotent."""
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        self._model = None

    async def _loaded(self) -> M:
        async with self._loading:
            if self._model is None:
                began = time.monotonic()
                try:
                    # Shielded: whoever waits next is served by the load that the first one began.
                    self._model = await asyncio.shield(asyncio.to_thread(self._load))
                except ServiceError as error:
                    self.failure = error.message
                    raise
                except Exception as error:  # engines raise whatever they like about a corrupt file
                    self.failure = f"The model cannot be loaded ({type(error).__name__}: {str(error)[:200]})"
                    raise EngineFailedError(self.failure) from error
                self.failure, self.load_s = "", time.monotonic() - began
            return self._model

    def _expect_idleness(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        if self._idle_s is not None and self._users == 0:
            self._expiry = asyncio.get_running_loop().call_later(self._idle_s, self.unload)
