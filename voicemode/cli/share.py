"""``voicemode serve --share``: how another machine or a phone opens the page."""

from __future__ import annotations

import getpass
import io
import socket

from voicemode.assemble_browser import address_of, link_to
from voicemode.cli.output import about
from voicemode.settings import Settings

__all__ = ["qr_code", "show_how_to_share"]


def show_how_to_share(settings: Settings, port: int, key: str) -> None:
    """To standard error, since nothing was asked for. ``port`` is where it listens, and ``key`` that of a link."""
    settings = settings.model_copy(update={"serve_port": port})
    link = link_to(settings, key)
    out = about()
    out.print("", soft_wrap=True)
    if settings.public_url:
        out.print(f"  share      {link}   works once", soft_wrap=True)
        out.print("", soft_wrap=True)
        out.print(qr_code(link), soft_wrap=True, highlight=False, markup=False)
        return
    # With this, a phone could open nothing: it has no tunnel, and no browser gives a page without TLS the microphone.
    out.print("  share      From another machine, first make a tunnel there:", soft_wrap=True)
    out.print(
        f"               ssh -N -L {port}:{address_of(settings)} {getpass.getuser()}@{socket.gethostname()}", soft_wrap=True
    )
    out.print(f"             then open {link}   works once", soft_wrap=True)
    out.print(
        "             For a phone, set VOICEMODE_PUBLIC_URL to the https address of a proxy before it: see docs/browser.md.",
        soft_wrap=True,
    )


def qr_code(text: str) -> str:
    """For a terminal, two modules to a letter."""
    import segno  # here: only who shares needs it

    drawn = io.StringIO()
    segno.make_qr(text, error="m").terminal(drawn, compact=True, border=2)
    return drawn.getvalue().rstrip("\n")
