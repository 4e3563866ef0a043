"""``voicemode devices``: what there is to hear and to speak with, and a level meter."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from voicemode.cli.failure import FAILED, printable
from voicemode.cli.output import about, print_json, result
from voicemode.engines.devices import Device, find_input, find_output, list_devices
from voicemode.errors import MicrophoneSilentError, RequestError, SoundError
from voicemode.load_config import LoadedSettings, load_from_process

__all__ = ["EXAMPLES", "devices"]

EXAMPLES = """\
Examples:
  voicemode devices
  voicemode devices --meter                               until Ctrl-C
  voicemode devices --meter --seconds 5 --json
  voicemode config set VOICEMODE_INPUT_DEVICE headset     a part of its name
"""


def devices(
    meter: Annotated[bool, typer.Option("--meter", help="Show the level of the chosen microphone, live.")] = False,
    seconds: Annotated[float | None, typer.Option(min=0.1, max=3600, help="End the meter after so long.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the sound devices, and which of them are used."""
    loaded = load_from_process(os.environ)
    if meter:
        raise typer.Exit(_meter(loaded, seconds, as_json=as_json))
    if seconds is not None:
        raise RequestError("--seconds", "it says how long the meter runs", "together with --meter")
    known = list_devices()
    used_as, problems = _used(loaded)
    if as_json:
        print_json([asdict(device) | {"used_as": used_as.get(device.index, [])} for device in known])
    elif known:
        result().print(_table(known, used_as))
    for problem in problems:
        about().print(printable(problem), style="yellow", soft_wrap=True)
    raise typer.Exit(0 if known else FAILED)


def _used(loaded: LoadedSettings) -> tuple[dict[int, list[str]], list[str]]:
    """What each device is used as, by index, and why something is not."""
    used_as: dict[int, list[str]] = {}
    problems = []
    looks: tuple[tuple[str, Callable[[str], Device], str], ...] = (
        ("microphone", find_input, loaded.settings.input_device),
        ("loudspeaker", find_output, loaded.settings.output_device),
    )
    for what, find, wanted in looks:
        try:
            used_as.setdefault(find(wanted).index, []).append(what)
        except SoundError as error:
            problems.append(str(error))
    return used_as, problems


def _table(known: Sequence[Device], used_as: dict[int, list[str]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading, justify in (("#", "right"), ("name", "left"), ("through", "left"), ("in", "right"), ("out", "right")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]  # a tuple of literals is a tuple of str
    table.add_column("Hz", justify="right")
    table.add_column("used as")
    for device in known:
        uses = used_as.get(device.index, [])
        table.add_row(
            str(device.index),
            printable(device.name),
            printable(device.host_api),
            str(device.max_input_channels or ""),
            str(device.max_output_channels or ""),
            str(device.default_sample_rate),
            ", ".join(uses),
            style="green" if uses else None,
        )
    return table


def _meter(loaded: LoadedSettings, seconds: float | None, *, as_json: bool) -> int:
    # Here and not above: the sound stack takes time to load, which --help and completion must not wait for.
    from voicemode.assemble import build_microphone
    from voicemode.cli.meter import measure

    microphone = build_microphone(loaded.settings)
    screen = about()
    if screen.is_terminal:
        screen.print("Speak; Ctrl-C ends it.")
    levels = asyncio.run(measure(microphone, seconds, screen))
    facts = {"device": microphone.name, "seconds": round(levels.seconds, 2), "peak_dbfs": round(levels.peak, 1)}
    if as_json:
        print_json(facts | {"only_zeros": levels.only_zeros})
    else:
        result().print(f"{printable(microphone.name)}: heard {levels.seconds:.1f} s, loudest {levels.peak:.1f} dBFS")
    if levels.only_zeros:
        raise MicrophoneSilentError(microphone.name)
    return 0
