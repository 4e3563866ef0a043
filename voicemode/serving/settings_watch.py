"""The settings in force in a server that runs for days, while its settings files change.

A look costs a few ``stat`` calls. Files that can no longer be used end nothing: what was in force stays in force, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from voicemode.errors import SettingsError
from voicemode.load_config import PREFIX, LoadedSettings, load_settings, settings_paths, working_folders
from voicemode.settings import Settings

__all__ = ["SettingsWatch"]

_AT_START = ("base_dir", "tools")
"""What a running server cannot change: where recordings wait and the floor is taken, and which tools the client was told of."""

_Stamps: TypeAlias = tuple[tuple[Path, tuple[int, ...]] | None, ...]
"""Of each settings file its path, and what changes whenever it does; None for a file that is not there."""


class SettingsWatch:
    """Knows what is in force. The environment cannot change; the files are looked at when somebody asks."""

    def __init__(self, loaded: LoadedSettings, environ: Mapping[str, str]) -> None:
        """``loaded`` is what was read a moment ago, from this environment and the files of this process."""
        self._environ = environ
        self._cwd, self._home = working_folders()
        self._first = self._last_good = self._in_force = loaded
        self._stamps = self._look()
        self.trouble: SettingsError | None = None
        """Why the files as they are now are not in force; None when they are."""

    @property
    def warning(self) -> str:
        """What a person should be told about it; empty when the files are in force."""
        if self.trouble is None:
            return ""
        return f"The settings have changed but cannot be used, so those from before are in force: {self.trouble}"

    def current(self) -> LoadedSettings:
        """What is in force now; the same object as long as nothing changes."""
        stamps = self._look()
        if stamps != self._stamps:
            self._stamps = stamps  # before the files are read: a change meanwhile is seen by the next look
            self._load()
        return self._in_force

    def _look(self) -> _Stamps:
        return tuple(_stamp(path) for path in settings_paths(self._cwd, self._home))

    def _load(self) -> None:
        try:
            loaded = load_settings(self._environ, self._cwd, self._home)
            _check_addresses(loaded.settings)
        except SettingsError as error:
            self.trouble = error
            self._in_force = replace(self._last_good, warnings=(*self._last_good.warnings, self.warning))
            return
        self.trouble = None
        self._in_force = self._last_good = self._without_what_waits(loaded)

    def _without_what_waits(self, loaded: LoadedSettings) -> LoadedSettings:
        """The same with what only counts at the start as it was then."""
        started = {name: getattr(self._first.settings, name) for name in _AT_START}
        waiting = [name for name, value in started.items() if getattr(loaded.settings, name) != value]
        warnings = (
            f"{PREFIX}{name.upper()} ({loaded.sources[name]}) counts once the MCP server is restarted" for name in waiting
        )
        settings = loaded.settings.model_copy(update=started)
        sources = {**loaded.sources, **{name: self._first.sources[name] for name in waiting}}
        return replace(loaded, settings=settings, sources=sources, warnings=(*loaded.warnings, *warnings))


def _stamp(path: Path | None) -> tuple[Path, tuple[int, ...]] | None:
    if path is None:
        return None
    try:
        found = path.stat()
    except OSError:
        return None
    # A file that is replaced by another one has another number, even within one tick of the clock.
    return path, (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)


def _check_addresses(settings: Settings) -> None:
    # Here and not above: a server starts without it, and most never need it.
    from voicemode.providers.sites import sites

    for task in ("tts", "stt", "chat"):
        sites(settings, task)
