"""``voicemode turn``: what happened in a turn, and when."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from voicemode.cli.failure import printable
from voicemode.cli.output import about, print_json, result
from voicemode.cli.turn_terminal import drawing, words_of
from voicemode.core.timeline import Timeline
from voicemode.core.timeline_json import as_json as timeline_as_json
from voicemode.errors import EngineError, RequestError, TimelineError
from voicemode.load_config import load_from_process
from voicemode.runtime.timelines import LAST, KeptTurn, find_turn, kept_turns, read_turn

__all__ = ["app"]

_EXAMPLES = """\
Examples:
  voicemode turn list
  voicemode turn show
  voicemode turn show last --png turn.png
"""
_LIST_EXAMPLES = """\
Examples:
  voicemode turn list
  voicemode turn list --json
"""
_SHOW_EXAMPLES = """\
Examples:
  voicemode turn show
  voicemode turn show 20261121-041529-123-ab12
  voicemode turn show last --png turn.png
  voicemode turn show --json
"""

app = typer.Typer(
    help="Look at the last turns: what was heard, scored and decided, and when.", epilog=_EXAMPLES, no_args_is_help=True
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _complete(incomplete: str) -> list[str]:
    names = [LAST, *(turn.id for turn in kept_turns(_folder()))]
    return [name for name in names if name.startswith(incomplete)]


@app.command("list", epilog=_LIST_EXAMPLES)
def list_(as_json: AsJson = False) -> None:
    """List the turns that are kept, the newest first."""
    rows = [_row(turn) for turn in kept_turns(_folder())]
    if as_json:
        print_json(rows)
        return
    if not rows:
        about().print("No turn is kept. Talk first; VOICEMODE_TURN_TIMELINES says what is kept.")
        return
    table = Table.grid(padding=(0, 2, 0, 0))
    for row in rows:
        response = "" if row["response_ms"] is None else f"answered after {row['response_ms']} ms"
        what = Text(printable(row["problem"] or row["status"]), style="yellow" if row["problem"] else "")
        length = "" if row["lasted_s"] is None else f"{row['lasted_s']:.1f} s"
        table.add_row(Text(row["id"], no_wrap=True), length, what, response)
    result().print(table)


@app.command("show", epilog=_SHOW_EXAMPLES)
def show(
    turn: Annotated[
        str, typer.Argument(help="An id of 'voicemode turn list', its end, or last.", autocompletion=_complete)
    ] = LAST,
    png: Annotated[
        Path | None, typer.Option(help="Draw it into this file instead.", metavar="FILE", dir_okay=False, show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Draw one turn: level, speech, scores, decisions and playback over time."""
    timeline = read_turn(find_turn(_folder(), turn))
    if png is not None:
        _write_picture(png, timeline)
    if as_json:
        print(json.dumps(timeline_as_json(timeline), ensure_ascii=True))
    elif png is None:
        console = result()
        console.print(drawing(timeline, console.width))


def _row(turn: KeptTurn) -> dict[str, Any]:
    row: dict[str, Any] = {"id": turn.id, "began": "", "status": "", "lasted_s": None, "response_ms": None, "said": None}
    try:
        timeline = read_turn(turn)
    except TimelineError as error:
        return {**row, "problem": error.problem}
    return {
        "id": turn.id,
        "began": timeline.began,
        "status": timeline.status,
        "lasted_s": timeline.lasted_s,
        "response_ms": timeline.timings_ms.get("response"),
        "said": words_of(timeline.text),
        "problem": "",
    }


def _write_picture(path: Path, timeline: Timeline) -> None:
    try:
        from voicemode.cli.turn_picture import png
    except ImportError:
        remedy = "Install it with: pip install 'voicemode[plot]'. Without --png the turn is drawn in the terminal."
        raise EngineError("matplotlib", "pictures need it, and it is not installed", remedy) from None
    picture = png(timeline)
    try:
        path.write_bytes(picture)
    except OSError as error:
        raise RequestError("--png", f"{path} cannot be written: {error.strerror}") from None
    about().print(f"{path}: turn {timeline.id}, {timeline.lasted_s:.1f} s", soft_wrap=True)


def _folder() -> Path:
    return load_from_process(os.environ).settings.base_dir / "turns"
