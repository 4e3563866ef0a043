"""Calls of servers' tools: allowed by the user, made, and over; and when the answer goes on with what they brought."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from voicemode.dialogue_tools import CallServerTool, CancelServerTool, ServerToolDone, ServerToolFailed
from voicemode.wire.realtime.conversation import Conversation
from voicemode.wire.realtime.errors import ClientError
from voicemode.wire.realtime.items import AnswerItem
from voicemode.wire.realtime.mcp_items import ApprovalItem, ApprovalRequestItem, McpCallItem
from voicemode.wire.realtime.recording import Recording
from voicemode.wire.realtime.session_config import SessionConfig
from voicemode.wire.realtime.step import Outbox

__all__ = ["ServerCalls"]

_MOST_ROUNDS = 16
"""Answers in a row that nobody but a tool's result asked for; the last one may call nothing. A model can go round for ever."""
_SAME_WISH_MS = 5_000
"""Some clients ask for a response when a call is over (@openai/agents does). So long after it, that is the one we began."""


_CLIENT_ASKS_MS = 1_000
"""After a cancel: what a client sends next is then here, also from far away."""


@dataclass(slots=True)
class _Group:
    """The calls of one response, which goes on when the last of them is over."""

    config: SessionConfig
    waits: set[str] = field(default_factory=set)
    """Items of calls that are not over, or not allowed yet."""
    any_over: bool = False
    response_ended: bool = False
    client_too: bool = False
    """It has functions of the client's: its response.create goes on."""
    dropped: bool = False
    """The client cancelled the response: nobody wants to hear more of it."""


class ServerCalls:
    def __init__(self, conversation: Conversation, recording: Recording) -> None:
        self._conversation, self._recording = conversation, recording
        self._running: dict[str, McpCallItem] = {}
        self._groups: dict[str, _Group] = {}
        """By response."""
        self._group_of: dict[str, str] = {}
        """The response of each item that waits."""
        self._owed: SessionConfig | None = None
        self._rounds = 0
        self._same_wishes = 0
        self._over_at_ms = 0.0
        self.quiet_until_ms = 0.0
        """Before that we begin nothing by ourselves."""
        self.client_is_next = False
        """The client is to ask for the next response: there are results of its own functions, or a turn, that it answers."""

    # -- one call

    def start(self, out: Outbox, item: McpCallItem, response_id: str, config: SessionConfig) -> None:
        """Its arguments are complete."""
        self._group(response_id, config).waits.add(item.id)
        self._group_of[item.id] = response_id
        self._run(out, item)

    def ask(self, item: ApprovalRequestItem, response_id: str, config: SessionConfig) -> None:
        """It waits for the user."""
        self._group(response_id, config).waits.add(item.id)
        self._group_of[item.id] = response_id

    def request_of(self, answer: ApprovalItem) -> ApprovalRequestItem:
        """What it answers. Raises ClientError."""
        path = "item.approval_request_id"
        request = self._conversation.get(answer.request_id)
        if not isinstance(request, ApprovalRequestItem):
            sentence = f"Error adding item: there is no approval request with id '{answer.request_id}'."
            raise ClientError("invalid_approval_request_id", sentence, path)
        if request.approved is not None:
            sentence = f"Error adding item: the approval request with id '{answer.request_id}' was answered before."
            raise ClientError("approval_request_answered", sentence, path)
        return request

    def decide(self, out: Outbox, request: ApprovalRequestItem, answer: ApprovalItem, now_ms: float) -> None:
        """The user has answered."""
        request.approved, request.reason = answer.approve, answer.reason or ""
        response_id = self._group_of.pop(request.id, "")
        group = self._groups.get(response_id)
        if not answer.approve:
            self._over(request.id, response_id, now_ms)
            return
        item = McpCallItem(
            out.new_id("item"),
            route=request.route,
            call_id=request.call_id,
            pieces=request.pieces,
            output_index=request.output_index,
            request_id=request.id,
        )
        previous_id = self._conversation.last_id
        self._conversation.append(item)
        out.event("conversation.item.added", previous_item_id=previous_id, item=item.wire())
        if group is not None:
            group.waits.discard(request.id)
            group.waits.add(item.id)
            self._group_of[item.id] = response_id
        self._run(out, item)

    def report(self, out: Outbox, report: ServerToolDone | ServerToolFailed, now_ms: float) -> None:
        """Nothing where it was given up in the meantime."""
        item = self._running.pop(report.item_id, None)
        if item is None:
            return
        match report:
            case ServerToolDone():
                item.output = report.output
            case ServerToolFailed():
                item.failure = report
        outcome = "completed" if item.failure is None else "failed"
        out.event(f"response.mcp_call.{outcome}", item_id=item.id, output_index=item.output_index)
        out.event("conversation.item.done", previous_item_id=self._conversation.before(item.id), item=item.wire())
        self._recording.note(item)
        self._over(item.id, self._group_of.pop(item.id, ""), now_ms)

    def deleted(self, out: Outbox, item_id: str) -> None:
        """The client took an item away: nobody waits for it any more."""
        if self._running.pop(item_id, None) is not None:
            out.command(CancelServerTool(item_id))
        response_id = self._group_of.pop(item_id, "")
        group = self._groups.get(response_id)
        if group is not None:
            group.waits.discard(item_id)
            self._settle(response_id, group)

    def give_up(self, out: Outbox) -> None:
        """The session is over."""
        for item_id in self._running:
            out.command(CancelServerTool(item_id))

    def unanswered(self) -> list[ApprovalRequestItem]:
        """Those that the user could allow now, and whose answer somebody still wants, oldest first."""
        found = []
        for item_id, response_id in self._group_of.items():
            item, group = self._conversation.get(item_id), self._groups.get(response_id)
            wanted = group is not None and group.response_ended and not group.dropped
            if wanted and isinstance(item, ApprovalRequestItem):
                found.append(item)
        return found

    # -- going on

    @property
    def owed(self) -> SessionConfig | None:
        """How to go on, with results that no answer knows yet; None: there is nothing to go on with."""
        if self._owed is None or self._owed.tool_choice == "auto":
            return self._owed
        # Forced once was as the client wished; forced again, it would never say anything.
        return replace(self._owed, tool_choice="none" if self._owed.tool_choice == "none" else "auto")

    def go_on(self) -> SessionConfig | None:
        """As ``owed``, which is now being done."""
        config = self.owed
        self._rounds += 1
        return replace(config, tool_choice="none") if config is not None and self._rounds >= _MOST_ROUNDS else config

    def began(self, *, knows_all: bool) -> None:
        """A response begins, which knows the conversation as it is, or only what the client gave it."""
        if knows_all:
            self._owed = None
        self.client_is_next = False
        self.quiet_until_ms = 0.0

    def leave_it_to_the_client(self, now_ms: float) -> None:
        """It has cancelled a response, and may be about to ask for another: one of ours would be in its way."""
        self._owed, self._same_wishes = None, 0
        self.quiet_until_ms = now_ms + _CLIENT_ASKS_MS

    def somebody_asked(self) -> None:
        """The person or the client wants an answer: it is not we who go round."""
        self._rounds = 0

    def ended(self, response_id: str, *, client_too: bool, dropped: bool) -> None:
        """The response has ended; its calls may not have."""
        self.client_is_next = self.client_is_next or client_too
        group = self._groups.get(response_id)
        if group is not None:
            group.response_ended, group.client_too, group.dropped = True, client_too, dropped
            self._settle(response_id, group)

    def is_same_wish(self, now_ms: float) -> bool:
        """Whether a bare response.create of the client means the answer that goes on by itself."""
        last = self._conversation.get(self._conversation.last_id or "")
        ours = isinstance(last, AnswerItem | McpCallItem | ApprovalItem | ApprovalRequestItem)
        if not self._same_wishes or not ours or now_ms - self._over_at_ms > _SAME_WISH_MS:
            return False
        self._same_wishes -= 1
        return True

    def _run(self, out: Outbox, item: McpCallItem) -> None:
        self._running[item.id] = item
        self._recording.note(item)
        out.event("response.mcp_call.in_progress", item_id=item.id, output_index=item.output_index)
        out.command(CallServerTool(item.id, item.route.server.target, item.route.tool, item.arguments))

    def _group(self, response_id: str, config: SessionConfig) -> _Group:
        return self._groups.setdefault(response_id, _Group(config))

    def _over(self, item_id: str, response_id: str, now_ms: float) -> None:
        group = self._groups.get(response_id)
        if group is None:
            return
        group.waits.discard(item_id)
        group.any_over = True
        if now_ms - self._over_at_ms > _SAME_WISH_MS:
            self._same_wishes = 0
        self._over_at_ms = now_ms
        if not (group.client_too or group.dropped):
            self._same_wishes += 1
        self._settle(response_id, group)

    def _settle(self, response_id: str, group: _Group) -> None:
        if not group.response_ended or group.waits:
            return
        del self._groups[response_id]
        if group.any_over and not group.dropped:
            self._owed = group.config
