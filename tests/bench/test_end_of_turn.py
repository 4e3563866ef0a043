"""The benchmark of the end of a turn counts what it says it counts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.end_of_turn import halves
from bench.end_of_turn_play import Outcome, Play, Rule, Scorer, Take
from bench.end_of_turn_rules import CalledOnce, default_rules
from bench.end_of_turn_scenes import Pause, Scene, pause_lengths
from bench.end_of_turn_sounds import Clip, Word, room_tone
from voicemode.audio import CAPTURE_RATE, Samples
from voicemode.core.endpointing import EndpointingOptions, FrameFacts
from voicemode.core.questions import question_in
from voicemode.core.turn_policy import TurnPolicy

SPEECH = FrameFacts(level_dbfs=-25, noise_floor_dbfs=-60, gate_open=True, probability=0.95)
SILENCE = FrameFacts(level_dbfs=-60, noise_floor_dbfs=-60, gate_open=False, probability=0.02)
WORDS = (Word("go", 0.5, 1.0), Word("and", 1.0, 1.5), Word("come", 2.3, 3.0))


def take(*, ends: bool = True) -> Take:
    """ "Go and … come": 0.8 s of pause from 1.5 s on, and 3 s of room behind it."""
    silence = np.zeros(round(6.5 * CAPTURE_RATE), dtype=np.int16)
    scene = Scene("go", "somebody", "spoken", silence.astype(np.float32), WORDS, (Pause(1.5, 2.3, True),), ends=ends)
    spans = ((0.5, SILENCE), (1.0, SPEECH), (0.8, SILENCE), (0.7, SPEECH), (3.5, SILENCE))
    return Take(scene, None, silence, tuple(facts for seconds, facts in spans for _ in range(round(seconds * 100))))


def played(options: EndpointingOptions, *, score: float | None = None, words: bool = False, late_s: float = 0.1) -> Outcome:
    scorer = None if score is None else Scorer("fixed", lambda _: score, None)
    return Play(take(), Rule("rule", "family", options, "fixed", words), scorer, late_s, stt_s=0.3).run()


def test_a_silence_longer_than_the_pause_cuts_nothing() -> None:
    """And its latency is the silence."""
    outcome = played(EndpointingOptions(silence_s=1.0))
    assert outcome.cut == ()
    assert outcome.latency_s == pytest.approx(1.0, abs=0.011)


def test_a_shorter_one_cuts_and_goes_on() -> None:
    """The pause is counted, and the true end is found all the same; the words are there later than the decision."""
    outcome = played(EndpointingOptions(silence_s=0.4))
    assert outcome.cut == (0,)
    assert outcome.latency_s == pytest.approx(0.4, abs=0.011)
    assert outcome.answer_s == pytest.approx(0.5, abs=0.011)


def test_words_reach_the_policy() -> None:
    """ "and" holds the turn open through 0.8 s, although the scorer is sure of the end."""
    policy = TurnPolicy(shortest_s=0.55, unscored_s=0.55)
    assert played(EndpointingOptions(policy=policy, partials=True), score=1.0, words=True).cut == ()
    assert played(EndpointingOptions(policy=policy), score=1.0).cut == (0,)


def test_the_question_is_the_scenes() -> None:
    """ "Come" answers what was asked, and ends the turn long before an unscored one."""
    asked = take()
    asked = replace(asked, scene=replace(asked.scene, question=question_in("?", options=["go and come"], language="en")))
    rule = Rule("rule", "family", EndpointingOptions(policy=TurnPolicy(closed_s=0.55), partials=True), words=True)
    assert Play(asked, rule, None, 0.0, stt_s=0.3).run().latency_s == pytest.approx(0.55, abs=0.011)


def test_a_scorer_is_as_late_as_it_is_said_to_be() -> None:
    """Called at 0.2 s of silence, an answer 0.3 s later ends the turn at 0.5 s."""
    outcome = played(EndpointingOptions(policy=CalledOnce()), score=0.9, late_s=0.3)
    assert outcome.latency_s == pytest.approx(0.5, abs=0.021)


def test_an_excerpt_has_no_end() -> None:
    """Its pauses count and its latency does not."""
    excerpt = take(ends=False)
    outcome = Play(excerpt, Rule("rule", "family", EndpointingOptions(silence_s=0.4)), None, 0.0, 0.3).run()
    assert outcome == Outcome((0,), None, None)


def test_the_text_so_far_is_what_was_said() -> None:
    """A transcriber knows no more than was spoken."""
    assert take().scene.text(1.5) == "go and"
    assert take().scene.text(3.0) == "go and come"


def test_a_score_is_asked_for_once() -> None:
    """The same sound gets the same answer without another call."""
    calls: list[int] = []

    def score(samples: Samples) -> float:
        calls.append(len(samples))
        return 0.5

    scorer = Scorer("counted", score, None)
    sound = np.ones(9 * CAPTURE_RATE, dtype=np.int16)
    assert (scorer(sound), scorer(sound)) == (0.5, 0.5)
    assert calls == [8 * CAPTURE_RATE]


def test_pauses_are_as_long_as_peoples() -> None:
    """Between 0.4 and 1.6 s, most of them short, and always the same."""
    lengths = pause_lengths(200)
    assert lengths == pause_lengths(200)
    assert min(lengths) >= 0.4
    assert max(lengths) <= 1.6
    assert 0.25 < sum(length > 0.8 for length in lengths) / 200 < 0.4


def test_no_speaker_is_in_both_halves() -> None:
    """What was chosen on one half has not heard the other."""
    scene = take().scene
    scenes = [Scene(name, name[0], "natural", scene.sound, WORDS, ()) for name in ("a1", "b1", "a2", "c1")]
    assert halves(scenes) == ([0, 2, 3], [1])


def test_room_tone_has_no_edges_and_no_speech() -> None:
    """It is the quietest part again and again."""
    sound = np.concatenate((np.full(8000, 0.5), np.full(8000, 0.01))).astype(np.float32)
    assert set(np.unique(room_tone(sound, 2.0))) == {np.float32(0.01)}
    assert len(room_tone(sound, 2.0)) == 2 * CAPTURE_RATE


def test_a_part_of_a_clip_has_its_words_times() -> None:
    """The second word of a clip, cut out, begins where its sound does."""
    clip = Clip("clip", "somebody", np.zeros(4 * CAPTURE_RATE, dtype=np.float32), WORDS)
    sound, words = clip.part(2, 2)
    assert len(words) == 1
    assert words[0].end - words[0].begin == pytest.approx(0.7)
    assert 0.7 <= len(sound) / CAPTURE_RATE <= 1.1
    assert 0 <= words[0].begin <= 0.2


def test_every_curve_has_the_default() -> None:
    """The point that is called the default is the policy as it is."""
    defaults = [rule for rule in default_rules(("prosody",)) if rule.name.endswith(", x1")]
    assert len(defaults) == 4
    assert all(rule.options.policy is not None and rule.options.policy.factor == 1.0 for rule in defaults)
