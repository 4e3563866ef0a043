"""Speech to text by whichever endpoint can."""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.providers.engines import Ear, in_flight, loop_time, put, refused, shelf_of
from tests.virtual_time import VIRTUAL_TIME
from voicemode.audio import AudioChunk
from voicemode.core.breaker import BreakerState, Failure
from voicemode.core.failover import Declared, Origin
from voicemode.errors import EndpointError, EngineError, LanguageError, SpeechFailedError, VoicemodeError
from voicemode.interfaces import Transcript, TranscriptionRequest
from voicemode.providers.failover_stt import LOAD_S, FailoverTranscriber
from voicemode.providers.shelf import LATE_S, RESORT_S, Shelf

pytestmark = pytest.mark.anyio

UTTERANCE = TranscriptionRequest(AudioChunk.silence(0.1, 16_000))


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL_TIME


async def hear(shelf: Shelf[Ear], request: TranscriptionRequest = UTTERANCE) -> Transcript:
    return await FailoverTranscriber(shelf).transcribe(request)  # type: ignore[arg-type]


async def test_the_first_that_works_writes_and_the_result_says_who_failed() -> None:
    """Each with its reason."""
    shelf = shelf_of("stt", Ear("a", refused("a")), Ear("b", EngineError("b", "crashed")), Ear("c"), Ear("d"))
    transcript = await hear(shelf)
    assert (transcript.text, transcript.engine) == ("heard by c", "c")
    assert transcript.failed == ("a: connection refused.", "b: crashed.")
    assert (shelf["d"].engine.asked, in_flight(shelf)) == (0, {})
    assert shelf["c"].health.tally.figures().requests == 1


async def test_who_failed_is_told_also_to_somebody_who_did_not_wait_for_the_words() -> None:
    """The next request leaves it alone, and would not know why."""
    shelf, told = shelf_of("stt", Ear("a", refused("a")), Ear("b", after_s=60.0)), list[str]()
    request = TranscriptionRequest(AudioChunk.silence(0.1, 16_000), on_failed=told.append)
    writing = asyncio.create_task(hear(shelf, request))
    await asyncio.sleep(0.1)
    writing.cancel()
    await asyncio.wait({writing})
    assert told == ["a: connection refused."]


async def test_one_that_failed_is_left_alone_and_another_one_prepared() -> None:
    """Preparing follows the same order as asking."""
    shelf = shelf_of("stt", Ear("a", refused("a")), Ear("b"))
    await hear(shelf)
    await FailoverTranscriber(shelf).prepare(("yes",))  # type: ignore[arg-type]
    await hear(shelf)
    assert (shelf["a"].engine.prepared, shelf["b"].engine.prepared, shelf["a"].engine.asked) == ([], [("yes",)], 1)
    await FailoverTranscriber(shelf_of("stt")).prepare()


async def test_a_late_one_gets_company_and_the_loser_is_cancelled() -> None:
    """The words come as soon as the faster of the two has them."""
    shelf = shelf_of("stt", Ear("a", after_s=60.0), Ear("b", after_s=0.5))
    began = loop_time()
    transcript = await hear(shelf)
    assert transcript.engine == "b"
    assert loop_time() - began == pytest.approx(LATE_S["stt"] * (1 + 0.1 / LOAD_S) + 0.5)
    assert (shelf["a"].engine.cancelled, in_flight(shelf)) == (1, {})
    assert "had not answered" in shelf["a"].health.trouble
    assert transcript.failed == (shelf["a"].health.trouble,)


async def test_a_long_utterance_is_given_more_time() -> None:
    """There is more to write."""
    shelf = shelf_of("stt", Ear("a", after_s=2.0), Ear("b"))
    assert (await hear(shelf, TranscriptionRequest(AudioChunk.silence(10.0, 16_000)))).engine == "a"
    assert shelf["b"].engine.asked == 0


async def test_a_hedge_that_loses_is_cancelled_and_not_blamed() -> None:
    """The first had the words after all."""
    shelf = shelf_of("stt", Ear("a", after_s=2.0), Ear("b", after_s=60.0))
    assert (await hear(shelf)).failed == ()
    assert (shelf["b"].engine.cancelled, shelf["b"].health.trouble, in_flight(shelf)) == (1, "", {})


async def test_the_built_in_engine_is_asked_late() -> None:
    """Wrong words are worse than a wait."""
    shelf = shelf_of("stt", Ear("a", after_s=60.0))
    put(shelf, Ear("builtin"), origin=Origin.BUILTIN)
    began = loop_time()
    assert (await hear(shelf)).engine == "builtin"
    assert loop_time() - began == pytest.approx(RESORT_S["stt"])


async def test_when_nobody_can_the_error_names_them_all() -> None:
    """Those who were not asked included: left alone, or without the language."""
    shelf = shelf_of("stt", Ear("a", EndpointError("a", "wants a key", 401)), Ear("b", refused("b")))
    put(shelf, Ear("c"), rank=2, declared=Declared(languages=("en",)))
    german = TranscriptionRequest(UTTERANCE.audio, language="de-AT")
    for _ in range(2):
        with pytest.raises(SpeechFailedError) as caught:
            await hear(shelf, german)
        assert caught.value.task == "speech-to-text"
        reasons = " ".join(error.problem for error in caught.value.attempts)
        for reason in ("wants a key", "b: connection refused", "c: does not know the language 'de-AT'"):
            assert reason in reasons
    assert (shelf["a"].engine.asked, shelf["c"].engine.asked) == (1, 0)


async def test_the_only_ones_complaint_about_the_request_is_the_callers() -> None:
    """It says what to change; but where somebody else is down, that is told as well."""
    shelf = shelf_of("stt", Ear("a", LanguageError("de", "a")))
    with pytest.raises(LanguageError):
        await hear(shelf)
    put(shelf, Ear("b", EndpointError("b", "wants a key", 401)), rank=1)
    for _ in range(2):
        with pytest.raises(SpeechFailedError, match="wants a key"):
            await hear(shelf)


async def test_a_language_that_one_does_not_know_is_no_fault_of_its() -> None:
    """The next one is asked, and the first again next time."""
    shelf = shelf_of("stt", Ear("a", LanguageError("de", "a")), Ear("b"))
    for _ in range(2):
        assert (await hear(shelf)).engine == "b"
    assert (shelf["a"].engine.asked, shelf["a"].health.breaker.state) == (2, BreakerState.CLOSED)


async def test_a_bug_is_not_hidden_by_the_next_endpoint() -> None:
    """And leaves nothing open."""
    shelf = shelf_of("stt", Ear("a", ZeroDivisionError()), Ear("b"))
    with pytest.raises(ZeroDivisionError):
        await hear(shelf)
    assert in_flight(shelf) == {}


async def test_one_that_gives_up_by_itself_has_failed() -> None:
    """A cancellation from within, as of an engine whose process is being ended, is not ours."""
    shelf = shelf_of("stt", Ear("a", asyncio.CancelledError()), Ear("b"))  # type: ignore[arg-type]
    assert (await hear(shelf)).failed == ("a: gave up.",)
    assert in_flight(shelf) == {}


async def test_closing_closes_all() -> None:
    """They are its own."""
    shelf = shelf_of("stt", Ear("a"), Ear("b"))
    await FailoverTranscriber(shelf).aclose()  # type: ignore[arg-type]
    assert [entry.engine.closed for entry in shelf] == [1, 1]
    assert FailoverTranscriber(shelf).name == "a, b"  # type: ignore[arg-type]


async def test_on_random_paths_no_request_stays_open() -> None:
    """Whatever they do and whenever it is cancelled; and words come whenever somebody had them in time."""
    chance = random.Random(7)
    for _ in range(300):
        shelf = shelf_of("stt", *(Ear(name) for name in "abc"[: chance.randint(1, 3)]))
        for _ in range(8):
            for entry in shelf:
                errors = [None, None, refused(entry.name), EndpointError(entry.name, "fails", 500), LanguageError("de", "x")]
                entry.engine.error, entry.engine.after_s = chance.choice(errors), chance.choice([0.0, 0.1, 1.515, 3.1, 9.0])
            work = asyncio.ensure_future(hear(shelf))
            cancels = chance.random() < 0.4
            if cancels:
                await asyncio.sleep(chance.choice([0.0, 0.1, 1.515, 3.0, 3.1]))
                for _ in range(chance.randrange(6)):
                    await asyncio.sleep(0)
                work.cancel()
            await asyncio.wait({work})
            assert in_flight(shelf) == {}
            assert len(asyncio.all_tasks()) <= 2  # the test's own and its runner's
            failure = None if work.cancelled() else work.exception()
            assert failure is None or isinstance(failure, VoicemodeError)
            if failure is not None:
                assert not any(entry.engine.after_s < 1 and entry.engine.error is None for entry in shelf)
            await asyncio.sleep(chance.choice([0.0, 0.5, 5.0, 100.0]))


async def test_one_whose_turn_comes_while_its_breaker_is_open_is_asked_when_nobody_else_is_left() -> None:
    """Another request failed there in the meantime; that is no reason to lose the words."""
    shelf = shelf_of("stt", Ear("a", EndpointError("a", "crashed"), after_s=1.0), Ear("b"))

    async def another_request_fails() -> None:
        await asyncio.sleep(0.5)
        health = shelf["b"].health
        health.failed(health.begin(loop_time()), loop_time(), Failure.BROKEN, "b: crashed.")

    transcript, _ = await asyncio.gather(hear(shelf), another_request_fails())
    assert transcript.engine == "b"
    assert transcript.failed == ("a: crashed.",)
