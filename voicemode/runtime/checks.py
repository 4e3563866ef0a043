"""The words of the diagnosis: which parts there are, and what was found out about one."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from voicemode.errors import VoicemodeError

__all__ = ["DEADLINE_S", "Check", "Part", "State", "failed", "guarded", "in_thread", "used"]

DEADLINE_S = 2.0
"""For each part; they are looked at side by side, so the whole takes little more."""

T = TypeVar("T")


class State(StrEnum):
    """How well a part works; the values are in ``--json``."""

    OK = "ok"
    WARNING = "warning"
    """Voice works, but not as well as it could, or not as it was asked to."""
    FAILED = "failed"
    """Something that a conversation needs is missing."""


class Part(StrEnum):
    """What is looked at, in this order."""

    SETTINGS = "settings"
    PORTAUDIO = "PortAudio"
    MICROPHONE = "microphone"
    LOUDSPEAKER = "loudspeaker"
    DETECTOR = "speech detector"
    SCORER = "turn scorer"
    BARGE_IN = "interrupting"
    TTS = "text-to-speech"
    STT = "speech-to-text"
    CHAT = "chat"
    """Only where there is an endpoint for it: a conversation through an agent needs none."""
    FLOOR = "floor"
    RECORDINGS = "recordings"


@dataclass(frozen=True, slots=True)
class Check:
    """What was found out about one part; an endpoint is a part of its own."""

    name: Part
    state: State
    detail: str
    """One sentence or less, without a full stop at its end."""
    remedy: str = ""
    """What to do, in the imperative; empty when there is nothing to do."""
    uses: str = ""
    """The device or engine that a conversation could use; empty when there is none."""


def used(checks: Sequence[Check]) -> dict[str, str]:
    """What a conversation would use, by part: the first of each that works."""
    return {str(check.name): check.uses for check in reversed(checks) if check.uses}


def failed(name: Part, error: VoicemodeError, state: State = State.FAILED) -> Check:
    """What an error says about a part."""
    return Check(name, state, error.problem.rstrip("."), error.remedy)


async def guarded(name: Part, looking: Awaitable[list[Check]]) -> list[Check]:
    """Give up after the deadline, and say so instead."""
    try:
        async with asyncio.timeout(DEADLINE_S):
            return await looking
    except TimeoutError:
        return [Check(name, State.FAILED, f"no answer within {DEADLINE_S:g} s", "Run 'voicemode doctor' again.")]
    except OSError as error:
        return [Check(name, State.FAILED, error.strerror or type(error).__name__, _folder_remedy(error))]


def _folder_remedy(error: OSError) -> str:
    return f"Make {error.filename} readable and writable for you." if error.filename else ""


async def in_thread(function: Callable[[], T]) -> T:
    """Run what may block, such as a sound server that does not answer.

    In a thread that nobody waits for: one of the event loop's own would keep the process alive until it returns.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]  # T itself may be None

    def work() -> None:
        result, error = None, None
        try:
            result = function()
        except Exception as failure:  # noqa: BLE001  (not handled here: whoever waits gets it)
            error = failure
        with contextlib.suppress(RuntimeError):  # the loop is gone: it was too late
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=work, daemon=True, name="voicemode-diagnosis").start()
    return await done
