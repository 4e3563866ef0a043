"""The end of a turn is where the last word ended, plus the silence, to the frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicemode.core.endpointing import (
    Endpointer,
    EndpointEvent,
    EndpointingOptions,
    EndReason,
    FrameFacts,
    IllegalTransitionError,
    NobodySpoke,
    PauseBegan,
    ScoreWanted,
    Signal,
    SoftEnding,
    SpeechBegan,
    SpeechResumed,
    State,
    TurnEnded,
    next_state,
)
from voicemode.core.turn_policy import TurnPolicy

OPTIONS = EndpointingOptions(silence_s=0.5, start_timeout_s=3.0, max_utterance_s=5.0, speculate_after_s=0.2)
FLOOR = -60.0
SPEECH = FrameFacts(level_dbfs=-25, noise_floor_dbfs=FLOOR, gate_open=True, probability=0.95)
DECAY = FrameFacts(level_dbfs=FLOOR, noise_floor_dbfs=FLOOR, gate_open=True, probability=0.9)
"""The word is over, the detector has not noticed."""
SILENCE = FrameFacts(level_dbfs=FLOOR, noise_floor_dbfs=FLOOR, gate_open=False, probability=0.02)
NOISY_SPEECH = FrameFacts(level_dbfs=-25, noise_floor_dbfs=-33, gate_open=True, probability=0.9)
NOISE = FrameFacts(level_dbfs=-33, noise_floor_dbfs=-33, gate_open=False, probability=0.05)

Part = tuple[float, FrameFacts]


def frames(parts: Iterable[Part]) -> Iterator[FrameFacts]:
    for seconds, facts in parts:
        for _ in range(round(seconds / facts.seconds)):
            yield facts


def events(*parts: Part, options: EndpointingOptions = OPTIONS) -> list[EndpointEvent]:
    """What is told until the turn is over."""
    endpointer, told = Endpointer(options), list[EndpointEvent]()
    for facts in frames(parts):
        if endpointer.state is not State.ENDED:
            told += endpointer.push(facts)
    return told


def about(seconds: float) -> float:
    """``seconds`` but for the rounding of sums; it compares equal to a float, which is all it is used for."""
    return cast("float", pytest.approx(seconds, abs=1e-6))


def test_an_utterance_ends_after_the_silence() -> None:
    """Begin, pause, end: each at its instant, the end exactly ``silence_s`` after the last word."""
    assert events((1.0, SILENCE), (2.0, SPEECH), (2.0, SILENCE)) == [
        SpeechBegan(about(1.0)),
        PauseBegan(about(3.0)),
        TurnEnded(about(1.0), about(3.0), about(3.5), EndReason.SILENCE),
    ]


@given(
    st.lists(st.tuples(st.integers(1, 40), st.sampled_from([SPEECH, DECAY, SILENCE, NOISY_SPEECH, NOISE])), max_size=30),
    st.sampled_from([0.1, 0.25, 0.5]),
    st.booleans(),
)
def test_nothing_happens_while_it_is_calm(parts: list[tuple[int, FrameFacts]], silence_s: float, judged: bool) -> None:
    """Whatever is heard: nobody misses anything who hears of the next ``calm_s`` at once, but that speech went on."""
    policy = TurnPolicy() if judged else None
    endpointer, calm_until, now = Endpointer(replace(OPTIONS, silence_s=silence_s, policy=policy)), 0.0, 0.0
    for facts in (facts for count, facts in parts for _ in range(count)):
        if endpointer.state is State.ENDED:
            break
        now += facts.seconds
        happened = endpointer.push(facts)
        assert now > calm_until - 1e-6 or all(isinstance(event, SpeechResumed) for event in happened)
        calm_until = max(calm_until, now + endpointer.calm_s)


def test_it_is_calm_in_speech_and_in_the_silence_that_is_long_yet() -> None:
    """Up to the pause that is told; then up to the end of the turn, if nobody judges, but no longer than to the next pause."""
    calm = {}
    for name, parts in {
        "nobody": [(1.0, SILENCE)],
        "speaking": [(1.0, SPEECH)],
        "a stop": [(1.0, SPEECH), (0.15, SILENCE)],
        "a pause": [(1.0, SPEECH), (0.25, SILENCE)],
        "at its end": [(1.0, SPEECH), (0.45, SILENCE)],
        "too long": [(4.9, SPEECH)],
    }.items():
        endpointer = Endpointer(OPTIONS)
        for facts in frames(parts):
            endpointer.push(facts)
        calm[name] = endpointer.calm_s
    expected = {"nobody": 0.0, "speaking": 0.2, "a stop": 0.05, "a pause": 0.2, "at its end": 0.05, "too long": 0.1}
    assert calm == pytest.approx(expected)


def test_the_detectors_decay_costs_no_time() -> None:
    """100 ms of open gate after the last word change neither the end of speech nor the decision."""
    told = events((2.0, SPEECH), (0.1, DECAY), (2.0, SILENCE))
    assert told[-1] == TurnEnded(about(0.0), about(2.0), about(2.5), EndReason.SILENCE)


def test_in_noise_the_detector_decides() -> None:
    """At 8 dB over the noise, frames as soft as the noise are speech where the detector is certain."""
    told = events((1.0, NOISY_SPEECH), (0.8, NOISE._replace(gate_open=True, probability=0.9)), (2.0, NOISE))
    assert told[-1] == TurnEnded(about(0.0), about(1.8), about(2.3), EndReason.SILENCE)


def test_in_noise_the_detectors_decay_costs_no_time() -> None:
    """A gate that is still open for 0.2 s after the last word, on a detector in doubt, is no speech; its sound is kept."""
    endpointer, decay = Endpointer(OPTIONS), NOISE._replace(gate_open=True, probability=0.6)
    told = [event for facts in frames([(1.0, NOISY_SPEECH), (0.2, decay), (0.3, NOISE)]) for event in endpointer.push(facts)]
    assert told[-1] == TurnEnded(about(0.0), about(1.0), about(1.5), EndReason.SILENCE)
    assert endpointer.faint_until == pytest.approx(1.2)


@pytest.mark.parametrize("in_noise", [False, True])
def test_a_score_counts_in_noise_only_for_a_policy_that_says_so(in_noise: bool) -> None:
    """Judges hear the noise, too, and are sure of what they cannot know; words and silence decide."""
    known = {}
    for name, speech, silence in (("quiet", SPEECH, SILENCE), ("noise", NOISY_SPEECH, NOISE)):
        endpointer = Endpointer(EndpointingOptions(policy=TurnPolicy(scores_in_noise=in_noise)))
        for facts in frames([(1.0, speech), (2.0, silence)]):
            told = endpointer.push(facts)
            for event in told:
                if isinstance(event, ScoreWanted):
                    endpointer.scored(1.0, event.silence_since)
            if endpointer.state is State.ENDED:
                break
        assert isinstance(told[-1], TurnEnded)
        assert told[-1].evidence is not None
        known[name] = told[-1].evidence.score
    assert known == {"quiet": 1.0, "noise": 1.0 if in_noise else None}


@pytest.mark.parametrize("policy", [None, TurnPolicy()])
def test_a_soft_ending_that_comes_after_the_pause_was_told_is_told_when_it_is_over(policy: TurnPolicy | None) -> None:
    """What was written down from the pause on lacks it; one that was over by then is in it."""
    options = replace(OPTIONS, policy=policy)
    soft = SILENCE._replace(level_dbfs=-49)
    told = events((1.0, SPEECH), (0.15, SILENCE), (0.1, soft), (1.0, SILENCE), options=options)
    assert [event for event in told if isinstance(event, SoftEnding)] == [SoftEnding(about(1.3), about(1.0))]
    told = events((1.0, SPEECH), (0.05, SILENCE), (0.1, soft), (1.0, SILENCE), options=options)
    assert not [event for event in told if isinstance(event, SoftEnding)]


def test_a_sure_detector_is_never_cut_off_in_noise() -> None:
    """Two seconds at the level of the noise, with a sure detector, are still the same turn."""
    told = events((1.0, NOISY_SPEECH), (2.0, NOISE._replace(gate_open=True, probability=0.85)), (2.0, NOISE))
    assert told[-1] == TurnEnded(about(0.0), about(3.0), about(3.5), EndReason.SILENCE)


@pytest.mark.parametrize("word_s", [0.15, 0.3])
def test_a_word_is_a_turn(word_s: float) -> None:
    """ "Yes" is an answer."""
    told = events((1.0, SILENCE), (word_s, SPEECH), (2.0, SILENCE))
    assert told[-1] == TurnEnded(about(1.0), about(1.0 + word_s), about(1.5 + word_s), EndReason.SILENCE)


def test_a_cough_is_no_turn() -> None:
    """100 ms are not even told, and the answer after them is."""
    told = events((0.5, SILENCE), (0.1, SPEECH), (1.0, SILENCE), (0.5, SPEECH), (2.0, SILENCE))
    assert told[0] == SpeechBegan(about(1.6))
    assert told[-1] == TurnEnded(about(1.6), about(2.1), about(2.6), EndReason.SILENCE)


def test_coughs_do_not_add_up() -> None:
    """However often somebody coughs, it does not become an answer, nor the beginning of one."""
    endpointer = Endpointer(OPTIONS)
    for facts in frames([(0.1, SPEECH), (0.4, SILENCE)] * 4):
        assert endpointer.push(facts) == []
    assert (endpointer.speech_began, endpointer.speech_ended) == (None, None)


def test_a_stutter_is_one_beginning() -> None:
    """Two short sounds close to one another are the beginning of speech, dated to the first."""
    told = events((0.5, SILENCE), (0.08, SPEECH), (0.15, SILENCE), (0.5, SPEECH), (2.0, SILENCE))
    assert told[0] == SpeechBegan(about(0.5))


def test_the_start_time_out_is_not_reset_by_a_cough() -> None:
    """Nobody spoke is told at 3 s, although there was a cough at 2 s."""
    assert events((2.0, SILENCE), (0.1, SPEECH), (3.0, SILENCE)) == [NobodySpoke(about(3.0))]


def test_the_start_time_out_waits_for_a_beginning() -> None:
    """Somebody who begins in the last moment is heard."""
    told = events((2.95, SILENCE), (1.0, SPEECH), (2.0, SILENCE))
    assert told[0] == SpeechBegan(about(2.95))
    assert told[-1] == TurnEnded(about(2.95), about(3.95), about(4.45), EndReason.SILENCE)


def test_a_cough_in_the_last_moment_ends_in_nobody_spoke() -> None:
    """When it has faded, the time-out is over due."""
    (only,) = events((2.95, SILENCE), (0.1, SPEECH), (2.0, SILENCE))
    assert isinstance(only, NobodySpoke)
    assert only.at < 3.5


def test_a_pause_inside_a_sentence_is_kept() -> None:
    """Pause and resumption are told, and the silence counts anew."""
    assert events((1.0, SPEECH), (0.4, SILENCE), (1.0, SPEECH), (1.0, SILENCE)) == [
        SpeechBegan(about(0.0)),
        PauseBegan(about(1.0)),
        SpeechResumed(about(1.4)),
        PauseBegan(about(2.4)),
        TurnEnded(about(0.0), about(2.4), about(2.9), EndReason.SILENCE),
    ]


def test_a_short_gap_is_not_told() -> None:
    """Stops and breaths under ``speculate_after_s`` start no transcription."""
    told = events((1.0, SPEECH), (0.15, SILENCE), (1.0, SPEECH), (1.0, SILENCE))
    assert [type(event) for event in told] == [SpeechBegan, PauseBegan, TurnEnded]


def test_resumption_is_dated_back_to_its_first_frame() -> None:
    """The gate was sure 60 ms late."""
    late = SPEECH._replace(gate_age_s=0.07)
    told = events((1.0, SPEECH), (0.4, SILENCE), (0.01, late), (1.0, SPEECH), (1.0, SILENCE))
    assert told[2] == SpeechResumed(about(1.34))


def test_the_beginning_is_dated_back_but_not_before_the_turn() -> None:
    """Speech that was under way when the endpointer began, began with it."""
    told = events((0.5, SILENCE), (0.5, SPEECH._replace(gate_age_s=0.07)), (1.0, SILENCE))
    assert told[0] == SpeechBegan(about(0.44))
    told = events((0.5, SPEECH._replace(gate_age_s=0.3)), (1.0, SILENCE))
    assert told[0] == SpeechBegan(about(0.0))


def test_sound_at_the_last_moment_gets_the_detectors_verdict() -> None:
    """Somebody goes on 30 ms before the end: the detector, 60 ms late, still keeps the turn."""
    rising = SPEECH._replace(gate_open=False, probability=0.3)
    told = events((1.0, SPEECH), (0.47, SILENCE), (0.06, rising), (1.0, SPEECH), (1.0, SILENCE))
    assert told[-1] == TurnEnded(about(0.0), about(2.53), about(3.03), EndReason.SILENCE)


def test_noise_at_the_last_moment_delays_the_end_by_a_tenth_at_most() -> None:
    """A vacuum cleaner that starts in the silence is no reason to wait longer."""
    vacuum = SPEECH._replace(gate_open=False, probability=0.1)
    told = events((1.0, SPEECH), (0.4, SILENCE), (3.0, vacuum))
    assert told[-1] == TurnEnded(about(0.0), about(1.0), about(1.6), EndReason.SILENCE)


def test_an_endless_utterance_is_capped() -> None:
    """A turn never lasts longer than ``max_utterance_s``."""
    told = events((1.0, SILENCE), (20.0, SPEECH))
    assert told[-1] == TurnEnded(about(1.0), about(6.0), about(6.0), EndReason.CAP)


def test_the_cap_holds_in_a_pause_too() -> None:
    """Silence that has not lasted long enough does not defer it."""
    told = events((4.8, SPEECH), (2.0, SILENCE))
    assert told[-1] == TurnEnded(about(0.0), about(4.8), about(5.0), EndReason.CAP)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([(1.0, SILENCE)], [NobodySpoke(about(1.0))]),
        ([], [NobodySpoke(0.0)]),
        ([(0.05, SPEECH), (0.1, SILENCE)], [NobodySpoke(about(0.15))]),
        ([(0.1, SPEECH)], [SpeechBegan(0.0), TurnEnded(0.0, about(0.1), about(0.1), EndReason.SOURCE_ENDED)]),
        ([(1.0, SPEECH)], [TurnEnded(0.0, about(1.0), about(1.0), EndReason.SOURCE_ENDED)]),
        ([(1.0, SPEECH), (0.3, SILENCE)], [TurnEnded(0.0, about(1.0), about(1.3), EndReason.SOURCE_ENDED)]),
    ],
    ids=["silence", "nothing", "a click", "cut off at its beginning", "in speech", "in a pause"],
)
def test_the_source_ends(parts: list[Part], expected: list[EndpointEvent]) -> None:
    """What was said until then is the turn; a click is not."""
    endpointer = Endpointer(OPTIONS)
    for facts in frames(parts):
        endpointer.push(facts)
    assert endpointer.finish() == expected


def test_silence_shorter_than_speculation_ends_a_turn_without_a_pause() -> None:
    """Whoever wants to be cut off after 0.1 s gets it."""
    impatient = replace(OPTIONS, silence_s=0.1)
    told = events((1.0, SPEECH), (1.0, SILENCE), options=impatient)
    assert [type(event) for event in told] == [SpeechBegan, TurnEnded]


def test_after_the_end_a_frame_is_a_defect() -> None:
    """Misuse raises and changes nothing."""
    endpointer = Endpointer(OPTIONS)
    endpointer.finish()
    with pytest.raises(IllegalTransitionError, match="ENDED"):
        endpointer.push(SPEECH)
    with pytest.raises(IllegalTransitionError, match="ENDED"):
        endpointer.finish()
    assert (endpointer.state, endpointer.speech_began) == (State.ENDED, None)


def test_the_table_allows_what_it_lists_and_nothing_else() -> None:
    """Of 45 pairs 14 lead somewhere; nothing leaves ENDED, and every state is reached."""
    reached, refused = {State.WAITING}, list[tuple[State, Signal]]()
    for state in State:
        for signal in Signal:
            try:
                reached.add(next_state(state, signal))
            except IllegalTransitionError:
                refused.append((state, signal))
    assert reached == set(State)
    assert len(refused) == 31
    assert {(State.ENDED, signal) for signal in Signal} <= set(refused)


def test_an_illegal_transition_names_state_and_signal() -> None:
    """Whoever reads the traceback knows what was tried, and where."""
    with pytest.raises(IllegalTransitionError, match="RESUMED is impossible while WAITING") as caught:
        next_state(State.WAITING, Signal.RESUMED)
    assert (caught.value.state, caught.value.what) == (State.WAITING, "RESUMED")


@pytest.mark.parametrize(
    "bad",
    [
        {"silence_s": 0.0},
        {"start_timeout_s": -1.0},
        {"max_utterance_s": float("nan")},
        {"speculate_after_s": 0.0},
        {"preroll_s": -0.1},
    ],
)
def test_options_that_make_no_sense_are_refused(bad: dict[str, Any]) -> None:
    """The message names the option and the value."""
    with pytest.raises(ValueError, match=next(iter(bad))):
        EndpointingOptions(**bad)


PARTS = st.lists(
    st.tuples(st.integers(1, 60).map(lambda n: n / 100), st.sampled_from([SPEECH, DECAY, SILENCE, NOISY_SPEECH, NOISE])),
    max_size=20,
)


@settings(max_examples=40, deadline=None)
@given(PARTS)
def test_every_turn_ends_once_and_in_order(parts: list[Part]) -> None:
    """Whatever is heard: at most one beginning, pauses and resumptions in turn, one last event, times that never lie."""
    endpointer, told, now = Endpointer(OPTIONS), list[EndpointEvent](), 0.0
    for facts in frames(parts):
        if endpointer.state is State.ENDED:
            break
        now += facts.seconds
        for event in endpointer.push(facts):
            assert event.at <= now + 1e-6
            told.append(event)
    if endpointer.state is not State.ENDED:
        told += endpointer.finish()
    letters = {SpeechBegan: "B", PauseBegan: "P", SpeechResumed: "R", TurnEnded: "E", NobodySpoke: "N"}
    kinds = "".join(letters[type(event)] for event in told)
    assert kinds.count("E") + kinds.count("N") == 1
    assert kinds[-1] in "EN"
    assert kinds == "N" or kinds.removeprefix("B").removesuffix("E").replace("PR", "") in ("", "P")
    last = told[-1]
    if isinstance(last, TurnEnded):
        assert 0 <= last.speech_began <= last.speech_ended <= last.at + 1e-6
        assert last.at - last.speech_began <= OPTIONS.max_utterance_s + 1e-6
        assert last.at - last.speech_ended <= OPTIONS.silence_s + 0.1 + 1e-6


@settings(max_examples=20, deadline=None)
@given(st.integers(12, 300), st.integers(0, 10), st.integers(5, 60))
def test_the_end_is_exact_in_clean_sound(speech: int, decay: int, silence: int) -> None:
    """For any word and any decay of the detector up to 100 ms, the decision falls on the frame the silence is full."""
    options = replace(OPTIONS, silence_s=silence / 100)
    told = events((speech / 100, SPEECH), (decay / 100, DECAY), (1.0, SILENCE), options=options)
    ended = told[-1]
    assert isinstance(ended, TurnEnded)
    assert ended.speech_ended == about(speech / 100)
    assert ended.at == about(speech / 100 + silence / 100)
