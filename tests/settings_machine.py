"""A home folder with a project in it, and the settings files of both."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from voicemode.load_config import LoadedSettings, default_settings_path, load_settings

__all__ = ["Machine", "write_settings"]


@dataclasses.dataclass(frozen=True)
class Machine:
    """A home folder and, in it, a project with a folder one works in."""

    home: Path

    @property
    def project(self) -> Path:
        return self.home / "project"

    @property
    def cwd(self) -> Path:
        return self.project / "src" / "deep"

    def own(self, text: str) -> Path:
        return write_settings(default_settings_path(self.home), text)

    def projects(self, text: str) -> Path:
        return write_settings(self.project / ".voicemode.env", text)

    def load(self, **environ: str) -> LoadedSettings:
        return load_settings({f"VOICEMODE_{key}": value for key, value in environ.items()}, self.cwd, self.home)


def write_settings(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    path.chmod(0o600)
    return path
