"""Faults of our own are told by their kind and place. Their words may be what somebody said, or a key."""

from __future__ import annotations

import asyncio
import logging
import traceback
from types import TracebackType
from typing import Any, TypeAlias

__all__ = ["PlainFormatter", "kind_and_place", "log_without_words"]

_ExcInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]

_log = logging.getLogger(__name__)


def kind_and_place(error: BaseException) -> str:
    """ "ValueError at file:line < file:line < file:line", the innermost first."""
    frames = reversed(traceback.extract_tb(error.__traceback__, limit=-3))
    where = " < ".join(f"{frame.filename}:{frame.lineno}" for frame in frames)
    return f"{type(error).__name__} at {where or 'nowhere'}"


def log_without_words(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """For ``set_exception_handler``. asyncio's own shows the arguments of callbacks, and the results of tasks."""
    error = context.get("exception")
    if isinstance(error, BaseException):
        _log.error("unexpected %s", kind_and_place(error))
    else:
        _log.error("%s", context["message"])


class PlainFormatter(logging.Formatter):
    """For people. Exceptions, also those that libraries log, without their words."""

    def __init__(self) -> None:
        super().__init__("voicemode: %(message)s")

    def formatException(self, ei: _ExcInfo) -> str:  # noqa: N802  (logging's name)
        return kind_and_place(ei[1]) if ei[1] is not None else ""
