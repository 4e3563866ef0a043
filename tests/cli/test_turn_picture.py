"""A turn as a PNG."""

from __future__ import annotations

import struct

import pytest

from tests.sample_turn import sample_turn
from voicemode.cli.turn_picture import png
from voicemode.core.timeline import BargeIn, Decision, Moment, Piece, Score, Timeline, What, without_words


def size(picture: bytes) -> tuple[int, int]:
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", picture[16:24])
    return width, height


def test_it_is_a_picture_of_this_turn() -> None:
    """Another turn is another picture, the same one the same."""
    picture = png(sample_turn())
    assert size(picture) == (1320, 880)
    assert png(sample_turn()) == picture
    assert png(Timeline(lasted_s=6.75)) != picture


def test_it_says_nothing_that_was_said() -> None:
    """With words or without, the picture is the same."""
    assert png(without_words(sample_turn())) == png(sample_turn())


@pytest.mark.parametrize(
    "timeline",
    [
        Timeline(),
        Timeline(id="$x_{$", status="$\\frac{$", lasted_s=1.0, barge_ins=(BargeIn(0.5, "$_{"),)),
        Timeline(lasted_s=1e8, microphone_dbfs=(None, -20), scores=(Score(-5.0, 7.0, "x"),), pieces=(Piece(2.0, 1.0),)),
        Timeline(
            lasted_s=1.0,
            decisions=(Decision(at=0.5, what="wait", wait_s=-1.0),),
            moments=(Moment(0.9, What.PAUSE), Moment(0.1, What.SPEECH), Moment(0.95, What.TRANSCRIBING)),
        ),
    ],
)
def test_the_oddest_record_is_drawn(timeline: Timeline) -> None:
    """A file may say anything that is a number; nothing in it is taken for a formula."""
    assert size(png(timeline)) == (1320, 880)
