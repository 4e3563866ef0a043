"""``voicemode config``: see and change settings."""

from __future__ import annotations

import difflib
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import SecretStr
from rich.padding import Padding
from rich.text import Text

from voicemode.cli.failure import printable
from voicemode.cli.output import about, print_json, result
from voicemode.errors import SettingsError
from voicemode.load_config import (
    LoadedSettings,
    default_settings_path,
    load_from_process,
    project_settings_path,
)
from voicemode.settings import Settings
from voicemode.settings_file import set_value, unset_value

__all__ = ["app"]

_EXAMPLES = """\
Examples:
  voicemode config list
  voicemode config set VOICEMODE_VOICES nova,alloy
  voicemode config set VOICEMODE_STT_API_KEY   asks, so no shell keeps it
  voicemode config unset VOICEMODE_VOICES
  voicemode config edit
"""
_LIST_EXAMPLES = """\
Examples:
  voicemode config list
  voicemode config list --changed
  voicemode config list --json
"""
_GET_EXAMPLES = """\
Examples:
  voicemode config get VOICEMODE_VOICES
  voicemode config get voices --json
"""
_SET_EXAMPLES = """\
Examples:
  voicemode config set VOICEMODE_VOICES nova,alloy
  voicemode config set silence_threshold_ms 1500
  voicemode config set VOICEMODE_STT_API_KEY   asks, so no shell keeps it
  pass show speech | voicemode config set VOICEMODE_STT_API_KEY
"""
_UNSET_EXAMPLES = """\
Examples:
  voicemode config unset VOICEMODE_VOICES
"""
_EDIT_EXAMPLES = """\
Examples:
  voicemode config edit
  EDITOR=nano voicemode config edit
"""
_PATH_EXAMPLES = """\
Examples:
  voicemode config path
  cat "$(voicemode config path | head -1)"
"""
_NEW_FILE = "# Settings of voicemode, one NAME=value per line. 'voicemode config list' shows all of them.\n"

app = typer.Typer(help="See and change settings.", epilog=_EXAMPLES, no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Key = Annotated[str, typer.Argument(help="Its name, such as VOICEMODE_VOICES or voices.", show_default=False)]


@app.command("list", epilog=_LIST_EXAMPLES)
def list_(
    changed: Annotated[bool, typer.Option("--changed", help="Only those that are not the default.")] = False,
    as_json: AsJson = False,
) -> None:
    """List every setting with its value, where it comes from, and what it means."""
    loaded = load_from_process(os.environ)
    rows = [_row(name, loaded) for name in Settings.model_fields if not (changed and loaded.sources[name] == "default")]
    if as_json:
        print_json(rows)
    else:
        _print(rows)
    _warn(loaded)


@app.command(epilog=_GET_EXAMPLES)
def get(key: Key, as_json: AsJson = False) -> None:
    """Print one value; keys (secrets) are masked."""
    row = _row(_field(key), load_from_process(os.environ))
    if as_json:
        print_json(row)
    else:
        print(printable(str(row["value"])))


@app.command("set", epilog=_SET_EXAMPLES)
def set_(
    key: Key,
    value: Annotated[str | None, typer.Argument(help="Lists are separated by commas.", show_default=False)] = None,
) -> None:
    """Write a setting into your settings file, keeping its comments and order."""
    field = _field(key)
    if value is None:
        value = _ask(field)
    path = default_settings_path(Path.home())
    set_value(path, _variable(field), value)
    _confirm(field, path)


@app.command(epilog=_UNSET_EXAMPLES)
def unset(key: Key) -> None:
    """Remove a setting from your settings file; what it was before counts again."""
    field = _field(key)
    path = default_settings_path(Path.home())
    unset_value(path, _variable(field))
    _confirm(field, path)


@app.command(epilog=_EDIT_EXAMPLES)
def edit() -> None:
    """Open your settings file in $EDITOR, and check it afterwards."""
    # Here and not above: nothing else needs it, and every start of the command line would wait for it.
    import click

    path = default_settings_path(Path.home())
    _make(path)
    try:
        click.edit(filename=str(path))
    except click.ClickException as error:  # no editor, or it failed
        raise SettingsError("EDITOR", printable(error.format_message()), "the name of an editor") from error
    _warn(load_from_process(os.environ))


@app.command(epilog=_PATH_EXAMPLES)
def path(as_json: AsJson = False) -> None:
    """Print the settings files: yours first, then the project's, which wins."""
    found = [default_settings_path(Path.home()), project_settings_path(Path.cwd())]
    rows = [{"path": str(path), "exists": path.is_file()} for path in found if path is not None]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        print(row["path"])
        if not row["exists"]:
            about().print("(it does not exist yet; 'voicemode config set' makes it)", style="dim")


def _field(key: str) -> str:
    """The field a person means. Raises SettingsError with the nearest name."""
    name = key.strip().upper().removeprefix("VOICEMODE_").lower()
    if name in Settings.model_fields:
        return name
    near = difflib.get_close_matches(name, Settings.model_fields, n=1, cutoff=0.5)
    hint = f" (did you mean {_variable(near[0])}?)" if near else ""
    raise SettingsError(key, f"it is not a setting{hint}", "the names of 'voicemode config list'", where="command line")


def _variable(field: str) -> str:
    return f"VOICEMODE_{field.upper()}"


def _row(field: str, loaded: LoadedSettings) -> dict[str, Any]:
    return {
        "key": _variable(field),
        "value": _shown(getattr(loaded.settings, field)),
        "source": loaded.sources[field],
        "description": Settings.model_fields[field].description or "",
    }


def _shown(value: object) -> str:
    """As it would be written in a file, but for keys, which are never shown."""
    match value:
        case None:
            return ""
        case SecretStr():
            return "********"
        case bool():
            return str(value).lower()
        case tuple():
            return ",".join(map(str, value))
        case _:
            return str(value)


def _print(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        chosen = row["source"] != "default"
        line = Text.assemble((row["key"], "bold"), " = ", (printable(row["value"]), "green" if chosen else ""))
        if chosen:
            line.append(f"  ({printable(row['source'])})", style="cyan")
        result().print(line, soft_wrap=True)
        result().print(Padding(Text(row["description"], style="dim"), (0, 0, 0, 4)))


def _ask(field: str) -> str:
    """A value that was not given on the command line; keys are not echoed."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    secret = "SecretStr" in str(Settings.model_fields[field].annotation)
    return str(typer.prompt(_variable(field), hide_input=secret))


def _confirm(field: str, path: Path) -> None:
    """Say what counts now: what was written may be hidden by the environment or the project."""
    loaded = load_from_process(os.environ)
    row = _row(field, loaded)
    screen = about()
    screen.print(f"{row['key']} = {printable(row['value']) or '-'}  ({row['source']})", soft_wrap=True)
    if row["source"] != "default" and not row["source"].startswith(str(path)):
        screen.print(f"{row['source']} wins over {path}.", style="yellow", soft_wrap=True)
    screen.print("Running MCP servers keep the settings they started with.", style="dim")


def _warn(loaded: LoadedSettings) -> None:
    for warning in loaded.warnings:
        about().print(printable(warning), style="yellow", soft_wrap=True)


def _make(path: Path) -> None:
    """Make an empty settings file that only its owner can read, unless there is one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(_NEW_FILE)
