"""The smallest protocol and engine there are, to see what stands between them and the peers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from voicemode.dialogue import AnswerAudio, CancelAnswer, CancelReason, Command, Report, Respond, SpeechStarted
from voicemode.playout import PlayoutSound
from voicemode.record import Entry, Role
from voicemode.runtime.realtime_parts import Peer


@dataclass(frozen=True)
class Step:
    events: tuple[Any, ...] = ()
    """Objects, and frames of bytes."""
    commands: tuple[Command, ...] = ()
    close: tuple[int, str] | None = None
    entries: tuple[Entry, ...] = ()


class EchoSession:
    """Answers each message with its type, and asks the engine to answer where the message says "speak" or "cancel"."""

    def open(self, now_ms: int) -> Step:
        return Step(({"type": "session.created", "session": {"id": "sess_1"}, "at": now_ms},))

    def receive(self, message: str | bytes, now_ms: int) -> Step:
        del now_ms
        try:
            event = dict(json.loads(message))
        except (ValueError, TypeError):
            return Step(({"type": "error", "error": {"code": "invalid_json"}},))
        match event.get("type"):
            case "speak":
                return Step(({"type": "response.created"},), (Respond("r1", ()),))
            case "cancel":
                done = {"type": "response.done", "response": {"id": "r1", "status": "cancelled"}}
                return Step((done,), (CancelAnswer("r1", CancelReason.CLIENT),))
            case "break":
                raise ZeroDivisionError("a secret")
            case "big":
                return Step(({"type": "big", "text": "x" * event["size"]},))
            case "bye":
                return Step((), (), (1008, "bye"))
            case kind:
                return Step(({"type": f"echo.{kind}"},))

    def report(self, report: Report, now_ms: int) -> Step:
        del now_ms
        match report:
            case AnswerAudio(response_id=name, samples=samples):
                return Step(({"type": "response.output_audio.delta", "response_id": name, "delta": "A" * len(samples)},))
            case SpeechStarted():
                return Step(({"type": "speech_started"},))
            case PlayoutSound(samples=samples):
                return Step((samples.tobytes(),))
            case _:
                return Step(({"type": type(report).__name__},))

    def expire(self) -> Step:
        return Step(({"type": "error", "error": {"code": "session_expired"}},), (), (1001, "session_expired"))

    def leave(self, now_ms: int) -> Step:
        return Step(entries=(Entry("end", Role.SYSTEM, f"left at {now_ms} ms"),))


@dataclass(eq=False)
class FakeEngine:
    """Remembers its commands; ``on_command`` may report."""

    report: Callable[[Report], None]
    on_command: Callable[[Command], None] = lambda _: None
    commands: list[Command] = field(default_factory=list)
    closed: bool = False
    backlog_s: float = 0.0
    broken: asyncio.Event = field(default_factory=asyncio.Event)
    stubborn_s: float = 0.0
    """How long it goes on after it was cancelled."""
    on_close: Callable[[], None] = lambda: None
    """May raise."""

    async def run(self) -> None:
        try:
            await self.broken.wait()
        except asyncio.CancelledError:
            await asyncio.sleep(self.stubborn_s)
            raise
        raise ZeroDivisionError("a secret")

    def command(self, command: Command) -> None:
        self.commands.append(command)
        self.on_command(command)

    async def aclose(self) -> None:
        self.closed = True
        self.on_close()


@dataclass(eq=False)
class FakePeer:
    """Keeps what it is sent; reads only while ``reads`` is set."""

    got: list[dict[str, Any]] = field(default_factory=list)
    frames: list[bytes] = field(default_factory=list)
    """The binary ones."""
    ended: list[tuple[int, str]] = field(default_factory=list)
    reads: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.reads.set()

    async def send(self, frame: str | bytes) -> None:
        await self.reads.wait()
        if isinstance(frame, bytes):
            self.frames.append(frame)
        else:
            self.got.append(json.loads(frame))

    async def end(self, code: int, reason: str) -> None:
        self.ended.append((code, reason))

    @property
    def peer(self) -> Peer:
        return Peer(self.send, self.end)

    @property
    def kinds(self) -> list[str]:
        return [event["type"] for event in self.got]
