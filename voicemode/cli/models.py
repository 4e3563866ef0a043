"""``voicemode models``: what there is to download, and what is here."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from voicemode.cli.failure import FAILED, printable
from voicemode.cli.output import about, print_json, result
from voicemode.errors import ModelInUseError
from voicemode.load_config import load_from_process
from voicemode.supervise.catalogue import Model
from voicemode.supervise.model_users import user_of
from voicemode.supervise.models import Models, OnProgress, Progress, State

__all__ = ["app", "facts"]

_EXAMPLES = """\
Examples:
  voicemode models list
  voicemode models pull whisper-base
  voicemode models verify
  voicemode models remove whisper-base
"""
_LIST_EXAMPLES = """\
Examples:
  voicemode models list
  voicemode models list --installed --json
"""
_PULL_EXAMPLES = """\
Examples:
  voicemode models pull whisper-base
  voicemode models pull kokoro-v1.0 --yes
  VOICEMODE_MODELS_URL=http://127.0.0.1:8000 voicemode models pull whisper-base
"""
_REMOVE_EXAMPLES = """\
Examples:
  voicemode models remove whisper-base
"""
_VERIFY_EXAMPLES = """\
Examples:
  voicemode models verify
  voicemode models verify whisper-base --json
"""

app = typer.Typer(help="Download, check and remove the models of the local services.", epilog=_EXAMPLES, no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def _complete(incomplete: str) -> list[str]:
    """The models whose names begin so."""
    return [model.name for model in Models(load_from_process(os.environ).settings).known if model.name.startswith(incomplete)]


Name = Annotated[str, typer.Argument(help="Its name, such as whisper-base.", show_default=False, autocompletion=_complete)]


@app.command("list", epilog=_LIST_EXAMPLES)
def list_(
    installed: Annotated[bool, typer.Option("--installed", help="Only those that are on this disk.")] = False,
    as_json: AsJson = False,
) -> None:
    """List every model with its size, languages and licence, and what is here of it."""
    models = _models()
    rows = [facts(models, model) for model in models.known]
    rows = [row for row in rows if not installed or row["state"] != State.ABSENT]
    if as_json:
        print_json(rows)
    elif rows:
        result().print(_table(rows))
    else:
        about().print("None is installed. 'voicemode models list' shows what there is.")


@app.command(epilog=_PULL_EXAMPLES)
def pull(name: Name, yes: Yes = False, as_json: AsJson = False) -> None:
    """Download a model, or go on with a download that was interrupted, and check it.

    Size, licence and place are shown first; on a terminal you are asked.
    """
    models = _models()
    model = models.find(name)
    source = models.source_of(model.name)  # first: settings that allow no download are said before anybody is asked
    if not models.is_installed(model.name):
        _announce(models, model, source)
        if not yes and sys.stdin.isatty():
            typer.confirm("Download it?", default=True, abort=True, err=True)
    try:
        with _bar(quiet=as_json) as told:
            folder = asyncio.run(models.pull(model.name, told))
    except KeyboardInterrupt:
        kept = models.kept_bytes(model.name)
        about().print(f"Interrupted. {decimal(kept)} are kept; call again to go on.", style="yellow")
        raise
    if as_json:
        print_json(facts(models, model))
    else:
        about().print(f"{model.name} is complete and checked: {printable(str(folder))}", style="green", soft_wrap=True)


@app.command(epilog=_REMOVE_EXAMPLES)
def remove(
    name: Name,
    force: Annotated[bool, typer.Option("--force", help="Also while a service uses it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete a model, and what an interrupted download left of it."""
    models = _models()
    model = models.find(name)
    if not force:
        user = asyncio.run(user_of(model.engine, models.path_of(model.name)))
        if user:
            remedy = f"Run 'voicemode service stop {model.engine}' first, or give --force."
            raise ModelInUseError(model.name, user, remedy)
    freed = models.remove(model.name)
    if as_json:
        print_json({"name": model.name, "freed_bytes": freed})
    else:
        about().print(f"Removed {model.name}: {decimal(freed)} are free." if freed else f"{model.name} was not here.")


@app.command(epilog=_VERIFY_EXAMPLES)
def verify(
    name: Annotated[
        str | None, typer.Argument(help="Its name; without one, all that are installed.", autocompletion=_complete)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read every byte of a model again and compare it with what it must be. Exits with 1 when something is wrong."""
    models = _models()
    here = [model for model in models.known if models.state(model.name) in (State.INSTALLED, State.BROKEN)]
    found: dict[str, list[str]] = {}
    for model in here if name is None else [models.find(name)]:
        with _bar(quiet=as_json) as told:
            found[model.name] = asyncio.run(models.verify(model.name, told))
    if as_json:
        print_json([{"name": each, "right": not problems, "problems": problems} for each, problems in found.items()])
    else:
        for each, problems in found.items():
            result().print(Text(f"{each}: {'; '.join(problems) or 'right'}", style="red" if problems else ""), soft_wrap=True)
    if any(found.values()):
        about().print("'voicemode models pull NAME' downloads what is wrong again.", style="yellow")
        raise typer.Exit(FAILED)


def facts(models: Models, model: Model) -> dict[str, Any]:
    """One model for programs."""
    return {
        "name": model.name,
        "engine": model.engine,
        "state": models.state(model.name),
        "size_bytes": model.size,
        "kept_bytes": models.kept_bytes(model.name),
        "languages": model.languages,
        "licence": model.licence,
        "title": model.title,
        "page": model.page,
        "path": str(models.path_of(model.name)),
    }


def _models() -> Models:
    return Models(load_from_process(os.environ).settings)


def _announce(models: Models, model: Model, source: str) -> None:
    screen, kept = about(), models.kept_bytes(model.name)
    rest = f", {decimal(kept)} of them are here" if kept else ""
    screen.print(f"{model.name}: {decimal(model.size)}{rest}; licence {model.licence} ({model.page})", soft_wrap=True)
    place = printable(str(models.path_of(model.name)))
    screen.print(f"from {printable(source)} to {place}", style="dim", soft_wrap=True)


_STYLES = {State.INSTALLED: "green", State.PARTIAL: "yellow", State.BROKEN: "red"}


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("model", "engine", "size", "licence", "here"):
        table.add_column(heading, justify="right" if heading == "size" else "left", no_wrap=True)
    table.add_column("languages; what for", overflow="fold")
    for row in rows:
        state: State = row["state"]
        here = "" if state is State.ABSENT else str(state)
        if state is State.PARTIAL:
            here = f"partial {100 * row['kept_bytes'] // row['size_bytes']} %"
        cells = (row["name"], row["engine"], decimal(row["size_bytes"]), row["licence"])
        table.add_row(*cells, Text(here, style=_STYLES.get(state, "")), f"{row['languages']}; {row['title']}")
    return table


@contextlib.contextmanager
def _bar(*, quiet: bool) -> Iterator[OnProgress]:
    """A bar on terminals; elsewhere nothing moves."""
    screen = about()
    if quiet or not screen.is_terminal:
        yield lambda _: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Bar(*columns, console=screen, transient=True) as bar:
        task = bar.add_task("starting", total=None)

        def told(progress: Progress) -> None:
            words = "waiting for another download" if progress.state == "waiting" else f"{progress.state} {progress.file}"
            bar.update(task, description=words, completed=progress.done, total=progress.total)

        yield told
