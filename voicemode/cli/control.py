"""``voicemode control``: pause, stop or push to talk, from a key or another terminal."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from voicemode.cli.hotkey import obey
from voicemode.wire.control import ControlAction

__all__ = ["app"]

_EXAMPLES = """\
Examples:
  voicemode control pause            halt what is being said
  voicemode control resume           go on where it halted
  voicemode control stop             end it, and listen to me
  voicemode control skip             leave out the rest of the message
  voicemode control talk             push to talk: once to begin, once to end
  voicemode control talk --start     as a key goes down
  voicemode control talk --end       as it goes up
  voicemode control status --json
"""

app = typer.Typer(
    name="control",
    help="Control the conversation that goes on. Bind these to keys: docs/control.md shows how.",
    epilog=_EXAMPLES,
    no_args_is_help=True,
)


def _example(*lines: str) -> str:
    return "\n".join(["Examples:", *(f"  voicemode control {line}" for line in lines)]) + "\n"


_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _do(action: ControlAction, *, as_json: bool) -> None:
    raise typer.Exit(obey(action, os.environ, as_json=as_json))


@app.command(epilog=_example("pause", "pause --json"))
def pause(as_json: _Json = False) -> None:
    """Halt what is being said. Pressed again, it changes nothing."""
    _do(ControlAction.PAUSE, as_json=as_json)


@app.command(epilog=_example("resume"))
def resume(as_json: _Json = False) -> None:
    """Go on where it was paused."""
    _do(ControlAction.RESUME, as_json=as_json)


@app.command(epilog=_example("stop"))
def stop(as_json: _Json = False) -> None:
    """End what is being said, and listen."""
    _do(ControlAction.STOP, as_json=as_json)


@app.command(epilog=_example("skip"))
def skip(as_json: _Json = False) -> None:
    """Leave out the rest of the message that is being said."""
    _do(ControlAction.SKIP, as_json=as_json)


@app.command(epilog=_example("talk", "talk --start     as a key goes down", "talk --end       as it goes up"))
def talk(
    start: Annotated[bool, typer.Option("--start", help="The key went down.")] = False,
    end: Annotated[bool, typer.Option("--end", help="The key went up: the turn is over.")] = False,
    as_json: _Json = False,
) -> None:
    """Push to talk. Without an option it begins, and ends when it is called again."""
    if start and end:
        raise typer.BadParameter("a key goes down or up", param_hint="--start, --end")
    _do(ControlAction.TALK_START if start else ControlAction.TALK_END if end else ControlAction.TALK, as_json=as_json)


@app.command(epilog=_example("status", "status --json"))
def status(as_json: _Json = False) -> None:
    """Say what the conversation does: idle, speaking, paused, listening, talking or thinking."""
    _do(ControlAction.STATUS, as_json=as_json)
