"""Words that leave this machine are named: whoever sends some tells who gets them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from voicemode.errors import EndpointError
from voicemode.providers.address import is_loopback

__all__ = ["leaving"]


@contextlib.contextmanager
def leaving(url: str, on_remote: Callable[[str], None] | None) -> Iterator[None]:
    """For the length of a request to ``url``. At its end ``on_remote`` is told the address, if it is another machine's.

    Also when the request failed or was given up: what matters is that the words may have got there. They have not when there
    was no connection.
    """
    got_there = not is_loopback(urlsplit(url).hostname or "")
    try:
        yield
    except EndpointError as error:
        got_there = got_there and error.reached
        raise
    finally:
        if got_there and on_remote is not None:
            on_remote(url)
