"""A session as a whole: what is begun early, what fails, who plays, and that nothing is left of it."""

from __future__ import annotations

import asyncio
import gc
import random
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.dialogue.stage import DOWN, SILENCE, TURN, Talk, in_virtual_time, quiet, talk, word
from voicemode.audio import Samples
from voicemode.dialogue import (
    AnswerAudio,
    AnswerDone,
    AnswerFailed,
    CancelAnswer,
    CancelReason,
    CommitInput,
    DialogueOptions,
    FlushPlayout,
    IdleTimedOut,
    InputTranscribed,
    InputTranscriptFailed,
    Message,
    PlayoutCleared,
    PlayoutStarted,
    PlayoutStopped,
    Respond,
    SpeechStopped,
    ToolCall,
    ToolCallBegan,
    TurnTaking,
    UserTurn,
)
from voicemode.errors import EngineError
from voicemode.interfaces import Transcript, TranscriptionRequest
from voicemode.playout import PlayoutListener
from voicemode.testing import FakeAnswerer, FakeDetector, FakeSynthesizer, FakeTranscriber

SEMANTIC = DialogueOptions()


# -- beginning early


def slow() -> dict[str, Any]:
    """Engines that take their time."""
    return {
        "transcriber": FakeTranscriber(["these are the words"], delay_s=0.1),
        "answerer": FakeAnswerer(first_piece_s=0.15),
        "synthesizer": FakeSynthesizer(first_chunk_s=0.1),
    }


def wait_s(folder: Path, **parts: Any) -> float:
    """From the end of the turn to the first sound."""

    async def story(held: Talk) -> float:
        await held.hear(*TURN)
        await held.answered()
        assert len(held.answerer.requests) == 1
        return held.time_of(AnswerAudio) - held.time_of(SpeechStopped)

    return talk(story, folder, **slow(), **parts)


@pytest.mark.parametrize("options", [SILENCE, SEMANTIC])
def test_what_is_begun_early_is_there_when_the_turn_ends(tmp_path: Path, options: DialogueOptions) -> None:
    """The answer is thought of and synthesized while the silence lasts; without that, model and voice come after it.

    The words are there 0.3 s after the last one, so a turn of 0.46 s of silence ends 0.09 s too early for all of it.
    """
    assert wait_s(tmp_path / "a", options=options) == pytest.approx(0.25, abs=0.02)
    assert wait_s(tmp_path / "b", options=options, expects=True) <= 0.1


def test_nothing_of_an_early_answer_is_told_before_the_turn_ends(tmp_path: Path) -> None:
    """No word, no sound, no call of a function."""

    async def story(held: Talk) -> None:
        await held.hear(*TURN)
        await held.answered()
        stopped = held.reports.index(held.of(SpeechStopped)[0])
        assert not [r for r in held.reports[:stopped] if hasattr(r, "response_id")]
        assert held.of(ToolCallBegan)
        assert {r.response_id for r in held.reports if hasattr(r, "response_id")} == {"resp_1"}

    answerer = FakeAnswerer("Let me look.", calls=[ToolCall("c", "look", "{}")])
    talk(story, tmp_path, expects=True, answerer=answerer, options=DialogueOptions(TurnTaking.SILENCE, silence_ms=900))


def test_an_early_answer_is_thrown_away_when_the_person_goes_on(tmp_path: Path) -> None:
    """The one that is told knows all words."""

    async def story(held: Talk) -> None:
        await held.hear(quiet(0.5), word(), quiet(0.6), word())
        assert held.answerer.answers[0].closed
        await held.hear(quiet(1.5))
        await held.answered()
        asked = [request.history[-1].text for request in held.answerer.requests]
        assert asked == ["one", "one two"]
        assert len(held.of(AnswerDone)) == 1

    options = DialogueOptions(TurnTaking.SILENCE, silence_ms=900)
    talk(story, tmp_path, expects=True, options=options, transcriber=FakeTranscriber(["one", "one two"]))


@pytest.mark.parametrize(
    "change",
    [
        {"instructions": "Be brief."},
        {"voice": "ash"},
        {"audio": False},
        {"history": (Message("system", "x"), UserTurn("item_1"))},
    ],
)
def test_an_early_answer_to_another_question_is_thrown_away(tmp_path: Path, change: dict[str, Any]) -> None:
    """Whatever is different: who is asked in the end is asked anew."""

    async def story(held: Talk) -> None:
        def respond(report: object) -> None:
            if isinstance(report, SpeechStopped):
                held.respond(**change)

        held.on_report = respond
        await held.hear(*TURN)
        await held.answered()
        assert len(held.answerer.requests) == 2
        assert len(held.of(AnswerDone)) == 1

    talk(story, tmp_path, expects=True, answers=False)


def test_who_acts_is_never_asked_early(tmp_path: Path) -> None:
    """An agent with tools of its own would act on half a sentence."""

    async def story(held: Talk) -> None:
        await held.hear(quiet(0.5), word(), quiet(0.4))
        assert not held.answerer.requests
        await held.hear(quiet(1.0))
        assert len(held.answerer.requests) == 1

    talk(story, tmp_path, expects=True, answerer=FakeAnswerer(acts=True))


# -- faults


class Mortal:
    """Each engine fails so often, by chance."""

    def __init__(self, chance: random.Random, share: float) -> None:
        self.chance, self.share = chance, share

    def dies(self) -> bool:
        return self.chance.random() < self.share


class MortalTranscriber(FakeTranscriber):
    def __init__(self, fate: Mortal) -> None:
        super().__init__(["words"], delay_s=0.05)
        self.fate = fate

    async def transcribe(self, request: TranscriptionRequest) -> Transcript:
        if self.fate.dies():
            raise DOWN if self.fate.chance.random() < 0.7 else ZeroDivisionError("a secret")
        return await super().transcribe(request)


@pytest.mark.parametrize("seed", range(20))
def test_engines_that_die_at_random_end_no_session_and_swallow_no_sentence(tmp_path: Path, seed: int) -> None:
    """Each turn has its words or a failure with a recording; each answer an end, within 3 s of the silence."""
    fate = Mortal(random.Random(seed), 0.3)

    async def story(held: Talk) -> None:
        for turn in range(10):
            held.answerer.fail_after = fate.chance.randrange(4) if fate.dies() else None
            held.synthesizer.fail_after = fate.chance.randrange(4) if fate.dies() else None
            await held.hear(quiet(0.3), word(), quiet(1.2))
            stopped = held.times[held.reports.index(held.of(SpeechStopped)[turn])]
            await held.answered(f"resp_{turn + 1}")
            assert held.now - stopped < 3 + 1.2
        assert len(held.of(InputTranscribed, InputTranscriptFailed)) == 10
        assert len(held.of(AnswerDone, AnswerFailed)) == 10
        assert len(held.recordings) == len(held.of(InputTranscriptFailed))
        assert "secret" not in str(held.failures)

    talk(story, tmp_path, transcriber=MortalTranscriber(fate))


class Fragile(FakeDetector):
    """Breaks at one frame, once for all of its kind."""

    left = 1

    def probability(self, frame: Samples) -> float:
        if len(self.frames) == 40 and Fragile.left:
            Fragile.left -= 1
            raise ZeroDivisionError("a secret")
        return super().probability(frame)


def test_an_ear_that_breaks_is_replaced(tmp_path: Path) -> None:
    """What was being said is a turn, and the next one is heard."""
    Fragile.left = 1

    async def story(held: Talk) -> None:
        await held.hear(quiet(0.9), word(), quiet(1.5))
        await held.hear(*TURN)
        await held.answered("resp_2")
        assert not held.failures

    talk(story, tmp_path, changes={"make_detector": Fragile})


def test_without_any_ear_the_session_ends(tmp_path: Path) -> None:
    """Silence must not be taken for listening."""

    def none() -> FakeDetector:
        raise EngineError("vad", "missing")

    async def whole() -> None:
        held = Talk(tmp_path, changes={"make_detector": none})
        running = asyncio.create_task(held.engine.run())
        await held.hear(quiet(0.1))
        with pytest.raises(EngineError):
            await running
        await held.engine.aclose()

    in_virtual_time(whole)


# -- who plays


class Track:
    """A PlayoutSink that plays by the loop's clock."""

    def __init__(self) -> None:
        self.listener: PlayoutListener | None = None
        self.queue: list[list[Any]] = []
        """Name, samples left, samples played, is it finished?"""
        self.most_s = 0.0
        self.task: asyncio.Task[None] | None = None

    def listen(self, listener: PlayoutListener | None) -> None:
        self.listener = listener
        if listener is None and self.task is not None:
            self.task.cancel()

    def write(self, response_id: str, samples: Samples) -> None:
        self.task = self.task or asyncio.create_task(self.play())
        if not self.queue or self.queue[-1][0] != response_id:
            self.queue.append([response_id, 0, 0, False])
        self.queue[-1][1] += len(samples)
        self.most_s = max(self.most_s, self.queued_s)

    def finish(self, response_id: str) -> None:
        for entry in self.queue:
            entry[3] = entry[3] or entry[0] == response_id

    def flush(self) -> int:
        queue, self.queue = self.queue, []
        return int(queue[0][2] // 24) if queue else 0

    @property
    def queued_s(self) -> float:
        return float(sum(entry[1] for entry in self.queue) / 24_000)

    async def play(self) -> None:
        while True:
            if self.queue and self.listener is not None:
                entry = self.queue[0]
                if entry[1] and not entry[2]:
                    self.listener.playout_started(entry[0])
                step = min(entry[1], 480)
                entry[1], entry[2] = entry[1] - step, entry[2] + step
                if entry[3] and not entry[1]:
                    self.queue.pop(0)
                    self.listener.playout_stopped(entry[0])
            await asyncio.sleep(0.02)


def test_where_the_server_plays_it_tells_what_is_heard(tmp_path: Path) -> None:
    """When it began and ended; and nobody is idle before."""

    async def story(held: Talk) -> None:
        await held.hear(*TURN)
        await held.hear(quiet(8.0))
        assert [type(r) for r in held.of(PlayoutStarted, PlayoutStopped)] == [PlayoutStarted, PlayoutStopped]
        assert held.time_of(PlayoutStopped) - held.time_of(PlayoutStarted) == pytest.approx(held.sound_s(), abs=0.05)
        assert held.time_of(IdleTimedOut) == pytest.approx(held.time_of(PlayoutStopped) + 3, abs=0.1)

    options = DialogueOptions(TurnTaking.SILENCE, idle_timeout_ms=3000)
    talk(story, tmp_path, sink=Track(), options=options)


def test_an_interruption_clears_what_the_server_plays(tmp_path: Path) -> None:
    """And says how much was heard; nothing of it is played afterwards."""
    track = Track()

    async def story(held: Talk) -> None:
        name = held.ask("Hello")
        await held.until(lambda: held.of(PlayoutStarted))
        await asyncio.sleep(1.0)
        held.cancel(name)
        held.command(FlushPlayout())
        (cleared,) = held.of(PlayoutCleared)
        assert cleared.heard_ms == pytest.approx(1000, abs=60)
        await asyncio.sleep(1.0)
        assert not track.queue
        assert not held.of(PlayoutStopped)

    talk(story, tmp_path, sink=track, answerer=FakeAnswerer("A long answer. " * 50))


def test_the_server_has_half_a_minute_of_sound_at_most(tmp_path: Path) -> None:
    """Of an answer of two minutes."""
    track = Track()

    async def story(held: Talk) -> None:
        held.ask("Hello")
        await asyncio.sleep(20)
        assert 29 < track.most_s < 30.5

    talk(story, tmp_path, sink=track, answerer=FakeAnswerer("A long answer of many words. " * 70))


# -- the end


def test_a_hundred_sessions_leave_nothing_behind(tmp_path: Path) -> None:
    """Each in the middle of an answer, a turn and a transcription: no task, no object."""

    async def one(number: int) -> None:
        held = Talk(tmp_path / str(number), transcriber=FakeTranscriber(["words"], delay_s=0.2), expects=True)
        async with held.held():
            await held.hear(*TURN, word(0.4), quiet(0.3), pace=0.01)
            held.ask("Hello")
            await asyncio.sleep(0)
        assert held.answerer.left == ["sess"]

    async def whole() -> int:
        await one(0)
        gc.collect()
        before = len(gc.get_objects())
        for number in range(1, 101):
            await one(number)
        gc.collect()
        return len(gc.get_objects()) - before

    assert in_virtual_time(whole) < 100


def test_after_the_end_commands_do_nothing(tmp_path: Path) -> None:
    """A client's last message may come late."""

    async def whole() -> None:
        held = Talk(tmp_path)
        async with held.held():
            pass
        before = asyncio.all_tasks()
        for command in (Respond("r", ()), CommitInput("i"), CancelAnswer("r", CancelReason.CLIENT), FlushPlayout()):
            held.command(command)
        await held.engine.aclose()
        assert asyncio.all_tasks() == before
        assert not held.reports

    in_virtual_time(whole)
