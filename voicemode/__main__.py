"""The command ``voicemode``: an MCP server when a program starts it, a command line when a person does.

MCP clients wait for the server at every start, so nothing but the server is loaded on its way.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from voicemode.cli.failure import INTERRUPTED, tell
from voicemode.errors import VoicemodeError

__all__ = ["main"]


def main() -> int:
    """Run, and return the exit status."""
    arguments = sys.argv[1:]
    if arguments == ["mcp"] or (not arguments and _started_by_a_client(os.environ)):
        return _serve()
    if arguments[:1] == ["control"]:
        # Here and not above: neither the server nor the other commands have a use for it.
        from voicemode.cli.hotkey import press

        status = press(arguments[1:], os.environ)
        if status is not None:
            return status
    # Here and not above: typer and rich would make each start of the server 0.1 s slower.
    from voicemode.cli.app import run

    return run(arguments)


def _started_by_a_client(environ: Mapping[str, str]) -> bool:
    """Whether standard input is a pipe, which a shell that asks for completions may have as well.

    A standard input that is closed could not be served and gets the help instead.
    """
    completing = "_VOICEMODE_COMPLETE" in environ  # typer's name, made from the program's
    return not completing and sys.stdin is not None and not sys.stdin.isatty()


def _serve() -> int:
    try:
        # Here and not above: the command line must not wait for the MCP SDK, which takes most of a second.
        from voicemode.server import serve

        return serve(os.environ)
    except VoicemodeError as error:
        return tell(error)
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
