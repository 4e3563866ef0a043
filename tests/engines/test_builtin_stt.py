"""pocketsphinx: expected answers reliably and as they were given, anything else as dictation that is not trusted."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import wave
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import psutil
import pytest

from voicemode.audio import CAPTURE_RATE, AudioChunk
from voicemode.engines import builtin
from voicemode.engines.builtin_stt import BuiltinTranscriber
from voicemode.errors import EngineError, LanguageError, RequestError
from voicemode.interfaces import Transcript, TranscriptionRequest

CLIPS = Path(__file__).parents[1] / "clips"
MORE_CLIPS = Path(__file__).parents[2] / "../shared/clips"
CARDS = ("Ten of Clubs", "seven of clubs", "King of hearts")
DIGITS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
Result = TypeVar("Result")


def clip(name: str, folder: Path = CLIPS) -> AudioChunk:
    """A recording with half a second before and after it, as the microphone delivers it."""
    with wave.open(str(folder / name)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.int16)
    hush = np.random.default_rng(1).normal(0, 8, CAPTURE_RATE // 2).astype(np.int16)
    return AudioChunk(np.concatenate([hush, samples, hush]), CAPTURE_RATE)


def with_transcriber(use: Callable[[BuiltinTranscriber], Awaitable[Result]]) -> Result:
    """Run ``use`` on a transcriber, and see that no process is left."""

    async def run() -> Result:
        transcriber = BuiltinTranscriber(os.environ)
        try:
            return await use(transcriber)
        finally:
            pid = transcriber.pid
            await transcriber.aclose()
            assert pid is None or not psutil.pid_exists(pid)

    return asyncio.run(run())


def transcripts(*requests: TranscriptionRequest) -> list[Transcript]:
    """What each request gives, one after the other."""

    async def use(transcriber: BuiltinTranscriber) -> list[Transcript]:
        return [await transcriber.transcribe(request) for request in requests]

    return with_transcriber(use)


def test_without_options_it_dictates_and_says_that_confidence_is_low() -> None:
    """Lower case, no punctuation; this clip it gets right."""
    (transcript,) = transcripts(TranscriptionRequest(clip("go_forward_ten_meters.wav"), "en-US"))
    assert transcript == Transcript("go forward ten meters", "builtin:pocketsphinx", "low")


@pytest.mark.parametrize(("file", "said"), [("ten_of_clubs.wav", CARDS[0]), ("seven_of_clubs.wav", CARDS[1])])
def test_an_expected_answer_comes_back_as_it_was_given(file: str, said: str) -> None:
    """With its capitals, so that the agent can compare."""
    (transcript,) = transcripts(TranscriptionRequest(clip(file), options=CARDS))
    assert transcript == Transcript(said, "builtin:pocketsphinx", "grammar")


@pytest.mark.parametrize("file", ["ten_of_clubs.wav", "go_forward_ten_meters.wav"])
def test_another_answer_is_dictated_and_not_taken_for_an_option(file: str) -> None:
    """A grammar would squeeze anything into the options; the person said something else and must be heard."""
    asked = [("yes", "no"), ("red wine", "white wine"), ("Monday", "Friday"), DIGITS[:4]]
    for transcript in transcripts(*(TranscriptionRequest(clip(file), options=options) for options in asked)):
        assert transcript.confidence == "low"
        assert "ten" in transcript.text


def test_an_option_nobody_can_pronounce_does_not_spoil_the_others() -> None:
    """A word without pronunciation makes a whole grammar fail; it leaves it alone instead."""
    options = ("漢字", "seven of clubs", "🎉", "Kubernetes", "npm run build", "")
    (transcript,) = transcripts(TranscriptionRequest(clip("seven_of_clubs.wav"), options=options))
    assert (transcript.text, transcript.confidence) == ("seven of clubs", "grammar")


def test_options_that_are_all_unpronounceable_or_too_many_mean_dictation() -> None:
    """The request is served all the same."""
    heard = transcripts(
        *(TranscriptionRequest(clip("go_forward_ten_meters.wav"), options=o) for o in (("漢字",), ("",), DIGITS * 30))
    )
    assert {(t.text, t.confidence) for t in heard} == {("go forward ten meters", "low")}


def test_the_options_of_one_question_do_not_leak_into_the_next() -> None:
    """Nor does the loudness or the voice of one utterance into another: the same sound gives the same words."""
    plain = TranscriptionRequest(clip("ten_of_clubs.wav"))
    asked = TranscriptionRequest(clip("ten_of_clubs.wav"), options=("blorfite clubs", *CARDS))
    first, answer, again = transcripts(plain, asked, plain)
    assert answer.confidence == "grammar"
    assert again == first


def _noise(loudness: float) -> AudioChunk:
    noise = np.random.default_rng(3).normal(0, loudness, 2 * CAPTURE_RATE)
    return AudioChunk(noise.clip(-32768, 32767).astype(np.int16), CAPTURE_RATE)


def _hum() -> AudioChunk:
    return AudioChunk(
        (3000 * np.sin(np.arange(2 * CAPTURE_RATE) * 2 * np.pi * 150 / CAPTURE_RATE)).astype(np.int16), CAPTURE_RATE
    )


def test_sound_without_words_is_empty_text() -> None:
    """Nothing is invented from nothing, zeros, a quiet room, a fan or hum, with options or without."""
    silence = (AudioChunk.silence(seconds, CAPTURE_RATE) for seconds in (0.0, 0.01, 1.0))
    sounds = [*silence, _noise(10), _noise(2000), _hum()]
    requests = [TranscriptionRequest(sound, options=options) for sound in sounds for options in ((), ("yes", "no"))]
    assert {transcript.text for transcript in transcripts(*requests)} == {""}


@pytest.mark.parametrize("language", ["de", "fr-CA", "zh"])
def test_another_language_is_refused_before_any_work(language: str) -> None:
    """Not guessed in English; no process is started."""

    async def use(transcriber: BuiltinTranscriber) -> None:
        with pytest.raises(LanguageError):
            await transcriber.transcribe(TranscriptionRequest(clip("ten_of_clubs.wav"), language))
        assert transcriber.pid is None

    with_transcriber(use)


def test_sound_of_another_rate_is_refused() -> None:
    """It would be understood as nonsense."""
    with pytest.raises(RequestError):
        transcripts(TranscriptionRequest(AudioChunk.silence(1, 48_000)))


def test_prepare_starts_and_loads_and_never_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the person still speaks; what is wrong is raised by transcribe."""

    async def use(transcriber: BuiltinTranscriber) -> None:
        await transcriber.prepare(CARDS)
        pid = transcriber.pid
        assert pid is not None
        transcript = await transcriber.transcribe(TranscriptionRequest(clip("ten_of_clubs.wav"), options=CARDS))
        assert transcript.text == CARDS[0]
        assert transcriber.pid == pid
        monkeypatch.setattr(builtin, "find_spec", lambda _name: None)
        await transcriber.prepare()
        with pytest.raises(EngineError, match="pip install"):
            await transcriber.transcribe(TranscriptionRequest(clip("ten_of_clubs.wav")))

    with_transcriber(use)


def test_cancelled_transcriptions_cost_no_process_and_the_next_one_works() -> None:
    """A guess during a pause is dropped whenever the person goes on."""

    async def use(transcriber: BuiltinTranscriber) -> None:
        await transcriber.prepare()
        pid = transcriber.pid
        for number in range(10):
            task = asyncio.create_task(transcriber.transcribe(TranscriptionRequest(clip("go_forward_ten_meters.wav"))))
            await asyncio.sleep(0.02 * number)
            task.cancel()
            await asyncio.wait({task})
        transcript = await transcriber.transcribe(TranscriptionRequest(clip("go_forward_ten_meters.wav")))
        assert transcript.text == "go forward ten meters"
        assert transcriber.pid == pid

    with_transcriber(use)


def test_a_killed_worker_is_an_engine_error_and_the_next_request_works() -> None:
    """The utterance is not lost by it: whoever asked still has it."""

    async def use(transcriber: BuiltinTranscriber) -> None:
        await transcriber.prepare()
        task = asyncio.create_task(transcriber.transcribe(TranscriptionRequest(clip("go_forward_ten_meters.wav"))))
        await asyncio.sleep(0.1)
        assert transcriber.pid is not None
        os.kill(transcriber.pid, signal.SIGKILL)
        with pytest.raises(EngineError):
            await task
        transcript = await transcriber.transcribe(TranscriptionRequest(clip("go_forward_ten_meters.wav")))
        assert transcript.text == "go forward ten meters"

    with_transcriber(use)


@pytest.mark.skipif(not MORE_CLIPS.is_dir(), reason="more recordings are not here")
def test_short_recordings_of_people_keep_their_error_rate() -> None:
    """At most one word in three is wrong in dictation; expected answers are all right."""
    clips = [each for each in json.loads((MORE_CLIPS / "manifest.json").read_text()) if each["duration"] < 4]
    spoken = [(clip(each["file"], MORE_CLIPS), each["transcript"]) for each in clips]
    wrong = sum(
        _word_errors(transcript.text.split(), words.split())
        for transcript, (_, words) in zip(
            transcripts(*(TranscriptionRequest(sound) for sound, _ in spoken)), spoken, strict=True
        )
    )
    assert wrong / sum(len(words.split()) for _, words in spoken) < 1 / 3
    for options in (CARDS, DIGITS):
        asked = [(sound, words) for sound, words in spoken if words in [each.lower() for each in options]]
        heard = transcripts(*(TranscriptionRequest(sound, options=options) for sound, _ in asked))
        assert [transcript.text.lower() for transcript in heard] == [words for _, words in asked]


def _word_errors(heard: list[str], said: list[str]) -> int:
    row = list(range(len(said) + 1))
    for number, word in enumerate(heard, 1):
        above, row = row, [number]
        for column, other in enumerate(said, 1):
            row.append(min(above[column] + 1, row[-1] + 1, above[column - 1] + (word != other)))
    return row[-1]
