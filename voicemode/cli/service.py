"""``voicemode service``: local speech services, installed, started, kept alive and removed."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.text import Text

from voicemode.cli.failure import FAILED, printable
from voicemode.cli.output import about, print_json, result
from voicemode.cli.service_view import plan_lines, status_lines
from voicemode.load_config import load_from_process
from voicemode.supervise.service import SERVICES

if TYPE_CHECKING:  # psutil, httpx2 and the rest take time to load, which --help and completion must not wait for
    from voicemode.supervise.manager import Services
    from voicemode.supervise.status import Status

__all__ = ["app"]

_EXAMPLES = """\
Examples:
  voicemode service install whisper
  voicemode service start whisper
  voicemode service status
  voicemode service logs whisper --follow
  voicemode service uninstall whisper
"""
_INSTALL_EXAMPLES = """\
Examples:
  voicemode service install whisper --dry-run
  voicemode service install whisper --model whisper-small --yes
  voicemode service install kokoro --model ~/models/my-kokoro
"""
_STATUS_EXAMPLES = """\
Examples:
  voicemode service status
  voicemode service status whisper --json
"""


def _example(verb: str, *options: str) -> str:
    """The help of a verb that takes a name and little else."""
    return "Examples:\n" + "".join(f"  voicemode service {verb} whisper{option}\n" for option in options or ("",))


app = typer.Typer(help="Install, start, look at and remove local speech services.", epilog=_EXAMPLES, no_args_is_help=True)


def _complete(incomplete: str) -> list[str]:
    return [name for name in SERVICES if name.startswith(incomplete)]


Name = Annotated[str, typer.Argument(help=f"One of: {', '.join(SERVICES)}.", show_default=False, autocompletion=_complete)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command(epilog=_INSTALL_EXAMPLES)
def install(
    name: Name,
    model: Annotated[
        str, typer.Option(metavar="NAME_OR_PATH", help="A model of 'voicemode models list', or your own.", show_default=False)
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what it would do, and do nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also replace files of it that were edited by hand.")] = False,
    as_json: AsJson = False,
) -> None:
    """Install a service for you alone; no administrator is needed.

    It says what it will do, how long that takes and how big it is; on a terminal you are asked. Called again, it renews what is
    new and leaves the rest.
    """
    services = _services()
    plan = services.plan(name, model)
    if not as_json:
        result().print(plan_lines(plan), soft_wrap=True)
    if not dry_run:
        if plan.steps and not plan.missing and not yes and sys.stdin.isatty():
            typer.confirm("Go on?", default=True, abort=True, err=True)
        with _bar(quiet=as_json) as told:
            services.install(plan, told, force=force)
    if as_json:
        print_json(plan.as_json() | {"done": not dry_run})
    elif plan.steps and not dry_run:
        about().print(f"Installed. Start it with: voicemode service start {name}", style="green", soft_wrap=True)


@app.command(epilog=_example("uninstall"))
def uninstall(name: Name, as_json: AsJson = False) -> None:
    """Stop a service and remove every file that install made, its logs and the model it brought among them."""
    done = _services().uninstall(name)
    if as_json:
        print_json({"service": name, "removed": done})
        return
    for sentence in done or [f"{name} was not installed."]:
        about().print(printable(sentence), soft_wrap=True)


@app.command(epilog=_example("start"))
def start(name: Name, as_json: AsJson = False) -> None:
    """Start a service with the settings of now, and wait until it answers (60 s at most)."""
    with about().status(f"starting {name}"):
        found = _services().start(name)
    _tell(found, as_json=as_json)


@app.command(epilog=_example("stop"))
def stop(name: Name, as_json: AsJson = False) -> None:
    """Stop a service and all of its processes."""
    services = _services()
    services.stop(name)
    _tell(services.status(name), as_json=as_json)


@app.command(epilog=_example("restart"))
def restart(name: Name, as_json: AsJson = False) -> None:
    """Stop a service, and start it with the settings of now."""
    with about().status(f"restarting {name}"):
        found = _services().restart(name)
    _tell(found, as_json=as_json)


@app.command(epilog=_STATUS_EXAMPLES)
def status(
    name: Annotated[
        str | None,
        typer.Argument(help="Its name; without one, all of them.", show_default=False, autocompletion=_complete),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show how a service is: whether it runs and works, with what, since when, and what it takes."""
    services = _services()
    if name is not None:
        _tell(services.status(name), as_json=as_json)
        return
    found = [services.status(each) for each in SERVICES]
    if as_json:
        print_json([each.as_json() for each in found])
        return
    for each in found:
        result().print(status_lines(each), soft_wrap=True)


@app.command(epilog=_example("enable"))
def enable(name: Name) -> None:
    """Have a service start when you log in."""
    _services().enable(name)
    about().print(f"{name} starts when you log in.")


@app.command(epilog=_example("disable"))
def disable(name: Name) -> None:
    """No longer start a service when you log in."""
    _services().disable(name)
    about().print(f"{name} does not start when you log in.")


@app.command(epilog=_example("logs", " --lines 200", " --follow"))
def logs(
    name: Name,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, max=100_000, help="How many of the last lines.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what it writes, until Ctrl-C.")] = False,
) -> None:
    """Show what a service wrote. Nothing of what was said or asked is in it."""
    services = _services()
    for line in services.logs(name, lines):
        print(printable(line))
    if follow:
        for line in services.follow(name):
            print(printable(line), flush=True)


@app.command(epilog=_example("health", "", " --json"))
def health(name: Name, as_json: AsJson = False) -> None:
    """Ask a service whether it works. Exits with 1 when it does not."""
    from voicemode.supervise.health import Answer

    found = _services().health(name)
    well = found.answer is Answer.WELL
    facts: dict[str, Any] = {"service": name, "healthy": well, "answer": found.answer, "problem": found.problem}
    if as_json:
        print_json(facts | {"facts": dict(found.facts)})
    elif well:
        result().print(Text(f"{name} works.", style="green"))
        for key, value in found.facts.items():
            result().print(printable(f"  {key}: {value}"), soft_wrap=True)
    else:
        words = found.problem or "nothing listens on its port"
        result().print(Text(printable(f"{name} does not work: {words}."), style="yellow"), soft_wrap=True)
    raise typer.Exit(0 if well else FAILED)


def _services() -> Services:
    from voicemode.supervise.manager import Services

    loaded = load_from_process(os.environ)
    return Services(loaded.settings, loaded.services, os.environ)


def _tell(found: Status, *, as_json: bool) -> None:
    if as_json:
        print_json(found.as_json())
    else:
        result().print(status_lines(found), soft_wrap=True)


@contextlib.contextmanager
def _bar(*, quiet: bool) -> Iterator[Callable[[str, float | None], None]]:
    """A bar on terminals; elsewhere one line for each new thing that is done."""
    screen = about()
    if quiet:
        yield lambda *_: None
        return
    if not screen.is_terminal:
        seen: list[str] = []

        def tell(words: str, _: float | None) -> None:
            what = words.split()[0]
            if seen[-1:] != [what]:
                seen.append(what)
                screen.print(printable(words), soft_wrap=True)

        yield tell
        return
    with Bar(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=screen, transient=True) as bar:
        task = bar.add_task("starting", total=None)

        def show(words: str, part: float | None) -> None:
            bar.update(task, description=printable(words), total=None if part is None else 1.0, completed=part or 0.0)

        yield show
