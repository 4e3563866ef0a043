"""Functions that the server itself runs for a session, when a client asks over ``/api/sessions/tools``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from voicemode.dialogue_tools import Tool
from voicemode.http.errors import HttpError
from voicemode.http.session_lifecycle import Whose
from voicemode.providers.mcp_error import ToolServerError
from voicemode.runtime.tool_host import Functions

__all__ = ["OwnTools", "SessionTools"]


class SessionTools(Protocol):
    """Those of a thread."""

    async def offered(self, whose: Whose) -> Sequence[Tool]:
        """Those there are."""

    async def call(self, whose: Whose, name: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """What came of it. Raises HttpError."""


class OwnTools:
    """The same functions as a call of the thread has under the server's own label."""

    def __init__(self, hold: Callable[[Whose], Functions | None]) -> None:
        """``hold`` takes them for the length of a request; None: this thread has none."""
        self._hold = hold

    async def offered(self, whose: Whose) -> Sequence[Tool]:
        functions = self._hold(whose)
        if functions is None:
            return ()
        try:
            return functions.tools
        finally:
            await functions.aclose()

    async def call(self, whose: Whose, name: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """What came of it. Raises HttpError."""
        functions = self._hold(whose)
        try:
            if functions is None or name not in (tool.name for tool in functions.tools):
                message = (
                    f"There is no function '{name[:80]}' of the server's own. A session's functions are its client's to call."
                )
                raise HttpError(404, "tool_not_found", message, param="tool_name")
            output: Mapping[str, Any] = json.loads(await functions.call(name, arguments))
        except ToolServerError as error:
            raise HttpError(422, error.reason, error.detail) from None
        finally:
            if functions is not None:
                await functions.aclose()
        return output
