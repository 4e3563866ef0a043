"""What a server of tools says, cut to what a conversation can take: text for whoever answers, as data and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from voicemode.dialogue_tools import Tool

if TYPE_CHECKING:
    from mcp.types import CallToolResult, ContentBlock
    from mcp.types import Tool as ListedTool

__all__ = ["MOST_TOOLS", "OUTPUT_CHARS", "cut", "offered", "output_of"]

OUTPUT_CHARS = 24_000
"""About 6,000 tokens, which is more than anybody tells; and the protocol's clients see each output."""
MOST_TOOLS = 128
"""As OpenAI takes them in one request."""
_NAME_CHARS, _DESCRIPTION_CHARS, _SCHEMA_CHARS = 128, 4_096, 32_768
_ANYTHING: Mapping[str, object] = {"type": "object"}


def cut(text: str, limit: int = OUTPUT_CHARS) -> str:
    """No more than this of it, with a word on what is missing."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}\n[cut: {limit} of {len(text)} characters are shown]"


def offered(tools: Iterable[ListedTool]) -> Iterator[Tool]:
    """Those that can be called, without the ones whose name or schema is no sane one."""
    for tool in tools:
        if not tool.name or len(tool.name) > _NAME_CHARS or not tool.name.isprintable():
            continue
        schema = tool.input_schema
        if not isinstance(schema, dict) or schema.get("type", "object") != "object":
            schema = dict(_ANYTHING)
        if len(_json(schema)) > _SCHEMA_CHARS:
            continue
        harmless = tool.annotations is not None and tool.annotations.read_only_hint is True
        yield Tool(tool.name, cut(tool.description or "", _DESCRIPTION_CHARS), schema, read_only=harmless)


def output_of(result: CallToolResult) -> str:
    """The text of it; what is not text is named."""
    parts = [_part(block) for block in result.content]
    structured = result.structured_content
    # Servers repeat it as text for clients that do not know it; then it is there already.
    if structured is not None and not any(_is_same(block, structured) for block in result.content):
        parts.append(_json(structured))
    return cut("\n".join(part for part in parts if part))


def _part(block: ContentBlock) -> str:
    match block.type:
        case "text":
            return block.text
        case "image" | "audio":
            size = len(block.data.rstrip("=")) * 3 // 4
            return f"[{block.type}, {_plain(block.mime_type)}, {size} bytes, not shown]"
        case "resource_link":
            return f"[link to {_plain(block.name)}: {_plain(str(block.uri), 500)}]"
        case "resource":
            resource = block.resource
            text = getattr(resource, "text", None)
            if isinstance(text, str):
                return text
            return f"[resource {_plain(str(resource.uri), 500)}, {_plain(resource.mime_type or 'binary')}, not shown]"


def _plain(text: str, limit: int = 100) -> str:
    return "".join(character for character in text[:limit] if character.isprintable())


def _is_same(block: ContentBlock, structured: Any) -> bool:
    if block.type != "text":
        return False
    try:
        said = json.loads(block.text)
    except (ValueError, RecursionError):
        said = block.text
    return bool(said == structured or structured == {"result": said})


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
