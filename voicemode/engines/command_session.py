"""What is kept of a command for one conversation: whose turn it is, its process, and what is left of interrupted answers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal

from voicemode.engines.command_error import CommandError
from voicemode.engines.command_options import CommandOptions
from voicemode.engines.command_output import settle
from voicemode.engines.command_process import CommandProcess

__all__ = ["CommandSession"]

_log = logging.getLogger(__name__)


class CommandSession:
    """One at a time works on a turn, so that no two processes write the same agent's session."""

    def __init__(self, name: str, options: CommandOptions) -> None:
        self._name, self._options = name, options
        self.begun = False
        """Some turn was answered, so the agent has a session to go on with."""
        self.resident: CommandProcess | None = None
        """The process of the conversation; None before its first turn, after its end, and where each turn has its own."""
        self._turn = asyncio.Lock()
        self._ending: dict[asyncio.Task[None], CommandProcess] = {}
        """What is left of interrupted answers."""
        self.closed = False
        """No process is to begin any more."""

    async def begin_turn(self) -> None:
        """Wait until nobody works. ``end_turn`` afterwards. Raises CommandError."""
        try:
            async with asyncio.timeout(self._options.silence_s):
                await self._turn.acquire()
        except TimeoutError:
            raise CommandError(self._name, "still works on the turn before") from None
        try:
            await self._be_ready()
        except BaseException:
            self._turn.release()
            raise

    def end_turn(self) -> None:
        self._turn.release()

    async def _be_ready(self) -> None:
        if self._ending and (await asyncio.wait(self._ending, timeout=self._options.silence_s))[1]:
            raise CommandError(self._name, "still works on the turn before")
        if self.closed:
            raise CommandError(self._name, "the conversation is over")
        if self.resident is not None and self.resident.status is not None:
            _log.warning("%s ended with status %s between two turns; it is started again", self._name, self.resident.status)
            self.resident.release()
            self.resident = None

    def interrupt(self, process: CommandProcess) -> None:
        """Its answer is not wanted any more. The next turn waits until that is settled."""
        if process is not self.resident and process.status is not None:
            process.release()
            return
        if self._options.interrupt == "sigint":
            process.signal(signal.SIGINT)
        ending = asyncio.ensure_future(self._end(process))
        self._ending[ending] = process
        ending.add_done_callback(lambda done: self._ending.pop(done, None))

    async def aclose(self) -> None:
        """No process of it is left when this returns. Idempotent."""
        self.closed = True
        # Killed and not cancelled: their tasks then end by themselves, each with its process reaped.
        await asyncio.gather(*(process.stop(0.0) for process in self._ending.values()))
        if self._ending:
            await asyncio.wait(self._ending)
        resident, self.resident = self.resident, None
        if resident is not None:
            await resident.stop(0.0)

    async def _end(self, process: CommandProcess) -> None:
        ready = False
        try:
            if self._options.interrupt != "kill" and not self.closed:
                ready = await self._heeds(process)
        finally:
            if not ready:
                self.resident = None if process is self.resident else self.resident
                await process.stop(0.0)

    async def _heeds(self, process: CommandProcess) -> bool:
        """Whether it is ready for the next turn; a process of one turn never is."""
        within_s = self._options.heed_s if self._options.interrupt == "sigint" else None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await settle(process, self._options)
            return process is self.resident and process.status is None
        return False
