"""``voicemode chat``: typed turns, in the same conversation as spoken ones."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voicemode.cli.failure import FAILED, INTERRUPTED, printable, tell
from voicemode.cli.output import about
from voicemode.errors import RequestError, VoicemodeError
from voicemode.load_config import load_from_process

if TYPE_CHECKING:  # the HTTP client takes time to load, which --help and completion must not wait for
    from voicemode.assemble_chat import TypedChat
    from voicemode.runtime.chat import Reply

__all__ = ["EXAMPLES", "chat"]

EXAMPLES = """\
Examples:
  voicemode chat "What did we decide about the branch?" --thread trip
  voicemode chat --thread trip                 line by line, until Ctrl-D
  git log -3 | voicemode chat - --json
"""


def chat(
    text: Annotated[
        str, typer.Argument(help="What to say; '-' reads all of standard input; without it, its lines.", show_default=False)
    ] = "",
    thread: Annotated[
        str, typer.Option(help="The conversation to go on with.", metavar="NAME", show_default="VOICEMODE_THREAD, or a new one")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: one line for each answer.")] = False,
) -> None:
    """Type instead of speaking: the answer comes from whoever answers in spoken conversations, and knows all that was said.

    Answers go to standard output, everything else to standard error. With VOICEMODE_MEMORY=persistent it is kept.
    """
    said = sys.stdin.read().strip() if text == "-" else text.strip()
    if not said and text:
        raise RequestError("TEXT", "it is empty")
    loaded = load_from_process(os.environ)
    from voicemode.assemble_chat import open_chat  # see TYPE_CHECKING

    with asyncio.Runner() as runner:
        typed = runner.run(open_chat(loaded, os.environ, thread))
        try:
            _begin(typed)
            failed = False
            for line in [said] if said else _lines():
                failed = not _turn(runner, typed, line, as_json=as_json, only=bool(said))
        finally:
            runner.run(typed.aclose())
    if failed:
        raise typer.Exit(FAILED)


def _begin(typed: TypedChat) -> None:
    screen = about()
    if sys.stdin.isatty():
        kept = "kept" if typed.record.kept else "not kept"
        screen.print(f"Conversation {printable(typed.record.thread)} ({kept}). Ctrl-D ends it.", style="dim", soft_wrap=True)
    if typed.record.problem:
        screen.print(printable(typed.record.problem), style="yellow", soft_wrap=True)


def _lines() -> Iterator[str]:
    while True:
        if sys.stdin.isatty():
            print("> ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            return
        if line.strip():
            yield line.strip()


def _turn(runner: asyncio.Runner, typed: TypedChat, line: str, *, as_json: bool, only: bool) -> bool:
    """Whether it was answered."""
    show = (lambda _: None) if as_json else _show
    try:
        reply = runner.run(typed.say(line, show))
    except KeyboardInterrupt:
        if only or not sys.stdin.isatty():
            raise typer.Exit(INTERRUPTED) from None
        _show("\n")
        return False
    except VoicemodeError as error:
        if only:
            raise
        tell(error)
        return False
    if as_json:
        print(json.dumps(_facts(typed, reply), ensure_ascii=False), flush=True)
    else:
        _show("\n")
    _remark(typed, reply)
    return True


def _show(text: str) -> None:
    sys.stdout.write("\n".join(map(printable, text.split("\n"))))
    sys.stdout.flush()


def _remark(typed: TypedChat, reply: Reply) -> None:
    screen = about()
    for failure in reply.failed:
        screen.print(f"Tried before: {printable(failure)}", style="dim", soft_wrap=True)
    if typed.answerer.choice.is_echo:
        screen.print(f"Nobody answers: {typed.answerer.choice.reason}.", style="dim", soft_wrap=True)


def _facts(typed: TypedChat, reply: Reply) -> dict[str, Any]:
    return {
        "thread": typed.record.thread,
        "text": reply.text,
        "engine": reply.engine,
        "failed": list(reply.failed),
        "kept": typed.record.kept,
        "problem": typed.record.problem,
        "seconds": round(reply.seconds, 3),
    }
