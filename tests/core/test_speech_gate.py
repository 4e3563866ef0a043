"""The gate has hysteresis, and knows when speech began although it was sure only later."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicemode.core.speech_gate import SpeechGate

FRAME_S = 0.032


def opened(*probabilities: float) -> list[bool]:
    gate = SpeechGate()
    return [gate.push(p, FRAME_S) for p in probabilities]


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [
        ((0.0, 0.1), [False, False]),
        ((0.9, 0.9), [False, True]),
        ((0.9, 0.1, 0.9), [False, False, False]),
        ((0.5, 0.35), [False, True]),
        ((0.49, 0.49, 0.49), [False, False, False]),
        ((0.9, 0.9, 0.36, 0.4, 0.34, 0.4), [False, True, True, True, False, False]),
        ((0.9, 0.9, 0.2, 0.9, 0.9), [False, True, False, False, True]),
    ],
    ids=["silence", "speech", "clicks", "at the thresholds", "unsure", "hysteresis", "again"],
)
def test_opening_and_closing(probabilities: tuple[float, ...], expected: list[bool]) -> None:
    """Two frames of 32 ms open it, one clear frame closes it, and in between it stays as it is."""
    assert opened(*probabilities) == expected


def test_opening_is_dated_back_to_the_first_speech_frame() -> None:
    """The start is the beginning of the first frame above the threshold, not when 60 ms were full."""
    gate = SpeechGate()
    for p in (0.0, 0.0, 0.9, 0.9, 0.9):
        gate.push(p, FRAME_S)
    assert gate.opened_at == pytest.approx(2 * FRAME_S)


def test_a_closed_gate_has_no_opening() -> None:
    """Neither before speech, nor while it is not sure, nor after."""
    gate = SpeechGate()
    assert gate.opened_at is None
    gate.push(0.9, FRAME_S)
    assert gate.opened_at is None
    gate.push(0.9, FRAME_S)
    gate.push(0.0, FRAME_S)
    assert gate.opened_at is None
    assert not gate.is_open


def test_frames_of_30_ms_fill_60_ms() -> None:
    """webrtcvad's two frames are exactly the minimum, in spite of rounding."""
    gate = SpeechGate()
    for _ in range(1000):
        assert [gate.push(p, 0.03) for p in (0.0, 1.0, 1.0)] == [False, False, True]


@pytest.mark.parametrize("bad", [{"on": 0.3}, {"off": 0.0}, {"on": 1.1}, {"min_speech_s": -0.1}])
def test_thresholds_that_make_no_sense_are_refused(bad: dict[str, float]) -> None:
    """off <= on, both probabilities."""
    with pytest.raises(ValueError, match="not a gate"):
        SpeechGate(**bad)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 1), max_size=40))
def test_it_opens_only_on_speech_and_never_stays_open_on_silence(probabilities: list[float]) -> None:
    """Open means: no frame under ``off`` since the opening, which was a frame at ``on`` or more."""
    gate = SpeechGate()
    for index, p in enumerate(probabilities):
        is_open = gate.push(p, FRAME_S)
        if is_open and gate.opened_at is not None:
            first = round(gate.opened_at / FRAME_S)
            assert probabilities[first] >= 0.5
            assert min(probabilities[first : index + 1]) >= 0.35
            assert index > first
        assert is_open == gate.is_open == (gate.opened_at is not None)
