"""Collecting a turn's timeline while it happens."""

from __future__ import annotations

import math

import pytest

from tests.sample_turn import sample_builder
from voicemode.core.endpointing import EndReason, NobodySpoke, PauseBegan, ScoreWanted, SpeechBegan, SpeechResumed, TurnEnded
from voicemode.core.interruption import Duck, Pause, Resume, Stop, StopReason, Unduck, WordsWanted
from voicemode.core.timeline import MOST_BINS, Moment, What
from voicemode.core.timeline_builder import Outcome, TimelineBuilder
from voicemode.core.timeline_json import encode
from voicemode.core.turn_policy import Evidence
from voicemode.core.unfinished import TextCue
from voicemode.core.voicing import FrameFacts

DONE = Outcome(status="answered")


def hear(builder: TimelineBuilder, at: float, level_dbfs: float = -30.0, probability: float = 0.5) -> None:
    builder.microphone(at, level_dbfs=level_dbfs, probability=probability, noise_floor_dbfs=-60.0)


def test_two_frames_share_a_bin_and_the_louder_one_counts() -> None:
    """20 ms hold two frames of 10 ms, wherever sums of frame lengths put them."""
    builder = TimelineBuilder()
    now = 0.0
    for level in (-50.0, -20.4, -30.0, -40.0):
        hear(builder, now, level, probability=-level / 100)
        now += 0.01
    timeline = builder.finish(DONE)
    assert timeline.microphone_dbfs == (-20, -30)
    assert timeline.speech_percent == (50, 40)
    assert timeline.noise_floor_dbfs == (-60, -60)


def test_sums_of_frame_lengths_fall_into_the_right_bins() -> None:
    """0.01 s added up a thousand times misses the round figure by a little, and no bin may get three frames or one."""
    builder = TimelineBuilder()
    now = 0.0
    for frame in range(1_000):
        hear(builder, now, -10.0 - frame // 2 % 50)
        now += 0.01
    assert builder.finish(DONE).microphone_dbfs == tuple(-10 - index % 50 for index in range(500))


def test_a_listeners_frames_end_where_it_says() -> None:
    """Three frames that end at 0.07 s began at 0.04 s; those before the call are left out."""
    builder = TimelineBuilder()
    levels = (-10.0, -20.0, -30.0)
    heard = [FrameFacts(level_dbfs=level, noise_floor_dbfs=-60.0, gate_open=True, probability=0.5) for level in levels]
    builder.frames(heard, ended=0.07)
    assert builder.finish(DONE).microphone_dbfs == (None, None, -10, -30)
    builder = TimelineBuilder()
    builder.frames(heard, ended=0.01)
    assert builder.finish(DONE).microphone_dbfs == (-30,)


def test_what_was_not_measured_is_none() -> None:
    """The microphone opens a while after the call, and the loudspeaker may never sound."""
    builder = TimelineBuilder()
    hear(builder, 0.06)
    timeline = builder.finish(DONE)
    assert timeline.microphone_dbfs == (None, None, None, -30)
    assert timeline.far_end_dbfs == ()


@pytest.mark.parametrize("level", [math.nan, -math.inf, math.inf, -200.0, 50.0])
def test_a_level_that_cannot_be_is_held_within_its_scale(level: float) -> None:
    """A lane holds whole numbers of one byte."""
    builder = TimelineBuilder()
    hear(builder, 0.0, level)
    builder.far_end(0.0, level_dbfs=level)
    assert all(value is None or -96 <= value <= 100 for value in builder.finish(DONE).microphone_dbfs)
    encode(builder.finish(DONE))


@pytest.mark.parametrize("at", [math.nan, math.inf, -0.5])
def test_an_instant_that_cannot_be_is_left_out(at: float) -> None:
    """A clock that jumps spoils a picture, not a turn."""
    builder = TimelineBuilder()
    hear(builder, at)
    builder.far_end(at, level_dbfs=-20.0)
    builder.mark(at, What.SPEECH)
    builder.score(at, 0.5, "smart-turn")
    builder.partial(at, "yes")
    builder.decided(at, "wait")
    builder.barge_in(at, "duck")
    builder.piece(0.0, at, "yes")
    builder.earcon(at, 1.0, "chime")
    builder.sounded(at, 1.0)
    assert builder.finish(DONE, at=at) == TimelineBuilder().finish(DONE)


def test_evidence_that_is_no_number_is_unknown() -> None:
    """JSON knows no NaN."""
    builder = TimelineBuilder()
    builder.decided(1.0, "wait", score=math.nan, wait_s=math.inf, silence_s=math.nan)
    builder.score(1.0, 0.5, "smart-turn", arrived=math.nan)
    builder.score(1.0, math.nan, "smart-turn")
    timeline = builder.finish(DONE)
    assert (timeline.decisions[0].score, timeline.decisions[0].wait_s, timeline.scores[0].arrived) == (None, None, None)
    assert len(timeline.scores) == 1
    encode(timeline)


def test_a_longer_turn_gets_coarser_and_keeps_its_peaks() -> None:
    """Ten minutes are kept in bins of 20 ms, twenty in 40, and a jump of the clock costs no memory."""
    builder = TimelineBuilder()
    hear(builder, 10.0, -3.0)
    hear(builder, 10.02, -50.0)
    hear(builder, 1_100.0)
    timeline = builder.finish(DONE)
    assert timeline.grain_s == 0.04
    assert timeline.microphone_dbfs[250] == -3
    assert len(timeline.microphone_dbfs) <= MOST_BINS
    hear(builder, 1e9)
    assert len(builder.finish(DONE).microphone_dbfs) <= MOST_BINS
    assert -3 in builder.finish(DONE).microphone_dbfs


def test_the_longest_turn_stays_below_a_megabyte() -> None:
    """Ten minutes with every list full of the longest entries, in letters of three bytes."""
    builder = TimelineBuilder()
    for frame in range(30_000):
        at = frame * 0.02
        builder.microphone(at, level_dbfs=-60.0, probability=1.0, noise_floor_dbfs=-60.0)
        builder.far_end(at, level_dbfs=-96.0)
    long = "語" * 5_000
    for number in range(3_000):
        at = number * 0.2
        builder.mark(at, What.WAITING_FOR_FLOOR)
        builder.score(at, 0.123, long, arrived=at + 0.123)
        builder.partial(at, long)
        builder.decided(at, long, score=0.123, cue=long, wait_s=1.234, silence_s=0.567)
        builder.barge_in(at, long, long)
        builder.piece(at, at + 0.123, long)
        builder.earcon(at, at + 0.123, long)
    names = {f"{long}{number}": long for number in range(9)}
    outcome = Outcome(status=long, ended_by=long, text=long, heard=long, unheard=long, engines=names, settings=names)
    timeline = builder.finish(outcome)
    assert timeline.grain_s == 0.02
    assert len(encode(timeline).encode()) < 1_000_000


def test_a_full_list_thins_out_its_older_half_and_says_so() -> None:
    """The newest entries are what somebody looks for; what is left still spans the whole turn."""
    builder = TimelineBuilder()
    for number in range(5_000):
        builder.score(number / 10, 0.5, "smart-turn")
    timeline = builder.finish(DONE)
    assert [score.at for score in timeline.scores[-400:]] == [number / 10 for number in range(4_600, 5_000)]
    assert timeline.scores[0].at == 0.0
    assert len(timeline.scores) + timeline.dropped["scores"] == 5_000
    assert "partials" not in timeline.dropped


def test_of_a_long_text_the_end_is_kept() -> None:
    """What was said last is what decided."""
    builder = TimelineBuilder()
    builder.partial(1.0, "a" * 1_000 + "z")
    (partial,) = builder.finish(DONE).partials
    assert isinstance(partial.text, str)
    assert partial.text.startswith("…a")
    assert partial.text.endswith("az")
    assert len(partial.text) == 150


def test_endpointing_is_told_in_seconds_since_the_call() -> None:
    """The endpointer counts from elsewhere; the offset makes its times the call's."""
    builder = TimelineBuilder()
    evidence = Evidence(scores=(0.8, 1.0), cue=TextCue.OPEN)
    for event in (
        SpeechBegan(1.0),
        PauseBegan(2.0),
        ScoreWanted(2.2, 2.0),
        SpeechResumed(2.5),
        TurnEnded(1.0, 3.0, 3.5, EndReason.SILENCE, 0.45, evidence),
    ):
        builder.endpoint(event, 10.0)
    timeline = builder.finish(DONE)
    assert timeline.moments == (
        Moment(11.0, What.SPEECH),
        Moment(12.0, What.PAUSE),
        Moment(12.5, What.RESUME),
        Moment(13.0, What.SPEECH_ENDED),
        Moment(13.5, What.COMMITTED),
    )
    (decision,) = timeline.decisions
    assert (decision.at, decision.what, decision.cue) == (13.5, "silence", "open")
    assert (decision.score, decision.wait_s, decision.silence_s) == pytest.approx((0.9, 0.45, 0.5))


def test_an_end_without_a_policy_and_a_silence_without_speech_are_decisions_too() -> None:
    """Without evidence there is only the silence."""
    builder = TimelineBuilder()
    builder.endpoint(TurnEnded(1.0, 3.0, 4.0, EndReason.CAP))
    builder.endpoint(NobodySpoke(12.0))
    assert [(each.what, each.silence_s, each.wait_s) for each in builder.finish(DONE).decisions] == [
        ("cap", 1.0, None),
        ("nobody_spoke", None, None),
    ]


def test_an_interruption_is_told_as_what_the_loudspeaker_did() -> None:
    """With the reason of a stop."""
    builder = TimelineBuilder()
    events = (
        Duck(1.0),
        Unduck(1.1),
        Pause(1.2, 1.0),
        WordsWanted(1.3, 1.0, 1.2, 2.3),
        Resume(1.4),
        Stop(1.5, 1.0, StopReason.WORDS),
    )
    for event in events:
        builder.interruption(event, 0.5)
    told = [(event.at, event.what, event.why) for event in builder.finish(DONE).barge_ins]
    assert [what for _, what, _ in told] == ["duck", "unduck", "pause", "weigh", "resume", "stop"]
    assert told[-1] == (2.0, "stop", "words")


def test_playback_spans_all_that_was_told_of_it() -> None:
    """A message that is paused and goes on has one beginning and one end."""
    builder = TimelineBuilder()
    builder.sounded(1.0, 2.0)
    builder.sounded(3.0, 4.0)
    timeline = builder.finish(DONE)
    assert (timeline.first_sound, timeline.last_sound, timeline.lasted_s) == (1.0, 4.0, 4.0)


def test_moments_are_in_order_however_they_were_told() -> None:
    """The end of speech is known only when the turn is over."""
    builder = TimelineBuilder()
    builder.mark(2.0, What.COMMITTED)
    builder.mark(1.0, What.SPEECH_ENDED)
    assert [moment.at for moment in builder.finish(DONE).moments] == [1.0, 2.0]


def test_engines_that_took_no_part_are_left_out() -> None:
    """An empty name is nobody."""
    assert sample_builder().finish(Outcome(status="x", engines={"tts": "", "stt": "w"})).engines == {"stt": "w"}
