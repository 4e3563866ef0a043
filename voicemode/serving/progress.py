"""Tell the client about once a second what is going on: its time-out starts anew, and the person sees that it listens."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from voicemode.events import (
    EventSink,
    Interrupted,
    ListeningStarted,
    MicrophoneQuiet,
    SpeakingStarted,
    SpeechEnded,
    SpeechPaused,
    SpeechStarted,
    TurnEvent,
    Understood,
    WaitingForFloor,
)

__all__ = ["progress"]

_EVERY_S = 1.0
_MOST_SHOWN = 200
"""Letters of what was understood so far."""
_LEAST_RISE_S = 0.001
"""MCP asks for a progress value that rises with every notification."""

Report = Callable[[float, None, str], Awaitable[None]]
"""``Context.report_progress``: seconds since the call, no total, the state in words."""


@contextlib.asynccontextmanager
async def progress(report: Report) -> AsyncIterator[EventSink]:
    """Report while the block runs; nothing is reported after it. The block gets the sink to feed with events."""
    teller = _Teller(report)
    task = asyncio.create_task(teller.run())
    try:
        yield teller.on_event
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class _Teller:
    def __init__(self, report: Report) -> None:
        self._report = report
        self._state = "starting"
        self._changed = asyncio.Event()

    def on_event(self, event: TurnEvent) -> None:
        state = _describe(event)
        if state is not None and state != self._state:
            self._state = state
            self._changed.set()

    async def run(self) -> None:
        began = time.monotonic()
        last = 0.0
        while True:
            with contextlib.suppress(TimeoutError):
                # Not wait_for, which before Python 3.12 loses a cancellation that comes together with the change.
                async with asyncio.timeout(_EVERY_S):
                    await self._changed.wait()
            self._changed.clear()
            last = max(time.monotonic() - began, last + _LEAST_RISE_S)
            await self._report(round(last, 3), None, self._state)


def _describe(event: TurnEvent) -> str | None:
    match event:
        case WaitingForFloor(holder=holder):
            return f"waiting: {holder} is talking with the person"
        case SpeakingStarted():
            return "speaking"
        case ListeningStarted():
            return "listening: the person may speak now"
        case MicrophoneQuiet():
            return "listening, but the microphone delivers only zeros so far: is it muted, or without permission?"
        case SpeechStarted():
            return "the person is speaking"
        case SpeechPaused():
            return "the person paused"
        case Understood(text=text) if text:
            return f"the person has said so far (unverified): {text[-_MOST_SHOWN:]}"
        case Interrupted():
            return "interrupted: the person may speak now"
        case SpeechEnded():
            return "transcribing"
        case _:
            return None
