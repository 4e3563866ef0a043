"""``voicemode call``: call somebody by telephone, and let the server talk with them."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Annotated

import typer

from voicemode.cli.output import about, print_json
from voicemode.load_config import load_from_process

if TYPE_CHECKING:  # for --help and completion
    from voicemode.providers.twilio_api import Dialled
    from voicemode.settings import Settings

__all__ = ["EXAMPLES", "call"]

EXAMPLES = """\
Examples:
  voicemode call +4930123456 --dry-run           show what would be sent
  voicemode call +4930123456
  voicemode call +4930123456 --hand-off ho_…     go on with what was said
"""


def call(
    number: Annotated[str, typer.Argument(help="Whom to call: +, country code and number.")],
    hand_off: Annotated[str, typer.Option("--hand-off", help="A session to go on with: the id of its hand-off.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Send nothing; show what would be sent, without secrets.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Call a number over Twilio. When somebody answers, they talk with 'voicemode serve', which has to be running.

    Only numbers of VOICEMODE_TWILIO_ALLOWED_NUMBERS are called. Calls cost money, and the person called pays for roaming.
    """
    settings = load_from_process(os.environ).settings
    sent, sid = asyncio.run(_call(settings, number, hand_off, dry_run=dry_run))
    if as_json:
        print_json({"status": "dry_run" if dry_run else "calling", "sid": sid, "request": sent.as_json()})
    elif dry_run:
        print("\n".join(_lines(sent)))
    else:
        about().print(f"Calling {sent.form['To']} ({sid}).")


async def _call(settings: Settings, number: str, hand_off: str, *, dry_run: bool) -> tuple[Dialled, str | None]:
    # Here and not above: they load what only a call needs.
    from voicemode.providers.http import HttpPool
    from voicemode.providers.twilio_api import TwilioApi, telephone

    pool = HttpPool(settings)
    try:
        api = TwilioApi(telephone(settings), pool)
        dialled = api.dialled(number, hand_off)
        return dialled, None if dry_run else await api.call(dialled)
    finally:
        await pool.aclose()


def _lines(sent: Dialled) -> list[str]:
    shown = sent.as_json()
    return [
        f"{shown['method']} {shown['url']}",
        f"Authorization: {shown['authorization']}",
        *(f"{name}={value}" for name, value in sent.form.items()),
    ]
