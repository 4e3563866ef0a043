"""The only reader of the environment and of settings files. Files are parsed, never sourced and never interpolated.

Process environment > ``.voicemode.env`` of the nearest ancestor of the working directory > ``~/.voicemode/voicemode.env`` >
defaults.
"""

from __future__ import annotations

import difflib
import io
import os
import stat
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv.parser import parse_stream
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from voicemode.errors import SettingsError
from voicemode.settings import Settings

__all__ = ["PREFIX", "LoadedSettings", "default_settings_path", "load_from_process", "load_settings", "project_settings_path"]

PREFIX = "VOICEMODE_"
_PROJECT_FILE = ".voicemode.env"
_ENVIRONMENT = "environment"


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """The settings and where each one came from."""

    settings: Settings
    sources: Mapping[str, str]
    """By field: "default", "environment", or "path:line"."""
    warnings: tuple[str, ...] = ()
    """What was odd, one sentence each: unknown keys, a file with keys that others can read."""


@dataclass(frozen=True, slots=True)
class _Given:
    """A value and where somebody wrote it."""

    value: str
    source: str


def default_settings_path(home: Path) -> Path:
    """Where a person's own settings are; it need not exist."""
    return home / ".voicemode" / "voicemode.env"


def project_settings_path(cwd: Path) -> Path | None:
    """The settings file of the project that ``cwd`` is in; None when no folder above has one."""
    return next((path for folder in (cwd, *cwd.parents) if (path := folder / _PROJECT_FILE).is_file()), None)


def load_from_process(environ: Mapping[str, str]) -> LoadedSettings:
    """``load_settings`` for the working directory and home folder of this process. Raises SettingsError."""
    return load_settings(environ, Path.cwd(), Path.home())


def load_settings(environ: Mapping[str, str], cwd: Path, home: Path) -> LoadedSettings:
    """Read everything once. Raises SettingsError naming key, value (unless secret), place and what is allowed."""
    warnings: list[str] = []
    given: dict[str, _Given] = {}
    for path in (default_settings_path(home), project_settings_path(cwd)):
        if path is not None and path.is_file():
            given |= _from_file(path, warnings)
    given |= {key: _Given(value, _ENVIRONMENT) for key, value in environ.items() if key.startswith(PREFIX)}
    fields = _known_fields(given, warnings)
    settings = _validate(fields)
    base_dir = settings.base_dir
    if base_dir.parts[:1] == ("~",):
        settings = settings.model_copy(update={"base_dir": home.joinpath(*base_dir.parts[1:])})
    sources = {name: fields[name].source if name in fields else "default" for name in Settings.model_fields}
    return LoadedSettings(settings, sources, tuple(warnings))


def _from_file(path: Path, warnings: list[str]) -> dict[str, _Given]:
    try:
        with path.open(encoding="utf-8") as file:
            given = dict(_lines(path, file.read()))
            readable = stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError("the settings file", f"it cannot be read: {error}", where=str(path)) from error
    if readable and os.name == "posix" and any(_is_secret(key) for key in given):
        warnings.append(f"{path} holds a key and others can read it: chmod 600 {path}")
    return given


def _lines(path: Path, text: str) -> Iterator[tuple[str, _Given]]:
    for binding in parse_stream(io.StringIO(text)):
        where = f"{path}:{binding.original.line}"
        if binding.error or (binding.key is not None and binding.value is None):
            raise SettingsError("a line", "it is not NAME=value", "NAME=value, # comment, or an empty line", where)
        if binding.key is not None and binding.key.startswith(PREFIX):
            yield binding.key, _Given(binding.value or "", where)


def _known_fields(given: Mapping[str, _Given], warnings: list[str]) -> dict[str, _Given]:
    known = {PREFIX + name.upper(): name for name in Settings.model_fields}
    fields: dict[str, _Given] = {}
    for key, entry in given.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
            hint = f"; did you mean {near[0]}?" if near else ""
            warnings.append(f"{key} ({entry.source}) is not a setting{hint}")
            continue
        if any(unicodedata.category(character) == "Cc" for character in entry.value):
            raise SettingsError(key, "it holds a control character", "printable text", entry.source)
        if entry.value.strip():
            fields[known[key]] = entry
    return fields


def _validate(fields: Mapping[str, _Given]) -> Settings:
    try:
        return Settings.model_validate({name: entry.value.strip() for name, entry in fields.items()})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        key = PREFIX + name.upper()
        shown = "the value" if _is_secret(key) else f"'{fields[name].value[:80]}'"
        allowed = _allowed(Settings.model_fields[name], str(first["msg"]))
        raise SettingsError(key, f"{shown} is not allowed", allowed, fields[name].source) from None


def _is_secret(key: str) -> bool:
    name = key.removeprefix(PREFIX).lower()
    return name in Settings.model_fields and "SecretStr" in str(Settings.model_fields[name].annotation)


def _allowed(field: FieldInfo, message: str) -> str:
    """Pydantic's own sentence says the limits: "Input should be less than or equal to 4"."""
    said = message.removeprefix("Input should be ")
    return f"{said} ({field.description})" if field.description else said
