"""Notes which addresses this process connects to and which names it looks up, as the interpreter itself tells."""

from __future__ import annotations

import functools
import sys
from typing import Any, Self

__all__ = ["Watched"]

_LOOKUPS = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"}
_SENDS = {"socket.connect", "socket.sendto", "socket.sendmsg"}


class Watched:
    """From ``with`` to its end, everything that asks the network."""

    def __init__(self) -> None:
        self.names: list[str] = []
        """Looked up, in order; addresses written as numbers as well."""
        self.addresses: list[tuple[str, int]] = []
        """Connected or sent to, over IP."""

    def __enter__(self) -> Self:
        _hook()
        _watching.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _watching.remove(self)


_watching: list[Watched] = []


@functools.cache
def _hook() -> None:
    """Once: an audit hook cannot be taken away again."""
    sys.addaudithook(_note)


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    for watched in _watching:
        if event in _LOOKUPS:
            name = arguments[0]
            watched.names.append(name.decode() if isinstance(name, bytes) else str(name))
        elif event in _SENDS and isinstance(arguments[1], tuple):
            watched.addresses.append(tuple(arguments[1][:2]))
