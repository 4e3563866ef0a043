"""What is learnt from a speaker's pauses."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voicemode.core.pauses import SpeakerPauses


def learnt(*pauses: float) -> SpeakerPauses:
    speaker = SpeakerPauses()
    for pause_s in pauses:
        speaker.resumed(pause_s)
    return speaker


def test_nothing_is_known_before_the_first_pause() -> None:
    """No pause, no figure."""
    assert (SpeakerPauses().usual_s, SpeakerPauses().count) == (None, 0)


def test_regular_pauses_are_known_as_they_are() -> None:
    """Whoever always pauses for 0.5 s pauses for 0.5 s."""
    usual = learnt(*[0.5] * 10).usual_s
    assert usual is not None
    assert abs(usual - 0.5) < 1e-9


def test_irregular_pauses_are_known_by_their_long_ones() -> None:
    """Between 0.2 and 1.0 s, the figure lies above the mean."""
    usual = learnt(*[0.2, 1.0] * 10).usual_s
    assert usual is not None
    assert 0.7 < usual < 1.2


def test_the_last_pauses_count_most() -> None:
    """Somebody who becomes slower is known as slow after a few pauses, and the other way round."""
    slower, faster = learnt(*[0.3] * 10, *[1.0] * 6).usual_s, learnt(*[1.0] * 10, *[0.3] * 6).usual_s
    assert slower is not None
    assert faster is not None
    assert slower > 0.8
    assert faster < 0.8


@given(st.lists(st.floats(-1, 100), min_size=1, max_size=30))
def test_no_pause_makes_the_figure_absurd(pauses: list[float]) -> None:
    """An hour's coffee break in mid-sentence teaches no more than 2 s do."""
    usual = learnt(*pauses).usual_s
    assert usual is not None
    assert 0 <= usual <= 4
