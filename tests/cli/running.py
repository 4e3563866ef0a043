"""Runs the real command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["CommandLine"]


@dataclass(frozen=True)
class CommandLine:
    """``voicemode`` in a home of its own, on a machine without sound devices."""

    home: Path

    @property
    def settings_file(self) -> Path:
        return self.home / ".voicemode" / "voicemode.env"

    def environment(self, **more: str) -> dict[str, str]:
        nothing = {
            "PULSE_SERVER": "unix:/nonexistent",
            "COLUMNS": "200",
            "HOME": str(self.home),
            "VOICEMODE_DISCOVERY": "false",
        }
        return {"PATH": os.environ["PATH"], **nothing, **more}

    def __call__(self, *arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "voicemode", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            cwd=self.home,
            env=self.environment(**environment),
            timeout=90,
        )

    def json(self, *arguments: str, **environment: str) -> Any:
        """What the command prints with --json."""
        return json.loads(self(*arguments, "--json", **environment).stdout)
