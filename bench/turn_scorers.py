"""``python -m bench.turn_scorers``: how well, and at what cost, do the judges of the end of a turn tell ends from pauses?

A judge's AUC is how often it gives the end the higher score, of an end and a pause drawn at random: 0.5 is chance. "Within
speakers" is the mean over speakers, whose ends are compared with their own pauses only.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.turn_ends import End, from_clips, from_prompts, synthetic
from voicemode.audio import Samples
from voicemode.core.prosody import prosody_score, read_prosody
from voicemode.engines.workers.smart_turn_model import SmartTurn

__all__ = ["Figures", "auc", "figures", "main"]

_CLIPS = Path(__file__).parents[1] / "tests" / "clips"
_WIDTH = 150

Judge = Callable[[Samples], float]


@dataclass(frozen=True, slots=True)
class Figures:
    """One judge on one collection."""

    judge: str
    source: str
    ends: int
    pauses: int
    speakers: int
    """Those who have both."""
    auc: float | None
    auc_within_speakers: float | None
    ends_right: float | None
    """Share of ends with a score over 0.5."""
    pauses_right: float | None
    """Share of pauses with a score of 0.5 or less."""
    cpu_ms: float
    """Median processor time of a call, of all threads."""


def main() -> int:
    """Exit status 0, or 66 where there is nothing to judge."""
    arguments = _arguments()
    ends = [
        *from_clips(arguments.clips, arguments.silence),
        *(end for folder in arguments.prompts for end in from_prompts(folder, arguments.silence)),
        *(synthetic(arguments.silence) if arguments.synthetic else ()),
    ]
    judges: dict[str, Judge] = {"prosody": lambda sound: prosody_score(read_prosody(sound))}
    if arguments.model:
        judges["smart-turn-v3"] = SmartTurn(arguments.model).score
    rows = [row for name, judge in judges.items() for row in _judged(name, judge, ends)]
    Console(width=_WIDTH).print(_table(sorted(rows, key=lambda row: row.source), arguments.silence))
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", "utf-8")
    return 0 if ends else 66  # EX_NOINPUT


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.turn_scorers", description=__doc__)
    parser.add_argument("--clips", type=Path, default=_CLIPS, metavar="DIR", help="recordings that end where the turn ends")
    parser.add_argument("--prompts", type=Path, nargs="*", default=[], metavar="DIR", help="prompts with their prompts.txt")
    parser.add_argument("--synthetic", action="store_true", help="also phrases by espeak-ng and flite, where installed")
    parser.add_argument(
        "--model", type=Path, metavar="FILE", help="smart-turn's ONNX file; without it prosody alone is measured"
    )
    parser.add_argument("--silence", type=float, default=0.3, metavar="S", help="silence behind the last word (default 0.3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    return parser.parse_args()


def _judged(name: str, judge: Judge, ends: Sequence[End]) -> list[Figures]:
    scores: dict[int, float] = {}
    costs: list[float] = []
    for end in ends:
        if id(end.sound) not in scores:  # one end may be compared with several kinds of pauses
            began = time.process_time()
            scores[id(end.sound)] = judge(end.sound)
            costs.append((time.process_time() - began) * 1000)
    return [
        figures(name, source, [(end, scores[id(end.sound)]) for end in ends if end.source == source], statistics.median(costs))
        for source in dict.fromkeys(end.source for end in ends)
    ]


def figures(judge: str, source: str, judged: Sequence[tuple[End, float]], cpu_ms: float) -> Figures:
    """What the scores of one collection are worth."""
    finished = [score for end, score in judged if end.finished]
    unfinished = [score for end, score in judged if not end.finished]
    within = [
        auc(
            [s for e, s in judged if e.finished and e.speaker == who],
            [s for e, s in judged if not e.finished and e.speaker == who],
        )
        for who in sorted({end.speaker for end, _ in judged})
    ]
    known = [each for each in within if each is not None]
    return Figures(
        judge,
        source,
        len(finished),
        len(unfinished),
        len(known),
        auc(finished, unfinished),
        statistics.mean(known) if known else None,
        _share([score > 0.5 for score in finished]),
        _share([score <= 0.5 for score in unfinished]),
        cpu_ms,
    )


def auc(higher: Sequence[float], lower: Sequence[float]) -> float | None:
    """How often one of ``higher`` is over one of ``lower``, ties counting half; None where one is empty."""
    if not higher or not lower:
        return None
    difference = np.subtract.outer(np.asarray(higher), np.asarray(lower))
    return float(np.mean((difference > 0) + 0.5 * (difference == 0)))


def _share(right: Sequence[bool]) -> float | None:
    return sum(right) / len(right) if right else None


def _table(rows: Sequence[Figures], silence_s: float) -> Table:
    drawn = Table(title=f"Who tells ends from pauses, {silence_s:g} s after the last word")
    titles = ("compared", "judge", "ends", "pauses", "AUC", "within speakers", "ends right", "pauses right", "CPU ms")
    for title in titles:
        drawn.add_column(title, justify="left" if title in titles[:2] else "right")
    for row in rows:
        drawn.add_row(
            row.source,
            row.judge,
            str(row.ends),
            str(row.pauses),
            _number(row.auc),
            f"{_number(row.auc_within_speakers)} ({row.speakers})",
            _number(row.ends_right),
            _number(row.pauses_right),
            f"{row.cpu_ms:.1f}",
        )
    return drawn


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


if __name__ == "__main__":
    raise SystemExit(main())
