"""Typed turns: the whole conversation is told, and the answer is put down as far as it came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from voicemode.answers import AnswerDelta, AnswerRequest, Finished, TextDelta
from voicemode.dialogue import Message
from voicemode.errors import EndpointError
from voicemode.record import Entry, RecordError, Role, Standing, Surface
from voicemode.runtime.chat import Chat
from voicemode.store.memory import MemoryRecords

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Script:
    """Answers with these pieces; an exception among them is raised, None waits for ever."""

    name, acts = "script", False

    def __init__(self, *pieces: str | Exception | None) -> None:
        self.pieces: Sequence[str | Exception | None] = pieces
        self.asked: list[AnswerRequest] = []

    def answer(self, request: AnswerRequest) -> Flow:
        self.asked.append(request)
        return Flow(self.pieces)

    async def leave(self, session_id: str) -> None:
        """Nothing is kept."""

    async def aclose(self) -> None:
        """Nothing is open."""


class Flow:
    engine, engines, failed = "script", ("script",), ()

    def __init__(self, pieces: Sequence[str | Exception | None]) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[AnswerDelta]:
        for piece in self._pieces:
            if isinstance(piece, Exception):
                raise piece
            if piece is None:
                await asyncio.sleep(60)
            else:
                yield TextDelta(piece)
        yield Finished()

    async def aclose(self) -> None:
        """Nothing is open."""


def standings(entries: Sequence[Entry]) -> list[tuple[Role, str, Standing]]:
    return [(entry.role, entry.text, entry.standing) for entry in entries]


async def test_whoever_answers_is_told_all_that_was_said() -> None:
    """Also on other surfaces, and of the assistant what was heard."""
    records = MemoryRecords()
    spoken = await records.open("t", surface=Surface.WEBRTC)
    spoken.put(Entry("1", Role.USER, "spoken before"))
    spoken.put(Entry("2", Role.ASSISTANT, "as far as", Standing.INTERRUPTED))
    answerer = Script("Yes, ", "I know.")
    record = await records.open("t", surface=Surface.CLI)
    shown: list[str] = []
    reply = await Chat(record, answerer).say("And now?", shown.append)
    told = [(turn.role, turn.text) for turn in answerer.asked[0].history if isinstance(turn, Message)]
    assert told == [("user", "spoken before"), ("assistant", "as far as"), ("user", "And now?")]
    assert (reply.text, shown) == ("Yes, I know.", ["Yes, ", "I know."])
    assert standings(await record.history())[2:] == [
        (Role.USER, "And now?", Standing.WHOLE),
        (Role.ASSISTANT, "Yes, I know.", Standing.WHOLE),
    ]


async def test_an_answer_that_fails_is_put_down_as_far_as_it_came() -> None:
    """And the error is the caller's."""
    record = await MemoryRecords().open(surface=Surface.CLI)
    with pytest.raises(EndpointError):
        await Chat(record, Script("Half of", EndpointError("http://down", "refused"))).say("Go on")
    assert standings(await record.history())[1] == (Role.ASSISTANT, "Half of", Standing.FAILED)


async def test_an_answer_that_is_interrupted_is_put_down_as_far_as_it_came() -> None:
    """It is in flight until then."""
    record = await MemoryRecords().open(surface=Surface.CLI)
    came = asyncio.Event()
    saying = asyncio.create_task(Chat(record, Script("Half of", None)).say("Go on", lambda _: came.set()))
    await came.wait()
    await asyncio.sleep(0)
    assert standings(await record.history())[1] == (Role.ASSISTANT, "Half of", Standing.IN_FLIGHT)
    saying.cancel()
    await asyncio.gather(saying, return_exceptions=True)
    assert standings(await record.history())[1] == (Role.ASSISTANT, "Half of", Standing.INTERRUPTED)


async def test_a_record_that_cannot_be_read_ends_no_conversation(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was said here is known all the same."""
    record = await MemoryRecords().open(surface=Surface.CLI)

    async def refuse(last: int | None = None) -> tuple[Entry, ...]:
        raise RecordError("it is damaged")

    monkeypatch.setattr(record, "history", refuse)
    answerer = Script("Yes.")
    chat = Chat(record, answerer)
    await chat.say("one")
    await chat.say("two")
    assert [turn.text for turn in answerer.asked[1].history if isinstance(turn, Message)] == ["one", "Yes.", "two"]
