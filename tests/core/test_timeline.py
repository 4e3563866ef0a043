"""The record of a turn."""

from __future__ import annotations

from tests.sample_turn import SAID, sample_turn
from voicemode.core.timeline import Timeline, What, without_words
from voicemode.core.timeline_json import encode


def test_without_words_it_says_how_much_was_said_and_not_what() -> None:
    """Every text becomes its length, and nothing of it stays anywhere in what is written."""
    bare = without_words(sample_turn())
    assert (bare.text, bare.heard, bare.unheard) == (len("quicksilver marmalade"), len("pomegranate"), len("zeppelin"))
    assert [partial.text for partial in bare.partials] == [len("quicksilver")]
    assert [piece.text for piece in bare.pieces] == [len("pomegranate"), len("zeppelin")]
    assert not bare.has_words
    assert [word for word in SAID if word in encode(sample_turn())] == list(SAID)
    assert [word for word in SAID if word in encode(bare)] == []


def test_everything_but_the_words_stays() -> None:
    """Levels, times, scores and decisions are what it is for."""
    whole, bare = sample_turn(), without_words(sample_turn())
    for name in ("microphone_dbfs", "moments", "scores", "decisions", "barge_ins", "earcons", "timings_ms", "engines"):
        assert getattr(bare, name) == getattr(whole, name)
        assert getattr(whole, name)


def test_taking_the_words_away_twice_changes_nothing() -> None:
    """A length is not measured again."""
    bare = without_words(sample_turn())
    assert without_words(bare) == bare


def test_moments_of_one_kind_are_found_in_order() -> None:
    """None for what did not happen."""
    assert sample_turn().when(What.COMMITTED) == (6.6,)
    assert Timeline().when(What.COMMITTED) == ()
