"""Writing an utterance down: its sound is on disk until the words are there, and never longer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.runtime.parts import Stage, quiet, run
from voicemode.audio import CAPTURE_RATE, AudioChunk, Samples
from voicemode.core.endpointing import EndReason
from voicemode.errors import EndpointError, LanguageError, SpeechFailedError, VoicemodeError
from voicemode.events import TurnEvent
from voicemode.interfaces import Transcript, TranscriptionRequest
from voicemode.runtime.journal import Journal
from voicemode.runtime.listening import Heard
from voicemode.runtime.parts import Session
from voicemode.runtime.result import TurnRequest, TurnResult
from voicemode.runtime.turn_log import TurnLog
from voicemode.runtime.writing_down import WritingDown
from voicemode.testing import FakeMicrophone, FakeTranscriber, tone

WORD = AudioChunk(tone(0.5), CAPTURE_RATE)
LONGER = AudioChunk(tone(0.9), CAPTURE_RATE)
DOWN = EndpointError("http://down", "refused")


class Desk:
    """Somebody who writes down, with a folder for what waits."""

    def __init__(self, folder: Path, transcriber: FakeTranscriber) -> None:
        self.folder = folder / "pending"
        self.journal = Journal(self.folder)
        self.session = Session()
        self.told: list[TurnEvent] = []
        self.transcriber = transcriber
        log = TurnLog(self.told.append, 0.0)
        self.writing = WritingDown(transcriber, self.journal, self.session, log, language="en", options=("yes", "no"))

    @property
    def recordings(self) -> list[Path]:
        return sorted(self.folder.glob("*.wav")) if self.folder.exists() else []

    def heard(self, utterance: AudioChunk, task: asyncio.Task[Transcript]) -> Heard:
        return Heard(utterance, 1.0, 1.5, 2.0, EndReason.SILENCE, task)


def at_desk(folder: Path, scenario: Callable[[Desk], Awaitable[None]], *answers: str | VoicemodeError) -> Desk:
    """Run it; the desk afterwards."""

    async def whole() -> Desk:
        desk = Desk(folder, FakeTranscriber(answers or ("words",)))
        await scenario(desk)
        return desk

    return run(whole)


def test_the_sound_is_on_disk_as_soon_as_it_is_begun_and_gone_with_the_words(tmp_path: Path) -> None:
    """Before the transcriber has got a chance to run."""

    async def scenario(desk: Desk) -> None:
        task = desk.writing.begin(WORD)
        (recording,) = desk.recordings
        assert desk.transcriber.requests == []
        assert desk.journal.load(recording).samples.tolist() == WORD.samples.tolist()
        transcript = await desk.writing.words_of(desk.heard(WORD, task))
        assert transcript.text == "words"
        assert desk.recordings == []

    desk = at_desk(tmp_path, scenario)
    (request,) = desk.transcriber.requests
    assert (request.language, request.options) == ("en", ("yes", "no"))
    assert [type(event).__name__ for event in desk.told] == ["TranscriptionStarted", "Transcribed"]


def test_a_longer_version_of_an_utterance_replaces_the_shorter_one(tmp_path: Path) -> None:
    """One utterance, one recording, however often it was begun too early."""

    async def scenario(desk: Desk) -> None:
        desk.writing.begin(WORD).cancel()
        task = desk.writing.begin(LONGER)
        (recording,) = desk.recordings
        assert desk.journal.load(recording).seconds == pytest.approx(LONGER.seconds)
        await desk.writing.words_of(desk.heard(LONGER, task))
        assert desk.recordings == []

    at_desk(tmp_path, scenario)


def test_another_utterance_of_the_turn_has_a_recording_of_its_own(tmp_path: Path) -> None:
    """As after a cough, or "hold on"; nothing of either is left."""

    async def scenario(desk: Desk) -> None:
        for _ in range(2):
            await desk.writing.words_of(desk.heard(WORD, desk.writing.begin(WORD)))
        task = desk.writing.begin(WORD)
        assert len(desk.recordings) == 1
        await desk.writing.words_of(desk.heard(WORD, task))
        assert list(desk.folder.iterdir()) == []

    at_desk(tmp_path, scenario)


def test_what_is_withdrawn_leaves_nothing_and_frees_its_name(tmp_path: Path) -> None:
    """Twice is once."""

    async def scenario(desk: Desk) -> None:
        task = desk.writing.begin(WORD)
        for _ in range(2):
            desk.writing.withdraw()
        task.cancel()
        assert list(desk.folder.iterdir()) == []

    at_desk(tmp_path, scenario)


@pytest.mark.parametrize("error", [SpeechFailedError("speech-to-text", [DOWN]), LanguageError("tlh", "en")])
def test_a_failure_names_the_recording_and_leaves_it_to_others(tmp_path: Path, error: VoicemodeError) -> None:
    """Once the turn is over somebody else may claim it, and ``withdraw`` does not delete it."""

    async def scenario(desk: Desk) -> None:
        with pytest.raises(SpeechFailedError) as raised:
            await desk.writing.words_of(desk.heard(WORD, desk.writing.begin(WORD)))
        assert [raised.value.recording] == desk.recordings
        assert not Journal(desk.folder).claim(desk.recordings[0])
        desk.writing.withdraw()
        assert Journal(desk.folder).claim(desk.recordings[0])

    at_desk(tmp_path, scenario, error)


def test_who_is_cancelled_while_the_words_are_awaited_leaves_the_recording(tmp_path: Path) -> None:
    """The turn was over: what was said is not lost, and may be transcribed by anybody."""

    async def scenario(desk: Desk) -> None:
        desk.transcriber.delay_s = 60.0
        task = desk.writing.begin(WORD)
        waiting = asyncio.create_task(desk.writing.words_of(desk.heard(WORD, task)))
        await asyncio.sleep(0.05)
        waiting.cancel()
        await asyncio.wait({waiting, task})
        assert task.cancelled()
        desk.writing.withdraw()
        assert len(desk.recordings) == 1
        assert Journal(desk.folder).claim(desk.recordings[0])

    at_desk(tmp_path, scenario)


def test_a_snippet_is_on_no_disk(tmp_path: Path) -> None:
    """It may be nothing but a cough; if it is more, the utterance will have it."""

    async def scenario(desk: Desk) -> None:
        task = desk.writing.snippet(WORD)
        await asyncio.sleep(0)
        assert desk.recordings == []
        assert (await task).text == "words"
        assert desk.recordings == []

    desk = at_desk(tmp_path, scenario)
    assert desk.told == []
    assert [request.audio for request in desk.transcriber.requests] == [WORD]


def test_what_transcriptions_take_is_learnt_from_those_that_ended_well(tmp_path: Path) -> None:
    """Neither a failure nor one that was thrown away says how long one takes."""
    before = Session().pace.speculate_after_s(1.0)

    async def scenario(desk: Desk) -> None:
        tasks = {desk.writing.begin(WORD), desk.writing.begin(LONGER)}
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert desk.session.pace.speculate_after_s(1.0) == before

    at_desk(tmp_path, scenario)


class SoftEnding(FakeTranscriber):
    """Says how long the utterance was, in tenths of a second; the first answer takes a while."""

    async def transcribe(self, request: TranscriptionRequest) -> Transcript:
        self.requests.append(request)
        return Transcript(f"{request.audio.seconds:.1f} s", self.name)


class TestSoftEnding:
    """The last "s" of a word, some time after the last loud sound: too faint to end the pause, and yet a part of the word."""

    def sound(self, gap_s: float) -> Samples:
        hiss = np.random.default_rng(3).normal(0, 400, round(0.1 * CAPTURE_RATE)).astype(np.int16)
        return np.concatenate([quiet(0.5), tone(1.0), quiet(gap_s), hiss, quiet(3.0)])

    @pytest.mark.parametrize(("silence_s", "gap_s"), [(None, 0.3), (1.0, 0.86)])
    def test_it_is_transcribed_though_it_came_after_the_speculation_had_begun(
        self, tmp_path: Path, silence_s: float | None, gap_s: float
    ) -> None:
        """With the policy and with a fixed silence: the transcription that counts has it."""
        stage = Stage(tmp_path, microphone=FakeMicrophone(self.sound(gap_s)), transcriber=SoftEnding())
        result: TurnResult = stage.hold(TurnRequest(message="", silence_s=silence_s))
        assert isinstance(stage.parts.transcriber, SoftEnding)
        assert len(stage.parts.transcriber.requests) >= 2, "the speculation began before it"
        assert float(result.text.split()[0]) >= 0.5 + 1.0 + gap_s + 0.1
        assert stage.recordings == []


def test_endpoints_that_failed_an_early_transcription_are_told_with_the_last_one(tmp_path: Path) -> None:
    """They are not asked again for the one that counts, and the agent is to know all the same why they did not serve."""

    class FailsOver(FakeTranscriber):
        async def transcribe(self, request: TranscriptionRequest) -> Transcript:
            found = await super().transcribe(request)
            return replace(found, failed=("http://down: refused",) if len(self.requests) == 1 else ())

    async def scenario() -> Desk:
        desk = Desk(tmp_path, FailsOver(["early", "all of it"]))
        await desk.writing.begin(WORD)
        transcript = await desk.writing.words_of(desk.heard(LONGER, desk.writing.begin(LONGER)))
        assert transcript.text == "all of it"
        return desk

    assert list(run(scenario).writing.failed) == ["http://down: refused"]


def test_endpoints_that_failed_a_transcription_nobody_waited_for_are_told_too(tmp_path: Path) -> None:
    """The person went on speaking; the next transcription left the endpoint alone, and knows no reason."""

    async def scenario(desk: Desk) -> None:
        early = desk.writing.begin(WORD)
        await asyncio.sleep(0)
        (request,) = desk.transcriber.requests
        assert request.on_failed is not None
        request.on_failed("http://down: refused")
        early.cancel()
        await desk.writing.words_of(desk.heard(LONGER, desk.writing.begin(LONGER)))

    assert list(at_desk(tmp_path, scenario).writing.failed) == ["http://down: refused"]
