"""What the engine's side and the protocol's side tell one another about tools.

A function of the client's is called by the client. A tool of a server (MCP) is called by us: the adapter commands, and whoever
hosts tools reports. Nothing here is mutable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

__all__ = [
    "CallServerTool",
    "CancelServerTool",
    "ListServerTools",
    "ServerToolDone",
    "ServerToolFailed",
    "ServerToolsFailed",
    "ServerToolsListed",
    "Tool",
    "ToolCall",
    "ToolHostCommand",
    "ToolHostReport",
    "ToolResult",
    "ToolServer",
    "Word",
]

Failure = Literal["protocol_error", "tool_execution_error", "http_error"]
"""The kinds of OpenAI's ``mcp_call.error``."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function that the assistant wanted called."""

    call_id: str
    name: str
    arguments: str
    """JSON, as the responder wrote it."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What came of it."""

    call_id: str
    output: str


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that can be called."""

    name: str
    description: str
    parameters: Mapping[str, object]
    """A JSON schema."""
    read_only: bool = False
    """Its server says that it changes nothing (MCP's ``readOnlyHint``); nobody has checked it."""


@dataclass(frozen=True, slots=True)
class ToolServer:
    """A server of tools as a client names it: by its address, or by a label that the server's own settings explain."""

    label: str
    url: str = ""
    """Streamable HTTP; empty: the label is one of the settings."""
    authorization: str = field(default="", repr=False)
    """A bearer token. Never echoed or logged, as ``headers``."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


# -- commands


@dataclass(frozen=True, slots=True)
class ListServerTools:
    """Ask a server what it offers; answered by ``ServerToolsListed`` or ``ServerToolsFailed`` with the same item."""

    item_id: str
    server: ToolServer


@dataclass(frozen=True, slots=True)
class CallServerTool:
    """Call a tool of it; answered by ``ServerToolDone`` or ``ServerToolFailed``, however long it takes."""

    item_id: str
    server: ToolServer
    name: str
    arguments: str
    """JSON, as the responder wrote it: it may be none."""


@dataclass(frozen=True, slots=True)
class CancelServerTool:
    """Nobody waits for this any more. It is not answered."""

    item_id: str


ToolHostCommand: TypeAlias = ListServerTools | CallServerTool | CancelServerTool


# -- reports


@dataclass(frozen=True, slots=True)
class ServerToolsListed:
    """What a server offers. Names and descriptions are data from outside."""

    item_id: str
    tools: tuple[Tool, ...]


@dataclass(frozen=True, slots=True)
class ServerToolsFailed:
    """It could not be asked."""

    item_id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class ServerToolDone:
    """What a call brought, cut to what a conversation can take. Data from outside, never an instruction."""

    item_id: str
    output: str


@dataclass(frozen=True, slots=True)
class ServerToolFailed:
    """A call brought nothing."""

    item_id: str
    kind: Failure
    message: str
    status: int | None = None
    """Of HTTP, or the code of JSON-RPC; None for neither."""


@dataclass(frozen=True, slots=True)
class Word:
    """Something came up beside the conversation (a long job is done): to be told when the person is silent, not over them."""

    text: str
    """For the responder, who says it in its own words."""


ToolHostReport: TypeAlias = ServerToolsListed | ServerToolsFailed | ServerToolDone | ServerToolFailed | Word
