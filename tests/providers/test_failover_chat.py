"""Answers by whichever chat endpoint can: every word once and in order, whoever breaks off where."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.providers.engines import in_flight, loop_time, put
from tests.virtual_time import VIRTUAL_TIME
from voicemode.answers import AnswerDelta, Answerer, AnswerRequest, Finished, FinishReason, TextDelta, ToolDelta
from voicemode.core.breaker import BreakerState
from voicemode.dialogue import Message, ToolCall, Usage
from voicemode.errors import EndpointError, SpeechFailedError
from voicemode.providers.failover_chat import PAUSE_S, FailoverAnswerer
from voicemode.providers.shelf import LATE_S, Shelf
from voicemode.testing import FakeAnswer, FakeAnswerer, texts

pytestmark = pytest.mark.anyio

ASKED = (Message("user", "Tell me of the place."),)
REQUEST = AnswerRequest(ASKED)
TEXT = "It lies by the sea. A wall goes around it. In the market they sell fish. Shall I go on?"


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL_TIME


class Slow(FakeAnswerer):
    """Pauses for so long after so many pieces."""

    def __init__(self, name: str, after: int, seconds: float, *, every: bool = False) -> None:
        super().__init__(TEXT, name=name)
        self.after, self.seconds, self.every = after, seconds, every

    def answer(self, request: AnswerRequest) -> SlowAnswer:  # type: ignore[override]
        self.requests.append(request)
        return SlowAnswer(self, request)


class SlowAnswer:
    """One request to it."""

    def __init__(self, owner: Slow, request: AnswerRequest) -> None:
        self.owner, self.request = owner, request
        self.engine, self.engines, self.failed = owner.name, (owner.name,), ()
        self.closed = False

    async def __aiter__(self):  # type: ignore[no-untyped-def]
        owner = self.owner
        for number, letter in enumerate(owner.answer_text.removeprefix(self.request.partial)):
            if number == owner.after or (owner.every and number):
                await asyncio.sleep(owner.seconds)
            yield TextDelta(letter)
        yield Finished()

    async def aclose(self) -> None:
        self.closed = True


def fake(name: str, **more: object) -> FakeAnswerer:
    return FakeAnswerer(TEXT, name=name, **more)  # type: ignore[arg-type]


def broken(name: str, after: int, **more: object) -> FakeAnswerer:
    """One that breaks off after so many pieces of four letters."""
    return fake(name, fail_after=after, error=EndpointError(name, "broke off in mid-answer"), **more)


def shelf_of(*responders: Answerer) -> Shelf[Answerer]:
    shelf: Shelf[Answerer] = Shelf("chat", clock=loop_time, chance=lambda: 0.0)
    for rank, responder in enumerate(responders):
        put(shelf, responder, rank=rank)
    return shelf


@dataclass(frozen=True)
class Said:
    """What became of a request."""

    text: str
    engines: tuple[str, ...]
    failed: tuple[str, ...]
    finished: FinishReason | None
    longest_wait_s: float


async def ask(shelf: Shelf[Answerer], request: AnswerRequest = REQUEST) -> Said:
    stream = FailoverAnswerer(shelf).answer(request)
    words, waits, at = [], [0.0], loop_time()
    finished = None
    async for delta in stream:
        assert finished is None
        assert stream.engine
        if isinstance(delta, Finished):
            finished = delta.reason
        else:
            assert isinstance(delta, TextDelta)
            assert delta.text
            words.append(delta.text)
        waits.append(loop_time() - at)
        at = loop_time()
    assert in_flight(shelf) == {}
    return Said("".join(words), stream.engines, stream.failed, finished, max(waits))


async def test_the_first_that_works_answers_and_the_others_are_not_asked() -> None:
    """All of it, at once, and why it ended."""
    second = fake("b")
    assert await ask(shelf_of(fake("a"), second)) == Said(TEXT, ("a",), (), "stop", 0.0)
    assert second.requests == []


async def test_one_that_fails_before_its_first_word_is_replaced() -> None:
    """The result says who answered, and why the other did not."""
    said = await ask(shelf_of(broken("a", 0), fake("b")))
    assert (said.text, said.engines, said.failed) == (TEXT, ("b",), ("a: broke off in mid-answer.",))


async def test_a_late_one_gets_a_second_beside_it_and_the_faster_answers() -> None:
    """The loser is closed."""
    late = fake("a", first_piece_s=60.0)
    said = await ask(shelf_of(late, fake("b")))
    assert (said.text, said.engines) == (TEXT, ("b",))
    assert said.longest_wait_s == pytest.approx(LATE_S["chat"])
    assert late.answers[0].closed


@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize("after", range(1, 23))
async def test_wherever_one_breaks_off_every_word_is_there_once(after: int, repeats: bool) -> None:
    """Whether the next one goes on at the letter or says it all again."""
    second = fake("b", repeats=repeats)
    said = await ask(shelf_of(broken("a", after), second))
    assert said.text == TEXT
    assert (said.finished, said.failed) == ("stop", ("a: broke off in mid-answer.",))
    assert second.requests == [AnswerRequest(ASKED, partial=TEXT[: 4 * after])]
    assert said.engines == (("a", "b") if 4 * after < len(TEXT) else ("a",))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=5))
def test_however_many_break_off_the_whole_answer_is_said(breaks: list[tuple[int, bool]]) -> None:
    """The last one is well."""

    async def scenario() -> Said:
        names = [f"e{number}" for number in range(len(breaks))]
        failing = [broken(name, after, repeats=repeats) for name, (after, repeats) in zip(names, breaks, strict=True)]
        return await ask(shelf_of(*failing, fake("well")))

    said = asyncio.run(scenario())
    assert said.text == TEXT


async def test_a_caller_may_ask_to_go_on_itself() -> None:
    """And hears only what is new."""
    said = await ask(shelf_of(fake("a", repeats=True)), AnswerRequest(ASKED, partial=TEXT[:30]))
    assert said.text == TEXT[30:]


async def test_one_that_pauses_in_mid_answer_is_replaced() -> None:
    """Before the person wonders."""
    said = await ask(shelf_of(Slow("a", 40, 60.0), fake("b")))
    assert (said.text, said.engines) == (TEXT, ("a", "b"))
    assert said.longest_wait_s == pytest.approx(PAUSE_S)
    assert "is too slow" in said.failed[0]


async def test_one_that_drips_is_replaced() -> None:
    """A letter a second is no conversation."""
    said = await ask(shelf_of(Slow("a", 1, 1.0, every=True), fake("b")))
    assert (said.text, said.engines) == (TEXT, ("a", "b"))
    assert said.longest_wait_s <= PAUSE_S


async def test_without_anyone_else_a_slow_answer_is_better_than_none() -> None:
    """The endpoint's own deadlines hold all the same."""
    assert (await ask(shelf_of(Slow("a", 40, 60.0)))).text == TEXT


async def test_the_time_of_the_listener_is_not_the_endpoints() -> None:
    """Who speaks the words takes longer than who writes them."""
    stream = FailoverAnswerer(shelf_of(fake("a"), fake("b"))).answer(REQUEST)
    async for _ in stream:
        await asyncio.sleep(10.0)
    assert stream.engines == ("a",)


async def test_the_only_endpoint_may_go_on_with_its_own_answer_once() -> None:
    """A connection that was reset is no reason to stop in mid-sentence; twice is."""
    only = broken("a", 5)
    with pytest.raises(SpeechFailedError) as caught:
        await ask(shelf_of(only))
    assert [request.partial for request in only.requests] == ["", TEXT[:20]]
    assert [error.problem for error in caught.value.attempts] == ["a: broke off in mid-answer."]


async def test_when_all_fail_one_error_names_each_with_its_reason() -> None:
    """Nobody twice, and the words before it were said."""
    refusing = fake("b", fail_after=0, error=EndpointError("b", "connection refused", reached=False))
    stream = FailoverAnswerer(shelf_of(broken("a", 3), refusing)).answer(REQUEST)
    words: list[str] = []

    async def listen() -> None:
        async for text in texts(stream):
            words.append(text)

    with pytest.raises(SpeechFailedError) as caught:
        await listen()
    assert caught.value.task == "chat"
    assert [error.problem for error in caught.value.attempts] == ["a: broke off in mid-answer.", "b: connection refused."]
    assert "".join(words).startswith(TEXT[:12])


async def test_one_that_asked_to_be_left_alone_is_told_once() -> None:
    """It is passed over for the rest of the answer, for the reason that is told already."""
    busy = fake("a", fail_after=3, error=EndpointError("a", "gets too many requests", 429, retry_after_s=60.0))
    with pytest.raises(SpeechFailedError) as caught:
        await ask(shelf_of(busy, broken("b", 0)))
    assert [error.problem.partition(":")[0] for error in caught.value.attempts] == ["a", "b"]
    assert len(busy.requests) == 1


async def test_with_no_endpoint_at_all_the_error_says_so() -> None:
    """There is none built in."""
    with pytest.raises(SpeechFailedError, match="No chat endpoint"):
        await ask(shelf_of())


CALLS = (ToolCall("call_a", "weather", '{"city": "Paris"}'), ToolCall("call_b", "time", "{}"))


async def deltas_of(shelf: Shelf[Answerer]) -> list[AnswerDelta]:
    return [delta async for delta in FailoverAnswerer(shelf).answer(REQUEST)]


async def test_calls_of_functions_and_usage_are_passed_on() -> None:
    """In their order, behind the words, and the end is the last."""
    deltas = await deltas_of(shelf_of(fake("a", calls=CALLS, usage=Usage(7, 5))))
    assert deltas[-1] == Finished("tool_calls", Usage(7, 5))
    assert "".join(delta.text for delta in deltas if isinstance(delta, TextDelta)) == TEXT
    assert arguments(deltas) == {call.call_id: call.arguments for call in CALLS}


def arguments(deltas: list[AnswerDelta]) -> dict[str, str]:
    """By call."""
    found: dict[str, str] = {}
    for delta in deltas:
        if isinstance(delta, ToolDelta):
            found[delta.call_id] = found.get(delta.call_id, "") + delta.arguments
    return found


@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize("after", range(0, 22, 3))
async def test_who_breaks_off_before_the_first_call_is_replaced(after: int, repeats: bool) -> None:
    """The other one says the rest and calls."""
    deltas = await deltas_of(shelf_of(broken("a", after, calls=CALLS), fake("b", calls=CALLS, repeats=repeats)))
    assert "".join(delta.text for delta in deltas if isinstance(delta, TextDelta)) == TEXT
    assert arguments(deltas) == {call.call_id: call.arguments for call in CALLS}


async def test_words_that_are_held_back_come_before_a_call() -> None:
    """As long as they may be a repetition they wait, but no longer than for the call."""
    second = fake("b", calls=CALLS)
    second.answer_text = "by"
    deltas = await deltas_of(shelf_of(broken("a", 3), second))
    kinds = [type(delta) for delta in deltas]
    assert kinds.index(ToolDelta) > max(at for at, kind in enumerate(kinds) if kind is TextDelta)
    assert "".join(delta.text for delta in deltas if isinstance(delta, TextDelta)) == TEXT[:12] + "by"


@pytest.mark.parametrize("pieces", range(1, 7))
async def test_once_a_call_was_given_out_nobody_else_is_asked(pieces: int) -> None:
    """Another one would call it again: the answer fails, and says why."""
    text_pieces = len(range(0, len(TEXT), 4))
    second = fake("b", calls=CALLS)
    given: list[AnswerDelta] = []

    async def listen() -> None:
        async for delta in FailoverAnswerer(shelf).answer(REQUEST):
            given.append(delta)

    shelf = shelf_of(broken("a", text_pieces + pieces, calls=CALLS), second)
    with pytest.raises(SpeechFailedError) as caught:
        await listen()
    assert [error.problem for error in caught.value.attempts] == ["a: broke off in mid-answer."]
    assert second.requests == []
    assert isinstance(given[-1], ToolDelta)
    assert in_flight(shelf) == {}
    assert shelf["a"].health.breaker.state is BreakerState.OPEN


async def test_arguments_need_not_come_as_fast_as_speech() -> None:
    """Nobody could replace who writes them."""
    calling = Calling("a")
    assert arguments(await deltas_of(shelf_of(calling, fake("b")))) == {"call_a": "{}"}
    assert calling.slept_s > PAUSE_S


class Calling(FakeAnswerer):
    """Pauses in the middle of a call."""

    slept_s = 30.0

    def answer(self, request: AnswerRequest) -> CallingAnswer:
        return CallingAnswer(self, request)


class CallingAnswer(FakeAnswer):
    """One request to it."""

    async def __aiter__(self):  # type: ignore[no-untyped-def]
        yield ToolDelta("call_a", "weather", "{")
        await asyncio.sleep(Calling.slept_s)
        yield ToolDelta("call_a", "weather", "}")
        yield Finished("tool_calls")


async def test_the_end_of_a_conversation_is_told_to_all() -> None:
    """Somebody may keep something for it."""
    both = [fake("a"), fake("b")]
    await FailoverAnswerer(shelf_of(*both)).leave("session")
    assert [each.left for each in both] == [["session"], ["session"]]


async def test_who_broke_off_is_left_alone_and_who_answered_is_well() -> None:
    """The next request begins with the one that works."""
    first, second = broken("a", 3), fake("b")
    shelf = shelf_of(first, second)
    await ask(shelf)
    assert shelf["a"].health.breaker.state is BreakerState.OPEN
    assert shelf["b"].health.tally.figures().success_rate == 1.0
    assert (await ask(shelf)).engines == ("b",)
    assert len(first.requests) == 1


async def test_one_that_refuses_in_mid_answer_is_not_asked_for_the_rest() -> None:
    """Although a refusal of a request says nothing of an endpoint's health."""
    first = fake("a", fail_after=3, error=EndpointError("a", "answered an error: filtered", 400))
    said = await ask(shelf_of(first, fake("b")))
    assert (said.text, said.engines, len(first.requests)) == (TEXT, ("a", "b"), 1)


@pytest.mark.parametrize("pieces", [0, 1, 5])
async def test_an_answer_that_is_closed_leaves_nothing_behind(pieces: int) -> None:
    """No request in flight, no open breaker, and the endpoint stopped."""
    first = fake("a")
    shelf = shelf_of(first, fake("b"))
    stream = FailoverAnswerer(shelf).answer(REQUEST)
    words = aiter(stream)
    for _ in range(pieces):
        await anext(words)
    await stream.aclose()
    assert in_flight(shelf) == {}
    assert shelf["a"].health.breaker.state is BreakerState.CLOSED
    assert all(each.closed for each in first.answers)


async def test_closing_from_outside_ends_who_waits_for_the_first_word() -> None:
    """Without an error: the caller no longer wants it."""
    waiting = fake("a", first_piece_s=60.0)
    shelf = shelf_of(waiting)
    stream = FailoverAnswerer(shelf).answer(REQUEST)

    async def listen() -> list[str]:
        return [text async for text in texts(stream)]

    listening = asyncio.ensure_future(listen())
    await asyncio.sleep(1.0)
    await stream.aclose()
    assert await listening == []
    assert in_flight(shelf) == {}
    assert waiting.answers[0].closed


async def test_a_bug_is_not_hidden_by_asking_the_next() -> None:
    """Only failures of theirs are replaced."""
    with pytest.raises(ZeroDivisionError):
        await ask(shelf_of(fake("a", fail_after=2, error=ZeroDivisionError()), fake("b")))


async def test_closing_it_closes_all() -> None:
    """As its name says who they are."""
    both = [fake("a"), fake("b")]
    responder = FailoverAnswerer(shelf_of(*both))
    assert responder.name == "a, b"
    await responder.aclose()
    assert all(each.closed for each in both)
