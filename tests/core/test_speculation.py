"""Transcription begins as early as needed and as late as possible."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicemode.core.speculation import StreamTrust, TranscriptionPace, stream_after_s


def pace(*seconds: float) -> TranscriptionPace:
    learnt = TranscriptionPace()
    for taken in seconds:
        learnt.note(taken)
    return learnt


@pytest.mark.parametrize(
    ("taken", "after_s"),
    [((), 0.83), ((0.01,), 0.938), ((0.5,), 0.35), ((5.0,), 0.2), ((0.5, 0.1), 0.35), ((0.5, 0.1, 0.1, 0.1, 0.1, 0.1), 0.83)],
)
def test_the_engines_pace_decides_when_to_begin(taken: tuple[float, ...], after_s: float) -> None:
    """With one second of silence: a slow engine begins at once, a fast one at the last moment, old figures fade."""
    assert pace(*taken).speculate_after_s(1.0) == pytest.approx(after_s)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 30), max_size=8), st.floats(0.1, 10))
def test_it_never_begins_after_the_end_of_the_turn(taken: list[float], silence_s: float) -> None:
    """Whatever was learnt, transcription begins within the silence."""
    assert 0 < pace(*taken).speculate_after_s(silence_s) <= silence_s


@settings(max_examples=25, deadline=None)
@given(st.floats(0.1, 2), st.floats(3.5, 10))
def test_the_words_are_there_when_the_turn_ends(taken_s: float, silence_s: float) -> None:
    """A transcription that takes as long as the last one is done when the silence is over."""
    assert pace(taken_s).speculate_after_s(silence_s) + taken_s <= silence_s


def test_a_quick_engine_writes_along_at_once_and_a_slow_one_only_with_long_speech() -> None:
    """One not heard from yet gets the benefit of the doubt."""
    assert (stream_after_s(pace()), stream_after_s(pace(0.2)), stream_after_s(pace(0.2, 0.8))) == (0.0, 0.0, 10.0)


def test_a_stream_is_waited_for_once_it_has_worked_and_never_long() -> None:
    """What it took lately counts, the slowest most; one failure, and it has to show itself anew."""
    trust = StreamTrust()
    assert trust.patience_s == 0
    for seconds in (0.1, 0.3):
        trust.worked(seconds)
    assert trust.patience_s == pytest.approx(0.41)
    trust.worked(30.0)
    assert trust.patience_s == 1.0
    trust.failed()
    assert trust.patience_s == 0
