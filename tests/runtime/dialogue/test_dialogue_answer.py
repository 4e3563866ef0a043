"""An answer is spoken clause by clause, in order, never far ahead, and falls silent the moment it is cancelled."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.runtime.dialogue.engines import Scripted, Voice
from tests.runtime.dialogue.stage import Talk, quiet, talk, word
from tests.runtime.tone_words import WordSynthesizer, word_begins
from voicemode.answers import AnswerDelta, Finished, TextDelta
from voicemode.dialogue import (
    AnswerAudio,
    AnswerDone,
    AnswerFailed,
    AnswerText,
    SpeechStarted,
    ToolCall,
    ToolCallBegan,
    ToolCallDone,
    ToolCallGrew,
    Usage,
)
from voicemode.errors import EndpointError, SpeechFailedError
from voicemode.runtime.dialogue_parts import ANSWER_RATE
from voicemode.testing import FakeAnswerer, FakeSynthesizer

LONG = "This is the first sentence of a long answer, and it has a clause. Here is **another** one of about that size. " * 8


def test_words_and_sound_come_in_order(tmp_path: Path) -> None:
    """The words of a stretch, then its sound, whose first chunk names them; what is shown is what is said."""

    async def story(held: Talk) -> None:
        held.ask("Hello")
        await held.answered()
        shown = [report.delta.strip() for report in held.of(AnswerText)]
        assert shown == [report.text for report in held.of(AnswerAudio) if report.text]
        assert shown == [request.text for request in held.synthesizer.requests]
        assert len(shown) > 4
        assert "**" not in held.text()
        assert held.text().split() == LONG.replace("**", "").split()
        assert held.kinds[:4] == ["AnswerText", "AnswerAudio", "AnswerText", "AnswerAudio"]
        assert held.kinds[-1] == "AnswerDone"
        assert held.sound_s() == pytest.approx(sum(len(text) for text in shown) * 0.06, abs=0.01)
        assert all(len(report.samples) <= 4800 for report in held.of(AnswerAudio))

    talk(story, tmp_path, answerer=FakeAnswerer(LONG))


def test_an_engine_that_tells_where_its_words_begin_is_passed_on(tmp_path: Path) -> None:
    """In the words of each stretch and in seconds of its sound."""

    async def story(held: Talk) -> None:
        held.ask("Hello")
        await held.answered()
        begins: dict[str, list[float]] = {}
        for report in held.of(AnswerAudio):
            if report.text:
                stretch, before_s = report.text, 0.0
            begins.setdefault(stretch, []).extend(before_s + onset.at_s for onset in report.onsets)
            before_s += len(report.samples) / ANSWER_RATE
        assert len(begins) > 1
        for words, times in begins.items():
            assert times == pytest.approx(word_begins(words, drawls=True), abs=0.02)

    talk(story, tmp_path, answerer=FakeAnswerer(LONG[: len(LONG) // 4]), synthesizer=WordSynthesizer(drawls=True))


def test_the_first_clause_is_spoken_while_the_rest_is_still_thought_of(tmp_path: Path) -> None:
    """One word every 50 ms: it is heard long before the last one."""

    async def story(held: Talk) -> None:
        held.ask("Hello")
        await held.answered()
        assert held.time_of(AnswerAudio) < 1.2
        assert held.time_of(AnswerDone) > 5.0

    words: list[tuple[float, AnswerDelta | Exception]] = [(0.05, TextDelta(f"{piece} ")) for piece in LONG.split()]
    talk(story, tmp_path, answerer=Scripted(*words, (0.0, Finished())))


def test_a_short_first_sentence_does_not_wait_for_the_second(tmp_path: Path) -> None:
    """A quarter of a second at most, and the word that shows that it has ended."""

    async def story(held: Talk) -> None:
        held.ask("Hello")
        await held.answered()
        assert held.time_of(AnswerAudio) == pytest.approx(0.25, abs=0.02)

    script: list[tuple[float, AnswerDelta | Exception]] = [
        (0.0, TextDelta("Yes, of course! Let ")),
        (3.0, TextDelta("me see.")),
        (0.0, Finished()),
    ]
    talk(story, tmp_path, answerer=Scripted(*script))


def test_a_script_is_said_word_for_word_and_nobody_is_asked(tmp_path: Path) -> None:
    """The session speaks for itself, as where it asks whether a function may be called."""

    async def story(held: Talk) -> None:
        held.ask("Hello", script="May I use search of web?")
        await held.answered()
        assert held.text() == "May I use search of web?"
        assert held.kinds[-1] == "AnswerDone"

    answerer = FakeAnswerer("Never.")
    talk(story, tmp_path, answerer=answerer)
    assert answerer.requests == []


def test_text_only_is_shown_as_it_was_written(tmp_path: Path) -> None:
    """Markdown stays, and no voice is asked."""

    async def story(held: Talk) -> None:
        held.ask("Hello", audio=False)
        await held.answered()
        assert held.text() == LONG
        assert not held.of(AnswerAudio)
        assert not held.synthesizer.requests

    talk(story, tmp_path, answerer=FakeAnswerer(LONG))


def test_functions_are_called_beside_the_words(tmp_path: Path) -> None:
    """Two at once: each begins, grows and is done, in order, before the answer is."""
    calls = (ToolCall("c1", "look", '{"where":"here"}'), ToolCall("c2", "wait", ""))

    async def story(held: Talk) -> None:
        held.ask("Hello")
        await held.answered()
        for call in calls:
            mine = [r for r in held.of(ToolCallBegan, ToolCallGrew, ToolCallDone) if r.call_id == call.call_id]
            assert isinstance(mine[0], ToolCallBegan)
            assert isinstance(mine[-1], ToolCallDone)
            assert "".join(r.delta for r in mine[1:-1]) == call.arguments
        assert held.kinds[-1] == "AnswerDone"
        assert held.text() == "Let me look."

    talk(story, tmp_path, answerer=FakeAnswerer("Let me look.", calls=calls))


@pytest.mark.parametrize(("reason", "incomplete"), [("length", "max_output_tokens"), ("content_filter", "content_filter")])
def test_an_answer_that_was_cut_says_so(tmp_path: Path, reason: str, incomplete: str) -> None:
    """With the usage that was counted."""

    async def story(held: Talk) -> None:
        held.ask("Hello")
        await held.answered()
        assert held.of(AnswerDone) == [AnswerDone("resp_1", Usage(7, 9), incomplete)]  # type: ignore[arg-type]

    talk(story, tmp_path, answerer=Scripted((0, TextDelta("Well")), (0, Finished(reason, Usage(7, 9)))))  # type: ignore[arg-type]


def test_usage_that_nobody_counted_is_estimated(tmp_path: Path) -> None:
    """Four characters are a token."""

    async def story(held: Talk) -> None:
        held.ask("x" * 40)
        await held.answered()
        assert held.of(AnswerDone)[0].usage == Usage(10, 3)

    talk(story, tmp_path, answerer=FakeAnswerer("y" * 12))


def test_nothing_of_a_cancelled_answer_is_told(tmp_path: Path) -> None:
    """From the moment that the command returns; and model and voice are let go."""

    async def story(held: Talk) -> None:
        name = held.ask("Hello")
        await held.until(lambda: len(held.of(AnswerAudio)) > 20)
        held.cancel(name)
        told = len(held.reports)
        await asyncio.sleep(10)
        assert len(held.reports) == told
        assert all(answer.closed for answer in held.answerer.answers)
        assert all(synthesis.closed for synthesis in held.synthesizer.syntheses)

    talk(story, tmp_path, answerer=FakeAnswerer(LONG))


@pytest.mark.parametrize("at", range(0, 60, 7))
def test_a_cancel_followed_at_once_by_a_new_answer_works(tmp_path: Path, at: int) -> None:
    """At any report of the old one, from within it."""

    async def story(held: Talk) -> None:
        def interrupt(_: object) -> None:
            if len(held.reports) == at + 1 and held.responses == 1:
                held.cancel("resp_1")
                held.ask("And now?")

        held.on_report = interrupt
        held.ask("Hello")
        await held.answered("resp_2")
        names = [report.response_id for report in held.reports]
        assert names == ["resp_1"] * (at + 1) + ["resp_2"] * (len(names) - at - 1)
        assert held.text("resp_2").split() == LONG.replace("**", "").split()

    talk(story, tmp_path, answerer=FakeAnswerer(LONG))


def test_speech_of_the_person_falls_into_an_answer(tmp_path: Path) -> None:
    """The adapter cancels when it is told; the next turn is heard from its beginning and answered."""

    async def story(held: Talk) -> None:
        def interrupt(report: object) -> None:
            if isinstance(report, SpeechStarted) and held.responses:
                held.cancel("resp_1")

        held.on_report = interrupt
        await held.hear(quiet(0.5), word(), quiet(0.9), word(), quiet(1.5))
        await held.until(lambda: held.sound_s("resp_2") > 1)
        assert held.sound_s("resp_1") > 0
        second = held.reports.index(held.of(SpeechStarted)[1])
        assert all(report.response_id == "resp_2" for report in held.reports[second:] if isinstance(report, AnswerAudio))
        assert not [r for r in held.of(AnswerDone) if r.response_id == "resp_1"]

    talk(story, tmp_path, answerer=FakeAnswerer(LONG * 8))


def test_no_more_than_a_minute_is_made_ahead(tmp_path: Path) -> None:
    """Of an answer of ten minutes."""

    async def story(held: Talk) -> None:
        held.ask("Hello")
        await asyncio.sleep(30)
        assert 85 < held.sound_s() <= 92
        await asyncio.sleep(30)
        assert 115 < held.sound_s() <= 122

    talk(story, tmp_path, answerer=FakeAnswerer(LONG * 12, piece_chars=200))


def test_whoever_cannot_be_reached_is_told_and_spoken(tmp_path: Path) -> None:
    """The person hears why it is silent; the client has the code; within 3 s."""

    async def story(held: Talk) -> None:
        held.ask("Hello")
        await held.answered()
        assert held.text() == held.parts.apology
        assert held.sound_s() > 0
        assert held.of(AnswerFailed)[0].code == "endpoint"
        assert "no route" in held.of(AnswerFailed)[0].message
        assert held.now < 3

    talk(story, tmp_path, answerer=FakeAnswerer(fail_after=0, error=EndpointError("chat", "no route")))


def test_what_came_before_the_words_broke_off_is_said(tmp_path: Path) -> None:
    """To its last letter, and then that it broke off."""

    async def story(held: Talk) -> None:
        held.ask("Hello")
        await held.answered()
        assert held.text() == f"Good {held.parts.apology}"
        assert isinstance(held.reports[-1], AnswerFailed)

    talk(story, tmp_path, answerer=FakeAnswerer(fail_after=1))


def test_an_apology_that_nobody_can_speak_delays_nothing(tmp_path: Path) -> None:
    """The failure is told within 3 s, spoken or not."""

    async def story(held: Talk) -> None:
        held.ask("Hello")
        await held.answered()
        assert held.now < 3
        assert held.of(AnswerFailed)

    synthesizer = FakeSynthesizer(first_chunk_s=60.0)
    talk(story, tmp_path, answerer=FakeAnswerer(fail_after=0), synthesizer=synthesizer)


def test_an_engine_that_breaks_off_in_mid_word_is_gone_on_from(tmp_path: Path) -> None:
    """Another one speaks what was not spoken; nothing is shown twice."""

    async def story(held: Talk) -> None:
        held.ask("Hello")
        await held.answered()
        assert held.text() == "Good morning. How are you?"
        first, second = (request.text for request in held.synthesizer.requests)
        assert first.endswith(second)
        assert 0 < len(second) < len(first)
        assert held.of(AnswerDone)

    talk(story, tmp_path, synthesizer=Voice({1: 5}))


def test_without_any_voice_the_words_are_shown(tmp_path: Path) -> None:
    """All that came of them, and then the failure."""

    async def story(held: Talk) -> None:
        held.ask("Hello")
        await held.answered()
        assert held.text() == "Good morning. How are you?"
        assert held.of(AnswerFailed)[0].code == "speech_failed"

    error = SpeechFailedError("text-to-speech", [EndpointError("tts", "down")])
    talk(story, tmp_path, synthesizer=Voice({1: 0}, error))


@pytest.mark.parametrize("where", ["answerer", "synthesizer"])
def test_a_fault_of_ours_ends_one_answer_and_tells_no_secret(tmp_path: Path, where: str) -> None:
    """The next one is as good as ever."""

    async def story(held: Talk) -> None:
        held.ask("Hello")
        await held.answered()
        assert held.of(AnswerFailed)[0].code == "server_error"
        assert "secret" not in str(held.reports)
        held.answerer.script = ((0.0, TextDelta("Fine.")), (0.0, Finished()))
        held.synthesizer.breaks = {}
        held.ask("And now?")
        await held.answered("resp_2")
        assert held.text("resp_2") == "Fine."

    broken = (0.0, ZeroDivisionError("a secret"))
    fine = (0.0, TextDelta("Hello."))
    answerer = Scripted(broken if where == "answerer" else fine, (0.0, Finished()))
    voice = Voice({} if where == "answerer" else {1: 0}, ZeroDivisionError("a secret"))
    talk(story, tmp_path, answerer=answerer, synthesizer=voice)
