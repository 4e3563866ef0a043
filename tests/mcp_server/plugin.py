"""Makes a package of a stranger that offers a tool, as pip would have installed it."""

from __future__ import annotations

import textwrap
from pathlib import Path

__all__ = ["DEAF", "make_plugin"]

_NONE = "no device has this name"
DEAF = {"VOICEMODE_BUILTIN": "false", "VOICEMODE_INPUT_DEVICE": _NONE, "VOICEMODE_OUTPUT_DEVICE": _NONE}
"""Variables of a server that has nothing to speak or to hear with."""

_HEAD = """\
from __future__ import annotations
import asyncio, atexit, os, subprocess, sys
from voicemode.serving.spec import ToolSpec
"""


def make_plugin(folder: Path, name: str, body: str) -> dict[str, str]:
    """Write a package with the tool ``name``, whose ``async def name()`` is in ``body``.

    Returns the variables that install it and ask for it, beside the default tools.
    """
    tool = f'TOOL = ToolSpec(function={name}, title="A stranger\'s tool")\n'
    (folder / f"{name}_plugin.py").write_text(_HEAD + textwrap.dedent(body) + tool, encoding="utf-8")
    metadata = folder / f"{name}_plugin-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}_plugin\nVersion: 1.0\n", encoding="utf-8")
    (metadata / "entry_points.txt").write_text(f"[voicemode.tools]\n{name} = {name}_plugin:TOOL\n", encoding="utf-8")
    return {"PYTHONPATH": str(folder), "VOICEMODE_TOOLS": f"converse,voice_status,{name}"}
