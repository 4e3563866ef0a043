"""The figures about the judges of an end are what they say, and the cases are what they are called."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from bench.turn_ends import End, from_clips, from_prompts
from bench.turn_scorers import auc, figures
from voicemode.audio import Samples

RATE = 16_000


def buzz(seconds: float) -> Samples:
    t = np.arange(round(seconds * RATE)) / RATE
    samples: Samples = np.rint(5_000 * np.sin(2 * np.pi * 150 * t)).astype(np.int16)
    return samples


def room(seconds: float) -> Samples:
    return np.random.default_rng(2).normal(0, 8, round(seconds * RATE)).astype(np.int16)


def write(path: Path, *parts: Samples) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.concatenate(parts).astype("<i2").tobytes())


def seconds(end: End) -> float:
    return len(end.sound) / RATE


@pytest.mark.parametrize(
    ("higher", "lower", "expected"),
    [([0.9, 0.8], [0.1, 0.2], 1.0), ([0.1], [0.9], 0.0), ([0.5, 0.5], [0.5], 0.5), ([0.9, 0.3], [0.4], 0.5), ([], [0.4], None)],
)
def test_auc_is_the_share_of_pairs_in_order(higher: list[float], lower: list[float], expected: float | None) -> None:
    """Ties count half, and without pairs there is none."""
    assert auc(higher, lower) == expected


def test_a_clip_gives_its_end_and_the_pauses_inside(tmp_path: Path) -> None:
    """Speech, 0.6 s, speech, 0.2 s, speech, end: the second gap is shorter than what is asked for; each ends 0.3 s later."""
    write(tmp_path / "anna_1.wav", room(0.5), buzz(1), room(0.6), buzz(1), room(0.25), buzz(1), room(0.05))
    pause, end = from_clips(tmp_path, 0.3)
    assert (pause.finished, end.finished, end.speaker) == (False, True, "anna")
    assert seconds(pause) == pytest.approx(1.8, abs=0.03)
    assert seconds(end) == pytest.approx(4.65, abs=0.03)


def test_a_prompt_is_unfinished_where_its_text_says_so(tmp_path: Path) -> None:
    """Dots at the end: to be continued. Two sentences: a pause between them is no pause inside one. Fragments are left out."""
    for name in ("menu", "welcome", "twice", "rest"):
        write(tmp_path / f"{name}.wav", room(0.4), buzz(1), room(0.5), buzz(0.5), room(0.5))
    lines = [
        "; a comment",
        "menu: To leave, press…",
        "welcome: Welcome, friend.",
        "twice: Hello. Good bye.",
        "rest: ...of you.",
    ]
    (tmp_path / "prompts.txt").write_text("\n".join(lines), "utf-8")
    found = [(end.name, end.source.partition(": ")[2], end.finished) for end in from_prompts(tmp_path, 0.3)]
    assert sorted(found) == [
        ("menu", "pauses inside", False),
        ("menu", "unfinished ones", False),
        ("twice", "pauses inside", True),
        ("twice", "unfinished ones", True),
        ("welcome", "pauses inside", False),
        ("welcome", "pauses inside", True),
        ("welcome", "unfinished ones", True),
    ]


def test_speakers_are_compared_with_themselves() -> None:
    """Two who differ in level but are told apart each: 1.0 within speakers, less in all."""
    sound = room(0.1)
    judged = [
        (End("x", "a", "", True, sound), 0.9),
        (End("x", "a", "", False, sound), 0.6),
        (End("x", "b", "", True, sound), 0.5),
        (End("x", "b", "", False, sound), 0.1),
        (End("x", "c", "", True, sound), 0.95),
    ]
    found = figures("judge", "x", judged, 1.0)
    assert (found.ends, found.pauses, found.speakers) == (3, 2, 2)
    assert found.auc_within_speakers == 1.0
    assert found.auc == pytest.approx(5 / 6)
    assert found.ends_right == pytest.approx(2 / 3)
    assert found.pauses_right == 0.5
