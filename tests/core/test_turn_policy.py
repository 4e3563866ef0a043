"""The policy: more evidence of an end never makes the wait longer, and less never shorter."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemode.core.turn_policy import PATIENCE, SCALES, Evidence, TurnPolicy, turn_policy
from voicemode.core.unfinished import TextCue

POLICY = TurnPolicy()
PROBABILITY = st.floats(0, 1)
SCORES = st.lists(PROBABILITY, max_size=6).map(tuple)
EVIDENCE = st.builds(
    Evidence,
    scores=SCORES,
    cue=st.sampled_from(TextCue),
    text_pending=st.booleans(),
    usual_pause_s=st.none() | st.floats(0, 4),
)


def wait_s(**known: Any) -> float:
    return POLICY.wait_s(Evidence(**known))


@given(EVIDENCE)
def test_the_wait_has_bounds(evidence: Evidence) -> None:
    """Nobody waits longer than ``most_s``, and nobody is answered before a stop consonant could be over."""
    assert 0.2 < POLICY.wait_s(evidence) <= POLICY.most_s


@given(EVIDENCE, st.lists(st.tuples(PROBABILITY, PROBABILITY), min_size=1, max_size=6))
def test_higher_scores_never_lengthen_the_wait(evidence: Evidence, pairs: list[tuple[float, float]]) -> None:
    """Whatever else is known: where every score is higher, the wait is as long or shorter."""
    lower, higher = (tuple(pick(pair) for pair in pairs) for pick in (min, max))
    assert POLICY.wait_s(replace(evidence, scores=higher)) <= POLICY.wait_s(replace(evidence, scores=lower)) + 1e-9


@given(EVIDENCE)
def test_words_that_cannot_end_never_shorten_the_wait(evidence: Evidence) -> None:
    """From open over unknown to closed, waits fall."""
    opened, unknown, closed = (POLICY.wait_s(replace(evidence, cue=cue)) for cue in TextCue)
    assert opened >= unknown >= closed


@given(EVIDENCE, st.floats(0, 4), st.floats(0, 4))
def test_a_speaker_of_long_pauses_is_never_hurried(evidence: Evidence, one: float, other: float) -> None:
    """The longer the pauses learnt, the longer the wait, or as long."""
    short, long = sorted((one, other))
    assert POLICY.wait_s(replace(evidence, usual_pause_s=short)) <= POLICY.wait_s(replace(evidence, usual_pause_s=long)) + 1e-9


@given(EVIDENCE)
def test_words_on_their_way_are_waited_for(evidence: Evidence) -> None:
    """While the words are being written down the wait is no shorter than with them."""
    awaited = POLICY.wait_s(replace(evidence, text_pending=True))
    assert awaited >= max(POLICY.wait_s(replace(evidence, text_pending=False)), POLICY.pending_s)


@given(EVIDENCE)
def test_patience_scales_every_wait(evidence: Evidence) -> None:
    """Quick is shorter than normal, and patient is longer."""
    quick, normal, patient = (replace(POLICY, factor=factor).wait_s(evidence) for factor in PATIENCE.values())
    assert quick < normal < patient


def test_a_sure_end_is_answered_soon_and_a_sure_pause_waited_for() -> None:
    """The two ends of the scale are the policy's own figures."""
    assert wait_s(scores=(1.0,)) == POLICY.shortest_s
    assert wait_s(scores=(0.0,)) == POLICY.longest_s
    middle = (POLICY.sure_of_more + POLICY.sure_of_end) / 2
    assert POLICY.shortest_s < wait_s(scores=(middle,)) < POLICY.longest_s


@pytest.mark.parametrize("scores", [(), (0.99,), (0.99, 0.99, 0.99)])
def test_a_search_for_a_word_is_not_cut(scores: tuple[float, ...]) -> None:
    """1.2 s behind "I would like to go to" are waited out, however sure the scorer is, with 0.2 s to hear that it goes on."""
    assert wait_s(scores=scores, cue=TextCue.OPEN) >= 1.4


def test_an_answer_to_the_question_is_taken_soon() -> None:
    """ "Yes" to "Shall I?" needs no score."""
    assert wait_s(cue=TextCue.CLOSED) <= 0.5


@pytest.mark.parametrize("scorer", [*SCALES, "another"])
def test_each_scorer_has_its_own_scale(scorer: str) -> None:
    """What one calls certain another never says; the waits for certainty are the same."""
    more, end = SCALES.get(scorer, SCALES["prosody"])
    for patience, factor in PATIENCE.items():
        policy, unscored_s = turn_policy(scorer, patience), factor * POLICY.unscored_s
        told = min(factor, 1 / factor)
        assert policy.wait_s(Evidence((end,))) == pytest.approx(unscored_s + told * (POLICY.shortest_s - POLICY.unscored_s))
        assert policy.wait_s(Evidence((more,))) == pytest.approx(unscored_s + told * (POLICY.longest_s - POLICY.unscored_s))


def test_who_is_patient_waits_longer_and_not_less_evenly() -> None:
    """Long pauses are not foretold by scores, nor by the pauses before: 1.7 times as long are only the waits."""
    patient = turn_policy("prosody", "patient")
    spread_s = patient.wait_s(Evidence((0.0,))) - patient.wait_s(Evidence((1.0,)))
    assert spread_s == pytest.approx((POLICY.longest_s - POLICY.shortest_s) / 1.7)
    usual_s = patient.wait_s(Evidence()) + 0.2
    assert patient.wait_s(Evidence(usual_pause_s=usual_s)) == pytest.approx(usual_s - 0.2 + 0.1)
    assert patient.wait_s(Evidence(cue=TextCue.OPEN)) == pytest.approx(1.7 * POLICY.open_s)


@given(EVIDENCE, PROBABILITY, st.floats(0, 4))
def test_a_score_that_is_not_heeded_changes_nothing(evidence: Evidence, score: float, silence_s: float) -> None:
    """Once the words are there: the turn is over by then, or waits as long as it did."""
    known = replace(evidence, text_pending=False)
    if not POLICY.heeds_scores(evidence, silence_s):
        before, after = POLICY.wait_s(known), POLICY.wait_s(replace(known, scores=(*known.scores, score)))
        assert before == pytest.approx(after) or silence_s >= max(before, after)


def test_scores_are_heeded_while_they_can_shorten_the_silence() -> None:
    """Not behind "and", not behind "yes" to "shall I?", and not once every score would have ended the turn."""
    assert POLICY.heeds_scores(Evidence(text_pending=True), 0.6)
    assert not POLICY.heeds_scores(Evidence(text_pending=True), 0.62)
    assert not POLICY.heeds_scores(Evidence(cue=TextCue.OPEN), 0.2)
    assert not POLICY.heeds_scores(Evidence(cue=TextCue.CLOSED), 0.2)
    assert POLICY.heeds_scores(Evidence(cue=TextCue.OPEN, usual_pause_s=4.0), 0.2)


@pytest.mark.parametrize(
    "bad", [{"shortest_s": 0.0}, {"longest_s": 0.1}, {"sure_of_end": 1.1}, {"sure_of_more": 0.95}, {"factor": 0.0}]
)
def test_a_policy_that_makes_no_sense_is_refused(bad: dict[str, Any]) -> None:
    """The message names the field."""
    with pytest.raises(ValueError, match=next(iter(bad))):
        TurnPolicy(**bad)
