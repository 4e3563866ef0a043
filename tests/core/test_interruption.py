"""Playback yields to words, and goes on after a cough, a backchannel or its own echo."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicemode.core.double_talk import Found
from voicemode.core.echo_lag import Echo
from voicemode.core.interruption import (
    Duck,
    IllegalTransitionError,
    Interruption,
    InterruptionEvent,
    NearEnd,
    Pause,
    Resume,
    Signal,
    State,
    Stop,
    StopReason,
    Unduck,
    WordsWanted,
    next_state,
)

QUIET = NearEnd(probability=0.02, cleaned_dbfs=-62, raw_dbfs=-35, far_end_dbfs=-20, noise_floor_dbfs=-65)
"""The assistant plays; the canceller leaves nearly nothing of it."""
SPEECH = replace(QUIET, probability=0.95, cleaned_dbfs=-30, raw_dbfs=-29)
LEFTOVER = replace(QUIET, probability=0.9, cleaned_dbfs=-60)
"""Echo that sounds like speech, but is no louder than what the canceller usually leaves."""

LEARNT_S = 3.0
"""Playback after which it is known how much echo is left."""

Part = tuple[float, NearEnd]


def backchannel(text: str) -> bool:
    return text.lower().strip(" .") in {"mhm", "right"}


def fed(interruption: Interruption, parts: Iterable[Part]) -> list[InterruptionEvent]:
    told: list[InterruptionEvent] = []
    for seconds, facts in parts:
        for _ in range(round(seconds / facts.seconds)):
            if interruption.state is not State.STOPPED:
                told += interruption.push(facts)
    return told


def events(*parts: Part) -> list[InterruptionEvent]:
    return fed(Interruption(backchannel), parts)


def about(seconds: float) -> float:
    """``seconds`` but for the rounding of sums; it compares equal to a float, which is all it is used for."""
    return cast("float", pytest.approx(seconds, abs=1e-6))


def weighing(speech_s: float) -> tuple[Interruption, WordsWanted]:
    """Somebody spoke after 3 s for so long and fell silent; playback waits for their words."""
    interruption = Interruption(backchannel)
    told = fed(interruption, [(LEARNT_S, QUIET), (speech_s, SPEECH), (0.3, QUIET)])
    asked = told[-1]
    assert isinstance(asked, WordsWanted)
    return interruption, asked


def test_words_stop_playback() -> None:
    """Duck on the first frame, pause on the sixth, stop after 0.9 s of speech; the first word's instant is told."""
    assert events((LEARNT_S, QUIET), (2.0, SPEECH)) == [
        Duck(about(3.01)),
        Pause(about(3.06), about(3.0)),
        Stop(about(3.9), about(3.0), StopReason.TALKING),
    ]


def test_what_the_canceller_leaves_is_no_speech() -> None:
    """A minute of echo that sounds like speech does not even duck."""
    assert events((LEARNT_S, QUIET), (60.0, LEFTOVER)) == []


def test_in_the_first_seconds_only_a_voice_louder_than_the_echo_counts() -> None:
    """What the canceller lets through while it learns the room may be all of the echo."""
    early = replace(LEFTOVER, cleaned_dbfs=-36)
    assert events((0.5, QUIET), (2.0, early)) == []
    assert isinstance(events((0.5, QUIET), (2.0, replace(early, cleaned_dbfs=-20, raw_dbfs=-20)))[-1], Stop)


def test_with_headphones_a_soft_voice_counts_at_once() -> None:
    """Half a second without any echo in the raw microphone is enough to trust what is heard there."""
    alone = replace(QUIET, cleaned_dbfs=-62, raw_dbfs=-62)
    told = events((0.7, alone), (2.0, replace(alone, probability=0.9, cleaned_dbfs=-45, raw_dbfs=-45)))
    assert told[:2] == [Duck(about(0.71)), Pause(about(0.76), about(0.7))]


def test_speech_that_makes_the_microphone_no_louder_than_the_echo_pauses_later() -> None:
    """It is what a canceller lets through when it has lost the echo, and that is known after a tenth of a second."""
    lost = replace(SPEECH, cleaned_dbfs=QUIET.raw_dbfs, raw_dbfs=QUIET.raw_dbfs)
    assert events((LEARNT_S, QUIET), (2.0, lost))[:2] == [Duck(about(3.01)), Pause(about(3.15), about(3.0))]
    known = replace(lost, echo=Echo.LOST)
    assert events((LEARNT_S, QUIET), (0.1, lost), (2.0, known)) == [Duck(about(3.01)), Unduck(about(3.9))]


def test_a_voice_that_the_detector_misses_ducks_by_its_level() -> None:
    """Pieces of a voice, far over the echo that is left, are heard before the detector knows them; so they begin the speech."""
    told = events((LEARNT_S, QUIET), (0.3, replace(SPEECH, probability=0.02)), (2.0, SPEECH))
    assert told[:2] == [Duck(about(3.08)), Pause(about(3.36), about(3.0))]


def test_words_of_which_only_pieces_come_through_are_heard_out() -> None:
    """The detector is never sure, and no echo is so loud: pause, and let the words decide."""
    interruption = Interruption(backchannel)
    told = fed(interruption, [(LEARNT_S, QUIET), (0.4, replace(SPEECH, probability=0.3)), (0.3, QUIET)])
    assert told[:2] == [Duck(about(3.01)), Pause(about(3.2), about(3.0))]
    asked = told[-1]
    assert isinstance(asked, WordsWanted)
    assert interruption.words("stop it", asked) == [Stop(about(3.7), about(3.0), StopReason.WORDS)]


def test_typing_does_not_duck() -> None:
    """Eight keystrokes of 30 ms a second, each louder than a voice, for a minute."""
    key = replace(SPEECH, probability=0.05, cleaned_dbfs=-20, raw_dbfs=-20)
    strokes = [(0.03, key), (0.1, QUIET)] * 480
    assert events((LEARNT_S, QUIET), *strokes) == []


VOICE = replace(QUIET, cleaned_dbfs=-57, found=Found(0.6, voiced=True, left_dbfs=-40.0))
"""The canceller leaves little of it, the linear filter all."""


def test_a_voice_of_which_the_canceller_leaves_nothing_makes_playback_softer_and_no_more() -> None:
    """The filter may be wrong, as where a sound card lost samples; if it is not, the canceller will pass them now."""
    alone = replace(VOICE, cleaned_dbfs=-62)
    assert events((LEARNT_S, QUIET), (0.5, alone), (2.0, QUIET)) == [Duck(about(3.04)), Unduck(about(4.52))]


def test_a_voice_that_the_detector_does_not_know_pauses_where_both_filters_leave_it_and_words_decide() -> None:
    """It may be three words that are over before the canceller passes anything."""
    interruption = Interruption(backchannel)
    told = fed(interruption, [(LEARNT_S, QUIET), (0.3, VOICE), (0.3, QUIET)])
    assert told[:2] == [Duck(about(3.04)), Pause(about(3.08), about(3.0))]
    asked = told[-1]
    assert isinstance(asked, WordsWanted)
    assert asked.speech_began == about(3.0)
    assert interruption.words("ten of clubs", asked) == [Stop(about(3.6), about(3.0), StopReason.WORDS)]


def test_a_voice_that_the_detector_does_not_know_does_not_stop_playback_without_words() -> None:
    """However long it lasts: a filter that is wrong must not end what the assistant says."""
    interruption = Interruption(backchannel)
    told = fed(interruption, [(LEARNT_S, QUIET), (1.5, VOICE), (0.3, QUIET)])
    assert [type(each) for each in told] == [Duck, Pause, WordsWanted]
    assert fed(interruption, [(1.1, QUIET)]) == [Resume(about(5.75))]


def test_what_the_linear_filter_takes_away_was_nobody_however_much_the_canceller_leaves() -> None:
    """A canceller that has not followed a move yet leaves speech; whoever speaks is in what both leave."""
    leak = replace(SPEECH, found=Found(0.0, voiced=False, left_dbfs=-62.0))
    assert events((LEARNT_S, QUIET), (2.0, leak)) == []
    person = replace(SPEECH, found=Found(0.0, voiced=False, left_dbfs=-30.0))
    assert [type(each) for each in events((LEARNT_S, QUIET), (2.0, leak), (0.5, person))][:2] == [Duck, Pause]
    assert events((LEARNT_S, QUIET), (2.0, person)) == events((LEARNT_S, QUIET), (2.0, SPEECH)) != []


def test_of_a_voice_that_the_linear_filter_found_the_first_word_is_in_the_interruption() -> None:
    """The echo has fallen, the canceller passes what it swallowed until then; the speech began when the filter found it."""
    told = events((LEARNT_S, QUIET), (0.5, VOICE), (2.0, replace(SPEECH, found=VOICE.found)))
    assert told[:2] == [Duck(about(3.04)), Pause(about(3.08), about(3.0))]
    assert isinstance(told[-1], Stop)
    assert told[-1].speech_began == about(3.0)


def test_what_has_no_pitch_ducks_and_does_not_pause() -> None:
    """A cough, a door, a chair: no echo, and nobody's words."""
    hiss = replace(QUIET, found=Found(0.9, voiced=False, left_dbfs=-20.0))
    assert events((LEARNT_S, QUIET), (0.3, hiss), (2.0, QUIET)) == [Duck(about(3.04)), Unduck(about(4.32))]


def test_typing_that_the_linear_filter_takes_for_somebody_does_not_duck() -> None:
    """It is no echo, but it is over in 30 ms."""
    strokes = [(0.03, replace(QUIET, found=Found(0.9, voiced=False, left_dbfs=-20.0))), (0.1, QUIET)] * 480
    assert events((LEARNT_S, QUIET), *strokes) == []


def test_echo_that_falls_silent_with_the_loudspeaker_was_no_voice() -> None:
    """Paused in doubt, and nothing more is heard: it was the assistant's own voice, and no words are asked for."""
    doubtful = replace(LEFTOVER, cleaned_dbfs=-57)
    silent = replace(QUIET, far_end_dbfs=-96, raw_dbfs=-65, cleaned_dbfs=-65)
    told = events((LEARNT_S, QUIET), (0.2, doubtful), (2.0, silent))
    assert told == [Duck(about(3.01)), Pause(about(3.15), about(3.0)), Resume(about(3.45))]


def test_speech_that_goes_on_after_the_loudspeaker_fell_silent_is_the_persons() -> None:
    """However soft it is: there is no echo that it could be."""
    doubtful = replace(LEFTOVER, cleaned_dbfs=-57)
    told = events((LEARNT_S, QUIET), (0.2, doubtful), (2.0, replace(doubtful, far_end_dbfs=-96)))
    assert isinstance(told[-1], Stop)


def test_a_click_ducks_and_is_over() -> None:
    """One frame of the detector is no confirmation; 0.8 s later playback is as before."""
    assert events((LEARNT_S, QUIET), (0.03, SPEECH), (1.0, QUIET)) == [Duck(about(3.01)), Unduck(about(3.83))]


@pytest.mark.parametrize("text", ["", "  ", "mhm", "Right."])
def test_nothing_said_resumes(text: str) -> None:
    """A cough without words, and words that only show somebody listens: playback goes on."""
    interruption, asked = weighing(0.4)
    assert interruption.words(text, asked) == [Resume(about(3.7))]
    assert interruption.state is State.PLAYING


def test_a_word_that_means_something_stops() -> None:
    """However short it was."""
    interruption, asked = weighing(0.3)
    assert interruption.words("Wait", asked) == [Stop(about(3.6), about(3.0), StopReason.WORDS)]


def test_without_a_transcript_the_length_decides() -> None:
    """0.4 s is taken for a backchannel, 0.7 s for words, when the transcript does not come in time."""
    short, _ = weighing(0.4)
    assert fed(short, [(2.0, QUIET)]) == [Resume(about(4.65))]
    longer, _ = weighing(0.7)
    assert fed(longer, [(2.0, QUIET)]) == [Stop(about(4.95), about(3.0), StopReason.DURATION)]


def test_an_answer_to_an_older_question_is_ignored() -> None:
    """They spoke on: the transcript of the first half decides nothing."""
    interruption, asked = weighing(0.4)
    fed(interruption, [(0.1, SPEECH)])
    assert interruption.words("mhm", asked) == []
    assert interruption.state is State.PAUSED


def test_speech_adds_up_over_short_silences() -> None:
    """Two halves of 0.5 s are as good as 0.9 s in one."""
    told = events((LEARNT_S, QUIET), (0.5, SPEECH), (0.3, QUIET), (0.5, SPEECH))
    assert told[-1] == Stop(about(4.2), about(3.0), StopReason.TALKING)


def test_a_key_interrupts_at_once() -> None:
    """Without any sound from the person."""
    interruption = Interruption(backchannel, began_at=10.0)
    fed(interruption, [(1.0, QUIET)])
    assert interruption.interrupt() == [Stop(about(11.0), about(11.0), StopReason.ASKED)]


def test_a_sound_that_does_not_end_does_not_hold_the_message_for_ever() -> None:
    """Music that the detector half takes for speech, and without a gap: its words are asked for, and it is decided."""
    half = replace(SPEECH, probability=0.3)
    told = events((LEARNT_S, QUIET), (60.0, replace(half, far_end_dbfs=-96.0)))
    kinds = [type(event) for event in told]
    assert kinds[:3] == [Duck, Pause, WordsWanted]
    assert kinds[3] in (Resume, Stop)


def test_after_the_stop_there_is_nothing_more() -> None:
    """Frames and keys after the last event are a defect of the caller."""
    interruption = Interruption(backchannel)
    interruption.interrupt()
    with pytest.raises(IllegalTransitionError, match="another frame"):
        interruption.push(QUIET)
    with pytest.raises(IllegalTransitionError, match="INTERRUPTED"):
        interruption.interrupt()


@given(st.sampled_from(State), st.sampled_from(Signal))
def test_every_pair_leads_somewhere_or_raises(state: State, signal: Signal) -> None:
    """Nothing leads out of STOPPED, and only INTERRUPTED leads into it."""
    try:
        target = next_state(state, signal)
    except IllegalTransitionError:
        return
    assert state is not State.STOPPED
    assert (target is State.STOPPED) == (signal is Signal.INTERRUPTED)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(1, 40), st.sampled_from([QUIET, SPEECH, LEFTOVER])), max_size=20))
def test_every_duck_and_pause_has_its_end(parts: list[tuple[int, NearEnd]]) -> None:
    """Whatever comes, events tell a story that a loudspeaker can follow: no resume without a pause."""
    follows = {
        Duck: (Unduck, Pause),
        Unduck: (Duck,),
        Pause: (WordsWanted, Resume, Stop),
        WordsWanted: (WordsWanted, Resume, Stop),
        Resume: (Duck,),
        Stop: (),
    }
    told = events((LEARNT_S, QUIET), *((tens / 100, facts) for tens, facts in parts), (3.0, QUIET))
    assert not told or isinstance(told[0], Duck)
    for before, after in pairwise(told):
        assert isinstance(after, follows[type(before)])


def test_an_older_answer_does_not_decide_a_newer_question() -> None:
    """They spoke on and fell silent again: the first snippet's words come, and only those of both count."""
    interruption, asked = weighing(0.3)
    newer = fed(interruption, [(0.2, SPEECH), (0.3, QUIET)])[-1]
    assert isinstance(newer, WordsWanted)
    assert interruption.words("mhm", asked) == []
    assert isinstance(interruption.words("mhm wait", newer)[0], Stop)


def test_speech_after_a_long_noise_began_with_the_speech() -> None:
    """Noise that was suspected for two seconds is not transcribed with it; the second before it is, to be sure."""
    noise = replace(SPEECH, probability=0.02)
    told = events((LEARNT_S, QUIET), (1.9, noise), (1.0, SPEECH))
    assert told[-1] == Stop(about(5.8), about(3.91), StopReason.TALKING)


def test_backchannels_do_not_add_up() -> None:
    """Three of them, each told by its words, and playback goes on."""
    interruption = Interruption(backchannel)
    fed(interruption, [(LEARNT_S, QUIET)])
    for _ in range(3):
        asked = fed(interruption, [(0.5, SPEECH), (0.3, QUIET)])[-1]
        assert isinstance(asked, WordsWanted)
        assert isinstance(interruption.words("mhm", asked)[0], Resume)
        fed(interruption, [(2.0, QUIET)])


def test_playback_does_not_stay_ducked_for_ever() -> None:
    """Echo that the detector half takes for speech, all the time: after some seconds it is known for what it is."""
    leaking = replace(QUIET, probability=0.3, cleaned_dbfs=-56)
    told = events((LEARNT_S, QUIET), (20.0, leaking))
    assert isinstance(told[-1], Unduck)
    assert told[-1].at < 10
