"""The phrases of each language: ``config/phrases`` of a clone, or beside this module in an installed package."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from voicemode.core.commands import Command, LanguagePhrases, SpokenPhrases
from voicemode.errors import SettingsError

__all__ = ["load_phrases", "read_phrases"]

_HERE = Path(__file__).parent
_ALWAYS = "en"
"""People say "stop" and "okay" to machines in every language."""
_LISTS = ("fillers", "backchannels")


def load_phrases(*languages: str | None) -> SpokenPhrases:
    """Those of English and of the languages (BCP 47) that have a file; each file is read once in a process.

    Raises SettingsError.
    """
    known = {path.stem for path in _folder().glob("*.toml")}
    wanted = {language.replace("_", "-").split("-")[0].lower() for language in languages if language}
    return _load(frozenset(wanted & known | {_ALWAYS}))


@functools.cache
def _load(names: frozenset[str]) -> SpokenPhrases:
    return SpokenPhrases(_read(_folder() / f"{name}.toml") for name in sorted(names))


@functools.cache
def _read(path: Path) -> LanguagePhrases:
    return read_phrases(path)


def _folder() -> Path:
    installed = _HERE / "phrases"
    return installed if installed.is_dir() else _HERE.parents[1] / "config" / "phrases"


def read_phrases(path: Path) -> LanguagePhrases:
    """One file. Raises SettingsError for what is missing, unknown, or no list of phrases."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError("phrases", error.strerror or "it cannot be read", where=str(path)) from None
    except ValueError as error:  # of TOML, and of UTF-8
        raise SettingsError("phrases", str(error), where=str(path)) from None
    _refuse_unknown(content, ("commands", *_LISTS), "", path)
    commands = content.get("commands", {})
    if not isinstance(commands, dict):
        raise SettingsError("commands", "it is no table", "[commands]", str(path))
    _refuse_unknown(commands, tuple(Command), "commands.", path)
    read = {command: _list(commands, command, f"commands.{command}", path) for command in Command}
    fillers, backchannels = (_list(content, name, name, path) for name in _LISTS)
    return LanguagePhrases(read, fillers, backchannels)


def _refuse_unknown(table: dict[str, Any], allowed: Iterable[str], prefix: str, path: Path) -> None:
    for key in table.keys() - set(allowed):
        raise SettingsError(f"{prefix}{key[:80]}", "it is not known", ", ".join(allowed), str(path))


def _list(table: dict[str, Any], name: str, shown: str, path: Path) -> tuple[str, ...]:
    phrases = table.get(name)
    if not isinstance(phrases, list) or not phrases or not all(_has_a_letter(each) for each in phrases):
        raise SettingsError(shown, "it is no list of phrases", '["one", "another one"]', str(path))
    return tuple(phrases)


def _has_a_letter(phrase: object) -> bool:
    return isinstance(phrase, str) and any(character.isalpha() for character in phrase)
