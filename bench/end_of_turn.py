"""When is a turn over? ``python -m bench.end_of_turn --clips DIR --model smart-turn.onnx --json F --plot F``.

False cut-offs against latency, for the plain silence rule, for smart-turn called once as Pipecat calls it, and for the
product's policy with each scorer, with and without words: all rules hear the same turns, through the product's own listener
and endpointer, frame by frame. Scorers answer as late as they were measured to, words come ``--stt-ms`` after the pause began.

Speakers, sorted by name, are dealt into two halves. The policy's numbers were first chosen on one (``--half choose``), then
measured on the other (``--half report``), which was looked at four times while they were settled: docs/turns.md.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.end_of_turn_play import Mean, Outcome, Play, Rule, Scorer, Take, record
from bench.end_of_turn_rules import called_once, default_rules, plain_rules, sweep
from bench.end_of_turn_scenes import SNRS, Scene, make_scenes
from bench.end_of_turn_sounds import Clip, read_clips
from bench.source import commit
from voicemode.core.prosody import prosody_score, read_prosody

__all__ = ["Row", "main"]

_ROOT = Path(__file__).parents[1]
_SLOW_STT_S = 1.2
"""A transcriber that is too slow to be waited for: Whisper large on a processor."""


@dataclass(frozen=True, slots=True)
class Row:
    """One rule at one noise level."""

    rule: str
    family: str
    snr_db: float | None
    cut: int
    pauses: int
    ends: int
    unfound: int
    """Ends that were not found within the 3.4 s of room behind the turn."""
    median_s: float
    p90_s: float
    answer_median_s: float
    """As ``median_s``, to the decision or to the words, whichever is later."""

    @property
    def cut_rate(self) -> float:
        return self.cut / self.pauses


def halves(scenes: Sequence[Scene]) -> tuple[list[int], list[int]]:
    """Numbers of the scenes of every other speaker, and of the others."""
    speakers = sorted({scene.speaker for scene in scenes})
    sides: tuple[list[int], list[int]] = ([], [])
    for number, scene in enumerate(scenes):
        sides[speakers.index(scene.speaker) % 2].append(number)
    return sides


def _take(job: tuple[Scene, float | None, Sequence[Clip], int]) -> Take:
    scene, snr_db, clips, number = job
    return record(scene, snr_db, scene.noisy(snr_db, clips, number))


def _takes(scenes: Sequence[Scene], chosen: Iterable[int], clips: Sequence[Clip], jobs: int) -> list[Take]:
    wanted = [(scenes[number], snr_db, clips, number) for number in chosen for snr_db in SNRS]
    with ProcessPoolExecutor(jobs) as pool:
        return list(pool.map(_take, wanted, chunksize=4))


def _scorers(model: Path | None, cache: Path | None) -> dict[str, Scorer]:
    if cache is not None:
        cache.mkdir(parents=True, exist_ok=True)

    def kept(name: str) -> Path | None:
        return None if cache is None else cache / f"{name}.json"

    found = {"prosody": Scorer("prosody", lambda samples: prosody_score(read_prosody(samples)), kept("prosody"))}
    if model is not None:
        from voicemode.engines.workers.smart_turn_model import SmartTurn

        smart, prosody = Scorer("smart-turn-v3", SmartTurn(model).score, kept("smart-turn-v3")), found["prosody"]
        found["smart-turn-v3"] = smart
        found["smart-turn-v3+prosody"] = Mean("smart-turn-v3+prosody", smart, prosody)
    return found


def _row(rule: Rule, snr_db: float | None, outcomes: Sequence[tuple[Take, Outcome]]) -> Row:
    ends = [outcome for take, outcome in outcomes if take.scene.ends]
    found = [end.latency_s for end in ends if end.latency_s is not None]
    answers = [end.answer_s for end in ends if end.answer_s is not None]
    return Row(
        rule.name,
        rule.family,
        snr_db,
        cut=sum(len(outcome.cut) for _, outcome in outcomes),
        pauses=sum(len(take.scene.pauses) for take, _ in outcomes),
        ends=len(ends),
        unfound=len(ends) - len(found),
        median_s=float(np.median(found)) if found else math.nan,
        p90_s=float(np.percentile(found, 90)) if found else math.nan,
        answer_median_s=float(np.median(answers)) if answers else math.nan,
    )


def _rows(
    rules: Iterable[Rule], takes: Sequence[Take], scorers: dict[str, Scorer], *, stt_s: float, full_stop: bool
) -> list[Row]:
    rows = []
    for rule in rules:
        scorer = scorers.get(rule.scorer)
        late_s = scorer.late_s if scorer else 0.0
        for snr_db in SNRS:
            heard = [take for take in takes if take.snr_db == snr_db]
            played = [(take, Play(take, rule, scorer, late_s, stt_s, full_stop).run()) for take in heard]
            rows.append(_row(rule, snr_db, played))
    return rows


def _label(snr_db: float | None) -> str:
    return "quiet" if snr_db is None else f"{snr_db:g} dB"


def _show(title: str, rows: Sequence[Row], console: Console) -> None:
    table = Table(title=title)
    for column in ("rule", *(f"{_label(snr)}: cut, median, p90 (words)" for snr in SNRS)):
        table.add_column(column)
    for name in dict.fromkeys(row.rule for row in rows):
        cells = [
            f"{row.cut_rate:.0%}  {row.median_s:.2f}  {row.p90_s:.2f}  ({row.answer_median_s:.2f})"
            for row in rows
            if row.rule == name
        ]
        table.add_row(name, *cells)
    console.print(table)


def _dominated(rows: Sequence[Row], family: str, baseline: str, measure: str) -> dict[str, bool]:
    """At each noise level: for each point of the baseline, does the family's curve cut off no more at that latency?

    Between its points the curve is a line, as patience may have any value. 20 ms, two frames, count as none. Points that are
    faster than the family's fastest are left to the baseline.
    """
    beaten = {}
    for snr_db in SNRS:
        ours = [row for row in rows if row.family == family and row.snr_db == snr_db]
        theirs = [row for row in rows if row.family == baseline and row.snr_db == snr_db]
        curve = sorted((getattr(our, measure) - 0.02, our.cut) for our in ours)
        latencies, cuts = [point[0] for point in curve], np.minimum.accumulate([point[1] for point in curve])
        beaten[_label(snr_db)] = all(
            float(np.interp(getattr(row, measure), latencies, cuts)) <= row.cut
            for row in theirs
            if getattr(row, measure) >= latencies[0]
        )
    return beaten


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, default=_ROOT / "tests/clips", help="WAV files with a manifest.json")
    parser.add_argument("--model", type=Path, help="smart-turn's ONNX file; without it, it is left out")
    parser.add_argument("--half", choices=("choose", "report", "all"), default="report", help="whose turns are played")
    parser.add_argument("--stt-ms", type=int, default=300, help="how long a transcription takes")
    parser.add_argument("--sweep", action="store_true", help="try other numbers in the policy, too")
    parser.add_argument("--cache", type=Path, help="a folder that keeps scores from run to run")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    return parser.parse_args()


def main() -> int:
    """Measure, print, and write what was asked for."""
    arguments, console = _arguments(), Console(width=190)
    clips = read_clips(arguments.clips)
    try:
        scenes = make_scenes(clips)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 69  # EX_UNAVAILABLE
    first, second = halves(scenes)
    chosen = {"choose": first, "report": second, "all": [*first, *second]}[arguments.half]
    takes = _takes(scenes, chosen, clips, arguments.jobs)
    hesitations = [take for take in takes if take.scene.kind == "hesitation"]
    turns = [take for take in takes if take.scene.kind != "hesitation"]
    scorers = _scorers(arguments.model, arguments.cache)
    for scorer in scorers.values():  # so that each is as late for its first rule as for its last
        for take in turns[:3]:
            scorer(take.samples[: len(take.samples) // 2])
    if arguments.sweep:
        tried = [rule for scorer in scorers for rule in sweep(scorer)]
        _show("numbers of the policy", _rows(tried, turns, scorers, stt_s=arguments.stt_ms / 1000, full_stop=False), console)
    once = list(called_once()) if "smart-turn-v3" in scorers else []
    rules = [*plain_rules(), *once, *default_rules(tuple(scorers))]
    stt_s = arguments.stt_ms / 1000
    measured = {
        "bare words": _rows(rules, turns, scorers, stt_s=stt_s, full_stop=False),
        "people only, without espeak-ng": _rows(
            [*plain_rules(), *once, *_defaults(rules)], _people(turns), scorers, stt_s=stt_s, full_stop=False
        ),
        "words with a full stop": _rows(_defaults(rules), turns, scorers, stt_s=stt_s, full_stop=True),
        "slow words": _rows(_defaults(rules), turns, scorers, stt_s=_SLOW_STT_S, full_stop=False),
        "hesitations of 0.7 and 1.2 s": _rows(
            [*plain_rules(), *_defaults(rules)], hesitations, scorers, stt_s=stt_s, full_stop=False
        ),
    }
    for scorer in scorers.values():
        scorer.save()
    for title, rows in measured.items():
        _show(title, rows, console)
    families = sorted({row.family for row in measured["bare words"] if row.family.startswith("policy")})
    curves = {
        f"{family}, {measure}": {
            rival: _dominated(measured["bare words"], family, rival, measure) for rival in ("silence", "smart-turn once")
        }
        for family in families
        for measure in ("answer_median_s", "p90_s")
    }
    console.print_json(json.dumps({"dominates": curves, "scorers are late by, s": {n: s.late_s for n, s in scorers.items()}}))
    _save(arguments, measured, curves, scorers)
    return 0


def _people(takes: Iterable[Take]) -> list[Take]:
    return [take for take in takes if take.scene.kind != "spoken"]


def _defaults(rules: Iterable[Rule]) -> list[Rule]:
    """The policy at normal patience."""
    return [rule for rule in rules if rule.family.startswith("policy") and rule.name.endswith(", x1")]


def _save(arguments: argparse.Namespace, measured: dict[str, list[Row]], curves: Any, scorers: dict[str, Scorer]) -> None:
    if arguments.json is not None:
        record = {
            "commit": commit(_ROOT),
            "half": arguments.half,
            "stt_ms": arguments.stt_ms,
            "scorers_late_s": {name: scorer.late_s for name, scorer in scorers.items()},
            "dominates": curves,
            "rows": {title: [_as_json(row) for row in rows] for title, rows in measured.items()},
        }
        arguments.json.write_text(json.dumps(record, indent=1), "utf-8")
    if arguments.plot is not None:
        from bench.end_of_turn_plot import draw

        draw(measured["bare words"], arguments.plot)


def _as_json(row: Row) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in Row.__slots__}
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in values.items()}


if __name__ == "__main__":
    sys.exit(main())
