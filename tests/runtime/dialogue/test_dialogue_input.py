"""Turns are found in the sound alone: how fast, in which blocks and at which rate it comes changes nothing."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.runtime.dialogue.stage import SILENCE, Talk, quiet, talk, word
from voicemode.audio import CAPTURE_RATE, Samples
from voicemode.dialogue import (
    AudioIn,
    ClearInput,
    CommitInput,
    Configure,
    DialogueOptions,
    Eagerness,
    IdleTimedOut,
    InputTranscribed,
    SpeechStarted,
    SpeechStopped,
    TurnTaking,
)
from voicemode.runtime.dialogue_parts import endpointing_of
from voicemode.testing import FakeDetector, FakeScorer, FakeTranscriber, tone

MANUAL = DialogueOptions(turn_taking=TurnTaking.MANUAL)
SEMANTIC = DialogueOptions()
TWO_TURNS = (quiet(0.5), word(0.8), quiet(0.3), word(0.5), quiet(1.5), word(1.0), quiet(1.5))
"""The first with a pause inside."""


def decisions(held: Talk) -> list[tuple[str, int]]:
    return [(type(report).__name__, report.at_ms) for report in held.of(SpeechStarted, SpeechStopped)]


def heard(folder: Path, *sounds: Samples, options: DialogueOptions = SILENCE, **how: Any) -> Talk:
    """A dialogue in which somebody says this, and nobody answers."""
    parts = {name: how.pop(name) for name in ("transcriber", "scorer", "changes") if name in how}

    async def story(held: Talk) -> Talk:
        await held.hear(*sounds, **how)
        await held.until(lambda: held.engine.backlog_s < 1e-6)
        await held.hear(quiet(0.1))
        return held

    return talk(story, folder, options=options, answers=False, **parts)


def test_a_turn_begins_with_its_prefix_and_ends_with_its_silence(tmp_path: Path) -> None:
    """300 ms before the speech, 500 ms after it; the sound that is written down is exactly that."""
    held = heard(tmp_path, quiet(1.0), word(0.8), quiet(1.0))
    (started, begun), (stopped, ended) = decisions(held)
    assert (started, stopped) == ("SpeechStarted", "SpeechStopped")
    assert abs(begun - 700) <= 40
    assert abs(ended - 2300) <= 40
    assert held.of(SpeechStopped)[0].at_ms - begun == pytest.approx(1600, abs=40)


def test_speech_is_told_as_soon_as_it_is_sure(tmp_path: Path) -> None:
    """An answer that is under way must end at once: less than 0.25 s after the first sound."""
    held = heard(tmp_path, quiet(1.0), word(0.8), quiet(1.0))
    assert held.time_of(SpeechStarted) < 1.25


@pytest.mark.parametrize("options", [SILENCE, SEMANTIC])
@pytest.mark.parametrize("pace", [0.0, 0.25, 3.0])
def test_the_pace_of_the_client_changes_no_decision(tmp_path: Path, options: DialogueOptions, pace: float) -> None:
    """All at once, four times as fast, three times as slowly: where judges take their time, the sound is held back."""
    scorer, words = FakeScorer([0.8], delay_s=0.06), FakeTranscriber(["these are words"], delay_s=0.1)
    usual = heard(tmp_path / "a", *TWO_TURNS, options=options, scorer=scorer, transcriber=words)
    other = heard(
        tmp_path / "b", *TWO_TURNS, options=options, pace=pace, scorer=FakeScorer([0.8], delay_s=0.06), transcriber=words
    )
    assert decisions(other) == decisions(usual)
    assert len(decisions(usual)) == 4


@pytest.mark.parametrize("block_s", [0.01, 0.1, 1.3])
def test_the_size_of_the_blocks_changes_no_decision(tmp_path: Path, block_s: float) -> None:
    """10 ms of a telephone, seconds of a file."""
    usual = heard(tmp_path / "a", *TWO_TURNS)
    assert decisions(heard(tmp_path / "b", *TWO_TURNS, block_s=block_s)) == decisions(usual)


@pytest.mark.parametrize("rate", [8_000, 24_000, 48_000])
def test_every_rate_is_heard_alike(tmp_path: Path, rate: int) -> None:
    """To a frame of the detector."""
    usual = decisions(heard(tmp_path / "a", *TWO_TURNS))
    sound = np.concatenate(TWO_TURNS)
    at = np.arange(round(len(sound) * rate / CAPTURE_RATE)) * CAPTURE_RATE / rate
    resampled = np.interp(at, np.arange(len(sound)), sound).astype(np.int16)
    other = decisions(heard(tmp_path / "b", resampled, rate=rate))
    assert [kind for kind, _ in other] == [kind for kind, _ in usual]
    assert all(abs(a - b) <= 64 for (_, a), (_, b) in zip(usual, other, strict=True))


def test_somebody_who_speaks_on_is_heard_in_parts_without_a_gap(tmp_path: Path) -> None:
    """The next turn begins with the sample behind the last one."""
    words = FakeTranscriber(["a", "b", "c"])
    held = heard(tmp_path, quiet(0.5), word(5.0), quiet(1.0), transcriber=words, changes={"max_utterance_s": 2.0})
    stops = [at for kind, at in decisions(held) if kind == "SpeechStopped"]
    starts = [at for kind, at in decisions(held) if kind == "SpeechStarted"]
    assert len(stops) == 3
    assert starts[1:] == stops[:-1]


def test_the_client_says_when_a_turn_is_over(tmp_path: Path) -> None:
    """Without turn-taking by voice, nothing is told, and each sample since the last commit is in the turn."""

    async def story(held: Talk) -> list[int]:
        for name, seconds in (("a", 0.7), ("b", 1.1)):
            await held.hear(word(seconds), rate=24_000)
            held.command(CommitInput(name))
        await held.until(lambda: len(held.transcripts) == 2)
        assert not held.of(SpeechStarted, SpeechStopped)
        return [len(request.audio.samples) for request in held.transcriber.requests]

    lengths = talk(story, tmp_path, options=MANUAL)
    assert lengths == [round(0.7 * 16_000 * 16 / 24), round(1.1 * 16_000 * 16 / 24)]


def test_what_is_cleared_is_not_in_the_turn(tmp_path: Path) -> None:
    """Clearing counts from where the sound stood when it came."""

    async def story(held: Talk) -> list[float]:
        await held.hear(word(1.0))
        held.command(ClearInput())
        await held.hear(word(0.4))
        held.command(CommitInput("a"))
        await held.until(lambda: held.transcripts)
        return [request.audio.seconds for request in held.transcriber.requests]

    assert talk(story, tmp_path, options=MANUAL) == [0.4]


def test_a_turn_by_voice_can_be_committed_early(tmp_path: Path) -> None:
    """What was said so far is the turn, and no end of speech is told for it."""

    async def story(held: Talk) -> None:
        await held.hear(quiet(0.5), word(1.0))
        held.command(CommitInput("a"))
        await held.until(lambda: held.transcripts)
        assert held.transcriber.requests[0].audio.seconds == pytest.approx(1.3, abs=0.1)
        await held.hear(quiet(2.0))
        assert not held.of(SpeechStopped)

    talk(story, tmp_path, answers=False)


def test_what_is_cleared_in_mid_turn_is_never_written_down(tmp_path: Path) -> None:
    """Silence follows, and no end of speech."""

    async def story(held: Talk) -> None:
        await held.hear(quiet(0.5), word(1.0))
        held.command(ClearInput())
        await held.hear(quiet(2.0))
        assert held.kinds == ["SpeechStarted"]

    talk(story, tmp_path)


def test_options_count_from_the_next_turn_on(tmp_path: Path) -> None:
    """A turn that has begun ends as it was agreed when it began."""

    async def story(held: Talk) -> list[tuple[str, int]]:
        await held.hear(quiet(0.5), word(1.0))
        held.command(Configure(DialogueOptions(turn_taking=TurnTaking.SILENCE, silence_ms=1000, prefix_ms=0)))
        await held.hear(quiet(1.5), word(1.0), quiet(1.5))
        return decisions(held)

    (_, first), (_, first_end), (_, second), (_, second_end) = talk(story, tmp_path, answers=False)
    assert first_end - first == pytest.approx(300 + 1000 + 500, abs=60)
    assert second_end - second == pytest.approx(1000 + 1000, abs=60)


def test_options_that_come_in_silence_count_at_once(tmp_path: Path) -> None:
    """The turn that nobody has begun is the next one."""

    async def story(held: Talk) -> list[tuple[str, int]]:
        await held.hear(quiet(0.5))
        held.command(Configure(DialogueOptions(turn_taking=TurnTaking.SILENCE, silence_ms=1000)))
        await held.hear(word(1.0), quiet(1.5))
        return decisions(held)

    (_, began), (_, ended) = talk(story, tmp_path, answers=False)
    assert ended - began == pytest.approx(300 + 1000 + 1000, abs=60)


def test_a_change_of_who_ends_turns_loses_nothing(tmp_path: Path) -> None:
    """Half a sentence by voice, the rest by hand: the whole of it is in the turn."""

    async def story(held: Talk) -> float:
        await held.hear(quiet(1.0), word(1.0))
        held.command(Configure(MANUAL))
        await held.hear(word(0.5))
        held.command(CommitInput("a"))
        await held.until(lambda: held.transcripts)
        return float(held.transcriber.requests[-1].audio.seconds)

    assert talk(story, tmp_path) == pytest.approx(0.3 + 1.5, abs=0.1)


@pytest.mark.parametrize(
    ("sounds", "spoken_s"),
    [
        ((quiet(0.5), word(0.8), quiet(2.0)), 0.8),
        (TWO_TURNS, 4.1),
        ((quiet(0.5), word(0.8)), 0.8),
        ((word(30.0), quiet(9.0)), 30.0),
    ],
    ids=["one turn", "two turns", "no end", "long"],
)
def test_a_file_that_is_sent_at_once_and_committed_is_one_turn(
    tmp_path: Path, sounds: tuple[Samples, ...], spoken_s: float
) -> None:
    """Though a silence in it would have ended a turn: whoever committed it will ask for its answer under this name."""

    async def story(held: Talk) -> None:
        await held.hear(*sounds, pace=0)
        held.command(CommitInput("item_file"))
        await held.until(lambda: bool(held.of(InputTranscribed)))
        await held.hear(quiet(1.0))
        (words,) = held.of(InputTranscribed)
        assert (words.item_id, words.text) == ("item_file", "the words")
        assert not held.of(SpeechStarted, SpeechStopped)
        assert held.transcriber.requests[-1].audio.seconds >= spoken_s + 0.2
        await held.hear(word(0.8), quiet(1.5))
        assert [type(report) for report in held.of(SpeechStarted, SpeechStopped)] == [SpeechStarted, SpeechStopped]

    talk(story, tmp_path, answers=False)


def test_sound_that_waited_for_a_commit_is_listened_to_when_the_voice_takes_over(tmp_path: Path) -> None:
    """Its beginning is told where it was."""

    async def story(held: Talk) -> list[tuple[str, int]]:
        await held.hear(quiet(0.5), word(1.0))
        held.command(Configure(SILENCE))
        await held.hear(quiet(1.5))
        return decisions(held)

    (_, began), (_, ended) = talk(story, tmp_path, options=MANUAL, answers=False)
    assert abs(began - 200) <= 40
    assert abs(ended - 2000) <= 40


@pytest.mark.parametrize(("eagerness", "cap_s"), [(Eagerness.LOW, 8.0), (Eagerness.AUTO, 4.0), (Eagerness.HIGH, 2.0)])
def test_nobody_waits_longer_than_documented(tmp_path: Path, eagerness: Eagerness, cap_s: float) -> None:
    """Whatever the words, the score and the person's pauses are; and the eager wait less."""

    async def story(held: Talk) -> float:
        policy = endpointing_of(DialogueOptions(eagerness=eagerness), held.parts, "").policy
        assert policy is not None
        return policy.most_s * policy.factor

    assert 0 < talk(story, tmp_path) <= cap_s


def test_the_eager_answer_sooner(tmp_path: Path) -> None:
    """The same sound, three eagernesses."""
    ends = []
    for eagerness in (Eagerness.HIGH, Eagerness.AUTO, Eagerness.LOW):
        held = heard(tmp_path / eagerness.value, quiet(0.5), word(), quiet(3.0), options=DialogueOptions(eagerness=eagerness))
        ends.append(decisions(held)[-1][1])
    assert ends == sorted(set(ends))


def test_an_open_sentence_is_waited_for(tmp_path: Path) -> None:
    """ "and then I" cannot be all; a fixed silence would have ended it."""
    sounds = (quiet(0.5), word(), quiet(1.0), word(), quiet(4.0))
    words = FakeTranscriber(["I went to the", "I went to the market yesterday"])
    assert len(decisions(heard(tmp_path / "a", *sounds, options=SEMANTIC, transcriber=words))) == 2
    assert len(decisions(heard(tmp_path / "b", *sounds, options=SILENCE))) == 4


def test_silence_takes_no_memory(tmp_path: Path) -> None:
    """It goes on for three times as long as anything is remembered, and takes less than ten seconds of sound would."""

    class Deaf(FakeDetector):
        def probability(self, frame: Samples) -> float:
            return 0.0

    async def story(held: Talk) -> int:
        await held.hear(*[quiet(1.0)] * 15, block_s=1.0)
        tracemalloc.start()
        await held.hear(*[quiet(1.0)] * 90, block_s=1.0)
        grown, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return grown

    assert talk(story, tmp_path, changes={"make_detector": Deaf}) < 250_000


def test_a_client_that_never_commits_takes_bounded_memory(tmp_path: Path) -> None:
    """Of ten minutes, five are kept."""

    async def story(held: Talk) -> float:
        for _ in range(60):
            held.command(AudioIn(np.zeros(160_000, np.int16), 16_000))
        held.command(CommitInput("a"))
        await held.until(lambda: held.transcripts)
        return float(held.transcriber.requests[0].audio.seconds)

    assert talk(story, tmp_path, options=MANUAL) == 300.0


def test_nobody_says_anything_after_an_answer(tmp_path: Path) -> None:
    """The time counts from where the answer had been heard to its end, in the time of the sound, and once."""

    async def story(held: Talk) -> list[IdleTimedOut]:
        await held.hear(quiet(0.5), word(), quiet(1.0))
        await held.answered()
        await held.hear(quiet(12.0), pace=0.1)
        return held.of(IdleTimedOut)

    options = DialogueOptions(turn_taking=TurnTaking.SILENCE, idle_timeout_ms=5000)
    (idle,) = talk(story, tmp_path, options=options)
    # The turn ends at 1.8 s, and the answer has 26 letters of 60 ms.
    assert idle.start_ms == pytest.approx(1800 + 26 * 60, abs=60)
    assert idle.end_ms == pytest.approx(idle.start_ms + 5000, abs=60)


def test_who_speaks_is_not_idle(tmp_path: Path) -> None:
    """Nor is anybody waited for whom nobody has answered yet."""

    async def story(held: Talk) -> None:
        await held.hear(quiet(8.0), word(8.0), quiet(1.0))
        assert not held.of(IdleTimedOut)

    talk(story, tmp_path, options=DialogueOptions(turn_taking=TurnTaking.SILENCE, idle_timeout_ms=5000), answers=False)


def test_noise_is_taken_away_only_where_it_is_asked_for(tmp_path: Path) -> None:
    """The suppressor hears every sample, and what it gives is what is written down."""

    class Halver:
        heard = 0

        def process(self, samples: Samples) -> Samples:
            Halver.heard += len(samples)
            return samples // 2

    options = DialogueOptions(turn_taking=TurnTaking.SILENCE, noise_reduction="near_field")
    changes = {"make_suppressor": lambda _: Halver()}
    plain = heard(tmp_path / "a", quiet(0.5), tone(1.0), quiet(1.0), changes=changes)
    assert Halver.heard == 0
    cleaned = heard(tmp_path / "b", quiet(0.5), tone(1.0), quiet(1.0), options=options, changes=changes)
    assert Halver.heard == 16_000 * 26 // 10
    loudest = [max(held.transcriber.requests[-1].audio.samples) for held in (plain, cleaned)]
    assert loudest[1] == loudest[0] // 2
