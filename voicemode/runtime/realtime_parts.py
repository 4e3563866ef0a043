"""What a realtime call is made of: the seams to protocol, engine and transport, its limits, and how it ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from voicemode.dialogue import Command, Report
from voicemode.dialogue_tools import ToolHostCommand, ToolHostReport
from voicemode.record import Entry
from voicemode.runtime.outbox import MAX_BYTES, STALL_S, Event, Frame, Send

__all__ = [
    "CallLimits",
    "DialogueEngineLike",
    "Ended",
    "MakeEngine",
    "MakeToolHost",
    "Observer",
    "Peer",
    "SessionLike",
    "StepLike",
    "ToolHost",
    "WireLog",
]

SESSION_S = 3600.0
"""The protocol's limit of a session."""
_AUDIO_S = 2 * SESSION_S
"""Seconds of the person's sound in one session: more than a session's time of it can only be made up."""


class StepLike(Protocol):
    """What follows from an input: ``wire.realtime.Step``."""

    @property
    def events(self) -> Sequence[Frame]: ...
    @property
    def commands(self) -> Sequence[Command]: ...
    @property
    def close(self) -> tuple[int, str] | None: ...
    @property
    def entries(self) -> Sequence[Entry]: ...


class SessionLike(Protocol):
    """The protocol without I/O: ``wire.realtime.RealtimeSession``."""

    def open(self, now_ms: int) -> StepLike: ...
    def receive(self, message: str | bytes, now_ms: int) -> StepLike: ...
    def report(self, report: Report, now_ms: int) -> StepLike: ...
    def expire(self) -> StepLike: ...
    def leave(self, now_ms: int) -> StepLike:
        """The call is over, however: the entries of what was not, as far as it got. Nothing else of the step counts."""


class DialogueEngineLike(Protocol):
    """The engine: ``runtime.dialogue_engine.DialogueEngine``."""

    @property
    def backlog_s(self) -> float:
        """Seconds of sound that were received and not heard yet."""

    async def run(self) -> None:
        """Until it is closed or cancelled."""

    def command(self, command: Command) -> None:
        """Do it; returns at once, and may report before it returns."""

    async def aclose(self) -> None:
        """Free everything. Idempotent."""


MakeEngine: TypeAlias = Callable[[Callable[[Report], None]], DialogueEngineLike]
"""Given where it reports to. May raise VoicemodeError, which ends the call."""


class ToolHost(Protocol):
    """Who asks servers of tools on behalf of one call."""

    def command(self, command: ToolHostCommand) -> None:
        """Do it; returns at once, and reports later."""

    async def aclose(self) -> None:
        """Give up what runs for this call alone. Idempotent."""


MakeToolHost: TypeAlias = Callable[[Callable[[ToolHostReport], None]], ToolHost]
"""Given where it reports to."""

WireLog: TypeAlias = Callable[[Literal["in", "out"], str | Frame], None]
"""Told every message: for tests and for nobody else, since they are what people say."""


class Observer(Protocol):
    """Somebody who counts. ``now`` is of the call's clock."""

    def command(self, command: Command, now: float) -> None: ...
    def report(self, report: Report, now: float) -> None: ...
    def event(self, event: Event, now: float) -> None: ...
    def ended(self, ended: Ended, now: float) -> None: ...


@dataclass(frozen=True, slots=True)
class CallLimits:
    """What one call may take."""

    session_s: float = SESSION_S
    audio_s: float = _AUDIO_S
    outbox_bytes: int = MAX_BYTES
    stall_s: float = STALL_S


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a transport."""

    send: Send
    end: Callable[[int, str], Awaitable[None]]
    """Close it with a code and a reason, unless it is closed. Given a second; may raise."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a call ended."""

    code: int
    """A close code; 1000 when the client went."""
    reason: str = ""
