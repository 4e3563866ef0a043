"""Marks keep the first instant, and the figures are made of those that are known."""

from __future__ import annotations

import pytest

from voicemode.core.latency import Mark, Marks

TURN = {
    Mark.CALL: 100.0,
    Mark.TTS_REQUEST: 100.01,
    Mark.TTS_FIRST_BYTE: 100.05,
    Mark.FIRST_SOUND: 100.08,
    Mark.MICROPHONE_OPEN: 100.02,
    Mark.LAST_SOUND: 102.08,
    Mark.SPEECH_BEGAN: 102.3,
    Mark.SPEECH_ENDED: 104.3,
    Mark.STT_REQUEST: 104.5,
    Mark.STT_DONE: 104.9,
    Mark.TURN_COMMITTED: 105.3,
    Mark.RESULT: 105.31,
}


def marked(instants: dict[Mark, float]) -> Marks:
    marks = Marks()
    for mark, at in instants.items():
        marks.set(mark, at)
    return marks


def test_the_figures_of_a_whole_turn() -> None:
    """Every figure, in whole milliseconds."""
    assert marked(TURN).timings_ms() == {
        "ttfa": 80,
        "tts_first_byte": 40,
        "speaking": 2000,
        "listening": 2220,
        "endpointing": 1000,
        "transcription": 400,
        "response": 1010,
        "total": 5310,
    }


@pytest.mark.parametrize(
    ("instants", "expected"),
    [
        ({}, {}),
        ({Mark.CALL: 1.0}, {}),
        ({Mark.CALL: 1.0, Mark.RESULT: 1.5}, {"total": 500}),
        ({Mark.MICROPHONE_OPEN: 1.0, Mark.SPEECH_ENDED: 2.0}, {"listening": 1000}),
        ({Mark.LAST_SOUND: 1.0, Mark.SPEECH_ENDED: 0.9}, {"listening": 0}),
    ],
    ids=["nothing", "only the call", "spoken nothing", "only listening", "answered before the end"],
)
def test_what_is_not_known_is_left_out(instants: dict[Mark, float], expected: dict[str, int]) -> None:
    """No figure is invented, and none is negative."""
    assert marked(instants).timings_ms() == expected


def test_the_first_value_stays() -> None:
    """The first sound is the first, however often it is told."""
    marks = marked({Mark.FIRST_SOUND: 1.0})
    marks.set(Mark.FIRST_SOUND, 2.0)
    assert marks.get(Mark.FIRST_SOUND) == 1.0


def test_between_needs_both() -> None:
    """None where one is missing, negative where the order is reversed."""
    marks = marked({Mark.CALL: 1.0, Mark.RESULT: 3.0})
    assert marks.between(Mark.CALL, Mark.RESULT) == 2.0
    assert marks.between(Mark.RESULT, Mark.CALL) == -2.0
    assert marks.between(Mark.CALL, Mark.STT_DONE) is None
    assert marks.get(Mark.STT_DONE) is None
