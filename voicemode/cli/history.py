"""``voicemode history``: what is kept of conversations."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from voicemode.assemble_kept import build_records
from voicemode.cli.failure import FAILED, printable
from voicemode.cli.output import about, print_json, result
from voicemode.errors import RequestError
from voicemode.load_config import load_from_process
from voicemode.record import OWNER
from voicemode.store import export as documents
from voicemode.store.history import History

__all__ = ["app"]

_EXAMPLES = """\
Examples:
  voicemode history list
  voicemode history search "the river"
  voicemode history show 20261121-041529-ab12cd
  voicemode history forget --all
"""
_LIST_EXAMPLES = """\
Examples:
  voicemode history list
  voicemode history list --last 5 --json
"""
_SHOW_EXAMPLES = """\
Examples:
  voicemode history show trip
  voicemode history show trip --last 10
  voicemode history show trip --json
"""
_SEARCH_EXAMPLES = """\
Examples:
  voicemode history search river bridge        both words, in any order
  voicemode history search '"by the river"'    these words together
  voicemode history search river --thread trip
"""
_EXPORT_EXAMPLES = """\
Examples:
  voicemode history export trip > trip.md
  voicemode history export trip --out trip.json --json
"""
_FORGET_EXAMPLES = """\
Examples:
  voicemode history forget trip
  voicemode history forget --all --yes
"""
_CHECK_EXAMPLES = """\
Examples:
  voicemode history check
  voicemode history check --json
"""

app = typer.Typer(
    help="Look at the conversations that are kept, search and forget them. VOICEMODE_MEMORY says whether any are.",
    epilog=_EXAMPLES,
    no_args_is_help=True,
)

_T = TypeVar("_T")


def _complete(incomplete: str) -> list[str]:
    threads = _ask(lambda history: history.threads(identity=OWNER, last=1000))
    return [thread.thread for thread in threads if thread.thread.startswith(incomplete)]


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Thread = Annotated[str, typer.Argument(help="Its name, as 'voicemode history list' tells it.", autocompletion=_complete)]
Most = Annotated[int, typer.Option("--last", help="So many at most.", min=1, metavar="NUMBER")]


@app.command("list", epilog=_LIST_EXAMPLES)
def list_(last: Most = 50, as_json: AsJson = False) -> None:
    """List conversations, the one last used first."""
    threads = _ask(lambda history: history.threads(identity=OWNER, last=last))
    if as_json:
        print_json([documents.thread_as_json(thread) for thread in threads])
        return
    if not threads:
        about().print("Nothing is kept. Conversations are with: voicemode config set VOICEMODE_MEMORY persistent")
        return
    table = Table.grid(padding=(0, 2, 0, 0))
    for thread in threads:
        where = ", ".join(surface.value for surface in thread.surfaces)
        cells = (documents.moment(thread.touched_at)[:16], f"{thread.entries}", where, printable(thread.opening))
        table.add_row(Text(printable(thread.thread), style="bold", no_wrap=True), *map(Text, cells))
    result().print(table)


@app.command(epilog=_SHOW_EXAMPLES)
def show(
    thread: Thread,
    last: Annotated[int | None, typer.Option(help="Only the last so many.", min=1, metavar="NUMBER")] = None,
    as_json: AsJson = False,
) -> None:
    """Show a conversation: who said what, as far as it was heard, where and when."""
    entries = _ask(lambda history: history.show(thread, identity=OWNER, last=last))
    if as_json:
        print_json([documents.entry_as_json(entry) for entry in entries])
        return
    screen = result()
    for entry in entries:
        surface = f", {entry.surface.value}" if entry.surface is not None else ""
        screen.print(Text(printable(f"{documents.who(entry)}, {documents.moment(entry.began_at)}{surface}"), style="dim"))
        screen.print(Text("\n".join(map(printable, entry.text.splitlines()))), soft_wrap=True)


@app.command(epilog=_SEARCH_EXAMPLES)
def search(
    words: Annotated[list[str], typer.Argument(help="All of them must be there; in quotes they belong together.")],
    thread: Annotated[str, typer.Option(help="Only in this conversation.", metavar="NAME", autocompletion=_complete)] = "",
    last: Most = 20,
    as_json: AsJson = False,
) -> None:
    """Find where words were said: the best places first, and of equals the newest.

    Exits with 1 where there is none.
    """
    found = _ask(lambda history: history.search(" ".join(words), identity=OWNER, thread=thread, last=last))
    if as_json:
        print_json([documents.found_as_json(each) for each in found])
    else:
        screen = result()
        for each in found:
            place = f"{each.thread}, {documents.moment(each.entry.began_at)}, {documents.who(each.entry)}"
            screen.print(Text(printable(place), style="dim"), soft_wrap=True)
            screen.print(Text(printable(each.snippet)), soft_wrap=True)
    if not found:
        about().print("These words were not found.")
        raise typer.Exit(FAILED)


@app.command(epilog=_EXPORT_EXAMPLES)
def export(
    thread: Thread,
    out: Annotated[
        Path | None,
        typer.Option(help="Write into this file, for you alone.", metavar="FILE", dir_okay=False, show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a conversation as a document: Markdown, or JSON with everything that is kept of it."""

    async def read(history: History) -> str:
        entries = await history.show(thread, identity=OWNER)
        sessions = await history.sessions(thread, identity=OWNER)
        if not as_json:
            return documents.thread_as_markdown(thread, sessions, entries)
        facts = {
            "thread": thread,
            "sessions": [documents.session_as_json(session) for session in sessions],
            "entries": [documents.entry_as_json(entry) for entry in entries],
        }
        return f"{json.dumps(facts, indent=2, ensure_ascii=False)}\n"

    text = _ask(read)
    if out is None:
        sys.stdout.write(text)
        return
    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise RequestError("--out", f"{out} cannot be written: {error.strerror}") from None


@app.command(epilog=_FORGET_EXAMPLES)
def forget(
    thread: Annotated[str, typer.Argument(help="Its name.", autocompletion=_complete, show_default=False)] = "",
    everything: Annotated[bool, typer.Option("--all", help="All conversations.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove a conversation, or all, from the disk: words, index and sound. It cannot be undone."""
    if bool(thread) is everything:
        raise RequestError("THREAD", "name one conversation, or give --all")
    if not yes:
        if not sys.stdin.isatty():
            raise RequestError("--yes", "nobody can be asked here", "--yes, where it is meant")
        typer.confirm("Forget everything?" if everything else f"Forget '{printable(thread)}'?", abort=True, err=True)
    if everything:
        gone = _ask(lambda history: history.forget_all(identity=OWNER))
    else:
        gone = _ask(lambda history: history.forget(thread, identity=OWNER))
    if as_json:
        print_json({"threads": gone.threads, "entries": gone.entries, "files": gone.files})
    else:
        about().print(f"Forgotten: {gone.threads} conversations, {gone.entries} turns, {gone.files} recordings.")


@app.command(epilog=_CHECK_EXAMPLES)
def check(as_json: AsJson = False) -> None:
    """Look whether what is kept is whole, and how much it is. Exits with 1 where something is damaged."""
    health = _ask(lambda history: history.check())
    if as_json:
        print_json(documents.health_as_json(health))
    else:
        screen = result()
        if health.kept:
            counts = f"{health.threads} conversations, {health.sessions} sessions, {health.entries} turns"
            screen.print(f"{printable(str(health.path))}: version {health.version}, {decimal(health.size)}", soft_wrap=True)
            screen.print(counts)
        else:
            screen.print("Nothing is kept.")
        for problem in health.problems:
            screen.print(Text(printable(problem), style="red"), soft_wrap=True)
        for path in health.set_aside:
            screen.print(Text(f"Damaged, and set aside: {printable(str(path))}", style="yellow"), soft_wrap=True)
        if health.kept and not health.problems:
            screen.print(Text("It is whole.", style="green"))
    if health.problems:
        raise typer.Exit(FAILED)


def _ask(question: Callable[[History], Awaitable[_T]]) -> _T:
    records = build_records(load_from_process(os.environ).settings)

    async def ask() -> _T:
        try:
            return await question(records.history)
        finally:
            await records.aclose()

    return asyncio.run(ask())
