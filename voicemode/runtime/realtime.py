"""One realtime conversation, whatever carries it: messages and sound in, engine and protocol in the middle, messages out.

A transport makes a call, runs it, hands it what it receives, and is handed what to send::

    call = RealtimeCall(session, make_engine, Peer(send, end), clock=time.monotonic)
    running = asyncio.create_task(call.run())        # until the conversation has ended; the transport owns the task
    call.received(text)                              # a message of the client; never raises for what is in it
    call.audio(samples, sample_rate)                 # sound that comes beside the messages (a WebRTC track)
    call.closed()                                    # the client is gone
    ended = await running                            # how it ended

Everything happens on the event loop; nothing here waits but the tasks of ``run``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from voicemode.audio import Samples
from voicemode.dialogue import AudioIn, Command, Report
from voicemode.dialogue_tools import ToolHostCommand
from voicemode.playout import PlayoutSound
from voicemode.record import Entry
from voicemode.runtime.outbox import Event, Frame, Outbox, SlowPeerError
from voicemode.runtime.realtime_parts import (
    CallLimits,
    DialogueEngineLike,
    Ended,
    MakeEngine,
    MakeToolHost,
    Observer,
    Peer,
    SessionLike,
    StepLike,
    ToolHost,
    WireLog,
)

__all__ = ["GOING_AWAY", "INTERNAL", "NORMAL", "TOO_BIG", "TRY_LATER", "RealtimeCall", "Sideband"]

_END_S = 1.0
"""How long the last messages and the closing of one peer, and the engine's cleaning up, may take each."""

NORMAL, GOING_AWAY, TOO_BIG, INTERNAL, TRY_LATER = 1000, 1001, 1009, 1011, 1013
"""Close codes of RFC 6455, 7.4.1, and of its registry at IANA."""

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Line:
    """One peer and what is on its way to it."""

    peer: Peer
    outbox: Outbox
    writer: asyncio.Task[None] | None = None
    """None until ``run`` began."""
    failure: str = ""
    """Why it was given up; empty while it was not."""
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Sideband:
    """Another socket on a call that is under way: it sees what is sent, and may send as the client does."""

    def __init__(self, call: RealtimeCall, line: _Line) -> None:
        self._call, self._line = call, line

    def received(self, text: str | bytes) -> None:
        """A message from it."""
        self._call.received(text)

    async def over(self) -> None:
        """Returns when the call has ended or this peer was given up."""
        await self._line.over.wait()

    async def leave(self) -> None:
        """Its socket is closed; the call goes on. Idempotent."""
        await self._call._hang_up(self._line, NORMAL, "")


class RealtimeCall:
    """One session, its engine, the client, and any sidebands."""

    def __init__(
        self,
        session: SessionLike,
        make_engine: MakeEngine,
        peer: Peer,
        *,
        call_id: str = "",
        limits: CallLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
        observers: Sequence[Observer] = (),
        wire_log: WireLog | None = None,
        make_tools: MakeToolHost | None = None,
        record: Callable[[Entry], None] | None = None,
    ) -> None:
        """``call_id`` is what sidebands name. ``record`` is told what was said. Opens nothing and starts nothing."""
        self.call_id = call_id
        self._session, self._make_engine, self._limits, self._clock = session, make_engine, limits or CallLimits(), clock
        self._observers, self._wire_log = tuple(observers), wire_log
        self._tools = make_tools(self._reported) if make_tools is not None else None
        self._record = record
        self._client = self._line(peer)
        self._sidebands: list[_Line] = []
        self._began = clock()
        self._engine: DialogueEngineLike | None = None
        """None before ``run``."""
        self._inputs: deque[Callable[[], StepLike]] = deque()
        self._stepping = False
        """A step is being taken: what the engine reports meanwhile waits for its turn."""
        self._audio_s = 0.0
        self._shown: Event | None = None
        """The session as the client saw it last, for sidebands that come later; None before it was opened."""
        self._over: asyncio.Future[Ended] | None = None
        """None before ``run``; its result ends the call."""
        self._early: Ended | None = None
        """It was to end before ``run``."""

    # -- what the transport asks and tells

    @property
    def backlog_s(self) -> float:
        """Seconds of sound that wait to be heard; a transport that can should read no further meanwhile."""
        return self._engine.backlog_s if self._engine is not None else 0.0

    def received(self, text: str | bytes) -> None:
        """A message of the client. Nothing in it raises."""
        if self._wire_log is not None:
            self._wire_log("in", text)
        self._take(lambda: self._session.receive(text, self._now_ms()))

    def audio(self, samples: Samples, sample_rate: int) -> None:
        """The person's sound, mono int16, where it comes beside the messages."""
        self._command(AudioIn(samples, sample_rate))

    def playout(self, samples: Samples) -> None:
        """Sound that is due at the client, 24 kHz mono int16, where the protocol's own messages carry it at our pace."""
        self._take(lambda: self._session.report(PlayoutSound(samples), self._now_ms()))

    def closed(self) -> None:
        """The client is gone. Idempotent."""
        self.end(NORMAL, "the client left")

    def end(self, code: int, reason: str) -> None:
        """End the call: what was queued is still sent, then every peer is closed with the code. The first one counts."""
        if self._over is None:
            self._early = self._early or Ended(code, reason)
        elif not self._over.done():
            self._over.set_result(Ended(code, reason))

    def hang_up(self) -> None:
        """End it as somebody asked to (``POST .../hangup``)."""
        self.end(NORMAL, "hung up")

    def expire(self) -> None:
        """The session's time is over: tell, and close with 1001."""
        self._take(self._session.expire)
        self.end(GOING_AWAY, "session_expired")

    def attach(self, peer: Peer) -> Sideband:
        """Let another peer see and send messages from now on."""
        line = self._line(peer)
        self._sidebands.append(line)
        if self._shown is not None:
            line.outbox.put({**self._shown, "type": "session.created"})
        if self._over is None or self._over.done():
            line.over.set()
        else:
            self._start(line)
        return Sideband(self, line)

    # -- its life

    async def run(self) -> Ended:
        """Hold the conversation until it ends; then everything is freed and every peer closed. Cancelling it does as much."""
        self._over = asyncio.get_running_loop().create_future()
        if self._early is not None:
            self._over.set_result(self._early)
        serving: asyncio.Task[None] | None = None
        expiry = asyncio.get_running_loop().call_later(self._limits.session_s, self.expire)
        try:
            self._start(self._client)
            self._engine = self._make_engine(self._reported)
            serving = asyncio.create_task(self._serve(self._engine))
            self._take(lambda: self._session.open(self._now_ms()))
            ended = await self._over
        except asyncio.CancelledError:
            ended = Ended(GOING_AWAY, "the server ends")
            await self._finish(ended, expiry, serving)
            raise
        except Exception as error:  # noqa: BLE001  (the boundary: only its kind and its place may be told)
            ended = self._failed(error)
        await self._finish(ended, expiry, serving)
        return ended

    async def _serve(self, engine: DialogueEngineLike) -> None:
        try:
            await engine.run()
        except Exception as error:  # noqa: BLE001  (as above)
            self._failed(error)
        else:
            self.end(INTERNAL, "the engine ended")

    async def _finish(self, ended: Ended, expiry: asyncio.TimerHandle, serving: asyncio.Task[None] | None) -> None:
        expiry.cancel()
        self._record_end()
        if self._over is not None and not self._over.done():
            self._over.set_result(ended)
        self._inputs.clear()
        if serving is not None:
            serving.cancel()
            await asyncio.wait({serving}, timeout=_END_S)
        engine, self._engine = self._engine, None
        if engine is not None:
            await self._close(engine)
        if self._tools is not None:
            await self._close(self._tools)
        lines = [self._client, *self._sidebands]
        await asyncio.gather(*(self._hang_up(line, ended.code, ended.reason) for line in lines))
        now = self._clock()
        for observer in self._observers:
            observer.ended(ended, now)

    def _record_end(self) -> None:
        if self._record is None:
            return
        try:
            for entry in self._session.leave(self._now_ms()).entries:
                self._record(entry)
        except Exception as error:  # noqa: BLE001  (the boundary: what follows frees the microphone's and the model's side)
            _log.error("the end of a call was not recorded: %s at %s", type(error).__name__, _place(error))

    async def _close(self, engine: DialogueEngineLike | ToolHost) -> None:
        try:
            async with asyncio.timeout(_END_S):
                await engine.aclose()
        except TimeoutError:
            _log.error("an engine was not freed within %g s", _END_S)
        except Exception as error:  # noqa: BLE001  (the boundary: whoever is connected must hear of the end all the same)
            _log.error("an engine was not freed: %s at %s", type(error).__name__, _place(error))

    def _failed(self, error: Exception) -> Ended:
        _log.error("a call ended by %s at %s", type(error).__name__, _place(error))
        self.end(INTERNAL, "internal error")
        return Ended(INTERNAL, "internal error")

    # -- steps

    def _reported(self, report: Report) -> None:
        """The engine's door."""
        now = self._clock()
        for observer in self._observers:
            observer.report(report, now)
        self._take(lambda: self._session.report(report, self._now_ms()))

    def _take(self, make: Callable[[], StepLike]) -> None:
        """Take steps one after another, also those that a step brings about."""
        if self._over is None or self._over.done():
            return
        self._inputs.append(make)
        if self._stepping:
            return
        self._stepping = True
        try:
            while self._inputs and not self._over.done():
                self._do(self._inputs.popleft()())
        except Exception as error:  # noqa: BLE001  (the boundary: a fault in here ends this call and no other)
            self._failed(error)
        finally:
            self._stepping = False

    def _do(self, step: StepLike) -> None:
        now = self._clock()
        for frame in step.events:
            self._tell(frame, now)
        for command in step.commands:
            self._command(command)
        if self._record is not None:
            for entry in step.entries:
                self._record(entry)
        if step.close is not None:
            self.end(*step.close)

    def _tell(self, frame: Frame, now: float) -> None:
        if self._wire_log is not None:
            self._wire_log("out", frame)
        if not isinstance(frame, bytes):
            if frame.get("type") in ("session.created", "session.updated"):
                self._shown = frame
            for observer in self._observers:
                observer.event(frame, now)
        for line in [self._client, *self._sidebands]:
            if line.failure:
                continue
            try:
                line.outbox.put(frame)
            except SlowPeerError as error:
                self._give_up(line, str(error))

    def _command(self, command: Command) -> None:
        if self._engine is None or self._over is None or self._over.done():
            return
        now = self._clock()
        if isinstance(command, AudioIn):
            self._audio_s += len(command.samples) / command.sample_rate
            if self._audio_s > self._limits.audio_s:
                self.end(TOO_BIG, "too much audio")
                return
        for observer in self._observers:
            observer.command(command, now)
        if not isinstance(command, ToolHostCommand):
            self._engine.command(command)
        elif self._tools is not None:
            self._tools.command(command)

    def _now_ms(self) -> int:
        return int((self._clock() - self._began) * 1000)

    # -- peers

    def _line(self, peer: Peer) -> _Line:
        return _Line(peer, Outbox(peer.send, max_bytes=self._limits.outbox_bytes, stall_s=self._limits.stall_s))

    def _start(self, line: _Line) -> None:
        line.writer = asyncio.create_task(self._write(line))

    async def _write(self, line: _Line) -> None:
        try:
            await line.outbox.run()
        except SlowPeerError as error:
            self._give_up(line, str(error))
        except Exception:  # noqa: BLE001  (a transport that is gone raises what it likes)
            self._give_up(line, "")

    def _give_up(self, line: _Line, why: str) -> None:
        """It does not read, or is gone: the client's going ends the call, a sideband's does not."""
        line.failure = why or "gone"
        line.over.set()
        if line is self._client:
            self.end(TRY_LATER if why else NORMAL, f"the client {why or 'left'}")

    async def _hang_up(self, line: _Line, code: int, reason: str) -> None:
        """Send what waits, if the peer reads, and close it. Idempotent."""
        if line in self._sidebands:
            self._sidebands.remove(line)
        line.outbox.close()
        writer, line.writer = line.writer, None
        if writer is None:
            return
        if not line.failure:
            await asyncio.wait({writer}, timeout=_END_S)
        writer.cancel()
        await asyncio.wait({writer})
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_END_S):
                await line.peer.end(code, reason)
        line.over.set()


def _place(error: Exception) -> str:
    """Where it was raised; its words may be a person's."""
    place = traceback.extract_tb(error.__traceback__, limit=-1)
    return f"{place[0].filename}:{place[0].lineno}" if place else "nowhere"
