"""How long a page in a browser may take, and waiting for it."""

from __future__ import annotations

import asyncio

from voicemode.errors import PageLostError

__all__ = ["CUT_S", "OPEN_S", "QUIET_S", "within"]

OPEN_S = 10.0
"""A browser may ask the person first, whether it may use the microphone; mostly it has done so when the button was pressed."""
QUIET_S = 2.0
"""Without sound, or a report, for so long, the page hangs: a tab in the background is slowed down to one second."""
CUT_S = 1.0
"""So long it may take to say how much of what it had was played when it was told to stop."""


async def within(seconds: float, future: asyncio.Future[None], late: PageLostError) -> None:
    """Raises ``late``."""
    try:
        async with asyncio.timeout(seconds):
            await asyncio.shield(future)
    except TimeoutError:
        raise late from None
