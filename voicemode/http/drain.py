"""The end in good order: nobody new is let in, those who talk may finish, and then everyone is told to go."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from voicemode.http.calls import Calls
from voicemode.http.limits import Places
from voicemode.http.processes import SERVER_ENDS, Processes

__all__ = ["drain"]

_GOING_S = 1.0
"""How long calls that were told to end may take for it: their clients are to see why."""

_log = logging.getLogger(__name__)


async def drain(calls: Calls, processes: Processes, requests: Places, deadline_s: float) -> None:
    """Close both, wait for at most ``deadline_s`` until nobody is left, and end the calls of those who are."""
    calls.places.closed = requests.closed = True
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(deadline_s):
            await asyncio.gather(calls.places.empty(), requests.empty())
    if calls.places.taken:
        _log.warning("%d calls are ended: the server was told to", calls.places.taken)
    calls.end_all(SERVER_ENDS)
    processes.end_all(SERVER_ENDS)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_GOING_S):
            await calls.places.empty()
