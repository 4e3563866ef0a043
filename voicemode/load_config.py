"""The only reader of the environment and of settings files. Files are parsed, never sourced and never interpolated.

Process environment > ``.voicemode.env`` of the nearest ancestor of the working directory > ``~/.voicemode/voicemode.env`` >
defaults. An empty value means the default, wherever it is written.

A project may have been cloned from anyone. So its file gets no key of the person's own for the addresses it names, and cannot
switch VOICEMODE_LOCAL_ONLY off where the person's own file has it on.
"""

from __future__ import annotations

import difflib
import io
import os
import re
import stat
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args, get_origin
from urllib.parse import urlsplit

from annotated_types import Ge, Gt, Le
from dotenv.parser import Binding, parse_stream
from pydantic import SecretStr, TypeAdapter, ValidationError

from voicemode.errors import SettingsError
from voicemode.providers.address import is_loopback
from voicemode.settings import Settings
from voicemode.supervise.service import SERVICES, is_secret_name, service_of_variable

__all__ = [
    "PREFIX",
    "LoadedSettings",
    "allowed_values",
    "check_value",
    "default_settings_path",
    "field_of",
    "is_secret",
    "load_from_process",
    "load_settings",
    "parse_settings",
    "project_settings_path",
    "settings_paths",
    "working_folders",
]

PREFIX = "VOICEMODE_"
_PROJECT_FILE = ".voicemode.env"
_ENVIRONMENT = "environment"
_DEFAULT = "default"
_MAX_FILE_BYTES = 1 << 20  # a settings file has a hundred lines
_REFUSED = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories: control characters, undecodable bytes, line and paragraph separators."""
_OWN_ONLY = (
    *("serve_", "responder_", "mcp_", "job_", "memory", "thread", "retention_", "keep_"),
    *("twilio_", "public_url", "handoff_", "upstream", "gptme_"),
)
"""What fields begin with that a project's file must not set: who may reach this machine, what is run and what is kept on it."""
_TASKS = {"tts": "text-to-speech", "stt": "speech-to-text", "chat": "chat"}
_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""They make a value look like another one."""


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """The settings and where each one came from."""

    settings: Settings
    sources: Mapping[str, str]
    """By field: "default", "environment", or "path:line". The settings of services are there by variable."""
    warnings: tuple[str, ...] = ()
    """What was odd, one sentence each: unknown keys, a file with keys that others can read."""
    openai_key_elsewhere: bool = False
    """The environment has an OPENAI_API_KEY. It is other programs' and no consent to ours, so it is never used; but whoever
    wonders why the cloud is not asked can be told."""
    services: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What the person set for local services (VOICEMODE_WHISPER_PORT and its like), by variable, as it was written; tokens too.
    Each service reads and checks its own."""
    ssh_server: str = ""
    """How whoever is logged in over SSH names this machine; empty: nobody is."""


@dataclass(frozen=True, slots=True)
class _Given:
    """A value and where somebody wrote it."""

    value: str
    source: str
    """Either "environment" or "path:line"."""
    folder: Path
    """What a relative path in the value is relative to."""


def default_settings_path(home: Path) -> Path:
    """Where a person's own settings are; it need not exist."""
    return home / ".voicemode" / "voicemode.env"


def project_settings_path(cwd: Path) -> Path | None:
    """The settings file of the project that ``cwd`` is in; None when no folder above has one."""
    return next((path for folder in (cwd, *cwd.parents) if _is_file(path := folder / _PROJECT_FILE)), None)


def settings_paths(cwd: Path, home: Path) -> tuple[Path, Path | None]:
    """The files that are read: the person's own, which need not exist, and the project's."""
    return default_settings_path(home), project_settings_path(cwd)


def load_from_process(environ: Mapping[str, str]) -> LoadedSettings:
    """``load_settings`` for the working directory and home folder of this process. Raises SettingsError."""
    return load_settings(environ, *working_folders())


def working_folders() -> tuple[Path, Path]:
    """Working directory and home folder of this process."""
    home = Path.home()
    try:
        return Path.cwd(), home
    except OSError:  # somebody removed it
        return home, home


def load_settings(environ: Mapping[str, str], cwd: Path, home: Path) -> LoadedSettings:
    """Read everything once. Raises SettingsError naming key, value (unless secret), place and what is allowed."""
    warnings: list[str] = []
    own, project = (_from_file(path, warnings) for path in settings_paths(cwd, home))
    said = {key: _Given(value, _ENVIRONMENT, cwd) for key, value in environ.items() if key.startswith(PREFIX)}
    warnings += (
        f"{key} ({entry.source}) is not heeded: a project's file sets nothing of the services that this machine shares"
        for key, entry in _of_services(project).items()
    )
    services = _of_services(own) | _of_services(said)
    own, project, said = ({k: v for k, v in each.items() if service_of_variable(k) is None} for each in (own, project, said))
    fields = _known_fields(own | project | said, warnings)
    warnings += _distrust(fields, _known_fields(project, []), _known_fields(own | said, []))
    settings = _validate(fields)
    base = fields.get("base_dir")
    settings = settings.model_copy(update={"base_dir": _place(settings.base_dir, base, home)})
    sources = {name: fields[name].source if name in fields else _DEFAULT for name in Settings.model_fields}
    sources |= {key: entry.source for key, entry in services.items()}
    if settings.local_only and settings.openai_api_key is not None:
        key, why = sources["openai_api_key"], sources["local_only"]
        warnings.append(f"{PREFIX}OPENAI_API_KEY ({key}) is not used, since {PREFIX}LOCAL_ONLY ({why}) is on")
    elsewhere = bool(environ.get("OPENAI_API_KEY", "").strip())
    given = {key: entry.value.strip() for key, entry in services.items()}
    return LoadedSettings(settings, sources, tuple(warnings), elsewhere, given, _ssh_server(environ.get("SSH_CONNECTION", "")))


def _ssh_server(connection: str) -> str:  # sshd's "client port server port"
    found = re.fullmatch(r"\S+ \d+ (\S+) (\d+)", connection)
    return "" if found is None else found[1] if found[2] == "22" else f"{found[1]} -p {found[2]}"


def parse_settings(text: str, path: Path) -> list[Binding]:
    """The lines of a settings file, comments included; joined, their originals are the text.

    Raises SettingsError naming file and line for anything that is not NAME=value, # comment or blank.
    """
    for number, line in enumerate(text.split("\n"), 1):
        if any(_is_refused(character) for character in line if character not in "\t\r\ufeff"):
            raise SettingsError("a line", "it holds a control character", "printable text", f"{path}:{number}")
    bindings = list(parse_stream(io.StringIO(text, newline="")))
    for binding in bindings:
        if binding.error or (binding.key is not None and binding.value is None):
            raise SettingsError("a line", "it is not NAME=value", "NAME=value or # comment", f"{path}:{_line(binding)}")
    return bindings


def check_value(key: str, value: str, source: str) -> None:
    """Raises SettingsError unless ``value`` may be given to ``key``, a known VOICEMODE_* name."""
    _refuse_control(key, value, source)
    if service_of_variable(key) is not None:
        return  # the service knows what it allows, and says so when it is started
    name = field_of(key, source)
    entry = _Given(value, source, Path())
    if value.strip():
        settings = _validate({name: entry})
        if name == "base_dir":
            _place(settings.base_dir, entry, Path("/"))


def field_of(key: str, source: str) -> str:
    """The field of Settings that ``key`` (VOICEMODE_X) names. Raises SettingsError with the nearest name."""
    name = key.removeprefix(PREFIX).lower()
    if key != PREFIX + name.upper() or name not in Settings.model_fields:
        raise SettingsError(key, f"it is not a setting{_did_you_mean(key)}", "the names of 'voicemode config list'", source)
    return name


def is_secret(field: str) -> bool:
    """Whether the value of ``field`` must never be shown."""
    annotation = Settings.model_fields[field].annotation
    return SecretStr in (annotation, *get_args(annotation))


def allowed_values(field: str) -> str:
    """What may be given to ``field``, for people."""
    info = Settings.model_fields[field]
    kinds = {info.annotation, *get_args(info.annotation)}
    if get_origin(info.annotation) is Literal:
        return ", ".join(map(str, get_args(info.annotation)))
    if bool in kinds:
        return "true, false"
    if kinds & {int, float}:
        number = "a whole number" if int in kinds else "a number"
        return " ".join([number, *(_limit(rule) for rule in info.metadata)]).strip()
    if Path in kinds:
        return "a folder: absolute, beginning with ~/, or relative to the file that names it"
    return "a list separated by commas" if tuple in kinds or get_origin(info.annotation) is tuple else "text"


def _limit(rule: object) -> str:
    match rule:
        case Ge(ge=least):
            return f"from {least}"
        case Gt(gt=least):
            return f"above {least} and"
        case Le(le=most):
            return f"up to {most}"
        case _:
            return ""


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder above that this user must not look into
        return False


def _from_file(path: Path | None, warnings: list[str]) -> dict[str, _Given]:
    if path is None or not _is_file(path):
        return {}
    text, others_can_read = _read(path)
    given: dict[str, _Given] = {}
    for binding in parse_settings(text, path):
        if binding.key is None:
            continue
        source = f"{path}:{_line(binding)}"
        if not binding.key.startswith(PREFIX):
            warnings.append(f"{binding.key} ({source}) is not a setting{_did_you_mean(binding.key)}")
            continue
        if binding.key in given:
            warnings.append(f"{binding.key} ({source}) replaces {given[binding.key].source}")
        given[binding.key] = _Given(binding.value or "", source, path.parent)
    if others_can_read and any(_names_secret(key) and given[key].value for key in given):
        warnings.append(f"{path} holds a key and others can read it: chmod 600 {path}")
    return given


def _names_secret(key: str) -> bool:
    known = _known()
    return is_secret(known[key]) if key in known else service_of_variable(key) is not None and is_secret_name(key)


def _read(path: Path) -> tuple[str, bool]:
    """The text of a settings file, and whether other users can read it."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE_BYTES + 1)
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    except OSError as error:
        raise SettingsError("the settings file", f"it cannot be read: {error.strerror}", where=str(path)) from error
    if len(data) > _MAX_FILE_BYTES:
        raise SettingsError("the settings file", "it is larger than 1 MiB", where=str(path))
    try:
        return data.decode(), bool(mode & 0o077) and os.name == "posix"
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SettingsError("a line", "it is not UTF-8", where=f"{path}:{line}") from error


def _line(binding: Binding) -> int:
    """Where its text begins; the parser counts blank lines before it as its own."""
    original = binding.original.string
    blank = original[: len(original) - len(original.lstrip())]
    return binding.original.line + blank.replace("\r\n", "\n").replace("\r", "\n").count("\n")


def _known() -> dict[str, str]:
    return {PREFIX + name.upper(): name for name in Settings.model_fields}


def _of_services(given: Mapping[str, _Given]) -> dict[str, _Given]:
    """The settings of services among them. Raises SettingsError for a control character."""
    found = {key: entry for key, entry in given.items() if service_of_variable(key) is not None and entry.value.strip()}
    for key, entry in found.items():
        _refuse_control(key, entry.value, entry.source)
    return found


def _did_you_mean(key: str) -> str:
    names = [*_known(), *(f"{service.prefix}{option}" for service in SERVICES.values() for option in sorted(service.options))]
    near = difflib.get_close_matches(key.upper()[:80], names, n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""


def _known_fields(given: Mapping[str, _Given], warnings: list[str]) -> dict[str, _Given]:
    known = _known()
    fields: dict[str, _Given] = {}
    for key, entry in given.items():
        if key not in known:
            shown = "".join("?" if _is_refused(character) else character for character in key[:80])
            warnings.append(f"{shown} ({entry.source}) is not a setting{_did_you_mean(key)}")
            continue
        _refuse_control(key, entry.value, entry.source)
        if entry.value.strip():
            fields[known[key]] = entry
    return fields


def _refuse_control(key: str, value: str, source: str) -> None:
    if any(_is_refused(character) for character in value):
        raise SettingsError(key, "it holds a control character", "printable text", source)


def _is_refused(character: str) -> bool:
    return unicodedata.category(character) in _REFUSED or character in _DIRECTIONS


def _validate(fields: Mapping[str, _Given]) -> Settings:
    try:
        return Settings.model_validate({name: entry.value.strip() for name, entry in fields.items()})
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
    # Outside of the handler: the value, which may be a secret, must not travel along as the error's context.
    shown = "its value" if is_secret(name) else f"'{fields[name].value[:80]}'"
    raise SettingsError(PREFIX + name.upper(), f"{shown} is not allowed", allowed_values(name), fields[name].source)


def _place(path: Path, given: _Given | None, home: Path) -> Path:
    """An absolute path: "~" is the home folder, anything relative belongs to where it was written."""
    first = path.parts[:1]
    if first == ("~",):
        return home.joinpath(*path.parts[1:])
    if given is not None and first and first[0].startswith("~"):
        key = f"{PREFIX}BASE_DIR"
        raise SettingsError(key, f"'{given.value[:80]}' names another user's folder", allowed_values("base_dir"), given.source)
    return given.folder / path if given is not None else path


def _distrust(fields: dict[str, _Given], project: Mapping[str, _Given], own: Mapping[str, _Given]) -> Iterator[str]:
    """Take from ``fields`` what a project's file must not bring about; tell that, and where it sends what is said.

    ``project`` and ``own`` are what its file gives, and what the person's own file and environment do.
    """
    for task, words in _TASKS.items():
        urls = fields.get(f"{task}_base_urls")
        if urls is not None and urls is project.get(f"{task}_base_urls"):
            yield from _distrust_addresses(task, words, fields, project, own)
    for name in [name for name in project if name.startswith(_OWN_ONLY) and fields.get(name) is project[name]]:
        yield f"{PREFIX}{name.upper()} ({project[name].source}) is not heeded: a project's file does not set it"
        del fields[name]
        if name in own:
            fields[name] = own[name]
    switch = own.get("local_only")
    if switch is not None and _is_on(switch) and fields.get("local_only") is not switch:
        yield f"{PREFIX}LOCAL_ONLY stays on ({switch.source}): this project's file cannot switch it off"
        fields["local_only"] = switch
    consent = fields.get("openai_api_key")
    if consent is not None and consent is project.get("openai_api_key"):
        yield f"{PREFIX}OPENAI_API_KEY ({consent.source}): this project's file allows to send what is said to OpenAI"


def _distrust_addresses(
    task: str, words: str, fields: dict[str, _Given], project: Mapping[str, _Given], own: Mapping[str, _Given]
) -> Iterator[str]:
    name = f"{task}_base_urls"
    strange = _addresses(fields[name]) - (_addresses(own[name]) if name in own else set())
    key = fields.get(f"{task}_api_key")
    kept_back = ""
    if strange and key is not None and key is not project.get(f"{task}_api_key"):
        kept_back = f"; {PREFIX}{task.upper()}_API_KEY ({key.source}) is not sent along"
        del fields[f"{task}_api_key"]
    if kept_back or any(not is_loopback(_host(address)) for address in strange):
        yield (
            f"This project's file names the {words} addresses ({fields[name].source}){kept_back}. If you trust them, put them "
            f"into {PREFIX}{name.upper()} of your own settings as well"
        )


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:  # it is refused where it would be used
        return ""


def _addresses(urls: _Given) -> set[str]:
    # A slash at the end makes no difference.
    return {part.strip().rstrip("/") for part in re.split(r"[,|]", urls.value)} - {""}


def _is_on(switch: _Given) -> bool:
    try:
        return TypeAdapter(bool).validate_python(switch.value.strip())
    except ValidationError:  # it meant something; put in force, it is told to be wrong
        return True
