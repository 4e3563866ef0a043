"""``voicemode config``: see and change settings."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.padding import Padding
from rich.text import Text

from voicemode.cli.failure import printable
from voicemode.cli.output import about, print_json, result
from voicemode.errors import SettingsError
from voicemode.load_config import (
    PREFIX,
    LoadedSettings,
    default_settings_path,
    field_of,
    is_secret,
    load_from_process,
    project_settings_path,
)
from voicemode.settings import Settings
from voicemode.settings_file import SettingFacts, describe, example_text, of_service, set_value, unset_value
from voicemode.supervise.service import is_secret_name, service_of_variable

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
_COMMAND_LINE = "command line"
_DEFAULT = "default"

app = typer.Typer(help="See and change settings.", epilog=_EXAMPLES, no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _complete(incomplete: str) -> list[str]:
    """The settings whose names begin so."""
    names = [PREFIX + field.upper() for field in Settings.model_fields]
    return [name for name in names if name.startswith(incomplete.upper())]


Key = Annotated[
    str,
    typer.Argument(help="Its name, such as VOICEMODE_VOICES or voices.", show_default=False, autocompletion=_complete),
]


@app.command("list", epilog=_LIST_EXAMPLES)
def list_(
    changed: Annotated[bool, typer.Option("--changed", help="Only those that are not the default.")] = False,
    as_json: AsJson = False,
) -> None:
    """List every setting with its value, where it comes from, and what it means."""
    loaded = load_from_process(os.environ)
    settings = [facts for facts in describe(loaded) if not (changed and facts.source == _DEFAULT)]
    if as_json:
        print_json([asdict(facts) for facts in settings])
    else:
        _print(settings)
    _warn(loaded)


@app.command(epilog=_GET_EXAMPLES)
def get(key: Key, as_json: AsJson = False) -> None:
    """Print one value; keys (secrets) are masked."""
    facts = _facts(_name(key), load_from_process(os.environ))
    if as_json:
        print_json(asdict(facts))
    else:
        print(printable(facts.value))


@app.command("set", epilog=_SET_EXAMPLES)
def set_(
    key: Key,
    value: Annotated[str | None, typer.Argument(help="Lists are separated by commas.", show_default=False)] = None,
) -> None:
    """Write a setting into your settings file, keeping its comments and order."""
    name = _name(key)
    path = default_settings_path(Path.home())
    set_value(path, name, _ask(name) if value is None else value)
    _confirm(name, path)


@app.command(epilog=_UNSET_EXAMPLES)
def unset(key: Key) -> None:
    """Remove a setting from your settings file; the default counts again."""
    name = _name(key)
    path = default_settings_path(Path.home())
    unset_value(path, name)
    _confirm(name, path)


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


def _name(key: str) -> str:
    """The setting a person means, with or without VOICEMODE_. Raises SettingsError with the nearest name."""
    name = PREFIX + key.strip().upper().removeprefix(PREFIX)
    if service_of_variable(name) is None:
        field_of(name, _COMMAND_LINE)
    return name


def _facts(name: str, loaded: LoadedSettings) -> SettingFacts:
    if service_of_variable(name) is not None:
        return of_service(name, loaded)
    return next(facts for facts in describe(loaded) if facts.name == name)


def _print(settings: Sequence[SettingFacts]) -> None:
    for facts in settings:
        chosen = facts.source != _DEFAULT
        line = Text.assemble((facts.name, "bold"), " = ", (printable(facts.value), "green" if chosen else ""))
        if chosen:
            line.append(f"  ({printable(facts.source)})", style="cyan")
        result().print(line, soft_wrap=True)
        result().print(Padding(Text(f"{facts.description} Allowed: {facts.allowed}.", style="dim"), (0, 0, 0, 4)))


def _ask(name: str) -> str:
    """A value that was not given on the command line; keys are not echoed. Raises SettingsError at the end of input."""
    if sys.stdin.isatty():
        hidden = is_secret_name(name) if service_of_variable(name) is not None else is_secret(field_of(name, _COMMAND_LINE))
        return str(typer.prompt(name, hide_input=hidden))
    line = sys.stdin.readline()
    if not line:
        raise SettingsError(name, "no value was given", "a value; 'voicemode config unset' removes it", _COMMAND_LINE)
    return line.rstrip("\r\n")


def _confirm(name: str, path: Path) -> None:
    """Say what counts now: what was written may be hidden by the environment or the project."""
    screen = about()
    try:
        facts = _facts(name, load_from_process(os.environ))
    except SettingsError as error:  # not what was written just now: that was checked
        screen.print(f"Written to {path}. Another setting is wrong: {printable(str(error))}", style="yellow", soft_wrap=True)
        return
    screen.print(f"{name} = {printable(facts.value)}  ({facts.source})", soft_wrap=True)
    if facts.source != _DEFAULT and not facts.source.startswith(str(path)):
        screen.print(f"{facts.source} wins over {path}.", style="yellow", soft_wrap=True)
    screen.print("MCP servers that are running take it up at their next call.", style="dim")


def _warn(loaded: LoadedSettings) -> None:
    for warning in loaded.warnings:
        about().print(printable(warning), style="yellow", soft_wrap=True)


def _make(path: Path) -> None:
    """Make a file with every setting commented out, readable for its owner only, unless there is one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(example_text())
