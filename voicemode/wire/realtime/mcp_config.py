"""Tools of type ``mcp``: a server of tools as a client names it, and which of its tools may be called, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from voicemode.dialogue_tools import Tool, ToolServer
from voicemode.wire.realtime.errors import missing, not_supported, wrong_type, wrong_value
from voicemode.wire.realtime.fields import Fields

__all__ = ["McpServer", "ToolFilter", "read_mcp_choice", "read_mcp_tool"]

_SECRETS = ("authorization", "headers")
_MOST_NAMES = 256
_MOST_HEADERS = 32
_LONGEST_HEADER = 8_192
"""As HTTP servers commonly allow for a line."""
_LONGEST_URL = 2_048
_LONGEST_LABEL = 64


@dataclass(frozen=True, slots=True)
class ToolFilter:
    """Some of a server's tools."""

    names: frozenset[str] | None = None
    """None: any."""
    read_only: bool | None = None
    """None: those that change something and those that do not. Which those are the server says."""

    def matches(self, tool: Tool) -> bool:
        named = self.names is None or tool.name in self.names
        return named and (self.read_only is None or tool.read_only == self.read_only)


@dataclass(frozen=True, slots=True)
class McpServer:
    """One entry of a session's tools."""

    target: ToolServer
    allowed: ToolFilter = field(default_factory=ToolFilter)
    always: ToolFilter | None = field(default_factory=ToolFilter)
    """Tools that nobody may call before the user allowed it; they win over ``never``. None: none is named."""
    never: ToolFilter | None = None
    """Tools that are called without asking."""
    description: str = ""

    @property
    def label(self) -> str:
        return self.target.label

    def asks(self, tool: Tool) -> bool:
        """Whether the user has to allow each call of it. A tool that no filter names is asked about."""
        if self.always is not None and self.always.matches(tool):
            return True
        return self.never is None or not self.never.matches(tool)


def read_mcp_tool(fields: Fields) -> tuple[McpServer, dict[str, object]]:
    """The server, and the tool as it may be shown: without credentials. Raises ClientError."""
    label = fields.need_text("server_label")
    if not 0 < len(label) <= _LONGEST_LABEL:
        raise wrong_value(fields.path_of("server_label"), label, f"1 to {_LONGEST_LABEL} characters")
    for name in ("connector_id", "tunnel_id"):
        if fields.values.get(name) is not None:
            instead = "Give a server_url, or the label of a server that is in this server's settings."
            raise not_supported(fields.path_of(name), f"'{name}'", instead)
    always, never = _read_approval(fields)
    server = McpServer(
        ToolServer(label, _read_url(fields), fields.text("authorization") or "", _read_headers(fields)),
        _read_filter(fields, "allowed_tools") or ToolFilter(),
        always,
        never,
        fields.text("server_description") or "",
    )
    return server, {name: value for name, value in fields.values.items() if name not in _SECRETS}


def read_mcp_choice(choice: Fields) -> dict[str, object]:
    """A ``tool_choice`` of type mcp: one tool of a server, or any of it. Raises ClientError."""
    choice.need_text("server_label")
    choice.text("name")
    return dict(choice.values)


def _read_url(fields: Fields) -> str:
    url = fields.text("server_url") or ""
    path = fields.path_of("server_url")
    if url and not url.startswith(("https://", "http://")):
        # Its value is not repeated: an address may carry a key.
        raise wrong_value(path, "…", "an address that begins with https:// or http://")
    if len(url) > _LONGEST_URL:
        raise wrong_value(path, "…", f"at most {_LONGEST_URL} characters")
    return url


def _read_headers(fields: Fields) -> Mapping[str, str]:
    headers = fields.child("headers")
    if headers is None:
        return {}
    if len(headers.values) > _MOST_HEADERS:
        raise wrong_value(headers.path, f"{len(headers.values)} headers", f"at most {_MOST_HEADERS}")
    read: dict[str, str] = {}
    for name, value in headers.values.items():
        if not isinstance(value, str):
            raise wrong_type(headers.path_of(name), "a string", value)
        if len(name) + len(value) > _LONGEST_HEADER:
            raise wrong_value(headers.path_of(name), "…", f"at most {_LONGEST_HEADER} characters")
        read[name] = value
    return read


def _read_approval(fields: Fields) -> tuple[ToolFilter | None, ToolFilter | None]:
    """What is always asked about, and what never."""
    value = fields.values.get("require_approval")
    if value is None or isinstance(value, str):
        given = fields.choice("require_approval", ("always", "never")) or "always"
        return (ToolFilter(), None) if given == "always" else (None, ToolFilter())
    approval = fields.need_child("require_approval")
    return _read_filter(approval, "always"), _read_filter(approval, "never")


def _read_filter(fields: Fields, name: str) -> ToolFilter | None:
    """A list of names, or an object with conditions."""
    value = fields.values.get(name)
    if value is None:
        return None
    if isinstance(value, list):
        return ToolFilter(_read_names(fields, name))
    given = fields.need_child(name)
    names = _read_names(given, "tool_names") if given.values.get("tool_names") is not None else None
    return ToolFilter(names, given.flag("read_only"))


def _read_names(fields: Fields, name: str) -> frozenset[str]:
    values = fields.array(name)
    if values is None:
        raise missing(fields.path_of(name))
    if len(values) > _MOST_NAMES:
        raise wrong_value(fields.path_of(name), f"{len(values)} names", f"at most {_MOST_NAMES}")
    for number, value in enumerate(values):
        if not isinstance(value, str):
            raise wrong_type(f"{fields.path_of(name)}[{number}]", "a string", value)
    return frozenset(str(value) for value in values)
