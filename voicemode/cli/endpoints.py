"""``voicemode endpoints``: who is asked for speech, transcripts and chat, in which order, and why."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from voicemode.cli.failure import printable
from voicemode.cli.output import about, print_json, result
from voicemode.core.failover import Need, Task
from voicemode.load_config import LoadedSettings, load_from_process
from voicemode.runtime.arguments import turn_request
from voicemode.runtime.endpoint_report import TASKS, known_by
from voicemode.runtime.survey import Seen, need_of

__all__ = ["EXAMPLES", "TaskName", "endpoints", "explanation", "overview"]

EXAMPLES = """\
Examples:
  voicemode endpoints
  voicemode endpoints --explain
  voicemode endpoints --explain --task tts --voice nova --language pt-BR
  voicemode endpoints --json
"""


class TaskName(StrEnum):
    """What may be given to --task."""

    TTS = "tts"
    STT = "stt"
    CHAT = "chat"


def endpoints(
    explain: Annotated[bool, typer.Option("--explain", help="Say why each one stands where it stands.")] = False,
    task: Annotated[TaskName | None, typer.Option(help="Only those of one task.", show_default=False)] = None,
    voice: Annotated[str | None, typer.Option(help="As if this voice were wanted.", metavar="NAME")] = None,
    language: Annotated[str | None, typer.Option(help="As if this language were spoken.", metavar="TAG")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with the reasons.")] = False,
) -> None:
    """List the endpoints in the order in which they would be asked now.

    Each one is looked at for two seconds at most. No text and no sound is sent.
    """
    loaded = load_from_process(os.environ)
    needs = _needs(loaded, voice, language)
    with about().status("looking at every endpoint"):
        seen = asyncio.run(_look(loaded, needs))
    chosen = [each for each in seen if task is None or each.report.task == task]
    if as_json:
        print_json([facts(each) for each in chosen])
    elif explain:
        result().print(explanation(chosen, needs))
    else:
        result().print(overview(chosen))


def facts(seen: Seen) -> dict[str, Any]:
    """One endpoint for programs."""
    look = {"works": seen.look.works, "words": seen.look.words, "remedy": seen.look.remedy}
    order = {"place": seen.place, "usable": seen.usable, "reasons": list(seen.reasons), "asked_voice": seen.voice}
    return seen.report.as_json() | order | {"look": look}


def _needs(loaded: LoadedSettings, voice: str | None, language: str | None) -> Mapping[Task, Need]:
    """Raises RequestError for what is no language."""
    asked = turn_request(loaded.settings, message="", voice=voice, language=language)
    return {task: need_of(task, loaded.settings, voice=asked.voice, language=asked.language) for task in TASKS}


async def _look(loaded: LoadedSettings, needs: Mapping[Task, Need]) -> list[Seen]:
    # Here and not above: the sound stack takes time to load, which --help and completion must not wait for.
    from voicemode.assemble import build_voice

    voice = build_voice(loaded, os.environ, "voicemode endpoints")
    try:
        return await voice.survey(needs)
    finally:
        await voice.aclose()


def overview(seen: Sequence[Seen]) -> Group:
    """A table per task: place, address, how it became known, and what it does now."""
    parts: list[Text | Table] = []
    for task, group in _by_task(seen):
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(justify="right", no_wrap=True)
        table.add_column(overflow="fold")
        table.add_column()
        for each in group:
            known = known_by(each.report.origin, each.report.name)
            now = "; ".join(each.reasons) if each.place is None else each.look.words
            words = Text(f"{known}; {printable(now)}", style="" if each.usable else "yellow")
            table.add_row(_place(each), printable(each.report.name), words)
        parts += [_heading(TASKS[task], parts), table]
    return Group(*parts, *([] if parts else [Text("There is no endpoint. Run: voicemode doctor.")]))


def explanation(seen: Sequence[Seen], needs: Mapping[Task, Need]) -> Group:
    """The decision of each task with all its reasons."""
    lines: list[Text] = []
    for task, group in _by_task(seen):
        need = needs[task]
        wishes = [f"voice {need.voice}" if need.voice else "", f"language {need.language}" if need.language else ""]
        lines.append(_heading(printable(", ".join(filter(None, (TASKS[task], *wishes)))), lines))
        for each in group:
            asked = f" (asked for the voice {each.voice})" if each.voice not in (None, need.voice) else ""
            passed = " is passed over" if each.place is None else ""
            lines.append(Text(printable(f"{_place(each)} {each.report.name}{asked}{passed}"), overflow="fold"))
            lines += [Text(f"    {printable(reason)}", overflow="fold") for reason in each.reasons]
            lines.append(Text(f"    now: {printable(each.look.words)}", style="green" if each.look.works else "yellow"))
            if each.look.remedy:
                lines.append(Text(f"    -> {printable(each.look.remedy)}", style="yellow"))
    return Group(*(lines or [Text("There is no endpoint. Run: voicemode doctor.")]))


def _by_task(seen: Sequence[Seen]) -> Iterator[tuple[Task, list[Seen]]]:
    for task in TASKS:
        group = [each for each in seen if each.report.task == task]
        if group:
            yield task, group


def _heading(words: str, before: Sequence[object]) -> Text:
    return Text(f"\n{words}" if before else words, style="bold")


def _place(seen: Seen) -> str:
    return "-" if seen.place is None else str(seen.place)
