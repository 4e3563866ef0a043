"""A worker process that does what the tests of the client ask for, good and bad."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from voicemode.engines.workers.serve import Cancelled, Request, serve


def _echo(request: Request) -> dict[str, Any]:
    for part in range(request.header.get("parts", 0)):
        request.reply({"part": part}, request.payload)
    return {"said": request.header["say"], "size": len(request.payload)}


def _stream(request: Request) -> dict[str, Any]:
    """Megabytes until cancelled: the pipe is always full."""
    while not request.cancelled:
        request.reply({}, bytes(100_000))
    raise Cancelled


def _stubborn(request: Request) -> dict[str, Any]:
    time.sleep(60)
    return {}


def _crash(request: Request) -> dict[str, Any]:
    sys.stderr.write("first line\nthe model is not where it should be\n")
    sys.stderr.flush()
    os._exit(3)


def _raise(request: Request) -> dict[str, Any]:
    raise LookupError("no such voice")


def _garbage(request: Request) -> dict[str, Any]:
    os.write(request._outgoing.fileno(), b"Loading model... 100%\n")
    return {}


def _print(request: Request) -> dict[str, Any]:
    print("a library that prints", flush=True)
    os.write(1, b"and one in C\n")
    return {"read": os.read(0, 10).decode()}


def _environment(request: Request) -> dict[str, Any]:
    return {"environ": dict(os.environ)}


serve(
    {
        "echo": _echo,
        "stream": _stream,
        "stubborn": _stubborn,
        "crash": _crash,
        "raise": _raise,
        "garbage": _garbage,
        "print": _print,
        "environment": _environment,
    }
)
