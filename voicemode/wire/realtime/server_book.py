"""Which tools the servers of a session have, as far as they have told: each is asked once, and nobody waits for it."""

from __future__ import annotations

from dataclasses import dataclass

from voicemode.dialogue_tools import CancelServerTool, ListServerTools, ServerToolsFailed, ServerToolsListed, Tool, ToolServer
from voicemode.wire.realtime.conversation import Conversation
from voicemode.wire.realtime.mcp_config import McpServer
from voicemode.wire.realtime.mcp_items import McpListItem
from voicemode.wire.realtime.offer import Offer, offered
from voicemode.wire.realtime.session_config import SessionConfig
from voicemode.wire.realtime.step import Outbox

__all__ = ["ServerBook"]

_MOST_KNOWN = 64
"""Servers, those included that only single responses named."""


@dataclass(slots=True)
class _Listing:
    target: ToolServer
    item: McpListItem
    tools: tuple[Tool, ...] = ()
    waits: bool = True
    failed: bool = False


class ServerBook:
    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._known: dict[str, _Listing] = {}
        """By label."""

    def offer(self, config: SessionConfig) -> Offer:
        """What may be called now. Servers that have not told, or could not be asked, have no tools."""
        return offered(config, {label: listing.tools for label, listing in self._known.items()})

    def ask(self, out: Outbox, config: SessionConfig) -> None:
        """Ask those that were not asked, or in vain."""
        for server in config.servers:
            known = self._known.get(server.label)
            if known is None or known.target != server.target or known.failed:
                self._ask(out, server, known)
        for label in [label for label in self._known if label not in {server.label for server in config.servers}]:
            if len(self._known) <= _MOST_KNOWN:
                break
            self._forget(out, label)

    def keep_only(self, out: Outbox, config: SessionConfig) -> None:
        """Forget the others."""
        for label in self._known.keys() - {server.label for server in config.servers}:
            self._forget(out, label)

    def report(self, out: Outbox, report: ServerToolsListed | ServerToolsFailed) -> None:
        listing = next((each for each in self._known.values() if each.item.id == report.item_id and each.waits), None)
        if listing is None:
            return
        listing.waits = False
        match report:
            case ServerToolsListed():
                listing.tools = report.tools
                listing.item.tools = tuple(tool for tool in report.tools if listing.item.allowed.matches(tool))
            case ServerToolsFailed():
                listing.failed = True
                listing.item.problem = f"{report.code}: {report.message}"
        self._end(out, listing)

    def _ask(self, out: Outbox, server: McpServer, known: _Listing | None) -> None:
        tools: tuple[Tool, ...] = ()
        if known is not None:
            self._forget(out, server.label)
            # The same server with another key: what it had is what it has until it tells.
            tools = known.tools if known.target.url == server.target.url else ()
        item = McpListItem(out.new_id("item"), label=server.label, allowed=server.allowed)
        self._known[server.label] = _Listing(server.target, item, tools)
        previous_id = self._conversation.last_id
        self._conversation.append(item)
        out.event("conversation.item.added", previous_item_id=previous_id, item=item.wire())
        out.event("mcp_list_tools.in_progress", item_id=item.id)
        out.command(ListServerTools(item.id, server.target))

    def _forget(self, out: Outbox, label: str) -> None:
        listing = self._known.pop(label)
        if listing.waits:
            out.command(CancelServerTool(listing.item.id))
            listing.failed, listing.item.problem = True, "cancelled: The session does not name this server any more."
            self._end(out, listing)

    def _end(self, out: Outbox, listing: _Listing) -> None:
        item = listing.item
        if item.id not in self._conversation:
            return  # the client has deleted it
        out.event("mcp_list_tools.failed" if listing.failed else "mcp_list_tools.completed", item_id=item.id)
        out.event("conversation.item.done", previous_item_id=self._conversation.before(item.id), item=item.wire())
