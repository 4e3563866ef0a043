"""The loop of a worker process: requests in, replies out, and out of the way when nobody holds the other end."""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, NoReturn

from voicemode.engines.workers.pipe import Message, PipeError, PipeReader, encode

__all__ = ["Cancelled", "Handler", "Request", "serve"]

_READ = 1 << 16
_BAD_FRAMES = 65
"""EX_DATAERR of sysexits.h: what came in was not the protocol."""


class Cancelled(Exception):  # noqa: N818 - it is an outcome, not an error
    """Raised by a handler that has seen ``Request.cancelled``."""


class _Cancellations:
    """What the listening thread has seen. Requests come one by one, so the latest number stands for all before it."""

    latest = 0


class Request:
    """One request, as its handler sees it."""

    def __init__(self, message: Message, outgoing: BinaryIO, cancellations: _Cancellations) -> None:
        self.header = message.header
        self.payload = message.payload
        self._number: int = message.header["id"]
        self._outgoing = outgoing
        self._cancellations = cancellations

    @property
    def cancelled(self) -> bool:
        """Whether nobody wants the answer any more. Ask often: an answer to a cancelled request delays the next."""
        return self._number <= self._cancellations.latest

    def reply(self, header: Mapping[str, Any], payload: bytes = b"") -> None:
        """Send one message of the answer."""
        try:
            self._outgoing.write(encode({**header, "id": self._number}, payload))
            self._outgoing.flush()
        except OSError:
            os._exit(0)  # nobody reads: the parent is gone


Handler = Callable[[Request], Mapping[str, Any]]
"""Does one kind of request. What it returns becomes the header of the last message; it raises Cancelled when cancelled."""


def serve(handlers: Mapping[str, Handler]) -> NoReturn:
    """Answer requests on this process's standard input and output until the input ends. Never returns.

    The process ends by itself when its parent closes the pipe or dies, in whatever way: a thread waits for that, also while a
    handler runs, as long as the handler lets other threads run.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which closes the pipe
    incoming, outgoing = _claim_pipes()
    requests: queue.SimpleQueue[Message] = queue.SimpleQueue()
    cancellations = _Cancellations()
    threading.Thread(target=_listen, args=(incoming, requests, cancellations), daemon=True).start()
    while True:
        request = Request(requests.get(), outgoing, cancellations)
        request.reply(_answer(request, handlers))


def _claim_pipes() -> tuple[int, BinaryIO]:
    """Take both pipes away from everything else: what libraries print goes to stderr, what they read is empty."""
    incoming, outgoing = os.dup(0), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return incoming, outgoing


def _listen(incoming: int, requests: queue.SimpleQueue[Message], cancellations: _Cancellations) -> None:
    """Pass requests on, note cancellations, and end the process when the input does."""
    reader = PipeReader()
    while data := os.read(incoming, _READ):
        try:
            for message in reader.feed(data):
                if "cancel" in message.header:
                    cancellations.latest = message.header["cancel"]
                else:
                    requests.put(message)
        except PipeError as error:
            sys.stderr.write(f"{error}\n")
            sys.stderr.flush()
            os._exit(_BAD_FRAMES)
    os._exit(0)  # not sys.exit: the main thread may be deep in a native library


def _answer(request: Request, handlers: Mapping[str, Handler]) -> dict[str, Any]:
    if request.cancelled:
        return {"end": "cancelled"}
    try:
        return {"end": "done", **handlers[request.header["op"]](request)}
    except Cancelled:
        return {"end": "cancelled"}
    except Exception as error:  # noqa: BLE001 - the boundary of the process: the parent makes it an EngineError
        return {"end": "error", "problem": f"{type(error).__name__}: {error}"}
