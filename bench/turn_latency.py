"""How long after the last word is the answer there, and is nobody cut off? ``python -m bench.turn_latency [--clips DIR]``.

Two servers of the product at one virtual sound card take turns: one with the default policy, one with
VOICEMODE_SILENCE_THRESHOLD_MS=1000. Recorded people answer; a stub writes down the true words of as much as it is sent, at
once or 0.3 s later. Latency is from the last sample of the person in the microphone to the result.

Then sentences that stop for 0.7 and 1.2 s where they cannot end, to the default policy: nobody may be cut off.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.alignment import locate
from bench.end_of_turn_sounds import read_clips
from bench.halting import Saying, clip_sayings, halting_sayings
from bench.person import Ears
from bench.room import Room
from bench.source import commit
from bench.stdio_client import StdioServer
from scripts.virtual_sound_card import available
from voicemode.engines.choose_scorer import SMART_TURN_MODEL
from voicemode.settings import Settings
from voicemode.supervise.models import Models

__all__ = ["Measured", "main", "place_model", "ratio", "stage_errors_ms", "stage_sum_ms", "stage_sums_ms", "stages_off"]

_ROOT = Path(__file__).parents[1]
_MESSAGE = "Go on."
"""Short, and no question: answers to questions are over sooner."""
_MESSAGE_S = 0.36
"""How long it is heard: the stub's 0.06 s for each letter."""
_POLICY, _PLAIN = "default policy", "silence of 1000 ms"
_VARIABLES: Mapping[str, Mapping[str, str]] = {_POLICY: {}, _PLAIN: {"VOICEMODE_SILENCE_THRESHOLD_MS": "1000"}}
_STT_S = (0.0, 0.3)
_PAUSES_S = (0.7, 1.2)
_BAR = 0.6
_STAGES_BAR = 0.05
_THINKS_S = 0.4
"""From the assistant's last word to the person's first."""
_CALL_S = 40.0
_SETTLE_S = 0.3


@dataclass(frozen=True, slots=True)
class Measured:
    """One turn."""

    rule: str
    saying: str
    stt_s: float
    pause_s: float
    """The longest pause that was put in; 0 for what people said by themselves."""
    response_ms: float
    """By sound. Negative: the result came before the person had finished."""
    total_ms: float
    """From the call to its result, as the client sees it."""
    text: str
    whole: bool
    """Has it all the words?"""
    scorer: str
    own_ms: dict[str, int]
    """``timings_ms`` of the result."""
    sound_ms: dict[str, float]
    """The same stages by sound."""
    halt_words: int = 0
    """How many words were before the pause that was put in."""

    @property
    def cut(self) -> bool:
        return self.response_ms < 0

    @property
    def cut_at_halt(self) -> bool:
        """Was it in the pause that was put in? A recorded person pauses elsewhere, too, and often where a sentence may end."""
        return self.cut and len(self.text.split()) <= self.halt_words


def stage_errors_ms(turn: Measured) -> dict[str, float]:
    """By stage: what the product says more than the sound does."""
    return {name: turn.own_ms[name] - by_sound for name, by_sound in turn.sound_ms.items() if name in turn.own_ms}


def stage_sum_ms(turn: Measured) -> float | None:
    """The stages that follow one another, from the call to the result; None where one is missing."""
    stages = [turn.own_ms.get(name) for name in ("ttfa", "speaking", "listening", "response")]
    known = [stage for stage in stages if stage is not None]
    return float(sum(known)) if len(known) == len(stages) else None


def stage_sums_ms(turns: Sequence[Measured]) -> list[tuple[float, float]]:
    """Of the turns that were not cut off: the call as the client saw it, and the sum of its stages."""
    sums = [(turn.total_ms, stage_sum_ms(turn)) for turn in turns if not turn.cut]
    return [(seen, summed) for seen, summed in sums if summed is not None]


def stages_off(turns: Sequence[Measured]) -> float:
    """By what share of the call the sum of its stages is off, in the median; NaN where no turn has one."""
    sums = stage_sums_ms(turns)
    return statistics.median(abs(summed - seen) / seen for seen, summed in sums) if sums else math.nan


class _TurnFailedError(RuntimeError):
    """No answer; the text says what came instead."""


async def _turn(room: Room, server: StdioServer, saying: Saying, rule: str, stt_s: float) -> Measured:
    room.stub.configure(stt_delay_s=stt_s, stt_words=[list(word) for word in saying.words])
    ears, microphone = Ears(room.card), room.card.record_microphone()
    await room.mouth.arm()
    await asyncio.sleep(_SETTLE_S)
    call = server.converse(_MESSAGE)
    try:
        first = await ears.first_sound(10.0)
        starts = first + _MESSAGE_S + _THINKS_S
        await room.mouth.say(saying.sound, starts)
        answer = await call.wait(_CALL_S)
        await ears.catch_up(time.monotonic() + 0.1)
        last = ears.heard(starts - 0.2).sounds()[-1][1]
        voice = microphone.recording(starts - 0.2)
    except BaseException:
        server.cancel(call)
        raise
    finally:
        ears.close()
        microphone.close()
    told = answer.result.get("structuredContent", {})
    if answer.failed or told.get("status") != "answered":
        raise _TurnFailedError(f"{rule}, {saying.name}: {answer.text[:200]} {server.last_line()[:200]}")
    ended = voice.started_at + locate(saying.sound, voice.chunk).offset_s + saying.sound.seconds
    response_s = answer.received_at - ended
    return Measured(
        rule,
        saying.name,
        stt_s,
        saying.pause_s,
        1000 * response_s,
        1000 * answer.seconds,
        told["text"],
        told["text"].split() == saying.text.split(),
        told.get("engines", {}).get("scorer", ""),
        told.get("timings_ms", {}),
        {
            "ttfa": 1000 * (first - call.sent_at),
            "speaking": 1000 * (last - first),
            "listening": 1000 * (ended - last),
            "response": 1000 * response_s,
            "total": 1000 * answer.seconds,
        },
        saying.halt_words,
    )


@contextlib.asynccontextmanager
async def _servers(room: Room, rules: Sequence[str], model: Path | None) -> AsyncIterator[dict[str, StdioServer]]:
    """One server for each rule, that has spoken once."""
    command, variables = room.product_command()
    async with contextlib.AsyncExitStack() as stack:
        servers = {}
        for number, rule in enumerate(rules):
            base = room.folder / f"base{number}"
            own = {**variables, **_VARIABLES[rule], "VOICEMODE_BASE_DIR": str(base)}
            if model is not None:
                place_model(model, base)
            server = servers[rule] = await stack.enter_async_context(room.server(command, **own))
            await server.initialize()
            await server.converse(_MESSAGE, wait_for_response=False).wait(_CALL_S)
        yield servers


def place_model(model: Path, base: Path) -> None:
    """Put smart-turn's file where the product looks for it below its base folder."""
    models = Models(Settings(base_dir=base))
    place = models.path_of(SMART_TURN_MODEL) / models.find(SMART_TURN_MODEL).files[0].name
    place.parent.mkdir(parents=True)
    place.symlink_to(model.resolve())


async def _measure(arguments: argparse.Namespace) -> tuple[list[Measured], list[str]]:
    clips = read_clips(arguments.clips)
    jobs = [
        (rule, saying, stt_s)
        for _ in range(arguments.n)
        for saying in clip_sayings(clips)
        for stt_s in _STT_S
        for rule in _VARIABLES
    ]
    halting = [saying for pause_s in _PAUSES_S for saying in halting_sayings(clips, pause_s)]
    jobs += [(_POLICY, saying, max(_STT_S)) for saying in halting]
    turns, problems = list[Measured](), list[str]()
    async with Room.open() as room:
        room.configure()
        async with _servers(room, list(_VARIABLES), arguments.model) as servers:
            for rule, saying, stt_s in track(jobs, console=Console(stderr=True), disable=not sys.stderr.isatty()):
                try:
                    turns.append(await _turn(room, servers[rule], saying, rule, stt_s))
                except (_TurnFailedError, TimeoutError) as error:
                    problems.append(str(error) or type(error).__name__)
    return turns, problems


def _latencies(turns: Sequence[Measured]) -> Table:
    table = Table(title="last sample of the person in the microphone -> result, ms (turns that were cut off are left out)")
    for column in ("transcription", *_VARIABLES, "ratio of medians", "cut off, of"):
        table.add_column(column, justify="right")
    for stt_s in (*_STT_S, None):
        chosen = [turn for turn in turns if not turn.pause_s and stt_s in (turn.stt_s, None)]
        cells = []
        for rule in _VARIABLES:
            found = [turn.response_ms for turn in chosen if turn.rule == rule and not turn.cut]
            cells.append(f"{statistics.median(found):.0f} ({min(found):.0f} to {max(found):.0f})" if found else "")
        cuts = [f"{sum(t.cut for t in chosen if t.rule == r)}/{sum(t.rule == r for t in chosen)}" for r in _VARIABLES]
        table.add_row("all" if stt_s is None else f"{stt_s:g} s", *cells, f"{ratio(chosen):.2f}", " and ".join(cuts))
    return table


def ratio(turns: Sequence[Measured]) -> float:
    """The default policy's median latency over the plain rule's, of turns that neither cut off; NaN where one has none."""
    medians = []
    for rule in (_POLICY, _PLAIN):
        found = [turn.response_ms for turn in turns if turn.rule == rule and not turn.cut and not turn.pause_s]
        medians.append(statistics.median(found) if found else math.nan)
    return medians[0] / medians[1]


def _halts(turns: Sequence[Measured]) -> Table:
    table = Table(title="sentences that stop where they cannot end, default policy")
    for column in ("pause", "n", "cut off there", "elsewhere", "latency afterwards, ms", "which were cut off there"):
        table.add_column(column, justify="right")
    for pause_s in _PAUSES_S:
        halted = [turn for turn in turns if turn.pause_s == pause_s]
        if halted:
            cut = [turn.saying for turn in halted if turn.cut_at_halt]
            elsewhere = str(sum(turn.cut for turn in halted) - len(cut))
            after = [turn.response_ms for turn in halted if not turn.cut]
            median = f"{statistics.median(after):.0f}" if after else ""
            table.add_row(f"{pause_s:g} s", str(len(halted)), str(len(cut)), elsewhere, median, ", ".join(cut))
    return table


def _stages(turns: Sequence[Measured]) -> Table:
    """What the product says of itself beside what the sound says; of turns that were not cut off."""
    table = Table(title="timings_ms beside the sound")
    for column in ("stage", "median by sound, ms", "median difference, ms", "largest", "median, % of the stage", "within 5 %"):
        table.add_column(column, justify="left" if column == "stage" else "right")
    by_stage: dict[str, list[tuple[float, float]]] = {}
    for turn in turns:
        if not turn.cut:
            for name, error in stage_errors_ms(turn).items():
                by_stage.setdefault(name, []).append((turn.sound_ms[name], error))
    sums = [(seen, summed - seen) for seen, summed in stage_sums_ms(turns)]
    by_stage |= {"ttfa + speaking + listening + response": sums} if sums else {}
    for name, found in by_stage.items():
        errors = [error for _, error in found]
        shares = [abs(error) / max(by_sound, 1.0) for by_sound, error in found]
        table.add_row(
            name,
            f"{statistics.median(by_sound for by_sound, _ in found):.0f}",
            f"{statistics.median(errors):+.0f}",
            f"{max(errors, key=abs):+.0f}",
            f"{statistics.median(shares):.1%}",
            f"{sum(share <= _STAGES_BAR for share in shares)}/{len(shares)}",
        )
    return table


def _plot(turns: Sequence[Measured], path: Path) -> None:
    from bench.turn_latency_plot import draw  # matplotlib is asked for with it

    chosen = [turn for turn in turns if not turn.pause_s and not turn.cut]
    latencies = {rule: [turn.response_ms for turn in chosen if turn.rule == rule] for rule in _VARIABLES}
    draw(latencies, stage_sums_ms(turns), _STAGES_BAR, path)


def main() -> int:
    """Exit status 0; 1 where the bar of the latency, of the stages or a halting sentence is missed; 69 without a sound card."""
    parser = argparse.ArgumentParser(prog="python -m bench.turn_latency", description=__doc__)
    parser.add_argument("-n", type=int, default=1, help="repetitions of each clip (default 1)")
    parser.add_argument("--clips", type=Path, default=_ROOT / "tests/clips", help="WAV files with a manifest.json")
    parser.add_argument("--model", type=Path, metavar="FILE", help="smart-turn's ONNX file; without it prosody judges")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every turn there")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="a PNG; needs matplotlib (extra 'plot')")
    arguments = parser.parse_args()
    reason = available()
    if reason is not None:
        print(reason, file=sys.stderr)
        return 69  # EX_UNAVAILABLE
    load = os.getloadavg()[0]
    turns, problems = asyncio.run(_measure(arguments))
    console = Console(width=170)
    for table in (_latencies(turns), _halts(turns), _stages(turns)):
        console.print(table)
    scorers = ", ".join(sorted({turn.scorer for turn in turns if turn.scorer}))
    console.print(f"voicemode {commit(_ROOT)}, scorer {scorers}, load {load:.1f} before, {os.getloadavg()[0]:.1f} after")
    for problem in problems:
        console.print(f"FAILED  {problem}", highlight=False, markup=False)
    if arguments.json is not None:
        rows = [asdict(turn) for turn in turns]
        arguments.json.write_text(json.dumps({"turns": rows, "problems": problems}, indent=1) + "\n", "utf-8")
    if arguments.plot is not None:
        _plot(turns, arguments.plot)
    missed = not ratio(turns) <= _BAR or not stages_off(turns) <= _STAGES_BAR or any(turn.cut_at_halt for turn in turns)
    return int(bool(problems) or missed)


if __name__ == "__main__":
    raise SystemExit(main())
