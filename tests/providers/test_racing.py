"""One request through the endpoints of a shelf: the bookkeeping that a whole synthesis or transcription does not show."""

from __future__ import annotations

import asyncio

import pytest

from tests.providers.engines import Voice, in_flight, loop_time, put, refused, shelf_of
from tests.virtual_time import VIRTUAL_TIME
from voicemode.core.breaker import BreakerState, Failure
from voicemode.core.failover import Choice, Need
from voicemode.errors import EndpointError, EngineError, LanguageError, RequestError, SpeechFailedError, VoicemodeError
from voicemode.providers.racing import failure_of, race, why_nobody
from voicemode.providers.shelf import Entry, Shelf

pytestmark = pytest.mark.anyio

NEED = Need(task="tts")


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL_TIME


class Desk:
    """Where endpoints are asked: each answers its name after its time, and what is taken back is remembered."""

    def __init__(self, shelf: Shelf[Voice], *, close_s: float = 0.0) -> None:
        """``close_s`` is how long it takes to end a request that is not wanted any more."""
        self.shelf, self.close_s = shelf, close_s
        self.asked: list[str] = []
        self.ended: list[str] = []
        self.discarded: list[str] = []

    async def ask(self, entry: Entry[Voice], choice: Choice) -> str:
        self.asked.append(choice.name)
        try:
            await asyncio.sleep(entry.engine.after_s)
        except asyncio.CancelledError:
            await asyncio.sleep(self.close_s)
            self.ended.append(choice.name)
            raise
        if entry.engine.error is not None:
            raise entry.engine.error
        return choice.name

    async def discard(self, answer: str) -> None:
        self.discarded.append(answer)

    async def race(self) -> str:
        return (await race(self.shelf, NEED, self.ask, self.discard)).answer


async def test_the_request_stays_open_until_its_taker_says_how_it_ended() -> None:
    """The first byte is known already."""
    shelf = shelf_of("tts", Voice("a", after_s=0.2))
    won = await race(shelf, NEED, (desk := Desk(shelf)).ask, desk.discard)
    assert in_flight(shelf) == {"a": 1}
    won.entry.health.worked(won.ticket, loop_time())
    figures = shelf["a"].health.tally.figures()
    assert (figures.requests, figures.success_rate, figures.in_flight) == (1, 1.0, 0)
    assert figures.first_byte_median_s == pytest.approx(0.2)


async def test_never_more_than_two_are_asked_at_a_time() -> None:
    """The first gives up its place when it counts as lost, and has failed by that."""
    shelf = shelf_of("tts", *(Voice(name, after_s=60.0) for name in "abcd"))
    most = 0

    async def ask(entry: Entry[Voice], choice: Choice) -> str:
        nonlocal most
        most = max(most, sum(in_flight(shelf).values()))
        return await Desk(shelf).ask(entry, choice)

    won = await race(shelf, NEED, ask, Desk(shelf).discard)
    assert most == 2
    assert [error.problem.split(":")[0] for error in won.attempts] == ["a", "b"]
    assert in_flight(shelf) == {won.answer: 1}


async def test_everything_has_ended_when_it_returns() -> None:
    """Also a loser that takes its time to end."""
    shelf = shelf_of("tts", Voice("a", after_s=60.0), Voice("b"))
    desk = Desk(shelf, close_s=0.1)
    assert await desk.race() == "b"
    assert (desk.asked, desk.ended) == (["a", "b"], ["a"])


async def test_cancelled_while_a_loser_is_being_closed_it_takes_back_the_winner_as_well() -> None:
    """Nobody will take the answer, so nobody else can give it back."""
    shelf = shelf_of("tts", Voice("a", after_s=60.0), Voice("b"))
    desk = Desk(shelf, close_s=10.0)
    racing = asyncio.ensure_future(desk.race())
    await asyncio.sleep(2.0)
    assert (racing.done(), in_flight(shelf)) == (False, {"b": 1})
    racing.cancel()
    await asyncio.wait({racing})
    assert (racing.cancelled(), desk.discarded, in_flight(shelf)) == (True, ["b"], {})


async def test_an_answer_that_comes_together_with_the_winners_is_taken_back() -> None:
    """And is no failure of its endpoint."""
    shelf = shelf_of("tts", Voice("a", after_s=2.0), Voice("b", after_s=0.5))
    desk = Desk(shelf)
    assert await desk.race() in ("a", "b")
    assert len(desk.discarded) == 1
    assert all(entry.health.breaker.state is BreakerState.CLOSED for entry in shelf)


async def test_a_failure_that_comes_together_with_the_winners_answer_counts() -> None:
    """The endpoint is down, whoever won."""
    shelf = shelf_of("tts", Voice("a", after_s=2.0), Voice("b", after_s=0.5, error=refused("b")))
    assert await Desk(shelf).race() == "a"
    assert (shelf["b"].health.breaker.state, in_flight(shelf)) == (BreakerState.OPEN, {"a": 1})


async def test_one_that_left_meanwhile_is_not_asked() -> None:
    """The settings changed while the first was asked."""
    shelf = shelf_of("tts", Voice("a", after_s=1.0, error=refused("a")), Voice("b"), Voice("c"))
    desk = Desk(shelf)
    racing = asyncio.ensure_future(desk.race())
    await asyncio.sleep(0.5)
    shelf.keep_only(["c"])
    assert await racing == "c"
    assert desk.asked == ["a", "c"]


async def test_one_that_another_request_found_dead_meanwhile_is_not_asked() -> None:
    """Its reason is told all the same."""
    shelf = shelf_of("tts", Voice("a", after_s=1.0, error=refused("a")), Voice("b"), Voice("c"))
    racing = asyncio.ensure_future(race(shelf, NEED, (desk := Desk(shelf)).ask, desk.discard))
    await asyncio.sleep(0.9)
    health = shelf["b"].health
    health.failed(health.begin(loop_time()), loop_time(), Failure.BROKEN, "b: crashed.")
    won = await racing
    assert (won.answer, desk.asked) == ("c", ["a", "c"])
    assert won.attempts[1].problem.startswith("b: is left alone for ")


async def test_who_is_tried_again_is_asked_by_one_request_only() -> None:
    """Ten at once: one tries, the others go to the next."""
    shelf = shelf_of("tts", Voice("a", error=refused("a")))
    put(shelf, Voice("b"), rank=1)
    await Desk(shelf).race()
    await asyncio.sleep(100.0)
    shelf["a"].engine.error, shelf["a"].engine.after_s = None, 0.1
    desk = Desk(shelf)
    winners = await asyncio.gather(*(desk.race() for _ in range(10)))
    assert (desk.asked.count("a"), sorted(winners)) == (1, ["a", *["b"] * 9])


@pytest.mark.parametrize(
    ("error", "failure", "retry_after_s"),
    [
        (RequestError("voice", "is unknown"), Failure.DECLINED, None),
        (LanguageError("de", "a"), Failure.DECLINED, None),
        *((EndpointError("a", "no", status), Failure.DECLINED, None) for status in (400, 413, 415, 422)),
        *((EndpointError("a", "no", status), Failure.FORBIDDEN, None) for status in (401, 403)),
        (EndpointError("a", "busy", 429), Failure.BUSY, None),
        (EndpointError("a", "busy", 429, retry_after_s=7.0), Failure.BUSY, 7.0),
        (EndpointError("a", "busy", 503, retry_after_s=7.0), Failure.BUSY, 7.0),
        (EndpointError("a", "fails", 503), Failure.BROKEN, None),
        (EndpointError("a", "fails", 500), Failure.BROKEN, None),
        (EndpointError("a", "broke off"), Failure.BROKEN, None),
        (EndpointError("a", "refused", reached=False), Failure.UNREACHABLE, None),
        (EngineError("a", "crashed"), Failure.BROKEN, None),
    ],
)
def test_what_a_failure_means_follows_from_its_facts(
    error: VoicemodeError, failure: Failure, retry_after_s: float | None
) -> None:
    """Not from its words."""
    assert failure_of(error) == (failure, retry_after_s)


def test_one_error_of_all_reasons() -> None:
    """A sole complaint about the request is itself; with anybody else's reason it is one of several."""
    complaint = LanguageError("de", "a")
    nobody: Shelf[Voice] = Shelf("stt")
    assert why_nobody(nobody, [complaint], []) is complaint
    error = why_nobody(nobody, [complaint], [Choice("b", ("does not know the language 'de'",))])
    assert isinstance(error, SpeechFailedError)
    assert error.attempts[0] is complaint
    assert error.attempts[1].problem == "b: does not know the language 'de'."
    nowhere: Shelf[Voice] = Shelf("chat")
    said = "No chat endpoint worked. No endpoint is configured and no built-in engine loads."
    assert why_nobody(nowhere, [], []).problem == said


async def test_who_was_not_asked_complains_of_what_closed_the_way() -> None:
    """With its facts: the remedy of a key that is refused is a key, not another call."""
    shelf = shelf_of("tts", Voice("b"))
    refusal = EndpointError("b", "wants a key (VOICEMODE_TTS_API_KEY)", 401, retryable=False)
    health = shelf["b"].health
    health.failed(health.begin(0.0), 0.0, Failure.FORBIDDEN, refusal.problem, error=refusal)
    error = why_nobody(shelf, [], shelf.decide(Need(task="tts")).passed_over)
    said = "b: wants a key (VOICEMODE_TTS_API_KEY); it is not asked until the settings change (HTTP 401)."
    assert error.problem == f"No text-to-speech endpoint worked. {said}"
    assert isinstance(error, SpeechFailedError)
    assert error.remedy == refusal.remedy


async def test_who_has_nobody_else_waits_for_the_trial_of_another_request() -> None:
    """The only endpoint is back: the first request tries it, and those beside it are served as soon as that worked."""
    shelf = shelf_of("stt", Voice("a", after_s=0.5))
    fail(shelf["a"])
    desk = Desk(shelf)

    async def one() -> str:
        won = await race(shelf, NEED, desk.ask, desk.discard)
        won.entry.health.worked(won.ticket, loop_time())
        return won.answer

    began = loop_time()
    assert await asyncio.gather(*(one() for _ in range(4))) == ["a"] * 4
    assert loop_time() - began == pytest.approx(1.0, abs=0.05)


async def test_nobody_waits_for_a_trial_for_long() -> None:
    """The endpoint hangs: who only waits beside the trial is told in time, and that somebody tries."""
    shelf = shelf_of("stt", Voice("a", after_s=60.0))
    fail(shelf["a"])
    desk = Desk(shelf)
    trying = asyncio.ensure_future(desk.race())
    await asyncio.sleep(0)
    began = loop_time()
    with pytest.raises(SpeechFailedError, match="tried by another request"):
        await desk.race()
    assert 1.5 < loop_time() - began < 2.6
    trying.cancel()
    await asyncio.wait({trying})


def fail(entry: Entry[Voice]) -> None:
    """One request of it came to nothing."""
    ticket = entry.health.begin(loop_time(), 1.0)
    entry.health.failed(ticket, loop_time(), Failure.BROKEN, "crashed")
