"""What is wrong with a tool's arguments is said like every other error."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from mcp.server.mcpserver import Context
from mcp.types import CallToolResult

from voicemode.serving.tool import CheckedTool


async def greet(names: list[str], times: int | str = 1) -> str:
    """Greet people."""
    return f"Hello {names[0]}, {times} times."


def run(**arguments: Any) -> CallToolResult:
    """Call the tool as the server does."""
    tool = CheckedTool.from_function(greet)
    tool.fn_metadata.arg_model.model_config["extra"] = "forbid"
    tool.fn_metadata.arg_model.model_rebuild(force=True)
    result = asyncio.run(tool.run(arguments, Context(), convert_result=True))
    assert isinstance(result, CallToolResult)
    return result


def test_right_arguments_reach_the_function() -> None:
    """And its answer comes back."""
    assert run(names=["Ada"], times=2).structured_content == {"result": "Hello Ada, 2 times."}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({}, "names: it is missing."),
        ({"names": "Ada"}, "names: input should be a valid list."),
        ({"names": ["Ada", None]}, "names[1]: input should be a valid string."),
        ({"names": [], "times": []}, "times: input should be a valid integer."),
        ({"names": [], "time": 1}, "time: there is no such argument; did you mean 'times'?"),
        ({"names": [], "x" * 999: 1}, f"{'x' * 60}: there is no such argument."),
    ],
    ids=["missing", "type", "element", "union", "unknown", "long"],
)
def test_a_wrong_argument_is_named_with_a_code(arguments: dict[str, Any], sentence: str) -> None:
    """In our words and without its value."""
    result = run(**arguments)
    assert result.is_error is True
    assert result.structured_content == {"code": "bad_request", "error": sentence}
