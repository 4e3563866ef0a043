"""``python -m bench.interruption``: is the assistant interrupted by people, at once, and by nothing else?

Rooms and people, who speak over the assistant, cough or say "mhm", are simulated; canceller, detector and judge are real.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.echo_room import EchoPath, Signal, draw_path, impulse_response, scaled
from bench.first_word import WORD_KEPT
from bench.interruption_sounds import Clip, backchannels, clips, cough, keystrokes, messages
from bench.interruption_trial import Engines, Kind, Outcome, Said, run
from voicemode.audio import CAPTURE_RATE
from voicemode.core.commands import is_backchannel
from voicemode.engines.choose_vad import choose_detector
from voicemode.engines.echo_canceller import WebrtcEchoCanceller
from voicemode.engines.phrase_files import load_phrases

__all__ = ["LEVELS_DB", "MESSAGE_DBFS", "VOICES", "Trial", "main", "measure", "summary", "times", "trials"]

LEVELS_DB = (12.0, 6.0, 0.0, -6.0)
"""Of the person over the echo of the assistant, both where they speak."""
_PREROLL_S = 0.5
"""How much sound before the detected beginning is transcribed too."""
VOICES = ("en-us+m1", "en-gb-x-rp+f4", "en-029", "en-gb-scotland+f1", "en-gb+m5", "en-us+f5")
MESSAGE_DBFS = -20.0
"""Active level of what is played: what engines deliver."""
_HEADROOM_DBFS = -14.0
"""Speech is not louder than this at a microphone that is set up well; 12 dB over an echo of -6 dB would clip."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One message in one room."""

    path: EchoPath
    voice: int
    """Index of the message."""
    begins_s: float
    """Where in the message it begins, so that trials do not all hear the same words."""
    said: Said
    transcribes: bool = True


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0, or 1 when a bar is not reached."""
    asked = _arguments(arguments)
    sentences, words = clips(asked.clips, choose_detector().detector)
    short = backchannels(words)
    planned = list(trials(sentences, short, each=asked.n, minutes=asked.minutes, seed=asked.seed))
    said = messages(VOICES)
    outcomes = measure(said, planned, jobs=asked.jobs)
    report = summary(planned, outcomes)
    print(json.dumps({name: value for name, value in report.items() if name != "trials"}, indent=2))
    if asked.json is not None:
        asked.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    if asked.plot is not None:
        _plot(report, asked.plot)
    return int(not all(bar["kept"] for bar in report["bars"].values()))


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.interruption", description=__doc__)
    default = Path(__file__).parents[1] / "tests" / "clips"
    parser.add_argument("--clips", type=Path, default=default, help="folder of human recordings (default: the project's own)")
    parser.add_argument(
        "-n", type=int, default=24, help="interruptions at each level, backchannels, coughs, typists (default 24)"
    )
    parser.add_argument("--minutes", type=float, default=30.0, help="of the assistant's speech without anybody (default 30)")
    parser.add_argument(
        "--seed", type=int, default=1000, help="of rooms and moments; constants were chosen on seed 0 (default 1000)"
    )
    parser.add_argument("--jobs", type=int, default=2, help="processes (default 2)")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="a PNG; needs matplotlib")
    return parser.parse_args(arguments)


def trials(sentences: Sequence[Clip], short: Sequence[Clip], *, each: int, minutes: float, seed: int) -> Iterator[Trial]:
    """All of them, in an order that depends on nothing but the arguments."""
    chance = np.random.default_rng(seed)
    rooms = iter(range(seed, seed + 100_000))
    sentences = [sentences[at] for at in chance.permutation(len(sentences))]
    for level in LEVELS_DB:
        for at in range(each):
            yield _trial(next(rooms), chance, "interruption", sentences[at % len(sentences)], level)
    for at in range(2 * each):
        level = (6.0, 0.0)[at // 2 % 2]
        clip = short[(at // 2 * 7) % len(short)]
        yield replace(_trial(next(rooms), chance, "backchannel", clip, level), transcribes=at % 2 == 0)
    for _ in range(each):
        yield _trial(next(rooms), chance, "cough", Clip("", cough(chance)), 6.0)
    for at in range(round(minutes)):
        yield Trial(draw_path(next(rooms)), at % len(VOICES), 0.0, Said(kind="nobody"))
    for _ in range(each):
        yield _trial(next(rooms), chance, "typing", Clip("", keystrokes(chance)), 6.0)


def _trial(room: int, chance: np.random.Generator, kind: Kind, clip: Clip, level_db: float) -> Trial:
    path = draw_path(room)
    echo_dbfs = MESSAGE_DBFS + path.gain_db
    path = replace(path, gain_db=path.gain_db + min(_HEADROOM_DBFS - (echo_dbfs + level_db), 0.0))
    ear = impulse_response(path.rt60_s, room + 1, direct_to_reverberant_db=8.0)
    sound = np.convolve(clip.sound, ear)[: len(clip.sound)].astype(np.float32)
    sound = scaled(sound, MESSAGE_DBFS + path.gain_db + level_db)
    at_s = float(chance.uniform(2.5, 6.0))
    said = Said(kind=kind, text=clip.text, sound=sound, at_s=at_s, level_db=level_db)
    return Trial(path, int(chance.integers(len(VOICES))), float(chance.uniform(0.0, 40.0)), said)


def measure(said: Sequence[Signal], planned: Sequence[Trial], *, jobs: int) -> list[Outcome]:
    """Run them all, ``said`` being the messages of ``VOICES``."""
    # Not forked: the detector has threads, which a fork would leave waiting for ever.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_keep, initargs=(said,)) as pool:
        return list(pool.map(_measure, planned, chunksize=2))


_kept: list[Signal] = []
"""The messages, in a process that measures: they are too large to be sent with every trial."""


def _keep(said: Sequence[Signal]) -> None:
    _kept[:] = said


def _measure(trial: Trial) -> Outcome:
    phrases = load_phrases("en")
    message = scaled(_kept[trial.voice], MESSAGE_DBFS)
    message = np.roll(message, -round(trial.begins_s * CAPTURE_RATE))
    engines = Engines(
        canceller=lambda: WebrtcEchoCanceller(),
        detector=lambda: choose_detector().detector,
        is_backchannel=lambda text: is_backchannel(text, phrases),
    )
    return run(trial.path, message, trial.said, engines, transcribes=trial.transcribes)


def summary(planned: Sequence[Trial], outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The figures, the bars they are held against, and every trial. Times in ms, counted from the person's first sound."""
    levels = {
        f"{level:+g} dB": _of_level([each for each in _of("interruption", outcomes) if each.level_db == level])
        for level in LEVELS_DB
    }
    nobody = _of("nobody", outcomes)
    with_words = [
        each for trial, each in zip(planned, outcomes, strict=True) if each.kind == "backchannel" and trial.transcribes
    ]
    without = [
        each for trial, each in zip(planned, outcomes, strict=True) if each.kind == "backchannel" and not trial.transcribes
    ]
    seconds = sum(each.seconds for each in outcomes)
    frames = np.concatenate([each.frame_s for each in outcomes])
    report = {
        "interruptions": levels,
        "nobody": {
            "minutes": round(sum(each.seconds for each in nobody) / 60, 1),
            "self_interruptions": sum(each.false_stop for each in outcomes),
            "self_interruptions_per_hour": _per_hour(nobody),
            "pauses": sum(each.pauses for each in nobody),
            "ducks": sum(each.ducks for each in nobody),
        },
        "backchannels": {"with_transcript": _share_played_on(with_words), "without_transcript": _share_played_on(without)},
        "coughs": _share_played_on(_of("cough", outcomes)),
        "typing": _share_played_on(_of("typing", outcomes)),
        "cpu_percent": round(100 * float(frames.sum()) / seconds, 2),
        "frame_p99_ms": round(1000 * float(np.quantile(frames, 0.99)), 2),
    }
    return report | {"bars": _bars(report), "trials": [_row(*each) for each in zip(planned, outcomes, strict=True)]}


def _per_hour(nobody: Sequence[Outcome]) -> float | None:
    """Self-interruptions where nobody was there; None where that was never so."""
    hours = sum(each.seconds for each in nobody) / 3600
    return round(sum(each.false_stop for each in nobody) / hours, 2) if hours else None


def _of(kind: Kind, outcomes: Sequence[Outcome]) -> list[Outcome]:
    return [each for each in outcomes if each.kind == kind]


def _of_level(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    began = [each.speech_began_s for each in outcomes if each.speech_began_s is not None]
    shares = [each.first_word_share for each in outcomes if each.first_word_share is not None]
    return {
        "n": len(outcomes),
        "missed": sum(each.stop_s is None for each in outcomes),
        "duck_or_stop": times([each.yield_s for each in outcomes]),
        "pause": times([each.pause_s for each in outcomes]),
        "stop": times([each.stop_s for each in outcomes]),
        "first_word_kept": sum(share >= WORD_KEPT for share in shares),
        "first_word_within_preroll": sum(at_s <= _PREROLL_S for at_s in began),
    }


def times(seconds: Sequence[float | None]) -> dict[str, float | None]:
    """Median and 90 % quantile in ms; what never came counts as later than everything, None where that is the figure."""
    ordered = sorted(np.inf if each is None else each for each in seconds)
    if not ordered:
        return {"median": None, "p90": None}
    figures = {"median": statistics.median_low(ordered), "p90": ordered[int(0.9 * (len(ordered) - 1) + 0.5)]}
    return {name: None if np.isinf(value) else round(1000 * value) for name, value in figures.items()}


def _share_played_on(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    return {
        "n": len(outcomes),
        "stopped": sum(each.stops > 0 for each in outcomes),
        "paused": sum(each.pauses > 0 for each in outcomes),
        "played_on": round(sum(each.stops == 0 for each in outcomes) / max(len(outcomes), 1), 3),
    }


def _bars(report: dict[str, Any]) -> dict[str, Any]:
    """What was promised. A median that is None was never reached."""
    levels, played_on = report["interruptions"], report["backchannels"]

    def at_most(value: float | None, limit: float, aim: float) -> dict[str, Any]:
        return {"value": value, "bar": limit, "aim": aim, "kept": value is not None and value <= limit}

    share = min(each["played_on"] for each in played_on.values())
    return {
        "duck_or_stop_at_equal_loudness_ms": at_most(levels["+0 dB"]["duck_or_stop"]["median"], 600, 300),
        "duck_or_stop_at_6_db_below_ms": at_most(levels["-6 dB"]["duck_or_stop"]["median"], 1000, 500),
        "self_interruptions": at_most(report["nobody"]["self_interruptions"], 0, 0),
        "interruptions_missed": at_most(sum(each["missed"] for each in levels.values()), 0, 0),
        "first_words_lost": at_most(
            sum(each["n"] - each["missed"] - each["first_word_kept"] for each in levels.values()), 0, 0
        ),
        "backchannels_stopped_share": at_most(round(1 - share, 3), 0.4, 0.4),
        "cpu_percent": at_most(report["cpu_percent"], 10, 10),
        "frame_p99_ms": at_most(report["frame_p99_ms"], 5, 5),
    }


def _row(trial: Trial, outcome: Outcome) -> dict[str, Any]:
    facts = {name: getattr(outcome, name) for name in outcome.__slots__ if name != "frame_s"}
    path = {name: getattr(trial.path, name) for name in trial.path.__slots__}
    rounded = {name: round(value, 4) if isinstance(value, float) else value for name, value in (facts | path).items()}
    return rounded | {"text": trial.said.text, "at_s": round(trial.said.at_s, 2), "voice": VOICES[trial.voice]}


def _plot(report: dict[str, Any], file: Path) -> None:
    """Times by level: every trial as a dot, medians as lines."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(9, 5))
    drawn: tuple[tuple[str, str, str], ...] = (
        ("yield_s", "duck_or_stop", "duck or stop"),
        ("pause_s", "pause", "pause"),
        ("stop_s", "stop", "stop"),
    )
    for shift, (figure_name, group, label) in enumerate(drawn):
        rows = [row for row in report["trials"] if row["kind"] == "interruption" and row[figure_name] is not None]
        colour = f"C{shift}"
        axes.scatter(
            [row["level_db"] + 0.5 * (shift - 1) for row in rows],
            [1000 * row[figure_name] for row in rows],
            s=9,
            alpha=0.5,
            color=colour,
        )
        medians = [report["interruptions"][f"{level:+g} dB"][group]["median"] or np.nan for level in LEVELS_DB]
        axes.plot(LEVELS_DB, medians, "-o", color=colour, label=f"{label}, median")
    axes.plot([0, -6], [600, 1000], "k_", markersize=24, label="bar for duck or stop")
    axes.set(
        xlabel="the person's level over the echo (dB)", ylabel="ms after the first sound of the first word", ylim=(0, 3500)
    )
    axes.set_xticks(LEVELS_DB)
    nobody = report["nobody"]
    axes.set_title(f"{nobody['self_interruptions']} self-interruptions in {nobody['minutes']} minutes without anybody")
    axes.legend()
    figure.savefig(file, dpi=120)


if __name__ == "__main__":
    sys.exit(main())
