"""The one object of a running service: its model, its queue, its figures."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray
from voicemode_service.errors import EngineFailedError
from voicemode_service.metrics import Metrics
from voicemode_service.model_host import ModelHost
from voicemode_service.settings import ServiceSettings
from voicemode_service.work import WorkQueue

from voicemode_whisper.admission import Admission
from voicemode_whisper.engine import SPARES, Asked, Engine, Reading
from voicemode_whisper.models import UnknownModelError, names

__all__ = ["Service"]

_UPLOADS_AT_ONCE = 8
"""As many uploads of the greatest size may lie on the disk at the same time."""


class Service:
    """Belongs to one event loop."""

    def __init__(self, settings: ServiceSettings, load: Callable[[], Engine]) -> None:
        self.settings = settings
        self.names = names(settings)
        self.metrics = Metrics(settings.name)
        self.admission = Admission(places=settings.queue, max_bytes=_UPLOADS_AT_ONCE * (settings.max_upload_mb << 20))
        self._queue = WorkQueue(workers=settings.workers, capacity=settings.queue, spares=SPARES, name="whisper")
        self._host: ModelHost[Engine] = ModelHost(load, idle_s=settings.idle_s)
        self._engine: Mapping[str, Any] = {}

    async def start(self) -> None:
        """Loads the model if it is to be there from the start. One that cannot be loaded stops nothing: /health says why."""
        if self.settings.preload:
            with suppress(EngineFailedError):
                async with self._host.use() as engine:
                    self._engine = engine.facts()

    async def stop(self) -> None:
        await self._queue.aclose()
        self._host.unload()

    def facts(self) -> Mapping[str, Any]:
        """For /health."""
        self.measure()
        return {
            "model": self.names[0],
            "loaded": self._host.loaded,
            "load_s": None if self._host.load_s is None else round(self._host.load_s, 3),
            "jobs": self.admission.inside,
            "failure": self._host.failure,
            **self._engine,
        }

    def measure(self) -> None:
        """Bring the gauges up to date."""
        self.metrics.jobs.set(self.admission.inside)
        self.metrics.model_loaded.set(self._host.loaded)

    def check_model(self, name: str) -> None:
        """Raises UnknownModelError for a model that is not this one."""
        if name not in self.names:
            raise UnknownModelError(
                f"This service has the model '{self.names[0]}' only, also called {', '.join(self.names[1:])}.", param="model"
            )

    @asynccontextmanager
    async def readings(self, blocks: Iterable[NDArray[np.float32]], asked: Asked) -> AsyncIterator[AsyncIterator[Reading]]:
        """What is heard, window by window, while the block runs; leaving it frees the engine.

        Whoever has the final reading should leave: asking once more is one more turn in the queue, for nothing. Raises
        BusyError, EngineFailedError, and what ``Engine.transcribe`` raises.
        """
        began = time.monotonic()
        async with self._host.use() as engine:
            self._engine = engine.facts()
            engine.check(asked)
            async with aclosing(self._queue.run(lambda stop: engine.transcribe(blocks, asked, stop))) as found:
                yield found
        self.admission.took(time.monotonic() - began)
