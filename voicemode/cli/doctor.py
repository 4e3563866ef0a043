"""``voicemode doctor``: does voice work here, and if not, what to do."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from voicemode.cli.failure import FAILED, printable
from voicemode.cli.output import about, print_json, result
from voicemode.load_config import LoadedSettings, load_from_process
from voicemode.runtime.checks import Check, State

__all__ = ["EXAMPLES", "doctor"]

EXAMPLES = """\
Examples:
  voicemode doctor
  voicemode doctor --json
  VOICEMODE_INPUT_DEVICE=headset voicemode doctor
"""

_SIGNS = {State.OK: ("ok", "green"), State.WARNING: ("warn", "yellow"), State.FAILED: ("FAIL", "bold red")}


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print the checks as JSON.")] = False) -> None:
    """Check every part of a conversation, and say what to do about the rest.

    The microphone is opened and heard for half a second.

    The exit status is 1 when something is missing that a conversation needs.
    """
    loaded = load_from_process(os.environ)
    with about().status("looking at every part"):
        checks = asyncio.run(_examine(loaded))
    if as_json:
        print_json([asdict(check) for check in checks])
    else:
        result().print(_table(checks))
        result().print(f"\n{_verdict(checks)}", style="bold")
    raise typer.Exit(FAILED if any(check.state is State.FAILED for check in checks) else 0)


async def _examine(loaded: LoadedSettings) -> list[Check]:
    # Here and not above: the sound stack takes time to load, which --help and completion must not wait for.
    from voicemode.assemble import build_voice

    voice = build_voice(loaded, os.environ, "voicemode doctor")
    try:
        return await voice.diagnose(listen=True)
    finally:
        await voice.aclose()


def _table(checks: Sequence[Check]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in checks:
        sign, style = _SIGNS[check.state]
        table.add_row(Text(sign, style=style), check.name, Text(printable(check.detail)))
        if check.remedy:
            table.add_row("", "", Text(f"-> {printable(check.remedy)}", style=style))
    return table


def _verdict(checks: Sequence[Check]) -> str:
    failed = sum(check.state is State.FAILED for check in checks)
    warned = sum(check.state is State.WARNING for check in checks)
    if failed:
        return f"A conversation is not possible yet: {_count(failed, 'check')} failed."
    if warned:
        return f"A conversation is possible; {_count(warned, 'warning')} above."
    return "Everything works."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number != 1 else ''}"
