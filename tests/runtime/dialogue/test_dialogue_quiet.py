"""Sound of a quiet room waits for more of it; what may be a voice never does; nothing is lost or exchanged."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.runtime.dialogue.stage import SILENCE, Talk, quiet, talk
from voicemode.audio import CAPTURE_RATE, Samples
from voicemode.dialogue import AudioIn, CommitInput, SpeechStarted, SpeechStopped
from voicemode.runtime.dialogue_engine import DialogueEngine
from voicemode.runtime.dialogue_input import TurnInput
from voicemode.runtime.dialogue_quiet import QuietSound
from voicemode.runtime.dialogue_words import HeardTurn
from voicemode.testing import tone

RATE = 24_000
FLOOR_DBFS = -60.0


def chunk(level: int, samples: int = 480) -> AudioIn:
    return AudioIn(np.full(samples, level, np.int16), RATE)


def test_quiet_sound_waits_until_there_are_a_hundred_milliseconds() -> None:
    """Four chunks of a browser; with the fifth they are heard."""
    held = QuietSound()
    assert [held.keep(chunk(number), FLOOR_DBFS) for number in range(5)] == [True] * 4 + [False]
    heard = held.flush()
    assert heard is not None
    assert heard.samples[::480].tolist() == [0, 1, 2, 3]


def test_a_louder_chunk_never_waits() -> None:
    """A voice is not later for it."""
    held = QuietSound()
    assert held.keep(chunk(1), FLOOR_DBFS)
    assert not held.keep(chunk(1_000), FLOOR_DBFS)


def test_nothing_waits_while_somebody_speaks() -> None:
    """The silence that ends a turn is quiet, too."""
    assert not QuietSound().keep(chunk(0), None)


def test_a_loud_chunk_waits_where_nothing_can_come_of_it() -> None:
    """In the midst of speech, as long as the silence that would be told is not over with it."""
    held = QuietSound()
    assert [held.keep(chunk(20_000), None, calm_s=0.09) for _ in range(3)] == [True, True, False]


def test_what_waits_can_be_had_at_any_time_and_once() -> None:
    """Before a commit, say."""
    held = QuietSound()
    held.keep(chunk(1), FLOOR_DBFS)
    assert held.rate == RATE
    rest = held.flush()
    assert rest is not None
    assert len(rest.samples) == 480
    assert held.flush() is None


_ANY_SOUND = st.lists(
    st.tuples(st.integers(1, 3_000), st.sampled_from([0, 5, 300, 20_000]), st.sampled_from([8_000, RATE])), max_size=30
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(_ANY_SOUND, st.sampled_from([0.0, 0.005, 0.02]))
def test_all_sound_is_heard_in_its_order(tmp_path: Path, chunks: list[tuple[int, int, int]], pause_s: float) -> None:
    """Whatever is loud, long, of another rate, or comes while other sound is being heard."""

    async def story(held: Talk) -> list[tuple[int, int]]:
        heard = list[tuple[int, int]]()
        convert = held.engine._input.convert

        def watched(audio: AudioIn) -> Samples:
            heard.extend((level, audio.sample_rate) for level in audio.samples.tolist())
            return convert(audio)

        held.engine._input.convert = watched  # type: ignore[method-assign]
        for length, level, rate in chunks:
            held.command(AudioIn(np.full(length, level, np.int16), rate))
            await asyncio.sleep(pause_s)
        held.command(CommitInput("end"))
        await held.until(lambda: held.engine._commits == 0)
        return heard

    expected = [(level, rate) for length, level, rate in chunks for _ in range(length)]
    assert talk(story, tmp_path, options=SILENCE, answers=False) == expected


def said(folder: Path, *sounds: Samples, chunk_s: float) -> list[tuple[str, int, int]]:
    """What was decided, where in the sound, and in which chunk's time that was told, in chunks' lengths."""

    async def story(held: Talk) -> list[tuple[str, int, int]]:
        await held.hear(*sounds, block_s=chunk_s)
        await held.until(lambda: held.engine.backlog_s < 1e-6)
        told = [(type(report).__name__, report.at_ms) for report in held.of(SpeechStarted, SpeechStopped)]
        times = [
            at for report, at in zip(held.reports, held.times, strict=True) if isinstance(report, SpeechStarted | SpeechStopped)
        ]
        return [(name, at_ms, round(at * 1000)) for (name, at_ms), at in zip(told, times, strict=True)]

    return talk(story, folder, options=SILENCE, answers=False)


def test_a_turn_after_a_long_quiet_is_told_at_the_moment_at_which_it_would_be_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beginning and end, as if nothing had ever waited."""
    sounds = (quiet(5.0), tone(1.0), quiet(1.0))
    decided = said(tmp_path, *sounds, chunk_s=0.02)
    monkeypatch.setattr(TurnInput, "room_dbfs", None)
    monkeypatch.setattr(TurnInput, "calm_s", 0.0)
    assert [name for name, *_ in decided] == ["SpeechStarted", "SpeechStopped"]
    assert said(tmp_path, *sounds, chunk_s=0.02) == decided


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10, deadline=None)
@given(st.lists(st.integers(5, 130), min_size=1, max_size=12), st.sampled_from([0.01, 0.02, 0.03]))
def test_speech_that_waits_ends_no_turn_later(tmp_path: Path, hundredths: list[int], chunk_s: float) -> None:
    """However long the words and the pauses are: what is told, and when, is as if nothing had ever waited."""
    sounds = [(tone, quiet)[at % 2](length / 100) for at, length in enumerate(hundredths)]
    decided = said(tmp_path, quiet(2.0), *sounds, quiet(1.0), chunk_s=chunk_s)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TurnInput, "calm_s", 0.0)
        assert said(tmp_path, quiet(2.0), *sounds, quiet(1.0), chunk_s=chunk_s) == decided


def test_nothing_waits_that_would_be_heard_while_a_turn_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The chunk with which it is over is heard alone."""
    pieces = list[int]()
    hear, ended = TurnInput.hear, DialogueEngine.turn_ended

    def heard(self: TurnInput, samples: Samples) -> None:
        pieces.append(len(samples))
        hear(self, samples)

    def over(self: DialogueEngine, turn: HeardTurn, at_ms: int) -> None:
        pieces.append(-pieces[-1])
        ended(self, turn, at_ms)

    monkeypatch.setattr(TurnInput, "hear", heard)
    monkeypatch.setattr(DialogueEngine, "turn_ended", over)
    said(tmp_path, tone(1.0), quiet(1.0), chunk_s=0.02)
    assert [piece for piece in pieces if piece < 0] == [-320]


def test_speech_is_heard_in_few_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two seconds in chunks of 20 ms: a third of the hundred pieces that they are."""
    pieces = list[int]()
    hear = TurnInput.hear

    def counted(self: TurnInput, samples: Samples) -> None:
        pieces.append(len(samples))
        hear(self, samples)

    monkeypatch.setattr(TurnInput, "hear", counted)
    said(tmp_path, tone(2.0), chunk_s=0.02)
    assert len(pieces) < 33


def test_a_commit_takes_along_what_waits(tmp_path: Path) -> None:
    """Of quiet sound, too, nothing is missing from what is written down."""

    async def story(held: Talk) -> int:
        await held.hear(quiet(1.0))
        held.command(AudioIn(quiet(0.05), CAPTURE_RATE))
        held.command(CommitInput("item"))
        await held.until(lambda: bool(held.transcriber.requests))
        return len(held.transcriber.requests[0].audio.samples)

    assert talk(story, tmp_path, options=SILENCE, answers=False) == round(1.05 * CAPTURE_RATE)
