"""The interruption benchmark plans the same trials each time, counts what happened, and knows when a bar is broken."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.echo_room import EchoPath
from bench.interruption import LEVELS_DB, Trial, summary, trials
from bench.interruption_sounds import Clip, clips, cough
from bench.interruption_trial import Engines, Outcome, Said, run
from voicemode.audio import CAPTURE_RATE, Samples
from voicemode.testing import FakeDetector

CLIPS = Path(__file__).parents[1] / "clips"
VOICE = (np.sin(np.arange(CAPTURE_RATE) * 0.2) * 0.3).astype(np.float32)
DRY = EchoPath(seed=1, rt60_s=0.2, delay_s=0.03, drift_ppm=0.0, gain_db=-30.0, distortion=0.0, noise_dbfs=-90.0)


class Ideal:
    """A canceller that leaves the person only: the loudspeaker plays nothing that it could leave."""

    name = "ideal"
    lead_s = 0.0

    def process(self, near: Samples, far: Samples) -> Samples:
        return near

    def reset(self) -> None:
        """There is nothing to forget."""


ENGINES = Engines(canceller=Ideal, detector=FakeDetector, is_backchannel=lambda text: text == "mhm")


def planned() -> list[Trial]:
    return list(trials([Clip("three words or more", VOICE)], [Clip("mhm", VOICE[:5_000])], each=2, minutes=3, seed=5))


def outcome(trial: Trial) -> Outcome:
    """All is well."""
    talks = trial.said.kind == "interruption"
    return Outcome(
        kind=trial.said.kind,
        level_db=trial.said.level_db,
        yield_s=0.2 if talks else None,
        pause_s=0.3 if talks else None,
        stop_s=1.0 if talks else None,
        resume_s=None,
        speech_began_s=0.1 if talks else None,
        first_word_share=0.9 if talks else None,
        ducks=int(talks),
        pauses=int(talks),
        stops=int(talks),
        false_stop=False,
        seconds=60.0,
        frame_s=(0.0005,) * 6_000,
    )


def test_trials_depend_on_nothing_but_the_seed() -> None:
    """Twice the same rooms, moments and levels; all kinds are there."""
    first, again = planned(), planned()
    assert [(each.path, each.said.at_s, each.voice) for each in first] == [
        (each.path, each.said.at_s, each.voice) for each in again
    ]
    kinds = Counter(each.said.kind for each in first)
    assert kinds == {"interruption": 2 * len(LEVELS_DB), "backchannel": 4, "cough": 2, "nobody": 3, "typing": 2}
    assert len({each.path.seed for each in first}) == len(first)


def test_a_run_without_a_mistake_keeps_every_bar() -> None:
    """The figures are those of the outcomes."""
    report = summary(planned(), [outcome(each) for each in planned()])
    assert report["interruptions"]["+0 dB"]["duck_or_stop"] == {"median": 200, "p90": 200}
    counted = {"self_interruptions": 0, "self_interruptions_per_hour": 0.0, "pauses": 0, "ducks": 0}
    assert report["nobody"] == {"minutes": 3.0, **counted}
    assert report["cpu_percent"] == pytest.approx(5.0)
    assert all(bar["kept"] for bar in report["bars"].values())


def test_self_interruptions_are_counted_by_the_hour_of_those_who_were_alone() -> None:
    """One in three minutes; where nobody was left alone there is no such figure."""
    results = [
        replace(outcome(each), false_stop=each.said.kind == "nobody" and at % 3 == 0) for at, each in enumerate(planned())
    ]
    alone = sum(each.false_stop for each in results)
    assert summary(planned(), results)["nobody"]["self_interruptions_per_hour"] == pytest.approx(20 * alone)
    somebody = [(trial, each) for trial, each in zip(planned(), results, strict=True) if each.kind != "nobody"]
    report = summary([trial for trial, _ in somebody], [each for _, each in somebody])
    assert report["nobody"]["self_interruptions_per_hour"] is None


def test_an_interruption_that_was_missed_counts_as_later_than_all_others() -> None:
    """It cannot make the median better, and it breaks a bar."""
    results = [outcome(each) for each in planned()]
    for at, each in enumerate(results):
        if each.level_db == -6.0 and each.kind == "interruption":
            results[at] = replace(each, yield_s=None, pause_s=None, stop_s=None, speech_began_s=None)
    report = summary(planned(), results)
    assert report["interruptions"]["-6 dB"]["missed"] == 2
    assert report["interruptions"]["-6 dB"]["stop"]["median"] is None
    broken = {name for name, bar in report["bars"].items() if not bar["kept"]}
    assert broken == {"duck_or_stop_at_6_db_below_ms", "interruptions_missed"}


def test_a_first_word_that_is_not_in_the_sound_breaks_its_bar() -> None:
    """Though the speech was noticed within the pre-roll, which is counted beside it."""
    results = [outcome(each) for each in planned()]
    results[0] = replace(results[0], first_word_share=0.4)
    report = summary(planned(), results)
    level = report["interruptions"]["+12 dB"]
    assert (level["first_word_kept"], level["first_word_within_preroll"]) == (1, 2)
    assert {name for name, bar in report["bars"].items() if not bar["kept"]} == {"first_words_lost"}


def test_one_self_interruption_breaks_its_bar() -> None:
    """In 30 minutes or in one."""
    results = [outcome(each) for each in planned()]
    results[-1] = replace(results[-1], stops=1, false_stop=True)
    assert not summary(planned(), results)["bars"]["self_interruptions"]["kept"]


def test_a_trial_is_heard_through_to_the_stop() -> None:
    """Over a silent message, a tone that the fake detector takes for speech: duck, pause, stop, at their true times."""
    said = Said(kind="interruption", text="stop it now", sound=VOICE, at_s=1.0)
    result = run(DRY, np.zeros(4 * CAPTURE_RATE, np.float32), said, ENGINES)
    assert result.yield_s == pytest.approx(0.06, abs=0.05)
    assert result.stop_s == pytest.approx(0.95, abs=0.1)
    assert result.speech_began_s == pytest.approx(0.03, abs=0.04)
    assert result.first_word_share == 1.0
    assert not result.false_stop


def test_a_canceller_that_takes_the_first_word_away_is_found_out() -> None:
    """The speech is noticed at once all the same, but that word cannot be transcribed."""

    class Late(Ideal):
        """Leaves little of the first 0.4 s of the person. It is asked as soon as there is something to cancel: after 0.1 s."""

        heard = 0

        def process(self, near: Samples, far: Samples) -> Samples:
            self.heard += len(near)
            return near if self.heard > 1.3 * CAPTURE_RATE else near // 30

    said = Said(kind="interruption", text="stop it now", sound=VOICE, at_s=1.0)
    hardly_audible = np.full(4 * CAPTURE_RATE, 1e-3, np.float32)
    result = run(DRY, hardly_audible, said, replace(ENGINES, canceller=Late))
    assert result.speech_began_s == pytest.approx(0.03, abs=0.04)
    assert result.first_word_share is not None
    assert result.first_word_share < 0.1


def test_a_backchannel_is_followed_by_the_rest_of_the_message() -> None:
    """Its words come in time, and playback goes on; without them its length decides the same."""
    said = Said(kind="backchannel", text="mhm", sound=VOICE[:5_000], at_s=1.0)
    for transcribes in (True, False):
        result = run(DRY, np.zeros(4 * CAPTURE_RATE, np.float32), said, ENGINES, transcribes=transcribes)
        assert (result.pauses, result.stops) == (1, 0)
        assert result.resume_s is not None


def test_clips_begin_with_their_first_word() -> None:
    """The project's own recordings have up to half a second of room tone before it."""
    sentences, words = clips(CLIPS, FakeDetector())
    assert [clip.text for clip in sentences] == ["go forward ten meters", "seven of clubs", "ten of clubs"]
    assert not words
    for clip in sentences:
        assert np.max(np.abs(clip.sound[:1_600])) > 0.05 * np.max(np.abs(clip.sound))


def test_a_cough_is_short_and_sharp() -> None:
    """Under a second, loudest in its first tenth."""
    sound = cough(np.random.default_rng(1))
    assert 0.15 * CAPTURE_RATE < len(sound) < CAPTURE_RATE
    first = np.mean(sound[:800] ** 2)
    assert first > 2 * np.mean(sound**2)
