"""With a policy, a turn ends when the silence is long enough for what is known about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import cast

import pytest

from voicemode.core.endpointing import (
    Endpointer,
    EndpointEvent,
    EndpointingOptions,
    EndReason,
    FrameFacts,
    PauseBegan,
    ScoreWanted,
    SpeechBegan,
    SpeechResumed,
    State,
    TurnEnded,
)
from voicemode.core.pauses import SpeakerPauses
from voicemode.core.questions import question_in
from voicemode.core.turn_policy import Evidence, TurnPolicy
from voicemode.core.unfinished import TextCue

POLICY = TurnPolicy(shortest_s=0.4, longest_s=1.5, unscored_s=0.9, open_s=1.8, closed_s=0.3, pending_s=0.7)
OPTIONS = EndpointingOptions(policy=POLICY, max_utterance_s=5.0)
SPEECH = FrameFacts(level_dbfs=-25, noise_floor_dbfs=-60, gate_open=True, probability=0.95)
SILENCE = FrameFacts(level_dbfs=-60, noise_floor_dbfs=-60, gate_open=False, probability=0.02)

Part = tuple[float, FrameFacts]


def frames(*parts: Part) -> Iterator[FrameFacts]:
    for seconds, facts in parts:
        for _ in range(round(seconds / facts.seconds)):
            yield facts


def about(seconds: float) -> float:
    return cast("float", pytest.approx(seconds, abs=1e-6))


def push(endpointer: Endpointer, *parts: Part) -> list[EndpointEvent]:
    """What is told, until the turn is over."""
    told: list[EndpointEvent] = []
    for facts in frames(*parts):
        if endpointer.state is not State.ENDED:
            told += endpointer.push(facts)
    return told


def paused(options: EndpointingOptions = OPTIONS, pauses: SpeakerPauses | None = None) -> Endpointer:
    """A second of speech, and 0.25 s of silence since 1.0."""
    endpointer = Endpointer(options, pauses=pauses)
    push(endpointer, (1.0, SPEECH), (0.25, SILENCE))
    return endpointer


def ended_at(endpointer: Endpointer) -> float:
    told = push(endpointer, (5.0, SILENCE))
    assert isinstance(told[-1], TurnEnded)
    return told[-1].at


def kinds(events: Iterable[EndpointEvent]) -> list[type[EndpointEvent]]:
    return [type(event) for event in events]


def test_a_score_is_wanted_at_once_and_again_and_again() -> None:
    """At 0.2 s of silence, with the speculation, and every 0.1 s until the turn is over."""
    told = push(Endpointer(OPTIONS), (1.0, SPEECH), (2.0, SILENCE))
    assert told[:2] == [SpeechBegan(about(0.0)), PauseBegan(about(1.0))]
    wanted = [event for event in told if isinstance(event, ScoreWanted)]
    assert wanted == [ScoreWanted(about(1.2 + n / 10), about(1.0)) for n in range(7)]


def test_no_score_is_wanted_that_could_change_nothing() -> None:
    """The words are late, and the silence is longer than any score would have it; a judgement costs a twentieth of a second."""
    options = replace(OPTIONS, policy=replace(POLICY, longest_s=0.45, pending_s=1.5), partials=True)
    told = push(Endpointer(options), (1.0, SPEECH), (1.4, SILENCE))
    assert [event.at for event in told if isinstance(event, ScoreWanted)] == [about(1.2 + n / 10) for n in range(3)]


def test_in_noise_no_score_is_wanted_as_none_is_believed() -> None:
    """But by a policy that believes them."""
    loud = SPEECH._replace(noise_floor_dbfs=-35)
    for policy, wanted in ((POLICY, 0), (replace(POLICY, scores_in_noise=True), 7)):
        told = push(Endpointer(replace(OPTIONS, policy=policy)), (1.0, loud), (2.0, SILENCE._replace(noise_floor_dbfs=-35)))
        assert kinds(told).count(ScoreWanted) == wanted


def test_without_a_policy_nobody_is_asked() -> None:
    """And scores and words change nothing."""
    endpointer = Endpointer(EndpointingOptions(silence_s=0.5))
    told = push(endpointer, (1.0, SPEECH), (0.3, SILENCE))
    endpointer.scored(0.0, 1.0)
    endpointer.partial("and", 1.0)
    told += push(endpointer, (2.0, SILENCE))
    assert kinds(told) == [SpeechBegan, PauseBegan, TurnEnded]
    assert told[-1] == TurnEnded(about(0.0), about(1.0), about(1.5), EndReason.SILENCE, None, None)


def test_the_end_tells_why() -> None:
    """The wait and the evidence are those of the decision."""
    endpointer = paused()
    endpointer.scored(1.0, 1.0)
    told = push(endpointer, (2.0, SILENCE))
    assert told[-1] == TurnEnded(about(0.0), about(1.0), about(1.4), EndReason.SILENCE, 0.4, Evidence((1.0,)))


def test_nobody_who_knows_anything_is_needed() -> None:
    """Without a score and without words the turn still ends."""
    assert ended_at(paused()) == about(1.9)


def test_a_late_score_ends_the_turn_with_the_next_frame() -> None:
    """The silence was long enough already."""
    endpointer = paused()
    assert push(endpointer, (0.4, SILENCE))[-1] == ScoreWanted(about(1.6), about(1.0))
    endpointer.scored(1.0, 1.0)
    assert ended_at(endpointer) == about(1.66)


def test_a_low_score_waits() -> None:
    """Up to the longest wait."""
    endpointer = paused()
    endpointer.scored(0.0, 1.0)
    assert ended_at(endpointer) == about(2.5)


def test_an_answer_about_a_silence_that_is_over_is_ignored() -> None:
    """Somebody went on while the scorer and the transcriber were thinking."""
    endpointer = paused()
    push(endpointer, (0.5, SPEECH), (0.25, SILENCE))
    endpointer.scored(1.0, 1.0)
    endpointer.partial("and", 1.0)
    assert ended_at(endpointer) == about(1.75 + 0.9)


def test_an_answer_while_somebody_speaks_is_ignored() -> None:
    """It is about a silence that is over, and the next one starts from nothing."""
    endpointer = paused()
    push(endpointer, (0.3, SPEECH))
    endpointer.scored(1.0, 1.0)
    assert ended_at(endpointer) == about(1.55 + 0.9)


def test_an_answer_after_the_end_is_ignored() -> None:
    """The turn is over, and stays so."""
    endpointer = paused()
    ended_at(endpointer)
    endpointer.scored(0.1, 1.0)
    endpointer.partial("and", 1.0)
    assert endpointer.state is State.ENDED


@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan")])
def test_a_score_is_a_probability(probability: float) -> None:
    """Anything else is a defect of the scorer."""
    with pytest.raises(ValueError, match="0 to 1"):
        paused().scored(probability, 1.0)


@pytest.mark.parametrize("silence_s", [0.7, 1.2])
def test_a_sentence_that_cannot_end_is_not_cut(silence_s: float) -> None:
    """ "I would like to go to … Paris", with a scorer that is sure of the end."""
    endpointer = paused()
    endpointer.scored(1.0, 1.0)
    endpointer.partial("I would like to go to.", 1.0)
    told = push(endpointer, (silence_s - 0.25, SILENCE), (0.5, SPEECH))
    assert kinds(told)[-1] is SpeechResumed
    assert TurnEnded not in kinds(told)


def test_an_answer_to_the_question_ends_the_turn_soon() -> None:
    """Without any score."""
    endpointer = paused(replace(OPTIONS, question=question_in("Shall I?", language="en")))
    endpointer.partial("Yes, please.", 1.0)
    assert ended_at(endpointer) == about(1.3)


def test_words_that_are_coming_are_waited_for() -> None:
    """As long as the policy says, and no longer than until they are there."""
    late, there = paused(replace(OPTIONS, partials=True)), paused(replace(OPTIONS, partials=True))
    for endpointer in (late, there):
        endpointer.scored(1.0, 1.0)
    there.partial("", 1.0)
    assert (ended_at(late), ended_at(there)) == (about(1.7), about(1.4))


def test_words_are_waited_for_before_the_pause_is_told_as_well() -> None:
    """A policy that ends turns at 0.1 s waits for words that nobody has asked for yet."""
    policy = TurnPolicy(shortest_s=0.1, longest_s=0.1, unscored_s=0.1, pending_s=0.6)
    assert ended_at(paused(EndpointingOptions(policy=policy, partials=True))) == about(1.6)


def test_who_thinks_with_the_key_down_teaches_nothing() -> None:
    """Nobody waits meanwhile; the next turn without a key is none the slower."""
    speaker = SpeakerPauses()
    endpointer = Endpointer(replace(OPTIONS, max_utterance_s=60.0), pauses=speaker)
    endpointer.held = True
    push(endpointer, *[(1.0, SPEECH), (3.0, SILENCE)] * 3, (1.0, SPEECH))
    assert (speaker.usual_s, speaker.count) == (None, 0)


def test_a_speaker_who_pauses_for_long_is_given_time() -> None:
    """Learnt in this turn: after two pauses of 0.8 s the same silence is not long enough any more."""
    speaker = SpeakerPauses()
    endpointer = Endpointer(replace(OPTIONS, max_utterance_s=60.0), pauses=speaker)
    push(endpointer, *[(1.0, SPEECH), (0.8, SILENCE)] * 2, (1.0, SPEECH), (0.25, SILENCE))
    assert speaker.count == 2
    assert speaker.usual_s == about(0.8)
    endpointer.scored(1.0, 4.6)
    assert ended_at(endpointer) == about(4.6 + 0.4 + POLICY.pause_share * (0.8 - POLICY.typical_pause_s))


def test_what_was_learnt_holds_for_the_next_turn() -> None:
    """One object for all turns of a speaker."""
    speaker = SpeakerPauses()
    speaker.resumed(1.2)
    endpointer = paused(pauses=speaker)
    endpointer.scored(1.0, 1.0)
    assert ended_at(endpointer) > 1.45


def test_the_cap_holds_whatever_is_known() -> None:
    """Words that cannot end do not keep a turn open for ever."""
    endpointer = Endpointer(OPTIONS)
    push(endpointer, (4.5, SPEECH), (0.25, SILENCE))
    endpointer.partial("and", 4.5)
    told = push(endpointer, (2.0, SILENCE))
    assert told[-1] == TurnEnded(about(0.0), about(4.5), about(5.0), EndReason.CAP, 1.8, Evidence((), TextCue.OPEN))
