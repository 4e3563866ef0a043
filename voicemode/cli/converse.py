"""``voicemode converse``: one turn from the command line."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.status import Status as StateLine

from voicemode.cli.failure import FAILED, printable
from voicemode.cli.output import about, print_json, result
from voicemode.cli.timeline import phases, timeline
from voicemode.engines.builtin import BETTER_STT
from voicemode.errors import RequestError
from voicemode.events import (
    EventSink,
    Interrupted,
    ListeningStarted,
    MicrophoneQuiet,
    SpeakingStarted,
    SpeechEnded,
    SpeechPaused,
    SpeechStarted,
    TurnEvent,
    Understood,
    WaitingForFloor,
)
from voicemode.load_config import LoadedSettings, load_from_process
from voicemode.record import Surface
from voicemode.runtime.arguments import turn_request
from voicemode.runtime.result import Status, TurnResult

if TYPE_CHECKING:  # the sound stack takes time to load, which --help and completion must not wait for
    from voicemode.assemble import Voice
    from voicemode.runtime.conversation import Conversations, Outcome

__all__ = ["EXAMPLES", "converse"]

EXAMPLES = """\
Examples:
  voicemode converse "What shall I name the branch?"
  voicemode converse "Merge it?" --options yes,no
  voicemode converse "Done." --no-wait
  voicemode converse                                  only listen
  git log -3 --format=%s | voicemode converse - --no-wait
  voicemode converse "How far?" --in question.wav --out reply.wav --timeline
"""

_MOST_SHOWN = 60
"""Letters of what was understood so far, on the line that tells the state."""

_Ask = Callable[["Voice", EventSink], Awaitable["Outcome"]]


def converse(
    message: Annotated[str, typer.Argument(help="What to say; '-' reads it from standard input.", show_default=False)] = "",
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Speak, and do not listen.")] = False,
    voice: Annotated[str | None, typer.Option(help="Who speaks.", metavar="NAME")] = None,
    speed: Annotated[float | None, typer.Option(help="Speaking rate, 0.25 to 4.", metavar="RATE")] = None,
    language: Annotated[str | None, typer.Option(help="Such as en or pt-BR.", metavar="TAG")] = None,
    patience: Annotated[
        str | None,
        typer.Option(help="The pause that ends the turn: quick, normal, patient, or milliseconds.", metavar="PAUSE"),
    ] = None,
    interruptible: Annotated[
        bool | None, typer.Option(help="Whether you may interrupt by voice.", show_default="as the settings say")
    ] = None,
    options: Annotated[
        str, typer.Option(help="The answers you expect, such as yes,no.", metavar="A,B,...", show_default=False)
    ] = "",
    question: Annotated[
        Path | None, typer.Option("--in", help="Hear this WAV file instead of the microphone.", metavar="FILE")
    ] = None,
    reply: Annotated[
        Path | None, typer.Option("--out", help="Speak into this WAV file instead of the loudspeaker.", metavar="FILE")
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(help="Transcribe a recording that waits; 'voicemode doctor' lists them.", metavar="NAME"),
    ] = None,
    show_timeline: Annotated[bool, typer.Option("--timeline", help="Show at the end what took how long.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole result as JSON.")] = False,
) -> None:
    """Speak, listen, and print what was said.

    The words go to standard output, everything else to standard error.

    The exit status is 1 when nobody spoke.
    """
    called_at = time.monotonic()
    loaded = load_from_process(os.environ)
    request = turn_request(
        loaded.settings,
        message=sys.stdin.read().strip() if message == "-" else message,
        wait_for_response=not no_wait,
        voice=voice,
        speed=speed,
        language=language,
        patience=patience,
        options=options.split(","),
        interruptible=interruptible,
    )
    if reply is not None and question is None and not no_wait:
        raise RequestError("--out", "who speaks into a file is heard from a file too", "--in FILE, or --no-wait")

    async def ask(parts: Voice, sink: EventSink) -> Outcome:
        if resume is not None:
            return await parts.conversations.resume(resume, sink, budget_s=None)
        return await parts.conversations.converse([request], sink, called_at=called_at, budget_s=None)

    outcome, talk = asyncio.run(_hold(loaded, ask, question, reply))
    status = _show(outcome, as_json=as_json, show_timeline=show_timeline)
    sys.stdout.flush()
    talk.hand_over(outcome)  # a recording is deleted when its words have been printed, and not before
    raise typer.Exit(status)


async def _hold(loaded: LoadedSettings, ask: _Ask, question: Path | None, reply: Path | None) -> tuple[Outcome, Conversations]:
    """Hold the conversation with its state on one line; devices are free when it returns, whatever happened."""
    # Here and not above: see TYPE_CHECKING.
    from voicemode.assemble import build_file_voice, build_voice

    if question is None and reply is None:
        voice = build_voice(loaded, os.environ, "voicemode converse", Surface.CLI)
    else:
        voice = build_file_voice(loaded, os.environ, question, reply)
    screen = about()
    try:
        with screen.status("starting") as line:
            await voice.control.start()
            return await ask(voice, lambda event: _update(screen, line, event)), voice.conversations
    finally:
        await voice.aclose()


def _update(screen: Console, line: StateLine, event: TurnEvent) -> None:
    if isinstance(event, MicrophoneQuiet):
        screen.print("The microphone delivers only zeros so far: is it muted, or not allowed?")
    state = _describe(event)
    if state:
        line.update(state)


def _describe(event: TurnEvent) -> str:
    match event:
        case WaitingForFloor(holder=holder):
            return f"waiting: {printable(holder)} is talking"
        case SpeakingStarted(engine=engine):
            return f"speaking ({printable(engine)})"
        case ListeningStarted():
            return "listening: speak now"
        case SpeechStarted():
            return "hearing you"
        case SpeechPaused():
            return "hearing you (pause)"
        case Understood(text=text) if text:
            return f"hearing you: {printable(text)[-_MOST_SHOWN:]}"
        case Interrupted():
            return "interrupted: listening"
        case SpeechEnded():
            return "transcribing"
        case _:
            return ""


def _show(outcome: Outcome, *, as_json: bool, show_timeline: bool) -> int:
    """Print what came of it, and return the exit status. Raises what ended the conversation."""
    if outcome.error is not None:
        raise outcome.error
    answer = outcome.answers[-1] if outcome.answers else None
    if as_json:
        print_json(_facts(answer))
    elif answer is not None and answer.text:
        result().print(printable(answer.text), soft_wrap=True)
    if show_timeline and answer is not None:
        about().print(timeline(phases(answer.timings_ms)))
    return _remark(answer)


def _remark(answer: TurnResult | None) -> int:
    screen = about()
    for failure in answer.failed if answer is not None else ():
        screen.print(f"Tried before: {printable(failure)}", style="dim", soft_wrap=True)
    if answer is not None and answer.cloud:
        screen.print(f"Sent to another machine: {printable(', '.join(answer.cloud))}", style="dim", soft_wrap=True)
    if answer is not None and answer.clipped:
        screen.print("The microphone was too loud, and its sound is cut off: turn its level down.", style="yellow")
    if answer is None or answer.status is Status.NO_SPEECH:
        made_sound = answer is not None and answer.stt
        screen.print("There was a sound, but no words were recognised." if made_sound else "Nobody spoke.")
        return FAILED
    if answer.unheard:
        screen.print(f"Not heard of the message: {printable(answer.unheard)}", style="dim", soft_wrap=True)
    if answer.confidence == "low":
        screen.print(
            f"{answer.stt} gets about one word in three wrong. One command brings a better one: {BETTER_STT}",
            style="dim",
            soft_wrap=True,
        )
    return 0


def _facts(answer: TurnResult | None) -> dict[str, Any]:
    if answer is None:
        return {"status": str(Status.NO_SPEECH)}
    return {
        "status": str(answer.status),
        "text": answer.text,
        "confidence": answer.confidence,
        "ended_by": answer.ended_by,
        "clipped": answer.clipped,
        "heard": answer.heard,
        "unheard": answer.unheard,
        "engines": {"tts": answer.tts, "stt": answer.stt, "vad": answer.vad, "scorer": answer.scorer},
        "failed": list(answer.failed),
        "cloud": list(answer.cloud),
        "timings_ms": answer.timings_ms,
    }
