"""espeak-ng speaks: at once, the voice asked for, plain text only, and stops when told."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from typing import TypeVar

import numpy as np
import psutil
import pytest

from voicemode.audio import AudioChunk, join_onsets
from voicemode.engines import builtin
from voicemode.engines import worker as worker_module
from voicemode.engines.builtin_tts import MAX_CHARACTERS, BuiltinSynthesizer
from voicemode.errors import EngineError, LanguageError, RequestError
from voicemode.interfaces import SpeechRequest, Synthesis, Synthesizer

Result = TypeVar("Result")
SENTENCE = "Hello there, how are you today?"


def with_synthesizer(use: Callable[[BuiltinSynthesizer], Awaitable[Result]]) -> Result:
    """Run ``use`` on a synthesizer, and see that no process is left."""

    async def run() -> Result:
        synthesizer = BuiltinSynthesizer(os.environ)
        try:
            return await use(synthesizer)
        finally:
            pid = synthesizer.pid
            await synthesizer.aclose()
            assert pid is None or not psutil.pid_exists(pid)

    return asyncio.run(run())


async def speak(synthesizer: Synthesizer, request: SpeechRequest) -> float:
    """Seconds of sound; checks that it is sound."""
    speech = synthesizer.synthesize(request)
    try:
        chunks = [chunk async for chunk in speech]
    finally:
        await speech.aclose()
    assert speech.engine == "builtin:espeak-ng"
    assert all(chunk.sample_rate == 22_050 and chunk.seconds <= 0.0601 for chunk in chunks)
    assert not chunks or np.abs(np.concatenate([chunk.samples for chunk in chunks])).max() > 1000
    return sum(chunk.seconds for chunk in chunks)


async def first(speech: Synthesis) -> AudioChunk:
    """The first chunk, or none of the others."""
    return await anext(aiter(speech))


def seconds_of(*requests: SpeechRequest) -> list[float]:
    """How long each request sounds."""

    async def use(synthesizer: BuiltinSynthesizer) -> list[float]:
        return [await speak(synthesizer, request) for request in requests]

    return with_synthesizer(use)


def test_a_sentence_becomes_sound() -> None:
    """About as long as a person takes, in chunks of 60 ms at 22.05 kHz."""
    assert 1 < seconds_of(SpeechRequest(SENTENCE))[0] < 4


def test_it_tells_where_each_word_begins() -> None:
    """By the character of the text, umlauts and quotation marks counted as one each, in the stretch of sound where it does."""
    text = 'Grüße: "1984", so schön'

    async def use(synthesizer: BuiltinSynthesizer) -> list[AudioChunk]:
        return [chunk async for chunk in synthesizer.synthesize(SpeechRequest(text, language="de"))]

    chunks = with_synthesizer(use)
    told = join_onsets(chunks)
    words = [onset for onset in told if not text[max(onset.character - 1, 0)].isalnum() or onset.character == 0]
    assert [text[onset.character :].split()[0] for onset in words] == ["Grüße:", '1984",', "so", "schön"]
    assert len(told) > len(words)  # of a number, each word that it is read as
    assert [onset.at_s for onset in told] == sorted(onset.at_s for onset in told)
    assert all(-0.001 <= onset.at_s <= chunk.seconds for chunk in chunks for onset in chunk.onsets)


def test_speed_changes_the_length() -> None:
    """Twice the speed is about half as long; the extremes of the range work too."""
    slow, normal, fast, fastest = seconds_of(*(SpeechRequest(SENTENCE, speed=speed) for speed in (0.25, 1, 2, 4)))
    assert slow > 1.5 * normal
    assert fast < 0.7 * normal
    assert fastest < fast


def test_other_languages_and_voices_are_spoken() -> None:
    """In their own way: the same word is another sound in German."""
    english, german, whisper = seconds_of(
        SpeechRequest("Wind and Reise"), SpeechRequest("Wind and Reise", language="de-AT"), SpeechRequest("Wind", "en-gb+f3")
    )
    assert english != german
    assert whisper > 0


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (SpeechRequest(SENTENCE, voice="alloy"), RequestError),
        (SpeechRequest(SENTENCE, language="klingon"), LanguageError),
        (SpeechRequest(" \n"), RequestError),
        (SpeechRequest("x" * (MAX_CHARACTERS + 1)), RequestError),
        (SpeechRequest(SENTENCE, speed=4.1), RequestError),
        (SpeechRequest(SENTENCE, speed=float("nan")), RequestError),
    ],
)
def test_a_request_it_cannot_serve_is_refused_and_the_next_one_works(request_: SpeechRequest, error: type[Exception]) -> None:
    """Voice, language, empty text, too much text, speed."""

    async def use(synthesizer: BuiltinSynthesizer) -> None:
        with pytest.raises(error):
            await speak(synthesizer, request_)
        assert await speak(synthesizer, SpeechRequest("next"))

    with_synthesizer(use)


@pytest.mark.parametrize(
    "text", ["a <break time='10s'/> b", "a [[h@l'oU]] b", "<voice name='de'>a</voice> b", "\x01900S a b", "a \x0010P b"]
)
def test_markup_and_control_characters_are_inert(text: str) -> None:
    """Nothing in a text pauses for 10 s, changes speed or voice, or ends it: markup is read out, controls are dropped."""
    plain_before, marked, plain_after = seconds_of(SpeechRequest(SENTENCE), SpeechRequest(text), SpeechRequest(SENTENCE))
    assert 0.3 < marked < 9
    assert plain_after == pytest.approx(plain_before, abs=0.1)


@pytest.mark.parametrize("text", ["...", "🎉", "\ud800", "漢字", "a\nb"])
def test_any_text_is_spoken_or_silent_but_never_an_error(text: str) -> None:
    """Punctuation alone is nearly nothing; a half character is replaced."""

    async def use(synthesizer: BuiltinSynthesizer) -> None:
        async for _ in synthesizer.synthesize(SpeechRequest(text)):
            pass
        assert await speak(synthesizer, SpeechRequest("next"))

    with_synthesizer(use)


def test_two_hundred_cancelled_speeches_and_then_one_that_works() -> None:
    """Stopped before, at and after the first chunk of a long text; one process serves them all."""

    async def use(synthesizer: BuiltinSynthesizer) -> None:
        assert await speak(synthesizer, SpeechRequest("start"))
        pid = synthesizer.pid
        for number in range(200):
            speech = synthesizer.synthesize(SpeechRequest("word " * 800))
            task = asyncio.create_task(first(speech))
            await asyncio.sleep(0.001 * (number % 4))
            task.cancel()
            await asyncio.wait({task})
            await speech.aclose()
        assert await speak(synthesizer, SpeechRequest("the last one"))
        assert synthesizer.pid == pid

    with_synthesizer(use)


def test_a_speech_that_is_closed_stops_the_engine_in_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    """It needs seconds for this text; were it not told to stop, the next speech would find it busy and replace it."""
    monkeypatch.setattr(worker_module, "_SETTLE_S", 0.2)

    async def use(synthesizer: BuiltinSynthesizer) -> None:
        for _ in range(3):
            speech = synthesizer.synthesize(SpeechRequest("word " * 819, speed=0.25))
            await first(speech)
            pid = synthesizer.pid
            await speech.aclose()
            assert await speak(synthesizer, SpeechRequest("next"))
            assert synthesizer.pid == pid

    with_synthesizer(use)


def test_a_listener_that_pauses_does_not_hold_the_engine() -> None:
    """While one text is being played, the next one is made."""

    async def use(synthesizer: BuiltinSynthesizer) -> None:
        paused = aiter(synthesizer.synthesize(SpeechRequest("word " * 400)))
        await anext(paused)
        assert await speak(synthesizer, SpeechRequest("next"))
        assert sum([chunk.seconds async for chunk in paused]) > 60

    with_synthesizer(use)


def test_a_killed_worker_is_an_engine_error_and_the_next_request_works() -> None:
    """Sound that ends early is never taken for all of it."""

    async def use(synthesizer: BuiltinSynthesizer) -> None:
        chunks = aiter(synthesizer.synthesize(SpeechRequest("word " * 800)))
        await anext(chunks)
        assert synthesizer.pid is not None
        os.kill(synthesizer.pid, signal.SIGKILL)
        with pytest.raises(EngineError):
            async for _ in chunks:
                pass
        assert await speak(synthesizer, SpeechRequest("next"))

    with_synthesizer(use)


def test_closing_ends_a_speech_with_an_error_and_closing_the_speech_without() -> None:
    """Whoever listens is never left waiting."""

    async def use(synthesizer: BuiltinSynthesizer) -> None:
        stopped = synthesizer.synthesize(SpeechRequest("word " * 800))
        await anext(aiter(stopped))
        await stopped.aclose()
        await stopped.aclose()
        assert [chunk async for chunk in stopped] == []
        cut = aiter(synthesizer.synthesize(SpeechRequest("word " * 800)))
        await anext(cut)
        await synthesizer.aclose()
        with pytest.raises(EngineError):
            async for _ in cut:
                pass

    with_synthesizer(use)


def test_voices_are_listed_and_each_one_speaks() -> None:
    """Every listed code can be asked for."""

    async def use(synthesizer: BuiltinSynthesizer) -> list[str]:
        voices = await synthesizer.voices()
        for voice in voices:
            async for _ in synthesizer.synthesize(SpeechRequest("a", voice)):
                pass
        return voices

    voices = with_synthesizer(use)
    assert {"en-us", "de", "pt-br"} <= set(voices)
    assert len(voices) > 100


def test_without_the_extra_it_says_which_command_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any process is started."""
    monkeypatch.setattr(builtin, "find_spec", lambda _name: None)

    async def use(synthesizer: BuiltinSynthesizer) -> None:
        with pytest.raises(EngineError, match="pip install"):
            await speak(synthesizer, SpeechRequest(SENTENCE))
        assert synthesizer.pid is None

    with_synthesizer(use)
