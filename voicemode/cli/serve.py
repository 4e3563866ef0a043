"""``voicemode serve``: the realtime server; ``voicemode token``: the key to it."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING, Annotated

import typer

from voicemode.cli.output import about
from voicemode.errors import RequestError
from voicemode.load_config import LoadedSettings, load_from_process

if TYPE_CHECKING:  # the server's libraries take a second to load, which --help and completion must not wait for
    from voicemode.assemble_server import RealtimeServer
    from voicemode.http.server import Listening

__all__ = ["EXAMPLES", "TOKEN_EXAMPLES", "serve", "token"]

EXAMPLES = """\
Examples:
  voicemode serve
  voicemode serve --port 9000 --json-logs
  voicemode service install voicemode            the same in the background
"""
TOKEN_EXAMPLES = """\
Examples:
  export OPENAI_API_KEY=$(voicemode token)
  voicemode token --new                          when somebody else has seen it
  voicemode token --voice                        for gptme: ws://…/voice?key=…
"""  # noqa: S105  (it shows how to get one)
_LONGEST_THREAD = 200


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="Port; 0: a free one.", show_default="8765")] = None,
    allow_remote: Annotated[bool, typer.Option("--allow-remote", help="Let it listen where others reach it.")] = False,
    json_logs: Annotated[bool, typer.Option("--json-logs", help="Log one JSON object per line.")] = False,
    share: Annotated[bool, typer.Option("--share", help="Show how another machine or a phone opens the page.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print no link, which somebody might read in a log.")] = False,
) -> None:
    """Serve OpenAI Realtime (WebSocket, WebRTC) and OpenAI's audio and chat API to programs of this machine.

    It runs until Ctrl-C or SIGTERM: then nobody new is let in, and conversations may end (VOICEMODE_SERVE_DRAIN_S). A second
    signal ends it at once.
    """
    loaded = load_from_process(os.environ)
    if allow_remote:
        settings = loaded.settings.model_copy(update={"serve_allow_remote": True})
        loaded = LoadedSettings(settings, loaded.sources, loaded.warnings, loaded.openai_key_elsewhere, loaded.services)
    settings = loaded.settings
    # Here and not above: see TYPE_CHECKING.
    from voicemode.assemble_server import build_server
    from voicemode.http.logs import log_to_stderr
    from voicemode.http.server import listen

    log_to_stderr(settings.log_level, as_json=json_logs)
    for warning in loaded.warnings:
        logging.getLogger(__name__).warning("%s", warning)

    chosen_host = settings.serve_host if host is None else host
    listening = listen(settings, chosen_host, settings.serve_port if port is None else port)
    with listening.socket:
        server = build_server(loaded, os.environ, host=chosen_host, json_logs=json_logs)
        asyncio.run(_serve(server, listening, tells=not quiet, shares=share))


async def _serve(server: RealtimeServer, listening: Listening, *, tells: bool, shares: bool) -> None:
    from voicemode.cli.share import show_how_to_share
    from voicemode.http.server import end_soon, tls_of
    from voicemode.http.server import serve as serve_until_told  # as above

    def started() -> None:
        server.started()
        if tells:
            _tell(server, listening)
        if shares:
            show_how_to_share(server.settings, listening.port, server.visitors.new_key())

    await serve_until_told(
        server.app,
        listening,
        drain=server.drain,
        started=started,
        ended=server.aclose,
        leaving=end_soon,
        tls=tls_of(server.settings),
    )


def _tell(server: RealtimeServer, listening: Listening) -> None:
    """Where it is, and how to come in; to standard error, since nothing was asked for."""
    scheme = "https" if server.settings.serve_tls_cert else "http"
    where = f"{scheme}://{listening.address}:{listening.port}"
    choice = server.conversations.answerer.choice
    out = about()
    out.print(f"voicemode listens on {where}", soft_wrap=True)
    out.print("", soft_wrap=True)
    out.print(f"  talk       {where}/#key={server.visitors.new_key()}   works once", soft_wrap=True)
    out.print("", soft_wrap=True)
    out.print(f"  export OPENAI_BASE_URL={where}/v1 OPENAI_API_KEY=$(voicemode token)", soft_wrap=True)
    out.print("", soft_wrap=True)
    out.print(f"  realtime   ws://{listening.address}:{listening.port}/v1/realtime, {where}/v1/realtime/calls", soft_wrap=True)
    out.print(f"  gateway    {where}/v1", soft_wrap=True)
    upstream = server.settings.upstream.strip()
    answers = f"upstream {upstream}: VOICEMODE_UPSTREAM is set" if upstream else f"{choice.answerer.name}: {choice.reason}"
    out.print(f"  answers    {answers}", soft_wrap=True)
    if server.settings.serve_allow_remote:
        out.print("Others can reach it, unencrypted: put it behind a proxy with TLS.", soft_wrap=True)


def token(
    new: Annotated[bool, typer.Option("--new", help="Make another one; a server heeds it from its next start on.")] = False,
    voice: Annotated[bool, typer.Option("--voice", help="Print a key that only talks, fit for gptme's addresses.")] = False,
    thread: Annotated[str, typer.Option(help="The conversation that such a key goes on with.", show_default="a new one")] = "",
) -> None:
    """Print the token that 'voicemode serve' wants, and make it if there is none."""
    settings = load_from_process(os.environ).settings
    # Here and not above: the settings are enough for --help.
    from voicemode.http.tokens import install_token, new_install_token
    from voicemode.http.voice_keys import VoiceKeys

    if len(thread) > _LONGEST_THREAD or (thread and not voice):
        raise RequestError("thread", "it cannot be the thread of a key", f"--voice --thread NAME, {_LONGEST_THREAD} characters")
    kept = new_install_token(settings.base_dir) if new else install_token(settings.base_dir, settings.serve_token)
    print(VoiceKeys(kept).make(thread) if voice else kept.get_secret_value())
