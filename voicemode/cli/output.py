"""Where words go: results to standard output, everything about them to standard error.

Both are made when they are needed, so that they belong to the streams of that moment. Colours and movement appear on
terminals only; rich sees to that, and to NO_COLOR.
"""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console

__all__ = ["about", "print_json", "result"]


def result() -> Console:
    """Standard output, for what was asked for."""
    return Console(highlight=False, markup=False, emoji=False)


def about() -> Console:
    """Standard error, for states and remarks."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def print_json(data: Any) -> None:
    """Write one JSON document to standard output, the same whether a terminal reads it or a program."""
    print(json.dumps(data, indent=2, ensure_ascii=False))
