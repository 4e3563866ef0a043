"""Start a service from the command line: read its settings, refuse what is not safe, and serve until a signal comes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from voicemode_service.access import is_loopback
from voicemode_service.settings import ServiceSettings

__all__ = ["parse", "serve"]

_SECRET = "token"  # noqa: S105  (the name of the setting, not its value)
_KEEP_ALIVE_S = 75
"""Longer than clients keep idle connections, so that the client is the one to close."""


def parse(defaults: ServiceSettings, arguments: Sequence[str], environ: Mapping[str, str]) -> ServiceSettings:
    """The settings of this run: command line > VOICEMODE_<NAME>_<SETTING> > defaults.

    Exits with status 2 and a sentence on standard error for anything that is not allowed.
    """
    prefix = f"VOICEMODE_{defaults.name.upper()}_"
    parser = argparse.ArgumentParser(
        prog=f"voicemode-{defaults.name}",
        description=f"A local speech service (OpenAI audio API) on port {defaults.port}.",
        epilog=f"Every option is also a variable, such as {prefix}PORT. The token is one only: {prefix}TOKEN.",
    )
    chosen = {field.name: field for field in fields(ServiceSettings) if field.name not in ("name", _SECRET)}
    for name in chosen:
        default = environ.get(prefix + name.upper(), getattr(defaults, name))
        flag = f"--{name.replace('_', '-')}"
        if isinstance(getattr(defaults, name), bool):
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=str(default).lower() in ("true", "1"))
        else:
            parser.add_argument(flag, type=_reader(name, getattr(defaults, name)), default=default, metavar=name.upper())
    values = vars(parser.parse_args(list(arguments)))
    settings = replace(defaults, token=environ.get(prefix + "TOKEN") or None, **values)
    if not is_loopback(settings.host) and not (settings.allow_remote and settings.token):
        parser.error(f"{settings.host} can be reached by others: that needs --allow-remote and a token in {prefix}TOKEN")
    return settings


def serve(settings: ServiceSettings, make_app: Callable[[ServiceSettings], FastAPI]) -> int:
    """Serve; the exit status."""
    config = uvicorn.Config(
        make_app(settings),
        host=settings.host,
        port=settings.port,
        log_level=settings.log_level,
        access_log=False,  # what was asked and said is nobody's business
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=2,
        server_header=False,
    )
    server = uvicorn.Server(config)
    try:
        server.run()
    except SystemExit as stop:  # uvicorn's way to say that the port is taken; it has logged why
        return stop.code if isinstance(stop.code, int) else 1
    except KeyboardInterrupt:
        return 130
    return 0 if server.started else _not_started(settings)


def _not_started(settings: ServiceSettings) -> int:
    print(f"voicemode-{settings.name}: cannot listen on {settings.host}:{settings.port}", file=sys.stderr)
    return 1


def _reader(name: str, default: object) -> Callable[[str], object]:
    def read(text: str) -> object:
        if name == "idle_s":
            return None if text.lower() in ("", "none", "never") else float(text)
        if isinstance(default, Path):
            return Path(text).expanduser()
        return type(default)(text)  # type: ignore[call-arg]

    return read
