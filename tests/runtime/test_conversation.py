"""Conversations: several turns, impatient clients, and what happens when nobody comes back."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.runtime.parts import Stage, quiet, run, spoken
from voicemode.audio import AudioChunk
from voicemode.core.commands import Command, LanguagePhrases, SpokenPhrases
from voicemode.errors import EndpointError, RequestError, SpeechFailedError
from voicemode.events import TurnEvent
from voicemode.runtime import conversation as module
from voicemode.runtime.conversation import Conversations, Outcome
from voicemode.runtime.floor import Floor
from voicemode.runtime.recovery import Recovery
from voicemode.runtime.result import Recovered, Status, TurnRequest
from voicemode.testing import FakeMicrophone, FakeTranscriber, tone
from voicemode.wire.control import ControlAction, ControlState

DOWN = SpeechFailedError("speech-to-text", [EndpointError("http://down", "refused")])


def asked(*messages: str) -> list[TurnRequest]:
    return [TurnRequest(message=message) for message in messages]


def ignore(_: TurnEvent) -> None:
    """Nobody watches."""


async def converse(
    talk: Conversations, *messages: str, budget_s: float | None = None, sink: list[TurnEvent] | None = None
) -> Outcome:
    on_event = ignore if sink is None else sink.append
    return await talk.converse(asked(*messages), on_event, called_at=time.monotonic(), budget_s=budget_s)


class Answers(Stage):
    """A stage whose person answers each question from a new recording."""

    def __init__(self, folder: Path, *answers: str | SpeechFailedError) -> None:
        super().__init__(folder, transcriber=FakeTranscriber(answers))
        self.parts = replace(self.parts, make_microphone=lambda: FakeMicrophone(spoken(0.6)))


class SlowToClose(FakeMicrophone):
    """Takes a tenth of a second to let go of its device, as ALSA does."""

    async def close(self) -> None:
        if self.is_open:
            await asyncio.sleep(0.1)
        await super().close()


def slow(folder: Path) -> Stage:
    """A person who speaks for a second, half a second after the question, in real time."""
    sound = np.concatenate([quiet(0.5), tone(1.0), quiet(60.0)])
    return Stage(folder, microphone=FakeMicrophone(sound, realtime=True))


class TestSeveralQuestions:
    """turns: index-aligned answers, each kept as it arrives."""

    def test_answers_come_in_the_order_of_the_questions(self, tmp_path: Path) -> None:
        """One call, one floor, three answers."""
        talk = Conversations(Answers(tmp_path, "one", "two", "three").parts, None)
        outcome = run(lambda: converse(talk, "a?", "b?", "c?"))
        assert [answer.text for answer in outcome.answers] == ["one", "two", "three"]
        assert (outcome.asked, outcome.resume, outcome.error) == (3, None, None)

    def test_a_failure_at_the_third_question_keeps_the_first_two_answers(self, tmp_path: Path) -> None:
        """The person need not answer them again."""
        talk = Conversations(Answers(tmp_path, "one", "two", DOWN).parts, None)
        outcome = run(lambda: converse(talk, "a?", "b?", "c?", "d?"))
        assert [answer.text for answer in outcome.answers] == ["one", "two"]
        assert isinstance(outcome.error, SpeechFailedError)

    def test_who_says_stop_is_not_asked_the_rest(self, tmp_path: Path) -> None:
        """The call ends there; what was answered before stands."""
        phrases = SpokenPhrases([LanguagePhrases({Command.STOP: ("stop",)})])
        stage = Answers(tmp_path, "one", "stop", "three")
        talk = Conversations(replace(stage.parts, phrases=lambda _: phrases), None)
        outcome = run(lambda: converse(talk, "a?", "b?", "c?"))
        assert [answer.status for answer in outcome.answers] == [Status.ANSWERED, Status.CANCELLED]
        assert outcome.resume is None

    def test_a_choice_that_the_question_names_is_an_answer_and_no_command(self, tmp_path: Path) -> None:
        """After "stop or go on?" the agent wants to hear "stop"; after another question it ends the call."""
        phrases = SpokenPhrases([LanguagePhrases({Command.STOP: ("stop",)})])
        stage = Answers(tmp_path, "stop", "stop")
        talk = Conversations(replace(stage.parts, phrases=lambda _: phrases), None)
        outcome = run(lambda: converse(talk, "Shall I stop or go on?", "Where do we stop? Shall I go on?"))
        assert [answer.status for answer in outcome.answers] == [Status.ANSWERED, Status.CANCELLED]


class TestBudget:
    """A client's patience never cuts the person off."""

    def test_a_spent_budget_returns_a_handle_and_the_conversation_goes_on(self, tmp_path: Path) -> None:
        """still_listening, then the words: spoken partly in the first call and partly in the second."""
        talk = Conversations(slow(tmp_path).parts, None)

        async def scenario() -> tuple[Outcome, Outcome]:
            first = await converse(talk, "Well?", budget_s=0.9)
            assert first.resume is not None
            return first, await talk.resume(first.resume, ignore, budget_s=10)

        first, second = run(scenario)
        assert first.answers == ()
        assert [answer.status for answer in second.answers] == [Status.ANSWERED]
        assert second.resume is None

    def test_events_go_to_whoever_waits_now(self, tmp_path: Path) -> None:
        """Progress belongs to the call that is under way."""
        talk = Conversations(slow(tmp_path).parts, None)
        early: list[TurnEvent] = []
        late: list[TurnEvent] = []

        async def scenario() -> None:
            first = await converse(talk, "Well?", budget_s=0.9, sink=early)
            assert first.resume is not None
            await talk.resume(first.resume, late.append, budget_s=10)

        run(scenario)
        assert "SpeakingStarted" in [type(event).__name__ for event in early]
        assert "Transcribed" in [type(event).__name__ for event in late]
        assert "Transcribed" not in [type(event).__name__ for event in early]

    def test_a_handle_works_once(self, tmp_path: Path) -> None:
        """The conversation is over; an old handle is an error that says so."""
        talk = Conversations(slow(tmp_path).parts, None)

        async def scenario() -> None:
            first = await converse(talk, "Well?", budget_s=0.9)
            assert first.resume is not None
            await talk.resume(first.resume, ignore, budget_s=10)
            await talk.resume(first.resume, ignore, budget_s=10)

        with pytest.raises(RequestError, match="no conversation"):
            run(scenario)

    def test_when_nobody_comes_back_what_was_said_is_kept(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """After the grace time the microphone closes, and a late resume still gets the words."""
        monkeypatch.setattr(module, "_GRACE_S", 0.3)
        sound = np.concatenate([quiet(0.3), tone(60.0)])
        microphone = FakeMicrophone(sound, realtime=True)
        talk = Conversations(Stage(tmp_path, microphone=microphone).parts, None)

        async def scenario() -> Outcome:
            first = await converse(talk, "Well?", budget_s=1.0)
            assert first.resume is not None
            while microphone.is_open:
                await asyncio.sleep(0.01)
            return await talk.resume(first.resume, ignore, budget_s=5)

        assert [answer.text for answer in run(scenario).answers] == ["the answer"]

    def test_a_new_message_ends_the_parked_conversation(self, tmp_path: Path) -> None:
        """The agent went on instead of resuming: it must not wait for itself."""
        stage = slow(tmp_path)
        floor = Floor(tmp_path, "me", 5.0)
        talk = Conversations(stage.parts, floor)

        async def scenario() -> Outcome:
            await converse(talk, "Well?", budget_s=0.2)
            tell = [TurnRequest(message="Never mind.", wait_for_response=False)]
            return await talk.converse(tell, ignore, called_at=time.monotonic(), budget_s=5)

        assert [answer.status for answer in run(scenario).answers] == [Status.SPOKEN]


class TestRecordings:
    """An utterance that could not be transcribed waits, and comes back as text."""

    def test_a_waiting_recording_becomes_text_when_an_endpoint_is_back(self, tmp_path: Path) -> None:
        """resume takes its name; then it is gone from disk."""
        stage = Stage(tmp_path, transcriber=FakeTranscriber([DOWN, DOWN, "at last"]))
        talk = Conversations(stage.parts, None)

        async def scenario() -> Outcome:
            failed = await converse(talk, "Well?")
            assert isinstance(failed.error, SpeechFailedError)
            assert failed.error.recording is not None
            assert talk.pending() == [failed.error.recording.stem]
            outcome = await talk.resume(failed.error.recording.stem, ignore, budget_s=5)
            assert stage.recordings == [outcome.recording], "until its words are delivered"
            assert talk.hand_over(outcome) == [], "they are in the answer already"
            return outcome

        assert [answer.text for answer in run(scenario).answers] == ["at last"]
        assert stage.recordings == []

    def test_what_failed_comes_with_a_later_result_by_itself(self, tmp_path: Path) -> None:
        """After the next utterance that an endpoint understood, the one before is tried again; its words come once."""
        stage = Answers(tmp_path, DOWN, DOWN, "second", "first, at last")
        recovery = Recovery(stage.parts.journal, stage.parts.transcriber, lambda: stage.parts.transcriber)
        talk = Conversations(stage.parts, None, recovery)

        async def scenario() -> tuple[Outcome, list[Recovered]]:
            failed = await converse(talk, "Well?")
            assert isinstance(failed.error, SpeechFailedError)
            assert talk.hand_over(failed) == []
            answered = await converse(talk, "And?")
            while not (recovered := talk.hand_over(answered)):
                await asyncio.sleep(0.01)
            assert failed.error.recording is not None
            assert [words.handle for words in recovered] == [failed.error.recording.stem]
            assert talk.hand_over(answered) == []
            await talk.aclose()
            return answered, recovered

        answered, recovered = run(scenario)
        assert {answered.answers[0].text, recovered[0].text} == {"second", "first, at last"}
        assert stage.recordings == []

    def test_a_slow_transcription_of_a_recording_keeps_to_the_budget(self, tmp_path: Path) -> None:
        """The handle is given back, and the next call gets the words."""
        stage = Stage(tmp_path, transcriber=FakeTranscriber(["in the end"], delay_s=0.2))
        path = stage.parts.journal.new_path()
        stage.parts.journal.keep(path, AudioChunk(tone(0.5), 16_000))
        stage.parts.journal.release(path)
        talk = Conversations(stage.parts, None)

        async def scenario() -> tuple[Outcome, Outcome]:
            return await talk.resume(path.stem, ignore, budget_s=0.05), await talk.resume(path.stem, ignore, budget_s=5)

        first, second = run(scenario)
        assert (first.resume, first.answers) == (path.stem, ())
        assert [answer.text for answer in second.answers] == ["in the end"]

    def test_a_recording_that_fails_again_still_waits(self, tmp_path: Path) -> None:
        """The error names it again, and nothing is lost."""
        stage = Stage(tmp_path, transcriber=FakeTranscriber([DOWN]))
        talk = Conversations(stage.parts, None)

        async def scenario() -> Outcome:
            failed = await converse(talk, "Well?")
            assert isinstance(failed.error, SpeechFailedError)
            assert failed.error.recording is not None
            return await talk.resume(failed.error.recording.stem, ignore, budget_s=5)

        outcome = run(scenario)
        assert isinstance(outcome.error, SpeechFailedError)
        assert [outcome.error.recording] == stage.recordings

    @pytest.mark.parametrize("handle", ["talk-none", "utt-../../etc/passwd", "", "../x"])
    def test_an_unknown_handle_is_an_error_that_names_what_waits(self, tmp_path: Path, handle: str) -> None:
        """The agent can mend it from the message alone."""
        talk = Conversations(Stage(tmp_path).parts, None)
        with pytest.raises(RequestError, match=r"waits|waiting"):
            run(lambda: talk.resume(handle, ignore, budget_s=1))


class TestEnding:
    """Whatever ends a conversation, nothing goes on."""

    def test_a_cancelled_call_frees_the_devices_before_it_returns(self, tmp_path: Path) -> None:
        """The client has stopped listening; the next call may come at once."""
        stage = slow(tmp_path)
        microphone = stage.parts.make_microphone()
        assert isinstance(microphone, FakeMicrophone)
        talk = Conversations(stage.parts, Floor(tmp_path, "me", 0))

        async def scenario() -> bool:
            task = asyncio.create_task(converse(talk, "Well?"))
            await asyncio.sleep(0.3)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return microphone.is_open

        assert run(scenario) is False

    def test_the_floor_is_given_away_only_after_the_devices_are_free(self, tmp_path: Path) -> None:
        """Also when the caller is cancelled over and over, as an anyio scope does: two servers must never record at once."""
        microphone = SlowToClose(quiet(60.0), realtime=True)
        floor = Floor(tmp_path, "me", 0)
        talk = Conversations(Stage(tmp_path, microphone=microphone).parts, floor)

        async def scenario() -> tuple[bool, bool]:
            task = asyncio.create_task(converse(talk, "Well?"))
            await asyncio.sleep(0.2)
            before = microphone.is_open
            while not task.done():
                task.cancel()
                await asyncio.sleep(0)
            while floor.taken_by() is not None:
                await asyncio.sleep(0)
            after = microphone.is_open
            await talk.aclose()
            return before, after

        assert run(scenario) == (True, False)

    def test_two_hundred_cancelled_calls_then_one_that_works(self, tmp_path: Path) -> None:
        """Nothing is used up."""
        stage = Answers(tmp_path, "still here")
        talk = Conversations(stage.parts, Floor(tmp_path, "me", 1))

        async def scenario() -> Outcome:
            for n in range(200):
                task = asyncio.create_task(converse(talk, "Well?"))
                for _ in range(n % 12):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            return await converse(talk, "Well?")

        assert [answer.text for answer in run(scenario).answers] == ["still here"]

    def test_closing_ends_parked_conversations_too(self, tmp_path: Path) -> None:
        """The server goes away: no microphone stays open."""
        stage = slow(tmp_path)
        microphone = stage.parts.make_microphone()
        assert isinstance(microphone, FakeMicrophone)
        talk = Conversations(stage.parts, None)

        async def scenario() -> None:
            await converse(talk, "Well?", budget_s=0.2)
            assert microphone.is_open
            await talk.aclose()

        run(scenario)
        assert not microphone.is_open
        assert stage.fake_synthesizer.closed
        assert stage.fake_transcriber.closed


class TestControl:
    """A key reaches the conversation that talks with the person, and no other."""

    def test_where_nobody_talks_only_the_status_can_be_asked(self, tmp_path: Path) -> None:
        """Before the first conversation and after the last."""
        talk = Conversations(Answers(tmp_path, "one").parts, None)

        async def scenario() -> list[bool]:
            before = [(await talk.control(action)).ok for action in (ControlAction.STATUS, ControlAction.STOP)]
            await converse(talk, "a?")
            after = [(await talk.control(action)).ok for action in (ControlAction.STATUS, ControlAction.STOP)]
            return before + after

        assert run(scenario) == [True, False, True, False]

    def test_the_conversation_under_way_answers(self, tmp_path: Path) -> None:
        """Also when its caller has left and it listens on."""
        talk = Conversations(slow(tmp_path).parts, None)

        async def scenario() -> list[ControlState]:
            task = asyncio.create_task(converse(talk, "Well?", budget_s=0.3))
            await asyncio.sleep(0.1)
            states = [(await talk.control(ControlAction.STATUS)).state]
            await task
            states.append((await talk.control(ControlAction.TALK_START)).state)
            await talk.aclose()
            return states

        assert run(scenario) == [ControlState.LISTENING, ControlState.TALKING]

    def test_one_that_waits_for_the_floor_is_not_the_one_that_talks(self, tmp_path: Path) -> None:
        """Two windows: the key ends what is audible."""
        here, there = slow(tmp_path), slow(tmp_path)
        waiting = Conversations(there.parts, Floor(tmp_path, "there", 5.0))
        talking = Conversations(here.parts, Floor(tmp_path, "here", 5.0))

        async def scenario() -> tuple[bool, bool]:
            first = asyncio.create_task(converse(talking, "Well?"))
            await asyncio.sleep(0.1)
            second = asyncio.create_task(converse(waiting, "And?"))
            await asyncio.sleep(0.2)
            answers = (await waiting.control(ControlAction.TALK_START)).ok, (await talking.control(ControlAction.TALK_START)).ok
            for task in (second, first):
                task.cancel()
            await asyncio.gather(first, second, return_exceptions=True)
            return answers

        assert run(scenario) == (False, True)

    def test_talking_ends_when_the_key_is_released(self, tmp_path: Path) -> None:
        """The answer says why it ended."""
        talk = Conversations(slow(tmp_path).parts, None)

        async def scenario() -> Outcome:
            task = asyncio.create_task(converse(talk, "Well?"))
            await asyncio.sleep(0.3)
            await talk.control(ControlAction.TALK)
            await asyncio.sleep(0.9)
            await talk.control(ControlAction.TALK)
            return await task

        assert [(answer.text, answer.ended_by) for answer in run(scenario).answers] == [("the answer", "released")]
