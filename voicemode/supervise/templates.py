"""The templates of units and agents: ``systemd`` and ``launchd`` of a clone, or beside this module in an installed package."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

__all__ = ["fill", "template"]

_HERE = Path(__file__).parent
_WORD = re.compile(r"@([A-Z_]+)@")
_UNSAID = "##"
"""Begins a line for readers of the template."""


def template(system: str, name: str) -> str:
    """Its text; ``system`` is "systemd" or "launchd"."""
    installed = _HERE / "templates" / system / name
    path = installed if installed.is_file() else _HERE.parents[1] / system / name
    return path.read_text(encoding="utf-8")


def fill(text: str, words: Mapping[str, str]) -> str:
    """Put the words in, once: what comes with a word is not looked at again. A line whose only word is empty goes."""
    lines = []
    for line in text.splitlines():
        alone = _WORD.fullmatch(line)
        if not line.startswith(_UNSAID) and (alone is None or words[alone[1]]):
            lines.append(_WORD.sub(lambda found: words[found[1]], line))
    return "\n".join(lines) + "\n"
