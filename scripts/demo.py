"""One real conversation, start to end: ``make demo``.

With a sound card and a person at the terminal it talks with them. Without (container, CI, SSH) it plays both sides: a real MCP
client starts the server over stdio and calls ``converse``; a simulated person hears the loudspeaker of a virtual sound card and
answers into its microphone; where no sound card can be made, they talk through files. Exit code 0 means that words were heard.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp import Client, StdioServerParameters
from rich.console import Console

from scripts.simulated_person import SimulatedPerson, stereo_wav
from scripts.virtual_sound_card import VirtualSoundCard, available
from voicemode.cli.timeline import phases, timeline

__all__ = ["main"]

QUESTION = "Hello! I am your agent, and I have a voice now. Where should the robot go?"
CLIP = Path(__file__).resolve().parents[1] / "tests" / "clips" / "go_forward_ten_meters.wav"
CLIP_WORDS = "go forward ten meters"
CALL_DEADLINE_S = 90.0

console = Console()


@dataclass(frozen=True)
class Heard:
    """What the MCP client got back."""

    result: Mapping[str, Any]
    line: str


async def converse(env: Mapping[str, str], *, show: bool = True) -> Heard:
    """Start the server as any MCP client does, and hold one turn. Raises RuntimeError when the tool reports an error."""
    server = StdioServerParameters(command=sys.executable, args=["-m", "voicemode", "mcp"], env=dict(env))

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:  # noqa: ARG001 - the SDK's
        if show:
            console.print(f"  [dim]{progress:5.1f} s[/dim]  {message}")

    async with Client(server) as client:
        call = client.call_tool("converse", {"message": QUESTION}, progress_callback=on_progress)
        answer = await asyncio.wait_for(call, CALL_DEADLINE_S)
    line = " ".join(getattr(block, "text", "") for block in answer.content)
    if answer.is_error:
        raise RuntimeError(line)
    return Heard(answer.structured_content or {}, line)


async def with_a_person() -> Heard:
    """The sound card is real and somebody sits at the terminal."""
    console.print("Speak when the agent has asked. (Ctrl-C ends.)\n")
    return await converse({})


async def with_a_simulated_person(wav: Path) -> Heard:
    """Both sides, by sound, on a virtual sound card."""
    console.print("No sound card with a person at it: a virtual one is made, and a recorded person answers by sound.\n")
    with tempfile.TemporaryDirectory() as home, VirtualSoundCard() as card, SimulatedPerson(card, CLIP) as person:
        answering = asyncio.create_task(asyncio.to_thread(person.answer, time.monotonic() + CALL_DEADLINE_S))
        heard = await converse({**card.env, "HOME": home, "PATH": os.environ.get("PATH", "")})
        await answering
        wav.write_bytes(stereo_wav(person.loudspeaker(), person.microphone()))
    return heard


async def through_files(wav: Path) -> Heard:
    """No sound card can be made: the command line takes the person's words from a file."""
    console.print(f"No sound card, and none can be made ({available()}): they talk through files.\n")
    command = [sys.executable, "-m", "voicemode", "converse", QUESTION, "--in", str(CLIP), "--out", str(wav), "--json"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await asyncio.wait_for(process.communicate(), CALL_DEADLINE_S)
    if process.returncode:
        raise RuntimeError("voicemode converse failed")
    import json  # only needed where there is no sound at all

    result = json.loads(out)
    return Heard(result, f'The person said: "{result.get("text", "")}"')


def has_person() -> bool:
    """A terminal on both ends, a microphone and a loudspeaker."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()) or os.environ.get("CI"):
        return False
    from voicemode.engines.devices import list_devices  # loads PortAudio, which containers do not have
    from voicemode.errors import SoundError

    try:
        devices = list_devices()
    except SoundError:
        return False
    return any(d.max_input_channels for d in devices) and any(d.max_output_channels for d in devices)


async def run(wav: Path) -> int:
    console.print("[bold]voicemode[/bold]: an agent and a person talk through MCP, offline, on real audio\n")
    console.print(f'The agent says: "{QUESTION}"')
    simulated = not has_person()
    try:
        if not simulated:
            heard = await with_a_person()
        elif available() is None:
            heard = await with_a_simulated_person(wav)
        else:
            heard = await through_files(wav)
    except (RuntimeError, TimeoutError) as error:
        console.print(f"\n[red]It failed:[/red] {error or 'no answer in time'}")
        return 1
    console.print(f"\n{heard.line}\n")
    console.print(timeline(phases(heard.result.get("timings_ms", {}))))
    if simulated:
        whose = "left: the agent, right: the person" if available() is None else "the agent's side"
        console.print(f"\nWhat was said is in {wav} ({whose}).")
    words = str(heard.result.get("text", ""))
    if simulated and words != CLIP_WORDS:
        console.print(f'[yellow]The person really said "{CLIP_WORDS}".[/yellow]')
    return 0 if words else 1


def main() -> int:
    """The exit code."""
    return asyncio.run(run(Path.cwd() / "demo-conversation.wav"))


if __name__ == "__main__":
    raise SystemExit(main())
