"""Text to speech by whichever endpoint can: who speaks, who is asked beside, and what everybody's health knows afterwards."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

import pytest

from tests.providers.engines import CHUNK, Voice, in_flight, loop_time, put, refused, shelf_of
from tests.virtual_time import VIRTUAL_TIME
from voicemode.core.breaker import BreakerState, Failure
from voicemode.core.failover import Declared, Origin
from voicemode.errors import EndpointError, EngineError, LanguageError, RequestError, SpeechFailedError, VoicemodeError
from voicemode.interfaces import SpeechRequest
from voicemode.providers.failover_tts import HEAD_START_S, FailoverSynthesis, FailoverSynthesizer
from voicemode.providers.shelf import LATE_S, LOST_S, Shelf

pytestmark = pytest.mark.anyio

HELLO = SpeechRequest("Hello.")
BROKE = EndpointError("a", "broke off in mid-answer")


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL_TIME


@dataclass(frozen=True)
class Said:
    """What became of a request."""

    chunks: int
    engine: str
    failed: tuple[str, ...]
    first_s: float
    """Seconds to the first chunk."""


async def say(shelf: Shelf[Voice], request: SpeechRequest = HELLO) -> Said:
    synthesis = FailoverSynthesizer(shelf).synthesize(request)  # type: ignore[arg-type]
    began, at = loop_time(), []
    async for _ in synthesis:
        at.append(loop_time() - began)
        assert synthesis.engine
    assert synthesis.failed == tuple(error.problem for error in synthesis.attempts)
    return Said(len(at), synthesis.engine, synthesis.failed, at[0])


def state(shelf: Shelf[Voice], name: str) -> BreakerState:
    return shelf[name].health.breaker.state


class TestWhoSpeaks:
    """The first of the person's order that can."""

    async def test_the_first_that_works_speaks_and_the_others_are_not_asked(self) -> None:
        """All of its chunks come, at once."""
        shelf = shelf_of("tts", Voice("a", chunks=5), Voice("b"))
        assert await say(shelf) == Said(5, "a", (), 0.0)
        assert shelf["b"].engine.asked == []

    async def test_one_that_fails_before_its_first_sound_is_replaced_within_the_request(self) -> None:
        """The result says who spoke, and why the others did not."""
        shelf = shelf_of("tts", Voice("a", 0, refused("a")), Voice("b", 0, EngineError("b", "crashed")), Voice("c"))
        said = await say(shelf)
        assert (said.engine, said.chunks) == ("c", 2)
        assert said.failed == ("a: connection refused.", "b: crashed.")
        assert [state(shelf, name) for name in "abc"] == [BreakerState.OPEN, BreakerState.OPEN, BreakerState.CLOSED]

    async def test_one_that_fails_after_its_first_sound_ends_the_synthesis_and_is_left_alone(self) -> None:
        """What was spoken cannot be taken back; asked again, another one speaks the piece."""
        shelf = shelf_of("tts", Voice("a", 1, BROKE), Voice("b"))
        with pytest.raises(EndpointError) as caught:
            await say(shelf)
        assert caught.value is BROKE
        assert (state(shelf, "a"), shelf["a"].health.trouble) == (BreakerState.OPEN, BROKE.problem)
        assert (await say(shelf)).engine == "b"

    async def test_who_spoke_the_piece_before_keeps_the_word(self) -> None:
        """Though the preferred one is back: a voice must not change in mid-message."""
        shelf = shelf_of("tts", Voice("a"), Voice("b"))
        assert (await say(shelf, SpeechRequest("And so on.", previous="b"))).engine == "b"
        assert (await say(shelf)).engine == "a"

    async def test_an_endpoint_without_sound_is_no_failure_of_ours(self) -> None:
        """It says so itself, as HTTP does, or has spoken all there was."""
        shelf = shelf_of("tts", Voice("a", 0))
        synthesis = FailoverSynthesizer(shelf).synthesize(HELLO)  # type: ignore[arg-type]
        assert [chunk async for chunk in synthesis] == []
        assert (synthesis.engine, in_flight(shelf), shelf["a"].engine.connected) == ("a", {}, 0)

    async def test_a_bug_is_not_hidden_by_the_next_endpoint(self) -> None:
        """Only failures that an endpoint may have are a reason to try another; nothing stays open."""
        for chunks in (0, 1):
            shelf = shelf_of("tts", Voice("a", chunks, ZeroDivisionError()), Voice("b"))
            with pytest.raises(ZeroDivisionError):
                await say(shelf)
            assert (in_flight(shelf), state(shelf, "a")) == ({}, BreakerState.CLOSED)


class TestNobody:
    """When nobody can, the error says why, of each."""

    async def test_all_failed_names_every_endpoint_with_its_reason(self) -> None:
        """Those who were not asked, because they failed a moment ago, included."""
        shelf = shelf_of("tts", Voice("a", 0, EndpointError("a", "wants a key", 401)), Voice("b", 0, refused("b")))
        for _ in range(2):  # the second time nobody asks a
            with pytest.raises(SpeechFailedError) as caught:
                await say(shelf)
            assert "a: " in str(caught.value)
            assert "wants a key" in str(caught.value)
            assert "b: connection refused" in str(caught.value)
        assert len(shelf["a"].engine.asked) == 1

    async def test_an_empty_shelf_says_that_there_is_nothing(self) -> None:
        """No endpoint and no built-in engine."""
        with pytest.raises(SpeechFailedError, match="No endpoint is configured"):
            await say(shelf_of("tts"))

    @pytest.mark.parametrize("error", [RequestError("voice", "is unknown", "af_sky"), LanguageError("tlh", "a")])
    async def test_the_only_endpoints_complaint_about_the_request_is_the_callers(self, error: VoicemodeError) -> None:
        """It says what to change; being wrapped would hide that. An endpoint that was not asked has its say as well."""
        shelf = shelf_of("tts", Voice("a", 0, error))
        with pytest.raises(type(error)) as caught:
            await say(shelf)
        assert caught.value is error
        put(shelf, Voice("b", 0, EndpointError("b", "wants a key", 401)), rank=1)
        for _ in range(2):
            with pytest.raises(SpeechFailedError, match="wants a key"):
                await say(shelf)

    async def test_who_was_passed_over_is_asked_before_giving_up(self) -> None:
        """A failed a moment ago and would be left alone; now that b fails it is the only hope, and well again."""
        shelf = shelf_of("tts", Voice("a", 0, refused("a")), Voice("b"))
        await say(shelf)
        shelf["a"].engine.error, shelf["a"].engine.chunks = None, 2
        shelf["b"].engine.error, shelf["b"].engine.chunks = refused("b"), 0
        said = await say(shelf)
        assert (said.engine, said.failed) == ("a", ("b: connection refused.",))

    async def test_who_asked_to_be_left_alone_is_not_asked_even_then(self) -> None:
        """A Retry-After is obeyed."""
        shelf = shelf_of(
            "tts", Voice("a", 0, EndpointError("a", "gets too many requests", 429, retry_after_s=60.0)), Voice("b")
        )
        await say(shelf)
        shelf["b"].engine.error, shelf["b"].engine.chunks = refused("b"), 0
        with pytest.raises(SpeechFailedError, match="too many requests"):
            await say(shelf)
        assert len(shelf["a"].engine.asked) == 1


class TestVoices:
    """A voice belongs to the endpoint that the person prefers."""

    async def test_a_substitute_that_refuses_the_voice_is_asked_for_its_own(self) -> None:
        """Any voice is better than none."""
        spare = Voice("b", knows="alloy")
        shelf = shelf_of("tts", Voice("a", 0, refused("a")), spare)
        asked = SpeechRequest("Hello.", voice="mine")
        assert (await say(shelf, asked)).engine == "b"
        assert [request.voice for request in spare.asked] == ["mine", None]

    async def test_so_it_is_while_the_preferred_one_is_left_alone(self) -> None:
        """It is the first to be asked then, and a substitute all the same; likewise for the rest of the message."""
        spare = Voice("b", knows="alloy")
        shelf = shelf_of("tts", Voice("a", 0, refused("a")), spare)
        for previous in ("", "", "b"):
            assert (await say(shelf, SpeechRequest("Hello.", voice="mine", previous=previous))).engine == "b"
        shelf["a"].health.breaker.settings_changed()
        assert (await say(shelf, SpeechRequest("More.", voice="mine", previous="b"))).engine == "b"
        assert len(shelf["a"].engine.asked) == 1

    async def test_the_preferred_one_is_not_so_free(self) -> None:
        """A voice that it does not know is a mistake of the caller's, who learns what there is."""
        with pytest.raises(RequestError, match="alloy"):
            await say(shelf_of("tts", Voice("a", knows="alloy")), SpeechRequest("Hello.", voice="mine"))

    async def test_a_substitute_that_declares_its_voices_is_asked_for_the_nearest(self) -> None:
        """By language and gender, without a refusal first."""
        shelf = shelf_of("tts", Voice("a", 0, refused("a")))
        spare = Voice("b")
        put(shelf, spare, rank=1, declared=Declared(voices=("en-gb+m3", "de+f1", "en-us+f2")))
        await say(shelf, SpeechRequest("Hello.", voice="af_sky"))
        assert [request.voice for request in spare.asked] == ["en-us+f2"]


class TestLateness:
    """One that is later than usual gets company, and the faster of the two speaks."""

    async def test_the_second_is_asked_when_the_first_is_late_and_the_loser_is_closed(self) -> None:
        """The listener waits no longer than the hedge, and the late one is told late."""
        slow = Voice("a", after_s=60.0)
        shelf = shelf_of("tts", slow, Voice("b", after_s=0.1))
        said = await say(shelf)
        assert (said.engine, said.chunks) == ("b", 2)
        assert said.first_s == pytest.approx(LATE_S["tts"] + 0.1)
        assert said.failed == ("a: had not answered after 1.6 s.",)
        assert (slow.connected, in_flight(shelf)) == (0, {})
        assert (state(shelf, "a"), shelf["a"].health.trouble) == (BreakerState.CLOSED, said.failed[0])
        await say(shelf)
        assert (state(shelf, "a"), shelf["a"].health.breaker.cause) == (BreakerState.OPEN, Failure.LATE)

    async def test_a_hedge_that_loses_is_closed_and_not_blamed(self) -> None:
        """The first answered after all."""
        hedge = Voice("b", after_s=9.0)
        shelf = shelf_of("tts", Voice("a", after_s=2.0), hedge)
        said = await say(shelf)
        assert (said.engine, said.failed) == ("a", ())
        assert said.first_s == pytest.approx(2.0)
        assert (len(hedge.asked), hedge.connected, in_flight(shelf)) == (1, 0, {})
        assert (state(shelf, "b"), shelf["b"].health.trouble) == (BreakerState.CLOSED, "")

    async def test_the_built_in_engine_waits_until_the_first_counts_as_lost(self) -> None:
        """And so does one on another machine while the late one is on this."""
        for far in (False, True):
            shelf = shelf_of("tts", Voice("a", after_s=60.0))
            put(shelf, Voice("far"), origin=Origin.NAMED if far else Origin.BUILTIN, rank=1, remote=far)
            assert (await say(shelf)).first_s == pytest.approx(LOST_S)

    async def test_nobody_is_late_while_the_listener_hears_what_is_queued(self) -> None:
        """The substitute is asked half a second before the listener would notice."""
        shelf = shelf_of("tts", Voice("a", after_s=4.0), Voice("b"))
        assert (await say(shelf, SpeechRequest("More.", spare_s=5.0))).engine == "a"
        assert shelf["b"].engine.asked == []
        shelf["a"].engine.after_s = 60.0
        said = await say(shelf, SpeechRequest("More.", spare_s=5.0))
        assert said.engine == "b"
        assert said.first_s == pytest.approx(5.0 - HEAD_START_S)


class TestPace:
    """Sound that comes much slower than it plays is no use while somebody else could speak."""

    async def test_one_that_drips_is_given_up_for_another(self) -> None:
        """With the error of one that broke off, so that the piece is spoken again."""
        shelf = shelf_of("tts", Voice("a", chunks=9, every_s=5.0), Voice("b"))
        with pytest.raises(EndpointError, match=r"too slow: 0\.1 s of sound after 2\.0 s"):
            await say(shelf)
        assert (state(shelf, "a"), in_flight(shelf), shelf["a"].engine.connected) == (BreakerState.OPEN, {}, 0)

    async def test_one_at_half_speed_is_given_up_after_two_seconds_of_gaps(self) -> None:
        """All pauses together, less what the listener still had to hear when the piece was asked for."""
        shelf = shelf_of("tts", Voice("a", chunks=99, every_s=0.2), Voice("b"))
        with pytest.raises(EndpointError, match=r"too slow: 2\.0 s of sound after 4\.0 s"):
            await say(shelf)
        shelf = shelf_of("tts", Voice("a", chunks=40, every_s=0.2), Voice("b"))
        assert (await say(shelf, SpeechRequest("Hello.", spare_s=3.0))).chunks == 40

    async def test_one_that_drips_goes_on_when_there_is_nobody_else(self) -> None:
        """Slow words are better than none; one that is not to be asked is nobody."""
        shelf = shelf_of("tts", Voice("b", 0, EndpointError("b", "wants a key", 401)), Voice("a", chunks=9, every_s=5.0))
        for _ in range(2):
            assert (await say(shelf)).chunks == 9
        assert state(shelf, "a") is BreakerState.CLOSED

    async def test_one_slow_packet_is_no_slowness(self) -> None:
        """An engine at real time that pauses once for a second is left in peace."""
        shelf = shelf_of("tts", Voice("a", chunks=30, every_s=0.12), Voice("b"))
        assert (await say(shelf)).chunks == 30
        shelf["a"].engine.chunks, shelf["a"].engine.every_s = 2, 1.9
        assert (await say(shelf)).chunks == 2

    async def test_the_time_of_the_listener_is_not_the_engines(self) -> None:
        """A full queue makes us wait, not it."""
        shelf = shelf_of("tts", Voice("a", chunks=5), Voice("b"))
        synthesis = FailoverSynthesizer(shelf).synthesize(HELLO)  # type: ignore[arg-type]
        async for _ in synthesis:
            await asyncio.sleep(60)
        assert state(shelf, "a") is BreakerState.CLOSED


class TestClosing:
    """Whenever it is closed, everything ends: tasks, connections, and what the health has under way."""

    async def test_before_it_began(self) -> None:
        """Nothing is asked, and nothing is said."""
        shelf = shelf_of("tts", Voice("a"))
        synthesis = FailoverSynthesizer(shelf).synthesize(HELLO)  # type: ignore[arg-type]
        await synthesis.aclose()
        assert [chunk async for chunk in synthesis] == []
        assert shelf["a"].engine.asked == []

    @pytest.mark.parametrize("after_s", [0.0, 0.5, 1.6, 2.0, 2.05, 2.1, 3.0])
    async def test_from_outside_at_any_stage(self, after_s: float) -> None:
        """While one is asked, while two are, at the first chunk, between chunks: the iteration ends without an error."""
        shelf = shelf_of("tts", Voice("a", chunks=20, after_s=2.0, every_s=0.1), Voice("b", after_s=9.0))
        synthesis = FailoverSynthesizer(shelf).synthesize(HELLO)  # type: ignore[arg-type]
        iteration = asyncio.ensure_future(_iterate(synthesis))
        await asyncio.sleep(after_s)
        await synthesis.aclose()
        assert (in_flight(shelf), _connected(shelf)) == ({}, 0)
        await synthesis.aclose()
        assert await iteration <= 20
        assert all(state(shelf, name) is BreakerState.CLOSED for name in "ab")
        assert _other_tasks() == set()

    @pytest.mark.parametrize("steps", range(12))
    async def test_by_cancellation_at_every_step_of_the_loop(self, steps: int) -> None:
        """Also at the very moment the race is won but nobody has seen it, or while the loser is being closed."""
        for shelf in (shelf_of("tts", Voice("a")), shelf_of("tts", Voice("a", after_s=60.0), Voice("b"))):
            iteration = asyncio.ensure_future(_iterate(FailoverSynthesizer(shelf).synthesize(HELLO)))  # type: ignore[arg-type]
            await asyncio.sleep(0 if len(list(shelf)) == 1 else LATE_S["tts"])
            for _ in range(steps):
                await asyncio.sleep(0)
            iteration.cancel()
            await asyncio.wait({iteration})
            assert (in_flight(shelf), _connected(shelf), _other_tasks()) == ({}, 0, set())

    async def test_the_synthesizer_closes_all_engines(self) -> None:
        """They are its own."""
        shelf = shelf_of("tts", Voice("a"), Voice("b"))
        await FailoverSynthesizer(shelf).aclose()  # type: ignore[arg-type]
        assert [entry.engine.closed for entry in shelf] == [1, 1]


async def test_on_ten_thousand_random_paths_no_request_stays_open() -> None:
    """Whatever engines do and whenever somebody closes or cancels: nothing under way, no connection, no task is left.

    And a message is spoken whenever there was an engine that works in time and nobody interfered.
    """
    chance = random.Random(7)
    served = 0
    for _ in range(400):
        shelf = shelf_of("tts", *(_any_voice(chance, name) for name in "abc"[: chance.randint(1, 3)]))
        for _ in range(8):
            served += await _one_path(chance, shelf)
    assert served > 400


async def _one_path(chance: random.Random, shelf: Shelf[Voice]) -> bool:
    for entry in shelf:
        fresh = _any_voice(chance, entry.name)
        entry.engine.chunks, entry.engine.error = fresh.chunks, fresh.error
        entry.engine.after_s, entry.engine.every_s = fresh.after_s, fresh.every_s
    request = SpeechRequest("Hello.", previous=chance.choice(["", "a", "b"]), spare_s=chance.choice([0.0, 2.0]))
    synthesis = FailoverSynthesizer(shelf).synthesize(request)  # type: ignore[arg-type]
    iteration = asyncio.ensure_future(_iterate(synthesis))
    interfering = chance.random() < 0.4
    if interfering:
        await asyncio.sleep(chance.choice([0.0, 0.1, 1.5, 1.6, 3.0, 3.1]))
        for _ in range(chance.randrange(8)):
            await asyncio.sleep(0)
        if chance.random() < 0.5:
            iteration.cancel()
        else:
            await synthesis.aclose()
    await asyncio.wait({iteration})
    await synthesis.aclose()
    assert (in_flight(shelf), _connected(shelf), _other_tasks()) == ({}, 0, set())
    failure = None if iteration.cancelled() else iteration.exception()
    assert failure is None or isinstance(failure, VoicemodeError)
    if not interfering and isinstance(failure, SpeechFailedError):
        assert not any(entry.engine.after_s < 1 and (entry.engine.chunks or not entry.engine.error) for entry in shelf)
    await asyncio.sleep(chance.choice([0.0, 0.5, 5.0, 100.0]))
    return failure is None


def _any_voice(chance: random.Random, name: str) -> Voice:
    return Voice(
        name,
        chunks=chance.choice([0, 1, 3, 3]),
        error=chance.choice([None, None, refused(name), EndpointError(name, "fails", 500), EngineError(name, "crashed")]),
        after_s=chance.choice([0.0, 0.0, 0.1, 1.6, 3.1, 9.0]),
        every_s=chance.choice([0.0, 0.1, 3.0]),
    )


async def _iterate(synthesis: FailoverSynthesis) -> int:
    return len([chunk async for chunk in synthesis if chunk is CHUNK])


def _connected(shelf: Shelf[Voice]) -> int:
    return sum(entry.engine.connected for entry in shelf)


def _other_tasks() -> set[str]:
    """Those of the code under test that still run."""
    return {repr(task) for task in asyncio.all_tasks() if "voicemode/" in repr(task.get_coro())}
