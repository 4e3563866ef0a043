"""The listener finds one utterance in a stream, cuts nothing of it, and remembers no more than it must."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicemode.audio import CAPTURE_RATE, Samples
from voicemode.core.endpointing import (
    EndpointEvent,
    EndpointingOptions,
    EndReason,
    IllegalTransitionError,
    NobodySpoke,
    PauseBegan,
    ScoreWanted,
    SpeechBegan,
    TurnEnded,
)
from voicemode.core.listener import Listener
from voicemode.core.pauses import SpeakerPauses
from voicemode.core.turn_policy import TurnPolicy

OPTIONS = EndpointingOptions(silence_s=0.5, start_timeout_s=3.0)
Span = tuple[float, float]
"""Seconds: from, to."""


class ScriptedDetector:
    """Sure of speech in the given spans, and, like Silero, 64 ms longer."""

    name = "scripted"
    frame_samples = 512

    def __init__(self, *speech: Span) -> None:
        self._speech = speech
        self._frames = 0
        self.resets = 0

    def probability(self, frame: Samples) -> float:
        assert len(frame) == self.frame_samples
        middle = (self._frames + 0.5) * 0.032
        self._frames += 1
        return 0.95 if any(begin <= middle < end + 0.064 for begin, end in self._speech) else 0.02

    def reset(self) -> None:
        self.resets += 1


def at(seconds: float) -> int:
    return round(seconds * CAPTURE_RATE)


def room(seconds: float, *sounds: Span, level_dbfs: float = -20.0) -> Samples:
    """White noise at -65 dBFS, and at ``level_dbfs`` in the given spans."""
    noise = np.random.default_rng(7).standard_normal(at(seconds))
    scale = np.full(len(noise), 32_768 * 10 ** (-65 / 20))
    for begin, end in sounds:
        scale[at(begin) : at(end)] = 32_768 * 10 ** (level_dbfs / 20)
    samples: Samples = np.clip(np.rint(noise * scale), -32_768, 32_767).astype(np.int16)
    return samples


def hear(
    listener: Listener,
    sound: Samples,
    *,
    begin: float | None = 0.0,
    when: float | None = None,
    far_end: Sequence[Span] = (),
    block: int = 320,
) -> list[EndpointEvent]:
    """Feed ``sound``; at second ``when`` tell the listener that the person is expected from second ``begin`` on."""
    told: list[EndpointEvent] = []
    due = begin if when is None else when
    for start in range(0, len(sound), block):
        if due is not None and begin is not None and start >= at(due):
            told += listener.begin(at(begin))
            due = None
        active = any(since <= start / CAPTURE_RATE < until for since, until in far_end)
        told += listener.push(sound[start : start + block], far_end_active=active)
    return told


def about(seconds: float, within: float = 0.011) -> float:
    """``seconds``, give or take ``within``; it compares equal to a float, which is all it is used for."""
    return cast("float", pytest.approx(seconds, abs=within))


def test_an_utterance_is_found_to_the_frame() -> None:
    """Begin within a detector frame, end within 10 ms, decision 10 ms after the silence is full at the latest."""
    speech = (1.0, 2.5)
    told = hear(Listener(ScriptedDetector(speech), OPTIONS), room(4, speech))
    assert [type(event) for event in told] == [SpeechBegan, PauseBegan, TurnEnded]
    assert told[0] == SpeechBegan(about(1.0, 0.033))
    assert told[-1] == TurnEnded(about(1.0, 0.033), about(2.5), about(3.0), EndReason.SILENCE)


def test_times_are_positions_in_the_stream() -> None:
    """They count from the first sample pushed, not from ``begin``."""
    speech = (5.0, 6.0)
    told = hear(Listener(ScriptedDetector(speech), OPTIONS), room(8, speech), begin=4.0)
    assert told[-1] == TurnEnded(about(5.0, 0.033), about(6.0), about(6.5), EndReason.SILENCE)


def test_nothing_of_the_utterance_is_cut() -> None:
    """It is the stream itself, from half a second before the beginning to the decision."""
    speech = (1.0, 2.5)
    listener, sound = Listener(ScriptedDetector(speech), OPTIONS), room(4, speech)
    told = hear(listener, sound)
    ended = told[-1]
    assert isinstance(ended, TurnEnded)
    start, end = at(ended.speech_began) - at(0.5), at(ended.at)
    assert start <= at(1.0)
    assert listener.utterance().samples.tolist() == sound[start:end].tolist()
    assert ended.speech_ended - ended.speech_began == about(1.5, 0.033)


def test_a_long_utterance_stays_whole() -> None:
    """Longer than the pre-roll and the memory before ``begin``."""
    speech = (1.0, 7.0)
    listener = Listener(ScriptedDetector(speech), OPTIONS)
    hear(listener, room(9, speech))
    assert listener.utterance().seconds == about(0.5 + 6.0 + 0.5, 0.05)


def test_at_a_pause_the_utterance_reaches_to_now() -> None:
    """Speculative transcription gets everything heard so far."""
    speech = (1.0, 2.0)
    listener, sound = Listener(ScriptedDetector(speech), OPTIONS), room(4, speech)
    listener.begin(0)
    for start in range(0, len(sound), 160):
        if any(isinstance(event, PauseBegan) for event in listener.push(sound[start : start + 160])):
            break
    assert listener.position == at(2.2)
    assert listener.utterance().seconds == about(1.7, 0.033)


@pytest.mark.parametrize("gap", [0.0, 0.2, 0.5])
def test_who_answers_while_the_runtime_is_late_is_heard(gap: float) -> None:
    """``begin`` is told 1 s after the assistant's last word; the answer began before, and is whole."""
    speech = (2.0 + gap, 3.5 + gap)
    listener, sound = Listener(ScriptedDetector(speech), OPTIONS), room(6, speech)
    told = hear(listener, sound, begin=2.0, when=3.0)
    ended = told[-1]
    assert isinstance(ended, TurnEnded)
    assert ended.speech_began == about(2.0 + gap, 0.033)
    first = sound.tolist().index(int(listener.utterance().samples[0]), at(ended.speech_began) - at(0.5))
    assert first <= at(2.0 + gap)


def test_who_answers_during_the_last_word_is_heard_where_there_is_no_echo() -> None:
    """With headphones, speech from 0.3 s before the end of playback counts, and none of it is cut."""
    speech = (1.7, 3.0)
    listener = Listener(ScriptedDetector(speech), OPTIONS)
    told = hear(listener, room(5, speech), begin=2.0, far_end=[(0.5, 1.7)])
    assert listener.echo_present is False
    assert told[0] == SpeechBegan(about(1.7, 0.033))
    assert listener.utterance().seconds >= 0.2 + 1.3 + 0.5


def test_the_utterance_reaches_back_half_a_second_before_begin_at_most() -> None:
    """The sound of the assistant's last words is not for the transcriber."""
    speech = (2.1, 3.0)
    listener, sound = Listener(ScriptedDetector(speech), OPTIONS), room(5, speech)
    hear(listener, sound, begin=2.0)
    assert listener.utterance().samples[0] == sound[max(at(2.112) - at(0.5), at(1.5)) :][0]


def test_with_echo_the_assistants_own_last_word_is_no_answer() -> None:
    """The loudspeaker is heard until 2 s, the detector is open until then: nobody has spoken."""
    playback = (0.5, 2.05)
    listener = Listener(ScriptedDetector(playback), OPTIONS)
    told = hear(listener, room(6, playback, level_dbfs=-30), begin=2.0, far_end=[playback])
    assert listener.echo_present is True
    assert told == [NobodySpoke(about(5.0))]


def test_with_echo_an_answer_on_the_last_word_is_heard_from_begin_on() -> None:
    """The gate never closes between the assistant and the person; the utterance starts where the person may have."""
    playback, answer = (0.5, 2.0), (2.0, 3.0)
    listener, sound = Listener(ScriptedDetector(playback, answer), OPTIONS), room(5, playback, answer)
    told = hear(listener, sound, begin=2.0, far_end=[playback])
    assert told[-1] == TurnEnded(about(2.0), about(3.0), about(3.5), EndReason.SILENCE)
    assert listener.utterance().samples.tolist() == sound[at(2.0) : at(3.5)].tolist()


def test_with_echo_an_answer_half_a_second_later_has_its_pre_roll_up_to_begin() -> None:
    """Pre-roll never reaches back into the assistant's own voice."""
    playback, answer = (0.5, 2.0), (2.3, 3.0)
    listener, sound = Listener(ScriptedDetector(playback, answer), OPTIONS), room(5, playback, answer)
    told = hear(listener, sound, begin=2.0, far_end=[playback])
    ended = told[-1]
    assert isinstance(ended, TurnEnded)
    assert listener.utterance().samples.tolist() == sound[at(2.0) : at(ended.at)].tolist()


def test_with_echo_a_short_answer_after_a_breath_is_heard() -> None:
    """Once the gate has closed after the assistant, what opens it is the person, however soon."""
    playback, answer = (0.5, 1.8), (2.0, 2.16)
    listener, sound = Listener(ScriptedDetector(playback, answer), OPTIONS), room(4, playback, answer)
    told = hear(listener, sound, begin=1.95, far_end=[playback])
    assert told[-1] == TurnEnded(about(2.0, 0.033), about(2.16), about(2.66), EndReason.SILENCE)


def test_begin_may_lie_in_the_future() -> None:
    """The runtime knows when the last sample will be audible; what is heard before is no answer."""
    chatter, answer = (0.5, 1.0), (3.0, 4.0)
    told = hear(Listener(ScriptedDetector(chatter, answer), OPTIONS), room(6, chatter, answer), begin=2.0, when=0.2)
    assert told[0] == SpeechBegan(about(3.0, 0.033))


def test_begin_before_the_first_sample_is_the_first_sample() -> None:
    """A call that begins with listening expects speech at once."""
    listener = Listener(ScriptedDetector(), OPTIONS)
    assert listener.begin(-1600) == []
    assert hear(listener, room(3.2), begin=None) == [NobodySpoke(about(3.0))]


def test_nobody_speaks() -> None:
    """The time-out counts from the expected beginning, and there is no utterance."""
    listener = Listener(ScriptedDetector(), OPTIONS)
    assert hear(listener, room(6), begin=1.0) == [NobodySpoke(about(4.0))]
    assert not len(listener.utterance().samples)


def test_after_the_turn_nothing_happens_until_the_next_begin() -> None:
    """The next question is a new turn of the same stream; the old utterance is kept until then."""
    first, second = (0.5, 1.5), (3.0, 4.0)
    listener, sound = Listener(ScriptedDetector(first, second), OPTIONS), room(6, first, second)
    told = hear(listener, sound[: at(2.6)])
    kept = listener.utterance().samples.tolist()
    told += hear(listener, sound[at(2.6) : at(2.8)], begin=None)
    assert listener.utterance().samples.tolist() == kept
    assert isinstance(told[-1], TurnEnded)
    told = listener.begin(at(2.7))
    assert len(listener.utterance().samples) == 0
    told += hear(listener, sound[at(2.8) :], begin=None)
    assert told[-1] == TurnEnded(about(3.0, 0.033), about(4.0), about(4.5), EndReason.SILENCE)
    assert listener.utterance().seconds == about(2.0, 0.033)
    assert listener.utterance().samples.tolist() != kept


def test_what_was_in_a_turn_is_not_heard_again_in_the_next() -> None:
    """It was ended in mid-word, by a key: the half second before a beginning is the next turn's only after that."""
    listener, sound = Listener(ScriptedDetector((0.5, 1.5)), OPTIONS), room(6, (0.5, 1.5))
    hear(listener, sound[: at(1.6)])
    assert isinstance(listener.finish(EndReason.RELEASED)[-1], TurnEnded)
    told = [*listener.begin(at(1.6)), *hear(listener, sound[at(1.6) :], begin=None)]
    assert told == [NobodySpoke(about(4.6))]


def test_begin_while_listening_is_a_defect() -> None:
    """Two turns cannot share one stretch of sound."""
    listener = Listener(ScriptedDetector(), OPTIONS)
    listener.begin(0)
    with pytest.raises(IllegalTransitionError):
        listener.begin(0)


@pytest.mark.parametrize(
    ("seconds", "begin", "expected"),
    [
        (1.5, 0.0, TurnEnded(about(1.0, 0.033), about(1.5), about(1.5), EndReason.SOURCE_ENDED)),
        (0.9, 0.0, NobodySpoke(about(0.9))),
        (0.9, None, NobodySpoke(about(0.9))),
    ],
    ids=["in speech", "in silence", "before begin"],
)
def test_the_source_ends(seconds: float, begin: float | None, expected: EndpointEvent) -> None:
    """A file is over: what was said in it is the turn."""
    listener = Listener(ScriptedDetector((1.0, 9.0)), OPTIONS)
    hear(listener, room(seconds, (1.0, 9.0)), begin=begin)
    assert listener.finish()[-1] == expected
    if isinstance(expected, TurnEnded):
        assert listener.utterance().seconds == about(seconds - 0.5, 0.033)
        assert listener.finish() == []


def test_only_zeros_tells_a_muted_microphone_from_a_quiet_room() -> None:
    """One sample that is not zero is a sign of life; nothing pushed is no sign at all."""
    listener, told = Listener(ScriptedDetector(), OPTIONS), list[bool]()
    for samples in ([], [0] * 1000, [0] * 1000, [1], [0] * 1000):
        listener.push(np.array(samples, dtype=np.int16))
        told.append(listener.only_zeros)
    assert told == [False, True, True, False, False]


def test_level_and_position_are_of_now() -> None:
    """The level is that of the last whole 10 ms; every sample counts in the position."""
    listener = Listener(ScriptedDetector(), OPTIONS)
    assert (listener.position, listener.level_dbfs) == (0, -96.0)
    listener.push(room(1.0, (0.99, 1.0)))
    assert listener.level_dbfs == about(-20, 1)
    listener.push(room(0.005))
    assert listener.position == 16_080
    assert listener.level_dbfs == about(-20, 1)
    assert listener.noise_floor_dbfs == about(-65, 1.5)


def test_the_detector_is_reset_once() -> None:
    """The past of another conversation is forgotten, that of this one helps."""
    detector = ScriptedDetector()
    listener = Listener(detector, OPTIONS)
    hear(listener, room(1))
    assert detector.resets == 1


def test_waiting_needs_no_more_memory_than_looking_back() -> None:
    """A call that speaks for minutes remembers 6.5 s of the microphone."""
    listener, second = Listener(ScriptedDetector(), OPTIONS), room(1)
    for _ in range(20):
        listener.push(second)
    assert len(listener._ring.since(0)) == at(6.5)
    assert len(listener._ring._buffer) <= at(30)
    assert len(listener._moments) == 650


def test_after_the_turn_the_utterance_is_all_that_is_kept() -> None:
    """The microphone may stay open for the next question without the ring growing on."""
    speech = (0.5, 1.5)
    listener = Listener(ScriptedDetector(speech), OPTIONS)
    hear(listener, room(9, speech))
    assert listener.utterance().seconds == about(2.0, 0.033)
    assert len(listener._ring.since(0)) == at(6.5)


@settings(max_examples=6, deadline=None)
@given(st.lists(st.integers(50, 4000), min_size=1, max_size=12))
def test_the_size_of_blocks_changes_nothing(sizes: list[int]) -> None:
    """Any device's blocks give the same events and the same utterance."""
    speech, sound = ((0.3, 0.6), (0.9, 1.1)), room(1.7, (0.3, 0.6), (0.9, 1.1))
    reference = Listener(ScriptedDetector(*speech), OPTIONS)
    expected = hear(reference, sound, block=160)
    listener, told, start = Listener(ScriptedDetector(*speech), OPTIONS), list[EndpointEvent](), 0
    listener.begin(0)
    while start < len(sound):
        size = sizes[start % len(sizes)]
        told += listener.push(sound[start : start + size])
        start += size
    assert told == expected
    assert listener.utterance().samples.tolist() == reference.utterance().samples.tolist()


def with_policy() -> Listener:
    """Somebody said something from 1.0 to 2.0 s, and is silent since, for 0.3 s."""
    listener = Listener(ScriptedDetector((1.0, 2.0)), EndpointingOptions(policy=TurnPolicy(shortest_s=0.4, longest_s=1.5)))
    hear(listener, room(2.3, (1.0, 2.0)))
    return listener


def test_a_score_ends_the_turn() -> None:
    """It reaches the endpointer of this turn under the silence's own name."""
    listener = Listener(ScriptedDetector((1.0, 2.0)), EndpointingOptions(policy=TurnPolicy(shortest_s=0.4, longest_s=1.5)))
    (wanted,) = (event for event in hear(listener, room(2.25, (1.0, 2.0))) if isinstance(event, ScoreWanted))
    listener.scored(1.0, wanted.silence_since)
    (ended,) = (event for event in listener.push(room(2.0)) if isinstance(event, TurnEnded))
    assert ended.at == about(2.4)
    assert ended.evidence is not None
    assert ended.evidence.score == 1.0


def test_words_keep_the_turn_open() -> None:
    """A second of silence behind "and" ends nothing."""
    listener = Listener(ScriptedDetector((1.0, 2.0)), EndpointingOptions(policy=TurnPolicy(shortest_s=0.4, longest_s=1.5)))
    (paused,) = (event for event in hear(listener, room(2.25, (1.0, 2.0))) if isinstance(event, PauseBegan))
    listener.partial("and", paused.at)
    assert not any(isinstance(event, TurnEnded) for event in listener.push(room(1.0)))


def test_scores_without_a_turn_are_ignored() -> None:
    """Before the first ``begin`` there is nothing to score."""
    listener = Listener(ScriptedDetector(), OPTIONS)
    listener.scored(1.0, 0.0)
    listener.partial("and", 0.0)
    assert listener.push(room(0.1)) == []


def test_the_speech_so_far_has_the_silence_and_no_more_than_is_wanted() -> None:
    """From the pre-roll to now; a scorer sees the last seconds of it."""
    listener = with_policy()
    assert len(listener.speech_so_far()) == pytest.approx(at(1.8), abs=at(0.011))
    assert len(listener.speech_so_far(0.5)) == at(0.5)
    assert (listener.speech_so_far(0.5) == listener.utterance().samples[-at(0.5) :]).all()
    assert len(Listener(ScriptedDetector(), OPTIONS).speech_so_far()) == 0


def test_a_listener_teaches_its_speakers_pauses() -> None:
    """They are the session's, and outlive the listener."""
    speaker = SpeakerPauses()
    listener = Listener(ScriptedDetector((1.0, 2.0), (2.4, 3.0)), EndpointingOptions(policy=TurnPolicy()), pauses=speaker)
    hear(listener, room(3.1, (1.0, 2.0), (2.4, 3.0)))
    assert speaker.count == 1
    assert speaker.usual_s == about(0.4, within=0.05)
