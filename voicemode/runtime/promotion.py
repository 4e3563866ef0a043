"""Hands what was said in calls to gptme, as soon as they are over and as long as it takes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from voicemode.errors import EndpointError
from voicemode.providers.gptme import FinishedCall

__all__ = ["Promotion"]

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 600.0
"""Between tries: twice as long each time."""
_MOST_IN_MEMORY = 200
"""Calls that wait for gptme; the oldest are then given up, or left to the disk until the next start."""
_LAST_TRY_S = 1.0
"""How long the end of the process waits for what is in memory alone."""

_log = logging.getLogger(__name__)


class Promotion:
    """Calls that gptme has not got yet, handed over one after another until it has. One per process.

    Those that may be kept wait in a folder (0600 in 0700), whatever happens to this process; the others in memory.
    """

    def __init__(
        self,
        promote: Callable[[FinishedCall], Awaitable[None]],
        folder: Path,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """``promote`` raises EndpointError. Opens nothing and makes no folder."""
        self._promote, self._folder, self._sleep = promote, folder, sleep
        self._waiting: dict[str, FinishedCall] = {}
        """Oldest first."""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Go on with what waits on disk."""
        for call in _kept(self._folder):
            self._waiting[call.call_id] = call
        self._go_on()

    def finished(self, call: FinishedCall) -> None:
        """A call is over. Returns at once. One in which nobody said anything is passed over."""
        if not call.turns:
            return
        if call.kept:
            self._keep(call)
        self._waiting[call.call_id] = call
        if len(self._waiting) > _MOST_IN_MEMORY:
            oldest = self._waiting.pop(next(iter(self._waiting)))
            if not oldest.kept:
                _log.error("a transcript for gptme was given up: %d others wait", _MOST_IN_MEMORY)
        self._go_on()

    @property
    def waiting(self) -> int:
        """How many calls gptme has not got."""
        return len(self._waiting)

    async def aclose(self) -> None:
        """End; what is on disk waits for the next start, and what is not has a last moment. Idempotent."""
        task, self._task = self._task, None
        if task is None:
            return
        if not all(call.kept for call in self._waiting.values()):
            await asyncio.wait({task}, timeout=_LAST_TRY_S)
        task.cancel()
        await asyncio.wait({task})

    def _go_on(self) -> None:
        if self._waiting and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while self._waiting:
            call = next(iter(self._waiting.values()))
            try:
                await self._promote(call)
            except EndpointError as error:
                if error.retryable:
                    level = logging.WARNING if pause_s == _FIRST_PAUSE_S else logging.DEBUG
                    _log.log(level, "gptme did not take a transcript, which waits: %s", error.problem)
                    await self._sleep(pause_s)
                    pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                    continue
                _log.error("gptme refuses a transcript: %s", error.problem)
                self._set_aside(call)
            else:
                self._forget(call)
            pause_s = _FIRST_PAUSE_S
            self._waiting.pop(call.call_id, None)

    # -- on disk

    def _path(self, call: FinishedCall) -> Path:
        return self._folder / f"{call.call_id}.json"

    def _keep(self, call: FinishedCall) -> None:
        path = self._path(call)
        written = {"call_id": call.call_id, "conversation": call.conversation, "turns": call.turns}
        try:
            # A parent that mkdir makes on the way would be open to others.
            for each in (self._folder.parent, self._folder):
                each.mkdir(mode=0o700, parents=True, exist_ok=True)
            half = path.with_suffix(".part")
            with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                json.dump(written, file)
            half.replace(path)
        except OSError as error:
            _log.error("a transcript for gptme waits in memory alone: %s", error.strerror)

    def _forget(self, call: FinishedCall) -> None:
        if call.kept:
            with contextlib.suppress(OSError):  # gptme has it, and is told again at the next start
                self._path(call).unlink()

    def _set_aside(self, call: FinishedCall) -> None:
        """Out of the way, for whoever wants to see it."""
        if call.kept:
            with contextlib.suppress(OSError):
                self._path(call).replace(self._path(call).with_suffix(".refused"))


def _kept(folder: Path) -> Iterable[FinishedCall]:
    """What waits there, oldest first."""
    if not folder.is_dir():
        return
    for path in sorted(folder.glob("*.json"), key=lambda each: each.stat().st_mtime):
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
            turns = tuple((str(role), str(text)) for role, text in value["turns"])
            yield FinishedCall(path.stem, str(value["conversation"]), turns, kept=True)
        except (OSError, ValueError, KeyError, TypeError):
            _log.error("what is in %s is no transcript", path.name)
