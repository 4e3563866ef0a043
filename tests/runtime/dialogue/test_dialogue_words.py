"""The words of a turn: waited for, told, and never lost."""

from __future__ import annotations

from pathlib import Path

from tests.runtime.dialogue.stage import DOWN, TURN, Talk, in_virtual_time, quiet, talk, word
from voicemode.dialogue import (
    AnswerFailed,
    DialogueOptions,
    InputTranscribed,
    InputTranscriptFailed,
    TurnTaking,
)
from voicemode.testing import FakeTranscriber

# -- words


def test_an_answer_waits_for_the_words_of_the_turn(tmp_path: Path) -> None:
    """And knows those of earlier turns."""

    async def story(held: Talk) -> None:
        await held.hear(*TURN, *TURN)
        await held.answered("resp_2")
        assert [entry.text for entry in held.answerer.requests[1].history] == ["first", "second"]

    talk(story, tmp_path, transcriber=FakeTranscriber(["first", "second"], delay_s=0.9))


def test_what_nobody_could_write_down_is_kept_and_told(tmp_path: Path) -> None:
    """With the name of the recording and what to do; the answer fails with the same words; the next turn is answered."""

    async def story(held: Talk) -> None:
        await held.hear(*TURN)
        await held.answered()
        (failed,) = held.of(InputTranscriptFailed)
        (recording,) = held.recordings
        assert recording.stem in failed.message
        assert "transcribe --pending" in failed.message
        assert held.of(AnswerFailed)[0].message == failed.message
        held.transcriber.answers = ["fine"]
        await held.hear(*TURN)
        await held.answered("resp_2")
        assert [entry.text for entry in held.answerer.requests[0].history] == ["fine"]
        assert held.recordings == [recording]

    talk(story, tmp_path, transcriber=FakeTranscriber([DOWN]))


def test_a_turn_is_on_disk_while_it_is_written_down(tmp_path: Path) -> None:
    """And gone when the words are there."""

    async def story(held: Talk) -> None:
        await held.hear(quiet(0.5), word(), quiet(0.7))
        assert len(held.recordings) == 1
        await held.until(lambda: held.of(InputTranscribed))
        assert not held.recordings

    talk(story, tmp_path, transcriber=FakeTranscriber(["words"], delay_s=1.0))


def test_a_session_that_ends_in_mid_sentence_leaves_the_turn_on_disk(tmp_path: Path) -> None:
    """What was said and not written down is there for later."""

    async def whole() -> None:
        held = Talk(tmp_path, transcriber=FakeTranscriber(["words"], delay_s=60.0))
        async with held.held():
            await held.hear(*TURN)
        assert len(held.recordings) == 1

    in_virtual_time(whole)


def test_words_that_are_not_wanted_are_not_told(tmp_path: Path) -> None:
    """They are answered all the same."""

    async def story(held: Talk) -> None:
        await held.hear(*TURN)
        await held.answered()
        assert not held.of(InputTranscribed)
        assert held.answerer.requests[0].history

    talk(story, tmp_path, options=DialogueOptions(TurnTaking.SILENCE, transcribe=False))
