"""A tool that says what is wrong with its arguments as every other error here is said: a code, and a sentence without prose
of a validation library, addresses of its pages, or the value, which may be what somebody wanted to say aloud.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult, TextContent
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from voicemode.errors import RequestError

__all__ = ["CheckedTool"]


class CheckedTool(Tool):
    """The SDK's tool, with arguments checked first."""

    async def run(self, arguments: dict[str, Any], context: Context[Any, Any], convert_result: bool = False) -> Any:
        """What the function returns, or a result that names the first argument that is wrong. Raises what the SDK's does."""
        try:
            self.fn_metadata.validate_arguments(arguments)
        except ValidationError as error:
            return _refusal(_request_error(error.errors()[0], self.parameters["properties"]))
        return await super().run(arguments, context, convert_result)


def _refusal(error: RequestError) -> CallToolResult:
    facts = {"code": error.code, "error": str(error)}
    return CallToolResult(content=[TextContent(type="text", text=str(error))], structured_content=facts, is_error=True)


def _request_error(details: ErrorDetails, known: Iterable[str]) -> RequestError:
    match details["type"]:
        case "extra_forbidden":
            near = difflib.get_close_matches(str(details["loc"][-1]), list(known), n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            return RequestError(_path(details["loc"]), f"there is no such argument{hint}")
        case "missing":
            return RequestError(_path(details["loc"]), "it is missing")
        case _:
            return RequestError(_path(details["loc"]), details["msg"][:1].lower() + details["msg"][1:])


def _path(location: tuple[int | str, ...]) -> str:
    """As people write it: ``turns[0].message``. Pydantic puts the names of tried types in as well, behind an argument's."""
    path = ""
    for before, part in zip((0, *location), location, strict=False):
        if isinstance(part, int):
            path += f"[{part}]"
        elif isinstance(before, int):
            path += f".{part[:60]}" if path else part[:60]
    return path
