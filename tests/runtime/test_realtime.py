"""A realtime call: what comes in goes to the protocol, what follows to engine and peers, and every end frees everything."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from tests.runtime.realtime_fakes import EchoSession, FakeEngine, FakePeer
from voicemode.dialogue import AnswerAudio, AudioIn, Command, Report, Respond, SpeechStarted
from voicemode.errors import EngineError
from voicemode.runtime.realtime import RealtimeCall
from voicemode.runtime.realtime_parts import CallLimits, DialogueEngineLike, Ended


class Talk:
    """One call on fakes."""

    def __init__(self, **options: Any) -> None:
        self.client = FakePeer()
        self.engine = FakeEngine(lambda _: None)
        self.wire: list[tuple[str, Any]] = []
        self.call = RealtimeCall(
            EchoSession(), self.made, self.client.peer, wire_log=lambda way, what: self.wire.append((way, what)), **options
        )

    def made(self, report: Callable[[Report], None]) -> DialogueEngineLike:
        self.engine.report = report
        return self.engine

    def say(self, kind: str, **fields: Any) -> None:
        self.call.received(json.dumps({"type": kind, **fields}))

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[asyncio.Task[Ended]]:
        running = asyncio.create_task(self.call.run())
        await turns()
        try:
            yield running
        finally:
            self.call.closed()
            await running


async def turns(times: int = 20) -> None:
    """Let everyone who can go on do so."""
    for _ in range(times):
        await asyncio.sleep(0)


def held(**options: Any) -> Callable[[Callable[[Talk, asyncio.Task[Ended]], Awaitable[None]]], None]:
    """Run what follows inside a call."""

    def run(story: Callable[[Talk, asyncio.Task[Ended]], Awaitable[None]]) -> None:
        async def whole() -> None:
            talk = Talk(**options)
            async with talk.held() as running:
                await story(talk, running)
            assert talk.engine.closed
            assert talk.call._client.writer is None

        asyncio.run(whole())

    return run


def test_messages_are_answered_in_order() -> None:
    """The session is opened first, then each message is answered in its turn; the wire log sees both ways."""

    @held()
    async def _(talk: Talk, _running: asyncio.Task[Ended]) -> None:
        talk.say("a")
        talk.say("b")
        talk.call.received("{")
        await turns()
        assert talk.client.kinds == ["session.created", "echo.a", "echo.b", "error"]
        assert [way for way, _ in talk.wire] == ["out", "in", "out", "in", "out", "in", "out"]


def test_what_the_engine_reports_at_once_comes_after_the_step_that_asked_for_it() -> None:
    """A report inside of a command waits until the events of that step are on their way."""

    @held()
    async def _(talk: Talk, _running: asyncio.Task[Ended]) -> None:
        def answer(command: Command) -> None:
            if isinstance(command, Respond):
                talk.engine.report(SpeechStarted(0))

        talk.engine.on_command = answer
        talk.say("speak")
        await turns()
        assert talk.client.kinds[1:] == ["response.created", "speech_started"]


def test_sound_beside_the_messages_reaches_the_engine() -> None:
    """A WebRTC track needs no message."""

    @held()
    async def _(talk: Talk, _running: asyncio.Task[Ended]) -> None:
        talk.call.audio(np.zeros(480, np.int16), 48_000)
        assert [type(command) for command in talk.engine.commands] == [AudioIn]


def test_sound_of_a_cancelled_answer_is_not_sent_any_more() -> None:
    """What waits of it is withdrawn, everything else stays in order."""

    @held()
    async def _(talk: Talk, _running: asyncio.Task[Ended]) -> None:
        talk.client.reads.clear()
        for name in ("r1", "r1", "r2"):
            talk.engine.report(AnswerAudio(name, np.zeros(4, np.int16)))
        await turns()
        talk.say("cancel")
        talk.say("a")
        talk.client.reads.set()
        await turns()
        sent = [(event["type"], event.get("response_id")) for event in talk.client.got[1:]]
        # The first was with the transport already.
        assert sent == [
            ("response.output_audio.delta", "r1"),
            ("response.output_audio.delta", "r2"),
            ("response.done", None),
            ("echo.a", None),
        ]


def test_a_client_that_never_reads_is_closed_after_so_many_bytes() -> None:
    """1013, and the call is over."""

    @held(limits=CallLimits(outbox_bytes=1000))
    async def _(talk: Talk, running: asyncio.Task[Ended]) -> None:
        talk.client.reads.clear()
        talk.say("big", size=600)
        assert not running.done()
        talk.say("big", size=600)
        talk.say("big", size=600)
        assert (await running).code == 1013
        assert talk.client.ended[0][0] == 1013


def test_a_client_that_never_reads_is_closed_after_so_many_seconds() -> None:
    """However little it is sent."""

    @held(limits=CallLimits(stall_s=0.02))
    async def _(talk: Talk, running: asyncio.Task[Ended]) -> None:
        talk.client.reads.clear()
        talk.say("a")
        assert (await running).code == 1013


def test_a_session_has_its_time() -> None:
    """Then the client is told, and closed with 1001."""

    @held(limits=CallLimits(session_s=0.01))
    async def _(talk: Talk, running: asyncio.Task[Ended]) -> None:
        assert await running == Ended(1001, "session_expired")
        assert talk.client.got[-1]["error"]["code"] == "session_expired"
        assert talk.client.ended == [(1001, "session_expired")]


def test_more_sound_than_a_session_can_have_ends_it() -> None:
    """1009."""

    @held(limits=CallLimits(audio_s=1.0))
    async def _(talk: Talk, running: asyncio.Task[Ended]) -> None:
        talk.call.audio(np.zeros(16_000, np.int16), 16_000)
        assert not running.done()
        talk.call.audio(np.zeros(160, np.int16), 16_000)
        assert (await running).code == 1009
        assert len(talk.engine.commands) == 1


@pytest.mark.parametrize("where", ["protocol", "engine", "making"])
def test_a_fault_ends_the_call_and_tells_no_secret(where: str, caplog: pytest.LogCaptureFixture) -> None:
    """1011 to the client; the log says what kind of error and where, not its words."""

    async def story() -> None:
        talk = Talk()
        if where == "making":

            def refused(_: Callable[[Report], None]) -> DialogueEngineLike:
                raise EngineError("x", "a secret")

            talk.call._make_engine = refused
        running = asyncio.create_task(talk.call.run())
        await turns()
        if where == "protocol":
            talk.say("break")
        elif where == "engine":
            talk.engine.broken.set()
        assert (await running).code == 1011
        assert talk.client.ended == [(1011, "internal error")]

    with caplog.at_level(logging.DEBUG):
        asyncio.run(story())
    assert "Error" in caplog.text
    assert "secret" not in caplog.text


class Watching:
    """An observer that is told of the end."""

    def __init__(self) -> None:
        self.ends: list[Ended] = []

    def event(self, *_: object) -> None: ...
    def command(self, *_: object) -> None: ...
    def report(self, *_: object) -> None: ...
    def ended(self, ended: Ended, _: float) -> None:
        self.ends.append(ended)


def test_an_engine_that_breaks_while_it_is_closed_keeps_nobody_waiting(caplog: pytest.LogCaptureFixture) -> None:
    """Peers are closed and observers told all the same, and the log says where it broke, not with which words."""
    watching = Watching()

    def broken() -> None:
        raise ZeroDivisionError("a secret")

    async def whole() -> None:
        talk = Talk(observers=[watching])
        talk.engine.on_close = broken
        async with talk.held():
            pass
        assert talk.client.ended == [(1000, "the client left")]

    asyncio.run(whole())
    assert [ended.code for ended in watching.ends] == [1000]
    assert "ZeroDivisionError" in caplog.text
    assert "secret" not in caplog.text


def test_an_engine_that_will_not_end_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its call ends a second later, and its peers with it."""
    monkeypatch.setattr("voicemode.runtime.realtime._END_S", 0.01)

    async def whole() -> None:
        talk = Talk()
        talk.engine.stubborn_s = 3600.0
        running = asyncio.create_task(talk.call.run())
        await turns()
        talk.call.closed()
        async with asyncio.timeout(5):
            await running
        assert talk.client.ended == [(1000, "the client left")]

    asyncio.run(whole())


def test_the_protocol_can_close() -> None:
    """What it queued before is still sent."""

    @held()
    async def _(talk: Talk, running: asyncio.Task[Ended]) -> None:
        talk.say("a")
        talk.say("bye")
        assert await running == Ended(1008, "bye")
        assert talk.client.kinds[-1] == "echo.a"


def test_cancelling_frees_everything() -> None:
    """The engine is closed, the peer as well, no task is left."""

    async def story() -> None:
        talk = Talk()
        running = asyncio.create_task(talk.call.run())
        await turns()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert talk.engine.closed
        assert talk.client.ended == [(1001, "the server ends")]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(story())


def test_a_call_that_was_closed_before_it_ran_ends_at_once() -> None:
    """A client can vanish between any two steps."""

    async def story() -> None:
        talk = Talk()
        talk.call.closed()
        async with asyncio.timeout(1):
            assert (await talk.call.run()).code == 1000

    asyncio.run(story())


def test_a_sideband_sees_and_sends_and_may_leave() -> None:
    """It begins with the session as it is; its leaving, or its not reading, does not end the call."""

    @held(limits=CallLimits(outbox_bytes=1000))
    async def _(talk: Talk, running: asyncio.Task[Ended]) -> None:
        first, slow = FakePeer(), FakePeer()
        side = talk.call.attach(first.peer)
        slow.reads.clear()
        lost = talk.call.attach(slow.peer)
        side.received('{"type": "a"}')
        await turns()
        assert first.kinds == ["session.created", "echo.a"]
        assert talk.client.kinds == ["session.created", "echo.a"]
        for _ in range(3):
            talk.say("big", size=600)
            await turns()
        await asyncio.wait_for(lost.over(), 1)
        await side.leave()
        await lost.leave()
        talk.say("b")
        await turns()
        assert talk.client.kinds[-1] == "echo.b"
        assert "echo.b" not in first.kinds
        assert slow.ended == [(1000, "")]
        assert not running.done()


def test_sidebands_are_closed_with_the_call() -> None:
    """With its code."""

    async def story() -> None:
        talk, side = Talk(), FakePeer()
        running = asyncio.create_task(talk.call.run())
        await turns()
        attached = talk.call.attach(side.peer)
        talk.call.hang_up()
        await running
        await asyncio.wait_for(attached.over(), 1)
        assert side.ended == [(1000, "hung up")]

    asyncio.run(story())


def test_sound_that_is_due_goes_to_the_client_as_the_protocol_has_it() -> None:
    """In binary frames, between the messages, in the order in which they were said."""

    @held()
    async def _(talk: Talk, _running: asyncio.Task[Ended]) -> None:
        talk.call.playout(np.array([1, 2], np.int16))
        await turns()
        assert talk.client.frames == [b"\x01\x00\x02\x00"]
        assert ("out", b"\x01\x00\x02\x00") in talk.wire


def test_the_record_is_told_of_the_end_however_it_comes() -> None:
    """Also where it is a fault: what the session says as it is left, once."""
    told: list[str] = []

    @held(record=lambda entry: told.append(entry.text))
    async def _(talk: Talk, running: asyncio.Task[Ended]) -> None:
        talk.say("break")
        await running

    assert [each.partition(" at ")[0] for each in told] == ["left"]
