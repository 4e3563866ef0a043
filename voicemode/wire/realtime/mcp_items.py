"""Items about servers' tools: what a server offers, a call of it, and whether the user allows one."""

from __future__ import annotations

from dataclasses import dataclass, field

from voicemode.dialogue_tools import ServerToolFailed, Tool, ToolCall, ToolResult
from voicemode.record import Entry, Role, Standing
from voicemode.wire.realtime.items import HistoryEntry, Item
from voicemode.wire.realtime.mcp_config import ToolFilter
from voicemode.wire.realtime.offer import Route

__all__ = ["ApprovalItem", "ApprovalRequestItem", "McpCallItem", "McpListItem"]

_ASKED = "This has not been done yet: the user was asked to allow it and has not answered. Do not call it again for now."
_RUNS = "No result yet: it is still running. Its result comes by itself. Do not call it again for this."
_NO_ERROR_CODE = 0
"""Where a server gave none; the field is required."""


@dataclass(slots=True)
class _McpItem(Item):
    """The protocol's items about servers' tools have neither ``object`` nor ``status``."""

    def head(self) -> dict[str, object]:
        return {"id": self.id, "type": self.kind}


@dataclass(slots=True)
class McpListItem(_McpItem):
    """What a server offers."""

    label: str = ""
    allowed: ToolFilter = field(default_factory=ToolFilter)
    """Which of them the client wants to be offered; the others are not shown."""
    tools: tuple[Tool, ...] = ()
    problem: str = ""
    """Why it could not be asked."""

    @property
    def kind(self) -> str:
        return "mcp_list_tools"

    @property
    def characters(self) -> int:
        return 0

    @property
    def tokens(self) -> int:
        return 0

    def body(self) -> dict[str, object]:
        # A description is a string even where there is none: @openai/agents drops the event otherwise.
        tools = [{"name": t.name, "description": t.description, "input_schema": dict(t.parameters)} for t in self.tools]
        # The field of the Responses API; a client of this one would not learn why.
        return {"server_label": self.label, "tools": tools, **({"error": self.problem} if self.problem else {})}

    def history(self) -> HistoryEntry | None:
        return None


@dataclass(slots=True)
class _CallLike(_McpItem):
    """A call, wanted or made."""

    route: Route = field(kw_only=True)
    """To which tool of which server."""
    call_id: str = ""
    pieces: list[str] = field(default_factory=list)
    """The arguments, as they came."""
    output_index: int = 0
    """Where it is, or what asked for it, among the outputs of its response."""

    @property
    def arguments(self) -> str:
        return "".join(self.pieces)

    @property
    def name(self) -> str:
        """As the server calls it."""
        return self.route.tool

    @property
    def result(self) -> str:
        """What a responder reads as its result."""
        raise NotImplementedError

    @property
    def characters(self) -> int:
        return len(self.name) + sum(map(len, self.pieces)) + len(self.result)

    def body(self) -> dict[str, object]:
        return {"server_label": self.route.server.label, "name": self.name, "arguments": self.arguments}

    def history(self) -> HistoryEntry | None:
        return ToolCall(self.call_id, self.route.told_as, self.arguments)

    def told(self) -> tuple[HistoryEntry, ...]:
        call = self.history()
        return () if call is None else (call, ToolResult(self.call_id, self.result))


@dataclass(slots=True)
class ApprovalRequestItem(_CallLike):
    """The user is asked whether this may be called."""

    approved: bool | None = None
    """None: there is no answer yet."""
    reason: str = ""

    @property
    def kind(self) -> str:
        return "mcp_approval_request"

    @property
    def result(self) -> str:
        if self.approved is None:
            return _ASKED
        return f"The user did not allow this.{f' Reason: {self.reason}' if self.reason else ''}"

    def history(self) -> HistoryEntry | None:
        # What was allowed has an item of its own.
        return None if self.approved else _CallLike.history(self)


@dataclass(slots=True)
class ApprovalItem(_McpItem):
    """The user's answer."""

    request_id: str = ""
    approve: bool = False
    reason: str | None = None

    @property
    def kind(self) -> str:
        return "mcp_approval_response"

    @property
    def characters(self) -> int:
        return len(self.reason or "")

    def body(self) -> dict[str, object]:
        return {"approval_request_id": self.request_id, "approve": self.approve, "reason": self.reason}

    def history(self) -> HistoryEntry | None:
        return None


@dataclass(slots=True)
class McpCallItem(_CallLike):
    """A call that we make."""

    request_id: str | None = None
    """Of the item by which the user was asked."""
    output: str | None = None
    failure: ServerToolFailed | None = None

    @property
    def kind(self) -> str:
        return "mcp_call"

    @property
    def is_over(self) -> bool:
        return self.output is not None or self.failure is not None

    @property
    def result(self) -> str:
        if self.failure is not None:
            return f"The call failed: {self.failure.message}"
        return _RUNS if self.output is None else self.output

    def body(self) -> dict[str, object]:
        more = {"approval_request_id": self.request_id, "output": self.output, "error": self._error()}
        return {**_CallLike.body(self), **more}

    def history(self) -> HistoryEntry | None:
        # One whose arguments broke off was never made.
        return _CallLike.history(self) if self.status == "completed" else None

    def entry(self) -> Entry | None:
        failed = self.failure is not None or self.status == "incomplete"
        standing = Standing.FAILED if failed else Standing.IN_FLIGHT if self.output is None else Standing.WHOLE
        came = self.failure.message if self.failure else self.output or ""
        return Entry(self.id, Role.TOOL, came, standing, tool=self.name, call_id=self.call_id, arguments=self.arguments)

    def _error(self) -> dict[str, object] | None:
        if self.failure is None:
            return None
        said: dict[str, object] = {"type": self.failure.kind, "message": self.failure.message}
        if self.failure.kind == "tool_execution_error":
            return said
        return {**said, "code": _NO_ERROR_CODE if self.failure.status is None else self.failure.status}
