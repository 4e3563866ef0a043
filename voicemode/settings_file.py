"""Change one setting in a settings file, keeping its comments and its order; and show all of them."""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from dotenv.parser import Binding
from pydantic import SecretStr

from voicemode.errors import SettingsError
from voicemode.load_config import PREFIX, LoadedSettings, allowed_values, check_value, field_of, is_secret, parse_settings
from voicemode.settings import Settings
from voicemode.supervise.service import is_secret_name, service_of_variable

__all__ = ["MASK", "SettingFacts", "describe", "example_text", "of_service", "set_value", "unset_value"]

MASK = "********"
_COMMAND_LINE = "command line"
_BARE = re.compile(r"[A-Za-z0-9_./:@%+,~-]+")
"""What needs no quotes, in the file's syntax and in every shell's."""
_HEAD = re.compile(r"\s*(?:export[^\S\r\n]+)?(?:'[^']+'|[^=#\s]+)[^\S\r\n]*=")
_QUOTED = re.compile(r"[^\S\r\n]*(?:'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\")", re.DOTALL)
_COMMENT_BEHIND_QUOTES = re.compile(r"[^\S\r\n]*#[^\r\n]*")
_COMMENT = re.compile(r"[^\S\r\n]+#[^\r\n]*")


@dataclass(frozen=True, slots=True)
class SettingFacts:
    """One setting as ``config list`` shows it."""

    name: str
    """VOICEMODE_X."""
    value: str
    """As it would be written in a file; keys are masked."""
    source: str
    """Either "default", "environment" or "path:line"."""
    description: str
    default: str
    allowed: str
    secret: bool


def describe(loaded: LoadedSettings) -> list[SettingFacts]:
    """Every setting, in the order of Settings, and those of services that are set."""
    return [*_own(loaded), *(of_service(key, loaded) for key in loaded.services)]


def of_service(variable: str, loaded: LoadedSettings) -> SettingFacts:
    """One setting of a service, whether it is set or not. Raises SettingsError for any other variable."""
    service = service_of_variable(variable)
    if service is None:
        raise SettingsError(variable, "it is not a setting of a service")
    value, secret = loaded.services.get(variable, ""), is_secret_name(variable)
    return SettingFacts(
        name=variable,
        value=MASK if value and secret else value,
        source=loaded.sources.get(variable, "default"),
        description=f"Setting of the service {service.name}; it counts from its next start.",
        default="",
        allowed=f"what 'voicemode-{service.name} --help' says",
        secret=secret,
    )


def _own(loaded: LoadedSettings) -> list[SettingFacts]:
    return [
        SettingFacts(
            name=PREFIX + field.upper(),
            value=_written(getattr(loaded.settings, field)),
            source=loaded.sources[field],
            description=info.description or "",
            default=_written(info.default),
            allowed=allowed_values(field),
            secret=is_secret(field),
        )
        for field, info in Settings.model_fields.items()
    ]


def example_text() -> str:
    """A settings file with every setting, its meaning and its default, all commented out."""
    entries = [
        f"# {info.description}\n# Allowed: {allowed_values(field)}.\n"
        f"# {PREFIX}{field.upper()}={_quoted(_written(info.default))}\n"
        for field, info in Settings.model_fields.items()
    ]
    head = (
        "# Settings of voicemode. This file is read as text and never run: nothing in it is expanded or executed.\n"
        "# It counts as ~/.voicemode/voicemode.env, or as .voicemode.env in a project's folder, which wins over it;\n"
        "# the environment wins over both. An empty value means the default.\n"
    )
    return "\n".join([head, *entries])


def set_value(path: Path, key: str, value: str) -> None:
    """Write ``key`` (VOICEMODE_X) with ``value``, creating the file (0600) and its folders (0700) if need be.

    The last line that sets the key is changed in place; a new one goes below its commented example, or to the end.
    Atomic: readers see the old file or the new one. Raises SettingsError, and then the file is untouched.
    """
    check_value(key, value, _COMMAND_LINE)
    text = _read(path)
    bindings = parse_settings(text, path)
    parts = [binding.original.string for binding in bindings]
    newline = "\r\n" if "\r\n" in text else "\n"
    assignment = f"{key}={_quoted(value)}{newline}"
    at = next((n for n in reversed(range(len(bindings))) if bindings[n].key == key), None)
    if at is not None:
        parts[at] = _replaced(parts[at], _quoted(value))
    else:
        example = re.compile(rf"\s*#\s*{key}=")
        at = next((n for n, binding in enumerate(bindings) if binding.key is None and example.match(parts[n])), len(parts) - 1)
        if parts and not parts[at].endswith(("\n", "\r")):
            parts[at] += newline
        parts.insert(at + 1, assignment)
    _write(path, "".join(parts))


def unset_value(path: Path, key: str) -> None:
    """Remove every line that sets ``key``; a file or key that is not there is no error. Raises SettingsError."""
    if service_of_variable(key) is None:
        field_of(key, _COMMAND_LINE)
    text = _read(path)
    bindings = parse_settings(text, path)
    kept = [_blank_lines(binding) if binding.key == key else binding.original.string for binding in bindings]
    if any(binding.key == key for binding in bindings):
        _write(path, "".join(kept))


def _written(value: object) -> str:
    """A value as people write it in the file."""
    match value:
        case None:
            return ""
        case SecretStr():
            return MASK
        case bool():
            return str(value).lower()
        case tuple():
            return ",".join(map(str, value))
        case _:
            return str(value)


def _quoted(value: str) -> str:
    if not value or _BARE.fullmatch(value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _replaced(line: str, value: str) -> str:
    """The line with another value; what stands before and the comment behind stay."""
    head = _HEAD.match(line)
    if head is None:
        raise AssertionError(f"the parser saw an assignment in {line!r}")
    rest = line[head.end() :]
    quoted = _QUOTED.match(rest)
    found = _COMMENT_BEHIND_QUOTES.match(rest, quoted.end()) if quoted else _COMMENT.search(rest)
    comment = found.group() if found else ""
    gap = " " if comment.startswith("#") else ""
    line_end = rest[len(rest.rstrip("\r\n")) :]
    return f"{head.group()}{value}{gap}{comment}{line_end}"


def _blank_lines(binding: Binding) -> str:
    original = binding.original.string
    lead = original[: len(original) - len(original.lstrip())]
    return lead[: max(lead.rfind("\n"), lead.rfind("\r")) + 1]


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError("the settings file", f"it cannot be read: {error}", where=str(path)) from error


def _write(path: Path, text: str) -> None:
    """Replace the file in one step, on disk before its name points to it."""
    path = path.resolve()  # a link, as dotfile managers make them, stays one
    try:
        for folder in reversed([folder for folder in path.parents if not folder.exists()]):
            folder.mkdir(mode=0o700, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise SettingsError("the settings file", f"it cannot be written: {error.strerror}", where=str(path)) from error


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return  # Windows cannot open a folder
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
