"""A turn drawn in the terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tests.sample_turn import sample_turn
from voicemode.cli.turn_terminal import columns, drawing, happenings, words_of
from voicemode.core.timeline import Decision, Moment, Score, Timeline, What, without_words


def drawn(timeline: Timeline, width: int = 80, *, terminal: bool = False) -> list[str]:
    to = io.StringIO()
    console = Console(file=to, width=width, force_terminal=terminal, color_system="standard" if terminal else None)
    console.print(drawing(timeline, width))
    return to.getvalue().splitlines()


def lane(timeline: Timeline, name: str, width: int = 80) -> str:
    lines = drawn(timeline, width)
    top = next(number for number, line in enumerate(lines) if line.startswith("seconds"))
    (line,) = [line for line in lines[top : top + 8] if line.startswith(name.ljust(11))]
    return line[11:]


def column(at: float, width: int = 80) -> int:
    return int(at / 6.75 * (width - 12))


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_it_is_as_wide_as_the_terminal(width: int) -> None:
    """No line is wider; on a very narrow one the lanes wrap rather than vanish."""
    assert max(map(len, drawn(sample_turn(), width))) <= width


def test_what_was_loud_is_high_and_stands_where_it_was() -> None:
    """Speech from 3.1 to 4.2 s and from 4.9 to 6.1 s, quiet around it."""
    level, speech = lane(sample_turn(), "microphone"), lane(sample_turn(), "speech")
    for at in (3.3, 4.0, 5.2, 6.0):
        assert (level[column(at)], speech[column(at)]) == ("▇", "█")
    for at in (2.8, 4.5, 6.4):
        assert (level[column(at)], speech[column(at)]) == ("▁", " ")
    far_end = lane(sample_turn(), "far end")
    assert far_end[column(1.0)] == "▇"
    assert far_end[column(4.0)] == " "


def test_signs_stand_where_it_happened() -> None:
    """The legend names those that are there."""
    turn = lane(sample_turn(), "turn")
    for at, sign in ((2.5, "L"), (3.1, "["), (4.2, "-"), (4.9, "+"), (6.1, "]"), (6.6, "C")):
        assert turn[column(at)] == sign
    legend = " ".join(" ".join(drawn(sample_turn())).split())
    assert "C turn is over" in legend
    assert "waits for another agent" not in legend


def test_what_happens_at_once_stands_side_by_side() -> None:
    """Nothing hides behind its neighbour."""
    timeline = Timeline(
        lasted_s=100.0, moments=(Moment(50.0, What.COMMITTED), Moment(50.1, What.TRANSCRIBED), Moment(50.2, What.RESULT))
    )
    assert "CTR" in lane(timeline, "turn")


def test_scores_are_tenths_and_playback_a_bar_with_its_pieces() -> None:
    """0.93 is a 9; a chime is a note."""
    scores, playback = lane(sample_turn(), "score"), lane(sample_turn(), "playback")
    assert (scores[column(4.4)], scores[column(6.3)]) == ("2", "9")
    assert (playback[column(0.5)], playback[column(2.0)], playback[column(2.6)], playback[column(4.0)]) == ("━", "┅", "♪", " ")


def test_the_scale_has_round_seconds() -> None:
    """Wherever the width puts them."""
    scale = lane(sample_turn(), "seconds")
    for second in range(7):
        assert scale[column(second) :].startswith(f"|{second}")
    assert "|120 " in lane(Timeline(lasted_s=600.0), "seconds")


def test_colours_appear_on_terminals_only() -> None:
    """A pipe gets text."""
    assert "\x1b[" in "".join(drawn(sample_turn(), terminal=True))
    assert "\x1b[" not in "".join(drawn(sample_turn()))


def test_what_happened_is_told_in_order_with_its_evidence() -> None:
    """A decision with the silence, the wait, the score and the cue."""
    told = happenings(sample_turn())
    assert [at for at, _, _ in told] == sorted(at for at, _, _ in told)
    assert (4.52, "decides: wait", "silence 0.32 s, waits for 1.80 s, score 0.20, cue open") in told
    assert (4.4, "score", "0.20 smart-turn, known at 4.52 s") in told
    assert (4.6, "understood", '"quicksilver"') in told


def test_without_words_it_shows_lengths() -> None:
    """So that one sees that something was understood."""
    page = "\n".join(drawn(without_words(sample_turn())))
    assert "said: (21 characters)" in page
    assert "quicksilver" not in page
    assert words_of(0) == words_of("") == ""


def test_a_very_long_turn_is_cut_after_eighty_lines() -> None:
    """The rest is for programs."""
    scores = tuple(Score(number / 10, 0.5, "smart-turn") for number in range(200))
    assert any("and 120 more: --json" in line for line in drawn(Timeline(lasted_s=20.0, scores=scores)))


@pytest.mark.parametrize(
    "timeline",
    [
        Timeline(),
        Timeline(lasted_s=0.001, moments=(Moment(500.0, What.RESULT),)),
        Timeline(lasted_s=1e8, microphone_dbfs=(None, -20), scores=(Score(-5.0, 7.0, "x"),)),
        Timeline(lasted_s=1.0, decisions=(Decision(at=0.5, what="wait"),), first_sound=0.2, last_sound=0.1),
    ],
)
def test_the_oddest_record_is_drawn(timeline: Timeline) -> None:
    """A file may say anything that is a number."""
    assert drawn(timeline)


def test_columns_share_the_time_evenly() -> None:
    """Each has the highest number in it; where there are more columns than numbers, they repeat."""
    assert columns((1, 5, None, 2), 0.02, 0.08, 2) == [5, 2]
    assert columns((1, None), 0.02, 0.04, 4) == [1, 1, None, None]
    assert columns((1, 2), 0.02, 0.08, 2) == [2, None]
