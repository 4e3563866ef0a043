"""``voicemode mcp``: the server, for clients that start it with arguments."""

from __future__ import annotations

import os

import typer

__all__ = ["EXAMPLES", "mcp"]

EXAMPLES = """\
Examples:
  claude mcp add --scope user voicemode -- voicemode mcp
  codex mcp add voicemode -- voicemode mcp
"""


def mcp() -> None:
    """Serve MCP on standard input and output, for an MCP client to start."""
    # Here and not above: --help and completion must not wait for the MCP SDK, which takes most of a second.
    from voicemode.server import serve

    raise typer.Exit(serve(os.environ))
