"""What the server's processes log, and how: one line per event to standard error, nothing that anybody said."""

from __future__ import annotations

import logging
import sys

from voicemode.http.faults import PlainFormatter
from voicemode.http.telemetry import JsonFormatter

__all__ = ["log_to_stderr"]


def log_to_stderr(level: str, *, as_json: bool) -> None:
    """From ``level`` on, such as "info"."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else PlainFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for library in (
        "httpx2",
        "httpcore2",
        "uvicorn",
        "uvicorn.access",
        "asyncio",
        "mcp",
    ):  # they log requests and what is in them
        logging.getLogger(library).setLevel(logging.WARNING)
