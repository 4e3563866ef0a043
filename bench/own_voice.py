"""Does it interrupt itself? ``python -m bench.own_voice [--minutes 30] [--echo-db -12] [--json FILE]``.

The product speaks at the virtual sound card, message after message, and the loudspeaker is heard in the microphone; nobody
else is there. Whatever it takes for a person, it has made up: a duck, a pause, an end, or words (its speech recogniser is a
stub that always understands some). Takes as long as the speech lasts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from bench.heard import MESSAGES
from bench.room import Room
from bench.source import commit
from bench.stdio_client import StdioServer
from scripts.virtual_sound_card import available

__all__ = ["Message", "main"]

_ROOT = Path(__file__).parents[1]
_CALL_S = 60.0
_SETTLE_S = 0.3


@dataclass(frozen=True, slots=True)
class Message:
    """One call. It held unless somebody seemed to speak."""

    spoken_s: float
    """From the first to the last sound."""
    status: str
    text: str
    """The words of the person who was not there."""
    barge_ins: tuple[str, ...]
    """What was suspected, as the turn's timeline has it: "duck", "pause", "stop" ..."""
    load: float
    """Of the machine, over a minute: above 2 a busy machine tears the sound of a virtual card."""

    @property
    def held(self) -> bool:
        return self.status == "no_speech" and not self.text and "stop" not in self.barge_ins


async def _message(server: StdioServer, text: str) -> Message:
    answer = await server.converse(text).wait(_CALL_S)
    told = answer.result.get("structuredContent", {})
    shown = await asyncio.to_thread(_last_turn, server)
    began, ended = shown["first_sound"], shown["last_sound"]
    spoken_s = 0.0 if began is None or ended is None else ended - began
    suspected = tuple(str(event["what"]) for event in shown["barge_ins"])
    status = "failed" if answer.failed else str(told.get("status", ""))
    return Message(spoken_s, status, told.get("text") or "", suspected, os.getloadavg()[0])


def _last_turn(server: StdioServer) -> dict[str, Any]:
    command = [sys.executable, "-m", "voicemode", "turn", "show", "--json"]
    run = subprocess.run(command, env=dict(server.env), capture_output=True, text=True, check=False, timeout=20)
    if run.returncode:
        raise RuntimeError(f"voicemode turn show: {run.stderr}")
    shown: dict[str, Any] = json.loads(run.stdout)
    return shown


async def _measure(minutes: float, echo_db: float) -> list[Message]:
    messages: list[Message] = []
    async with Room.open() as room:
        command, variables = room.product_command()
        room.configure(voice="words")
        room.card.open_speakers(echo_db)
        async with room.server(command, **variables, VOICEMODE_START_TIMEOUT_S="1.0") as server:
            await server.initialize()
            with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
                task = progress.add_task("speaking to nobody", total=minutes * 60)
                while not progress.finished:
                    message = await _message(server, MESSAGES[len(messages) % len(MESSAGES)])
                    messages.append(message)
                    progress.advance(task, message.spoken_s)
                    await asyncio.sleep(_SETTLE_S)
    return messages


def _tell(messages: Sequence[Message], echo_db: float) -> None:
    console = Console(width=130)
    suspected = Counter(what for message in messages for what in message.barge_ins)
    spoken_s = sum(message.spoken_s for message in messages)
    held = sum(message.held for message in messages)
    whole = f"{held} of {len(messages)} messages were not interrupted"
    console.print(f"{spoken_s / 60:.1f} minutes of speech, echo {echo_db:+.0f} dB: {whole}")
    console.print("suspected:", ", ".join(f"{count} x {what}" for what, count in suspected.most_common()) or "nothing")
    for number, message in enumerate(messages, 1):
        if not message.held:
            found = ", ".join(message.barge_ins) or "nothing suspected"
            console.print(f"message {number}: {message.status}, {message.text!r}, {found}", markup=False, highlight=False)
    loads = sorted(message.load for message in messages)
    console.print(f"voicemode {commit(_ROOT)}, load {loads[0]:.1f} to {loads[-1]:.1f}", highlight=False)


def main() -> int:
    """Exit status 0, 1 where it interrupted itself, 69 where no sound card can be made."""
    parser = argparse.ArgumentParser(prog="python -m bench.own_voice", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="of speech (default 30)")
    parser.add_argument("--echo-db", type=float, default=-12.0, help="the loudspeaker in the microphone (default -12)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every message there")
    arguments = parser.parse_args()
    reason = available()
    if reason is not None:
        print(reason, file=sys.stderr)
        return 69  # EX_UNAVAILABLE
    messages = asyncio.run(_measure(arguments.minutes, arguments.echo_db))
    _tell(messages, arguments.echo_db)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([asdict(message) for message in messages], indent=1) + "\n", "utf-8")
    return int(not all(message.held for message in messages))


if __name__ == "__main__":
    raise SystemExit(main())
