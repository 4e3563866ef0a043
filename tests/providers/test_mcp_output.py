"""What a server of tools says of its tools."""

from __future__ import annotations

import pytest
from mcp.types import Tool, ToolAnnotations

from voicemode.providers.mcp_output import offered


@pytest.mark.parametrize(
    ("annotations", "read_only"),
    [
        (None, False),
        (ToolAnnotations(), False),
        (ToolAnnotations(read_only_hint=False), False),
        (ToolAnnotations(read_only_hint=True), True),
    ],
)
def test_whether_a_tool_changes_something_is_what_its_server_says(annotations: ToolAnnotations | None, read_only: bool) -> None:
    """Where it says nothing, it may."""
    (tool,) = offered([Tool(name="look", input_schema={"type": "object"}, annotations=annotations)])
    assert tool.read_only is read_only
