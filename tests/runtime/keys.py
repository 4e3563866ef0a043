"""A turn while somebody presses keys."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

from tests.runtime.room import Scene, in_virtual_time
from voicemode.runtime.result import TurnRequest, TurnResult
from voicemode.runtime.turn import Turn

__all__ = ["ASK", "LISTEN", "MESSAGE", "TELL", "Script", "held"]

MESSAGE = "Here is what happened while everybody was away and nobody looked at the screen for more than an hour."
ASK = TurnRequest(message=MESSAGE)
TELL = TurnRequest(message=MESSAGE, wait_for_response=False)
LISTEN = TurnRequest(message="")

Script = Callable[[Scene, Turn], Coroutine[None, None, None]]


def held(scene: Scene, request: TurnRequest, script: Script) -> TurnResult:
    """A turn while somebody presses keys."""

    async def scenario() -> TurnResult:
        turn, task = scene.begin(request)
        pressing = asyncio.create_task(script(scene, turn))
        result = await task
        await pressing
        return result

    return in_virtual_time(scenario)
