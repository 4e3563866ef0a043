"""Starts the stub of an MCP server, for tests of whoever asks it."""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["STDIO", "http_server"]

_SCRIPT = str(Path(__file__).with_name("mcp_tools.py"))
STDIO = shlex.join([sys.executable, _SCRIPT, "stdio"])
"""The command of one that is spoken with over its standard input."""


@contextlib.contextmanager
def http_server(port: int = 0) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """Its port and process, while it serves."""
    with subprocess.Popen([sys.executable, _SCRIPT, "http", str(port)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline()), process
        finally:
            process.kill()
