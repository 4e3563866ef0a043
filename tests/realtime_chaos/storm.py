"""Speech and chat services in processes of their own that are killed, hung and reset at random moments, and come back."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from tests.stubs.behaviour import Behaviour
from tests.stubs.client import SpeechStub

__all__ = ["ANSWER", "HEARD", "SECONDS_PER_CHAR", "TASKS", "Endpoint", "Fault", "Storm", "Strike", "Task"]

Task: TypeAlias = Literal["stt", "tts", "chat"]
Fault: TypeAlias = Literal["kill", "hang", "reset"]
TASKS: tuple[Task, ...] = ("stt", "tts", "chat")

HEARD, ANSWER = Behaviour().stt_text, Behaviour().chat_text
SECONDS_PER_CHAR = 0.02
"""Of the answer's sound: short, since nobody listens."""
_BEHAVIOUR: dict[str, Any] = {
    # Slow enough for a fault to fall in the middle of an answer.
    "seconds_per_char": SECONDS_PER_CHAR,
    "chat_every_s": 0.01,
    "rate_x": 8.0,
    "piece_s": 0.2,
    # The history has answers that were cut; a stub that went on with one of those would say half of the next.
    "chat_goes_on": "whole",
}
_BROKEN: dict[Task, dict[str, Any]] = {
    "stt": {"stt_mode": "truncated"},
    "tts": {"tts_mode": "cut"},
    "chat": {"chat_mode": "cut"},
}
_HEALTHY: dict[Task, dict[str, Any]] = {"stt": {"stt_mode": "ok"}, "tts": {"tts_mode": "ok"}, "chat": {"chat_mode": "ok"}}


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault of one endpoint, with instants of this process' monotonic clock."""

    task: Task
    fault: Fault
    began: float
    ended: float = float("inf")


class Endpoint:
    """A service for one task on a port that stays the same. Its calls block: run them in a thread."""

    def __init__(self, task: Task) -> None:
        self.task: Task = task
        self._stub = SpeechStub(sites=1, **_BEHAVIOUR).start()
        self._port = int(self.url.rsplit(":", 1)[1].split("/")[0])

    @property
    def url(self) -> str:
        return self._stub.url

    def strike(self, fault: Fault) -> None:
        """Whatever is under way is struck too."""
        match fault:
            case "kill":
                os.kill(self._stub.pid, signal.SIGKILL)
            case "hang":
                os.kill(self._stub.pid, signal.SIGSTOP)
            case "reset":
                self._stub.configure(**_BROKEN[self.task])

    def heal(self, fault: Fault) -> None:
        """Serve again, at the same address."""
        match fault:
            case "kill":
                self._stub.stop()
                self._stub = SpeechStub(sites=1, ports=[self._port], **_BEHAVIOUR).start()
            case "hang":
                os.kill(self._stub.pid, signal.SIGCONT)
            case "reset":
                self._stub.configure(**_HEALTHY[self.task])

    def stop(self) -> None:
        """Also where it hangs or is dead. Idempotent."""
        with suppress(ProcessLookupError, AssertionError):
            os.kill(self._stub.pid, signal.SIGCONT)
        self._stub.stop()


class Storm:
    """Strikes one endpoint after the other until it is over; at most one of each task at a time."""

    def __init__(self, endpoints: Sequence[Endpoint], chance: random.Random, faults: Sequence[Fault]) -> None:
        self._endpoints, self._chance, self._faults = endpoints, chance, faults
        self.strikes: list[Strike] = []

    async def rage(self, over: asyncio.Event) -> None:
        """Until ``over``; all is well when it returns."""
        while not over.is_set():
            await self._strike(self._chance.choice(self._endpoints), self._chance.choice(self._faults))
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), self._chance.uniform(0.05, 0.5))

    async def _strike(self, endpoint: Endpoint, fault: Fault) -> None:
        number = len(self.strikes)
        self.strikes.append(Strike(endpoint.task, fault, time.monotonic()))
        await asyncio.to_thread(endpoint.strike, fault)
        await asyncio.sleep(self._chance.uniform(0.1, 1.0))
        await asyncio.to_thread(endpoint.heal, fault)
        begun = self.strikes[number]
        self.strikes[number] = Strike(begun.task, begun.fault, begun.began, time.monotonic())
