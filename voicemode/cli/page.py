"""``voicemode page``: a link to the page of the server that runs."""

from __future__ import annotations

import asyncio
import os
import ssl
import webbrowser
from typing import Annotated

import typer

from voicemode.cli.output import print_json
from voicemode.load_config import load_from_process
from voicemode.settings import Settings
from voicemode.transports.errors import PageLineError

__all__ = ["EXAMPLES", "page"]

EXAMPLES = """\
Examples:
  voicemode page                                 a link that works once
  voicemode page --open                          open it here
"""
_ASK_S = 5.0


def page(
    opens: Annotated[bool, typer.Option("--open", help="Open it in this machine's browser.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print a link to the page of 'voicemode serve', which has to be running. It lets one browser in, once."""
    # Here and not above: --help does not need it.
    from voicemode.assemble_browser import link_to

    settings = load_from_process(os.environ).settings
    link = link_to(settings, _new_key(settings))
    if as_json:
        print_json({"link": link})
    else:
        print(link)
    if opens and not webbrowser.open(link):
        raise PageLineError(link.partition("/#")[0], "no browser could be opened here", "Open the link yourself.")


def _new_key(settings: Settings) -> str:
    import httpx2  # as above

    from voicemode.assemble_browser import address_of
    from voicemode.http.tokens import install_token
    from voicemode.transports.known_server import make_sure

    encrypted = bool(settings.serve_tls_cert)
    address = f"{'https' if encrypted else 'http'}://{address_of(settings)}"
    token = install_token(settings.base_dir, settings.serve_token)
    # The certificate is the person's own and named in their settings: it may be for another name than this address.
    verify = ssl.create_default_context(cafile=str(settings.serve_tls_cert)) if encrypted else False
    if isinstance(verify, ssl.SSLContext):
        verify.check_hostname = False
    try:
        if not encrypted:
            asyncio.run(make_sure(address_of(settings), token, within_s=_ASK_S))
        with httpx2.Client(trust_env=False, timeout=_ASK_S, verify=verify) as client:
            answer = client.post(f"{address}/api/page/key", headers={"Authorization": f"Bearer {token.get_secret_value()}"})
    except (httpx2.HTTPError, OSError) as error:
        remedy = "Start 'voicemode serve', or 'voicemode service start voicemode'."
        raise PageLineError(address, f"it does not answer ({type(error).__name__})", remedy) from None
    if answer.status_code != httpx2.codes.OK:
        remedy = "See that its settings are those of this command, and that it was started since."
        raise PageLineError(address, f"it refuses (HTTP {answer.status_code})", remedy)
    return str(answer.json()["key"])
