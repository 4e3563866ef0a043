"""Start a service from the command line: read its settings, refuse what is not safe, and serve until a signal comes."""

from __future__ import annotations

import argparse
import difflib
import math
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from voicemode_service.access import is_loopback
from voicemode_service.settings import ServiceSettings

__all__ = ["MIN_TOKEN", "parse", "serve"]

MIN_TOKEN = 16
"""Characters of a token that guards an address others can reach: what they could try in a day must not find it."""

_SECRET = "token"  # noqa: S105  (the name of the setting, not its value)
_KEEP_ALIVE_S = 75
"""Longer than clients keep idle connections, so that the client is the one to close."""
_FRAME_BYTES = 2 << 20
"""Of one WebSocket message; longer ones are closed with 1009. A minute of 16 kHz 16-bit sound."""
_FRAMES = 4
"""Messages of one client that are kept until the service reads them."""
_GRACE_S = 1
"""How long requests under way may take when the service is told to end: it is to be gone within 2 s."""

_CHOICES = {"device": ("auto", "cpu", "cuda"), "log_level": ("critical", "error", "warning", "info", "debug")}
_RANGES: dict[str, tuple[float, float]] = {
    "port": (0, 65_535),
    "threads": (0, 1_024),
    "workers": (1, 64),
    "queue": (1, 100_000),
    "max_upload_mb": (1, 1 << 20),
    "max_audio_s": (1, math.inf),
    "idle_s": (0, math.inf),
}


_BASE_DIR = "VOICEMODE_BASE_DIR"
"""voicemode's own setting: where it, too, keeps models and services."""


def parse(defaults: ServiceSettings, arguments: Sequence[str], environ: Mapping[str, str]) -> ServiceSettings:
    """The settings of this run: command line > VOICEMODE_<NAME>_<SETTING> > defaults.

    Exits with status 2 and a sentence on standard error for anything that is not allowed; warns of unknown variables.
    """
    prefix = f"VOICEMODE_{defaults.name.upper()}_"
    base = Path(environ.get(_BASE_DIR) or "~/.voicemode").expanduser()
    defaults = replace(defaults, models_dir=base / "models", state_dir=base / "services" / defaults.name)
    parser = argparse.ArgumentParser(
        prog=f"voicemode-{defaults.name}",
        description=f"A local speech service (OpenAI audio API) on port {defaults.port}.",
        epilog=f"Every option is also a variable, such as {prefix}PORT. The token is one only: {prefix}TOKEN.",
        allow_abbrev=False,
    )
    names = [field.name for field in fields(ServiceSettings) if field.name not in ("name", _SECRET)]
    for name in names:
        default = getattr(defaults, name)
        _add(parser, name, default, environ.get(prefix + name.upper()))
    _warn_of_unknown(prefix, [*names, _SECRET], environ)
    settings = replace(defaults, token=environ.get(prefix + "TOKEN") or None, **vars(parser.parse_args(list(arguments))))
    if not is_loopback(settings.host) and not (settings.allow_remote and settings.token):
        parser.error(f"{settings.host} can be reached by others: that needs --allow-remote and a token in {prefix}TOKEN")
    if not is_loopback(settings.host) and len(settings.token or "") < MIN_TOKEN:
        parser.error(f"the token in {prefix}TOKEN has fewer than {MIN_TOKEN} characters, and others can try")
    return settings


def serve(settings: ServiceSettings, make_app: Callable[[ServiceSettings], FastAPI]) -> int:
    """Serve until SIGTERM or SIGINT, and then die of it: whoever sent it sees that. Else the exit status."""
    try:
        listener = _bind(settings)
    except OSError as error:
        return _not_listening(settings, error)
    with listener:
        config = uvicorn.Config(
            make_app(settings),
            host=settings.host,
            port=settings.port,
            log_level=settings.log_level,
            access_log=False,  # what was asked and said is nobody's business
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=_GRACE_S,
            server_header=False,
            proxy_headers=False,  # X-Forwarded-For changes nothing here, so nobody needs to be believed
            ws_max_size=_FRAME_BYTES,
            ws_max_queue=_FRAMES,
            ws_per_message_deflate=False,  # a small message could become a large one
        )
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            # uvicorn ends in order and raises the signal again. Python's own way out would wait for the engine's threads.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        server = uvicorn.Server(config)
        try:
            server.run(sockets=[listener])
        except OSError as error:  # two that were bound at the same moment; one listens
            return _not_listening(settings, error)
        except SystemExit as stop:  # uvicorn's way to say that it did not start; it has logged why
            return stop.code if isinstance(stop.code, int) else 1
    return 0 if server.started else 1


def _bind(settings: ServiceSettings) -> socket.socket:
    """The address, before a model is loaded for minutes in vain. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        if sys.platform != "win32":  # there it would let another program take the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener


def _not_listening(settings: ServiceSettings, error: OSError) -> int:
    print(f"voicemode-{settings.name}: cannot listen on {settings.host}:{settings.port}: {error.strerror}", file=sys.stderr)
    return 1


def _warn_of_unknown(prefix: str, names: Sequence[str], environ: Mapping[str, str]) -> None:
    known = [prefix + name.upper() for name in names]
    for name in sorted(environ):
        if name.startswith(prefix) and name not in known:
            near = difflib.get_close_matches(name, known, 1)
            print(f"{name} is no setting of this service" + (f"; {near[0]} is" if near else ""), file=sys.stderr)


def _add(parser: argparse.ArgumentParser, name: str, default: object, given: str | None) -> None:
    """One option; a variable's value is read as if it stood on the command line."""
    flag, shown = f"--{name.replace('_', '-')}", default if given is None else given
    if isinstance(default, bool):
        parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=default)
        if given is not None:
            try:
                parser.set_defaults(**{name: _switch(given)})
            except argparse.ArgumentTypeError as error:
                parser.error(f"argument {flag}: {error}")
    else:
        parser.add_argument(flag, type=_reader(name, default), default=shown, metavar=name.upper())


def _switch(text: str) -> bool:
    values = {
        "true": True,
        "1": True,
        "yes": True,
        "on": True,
        "false": False,
        "0": False,
        "no": False,
        "off": False,
        "": False,
    }
    if text.lower() not in values:
        raise argparse.ArgumentTypeError(f"{text[:40]!a} is neither true nor false")
    return values[text.lower()]


def _reader(name: str, default: object) -> Callable[[str], object]:
    def read(text: str) -> object:
        if not text.isprintable():
            raise argparse.ArgumentTypeError("control characters are not allowed")
        if name in _CHOICES:
            return _one_of(_CHOICES[name], text.lower())
        if name == "idle_s" and text.lower() in ("", "none", "never"):
            return None
        if name in _RANGES:
            return _number(float if isinstance(default, float) or name == "idle_s" else int, *_RANGES[name], text)
        return Path(text).expanduser() if isinstance(default, Path) else text

    return read


def _one_of(choices: Sequence[str], text: str) -> str:
    if text not in choices:
        raise argparse.ArgumentTypeError(f"{text[:40]!a} is none of {', '.join(choices)}")
    return text


def _number(kind: type[int] | type[float], least: float, most: float, text: str) -> float:
    try:
        value = kind(text)
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        whole = "a whole number" if kind is int else "a number"
        bounds = f"from {least:g} to {most:g}" if most < math.inf else f"of at least {least:g}"
        raise argparse.ArgumentTypeError(f"{text[:40]!a} is not {whole} {bounds}")
    return value
