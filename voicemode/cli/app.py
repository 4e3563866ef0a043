"""The command line: what ``voicemode`` does for people."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Annotated

import typer
from typer.main import get_command

import voicemode
from voicemode.cli.call import EXAMPLES as CALL_EXAMPLES
from voicemode.cli.call import call
from voicemode.cli.chat import EXAMPLES as CHAT_EXAMPLES
from voicemode.cli.chat import chat
from voicemode.cli.config import app as config_app
from voicemode.cli.control import app as control_app
from voicemode.cli.converse import EXAMPLES as CONVERSE_EXAMPLES
from voicemode.cli.converse import converse
from voicemode.cli.devices import EXAMPLES as DEVICES_EXAMPLES
from voicemode.cli.devices import devices
from voicemode.cli.doctor import EXAMPLES as DOCTOR_EXAMPLES
from voicemode.cli.doctor import doctor
from voicemode.cli.endpoints import EXAMPLES as ENDPOINTS_EXAMPLES
from voicemode.cli.endpoints import endpoints
from voicemode.cli.failure import FAILED, tell
from voicemode.cli.history import app as history_app
from voicemode.cli.mcp import EXAMPLES as MCP_EXAMPLES
from voicemode.cli.mcp import mcp
from voicemode.cli.models import app as models_app
from voicemode.cli.output import print_json
from voicemode.cli.page import EXAMPLES as PAGE_EXAMPLES
from voicemode.cli.page import page
from voicemode.cli.serve import EXAMPLES as SERVE_EXAMPLES
from voicemode.cli.serve import TOKEN_EXAMPLES, serve, token
from voicemode.cli.service import app as service_app
from voicemode.cli.status import EXAMPLES as STATUS_EXAMPLES
from voicemode.cli.status import status
from voicemode.cli.transcribe import EXAMPLES as TRANSCRIBE_EXAMPLES
from voicemode.cli.transcribe import transcribe
from voicemode.cli.turn import app as turn_app
from voicemode.errors import VoicemodeError

__all__ = ["app", "run"]

_EXAMPLES = """\
Examples:
  voicemode doctor                            what works, and what to do
  voicemode converse "Can you hear me?"       speak, listen, print the reply
  voicemode config set VOICEMODE_VOICES nova  choose a voice
  claude mcp add voicemode -- voicemode mcp   give Claude Code a voice
"""

app = typer.Typer(
    help="Voice for any AI agent: an MCP server and a command line that speak and listen.",
    epilog=_EXAMPLES,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,  # they print local variables, and those may hold keys and transcripts
)
app.command(epilog=CONVERSE_EXAMPLES)(converse)
app.command(epilog=CHAT_EXAMPLES)(chat)
app.command(epilog=TRANSCRIBE_EXAMPLES)(transcribe)
app.command(epilog=DOCTOR_EXAMPLES)(doctor)
app.command(epilog=DEVICES_EXAMPLES)(devices)
app.command(epilog=STATUS_EXAMPLES)(status)
app.command(epilog=ENDPOINTS_EXAMPLES)(endpoints)
app.add_typer(control_app, name="control")
app.add_typer(config_app, name="config")
app.add_typer(service_app, name="service")
app.add_typer(models_app, name="models")
app.add_typer(turn_app, name="turn")
app.add_typer(history_app, name="history")
app.command(epilog=SERVE_EXAMPLES)(serve)
app.command(epilog=TOKEN_EXAMPLES)(token)
app.command(epilog=PAGE_EXAMPLES)(page)
app.command(epilog=CALL_EXAMPLES)(call)
app.command(epilog=MCP_EXAMPLES)(mcp)


def _tell_version(asked: bool) -> None:
    if asked:
        print(f"voicemode {voicemode.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_tell_version, is_eager=True)
    ] = False,
) -> None:
    """Options of the program itself."""


def run(arguments: Sequence[str]) -> int:
    """Run one command, and return the exit status: 0, 1 (it failed), 2 (it was asked wrongly) or 130 (interrupted)."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        get_command(app)(args=list(arguments), prog_name="voicemode")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else FAILED
    except VoicemodeError as error:
        if "--json" in arguments:
            print_json({"status": "failed", "code": error.code, "error": str(error)})
        return tell(error)
    finally:
        sys.stdout.flush()
    return 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """End as Ctrl-C does, which frees the devices and withdraws an unfinished recording."""
    signal.raise_signal(signal.SIGINT)
