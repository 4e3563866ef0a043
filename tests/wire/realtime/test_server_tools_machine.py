"""Whatever client, person, responder and servers do in whatever order: each call begins and ends once, and in its item."""

from __future__ import annotations

import json

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.wire.realtime.tool_servers import commands, mcp, tool
from tests.wire.realtime.wire_client import Event, WireClient, sound
from voicemode.dialogue import (
    AnswerAudio,
    AnswerDone,
    AnswerFailed,
    PlayoutCleared,
    PlayoutStarted,
    PlayoutStopped,
    Respond,
    SpeechStarted,
    SpeechStopped,
    ToolCall,
    ToolCallBegan,
    ToolCallDone,
    ToolCallGrew,
    ToolResult,
)
from voicemode.dialogue_tools import (
    CallServerTool,
    CancelServerTool,
    ListServerTools,
    ServerToolDone,
    ServerToolFailed,
    ServerToolsFailed,
    ServerToolsListed,
    Word,
)
from voicemode.wire.realtime import Playout

LABELS = ("ask", "free")
MOVES = {
    "mcp_list_tools.in_progress": ("added", "running"),
    "mcp_list_tools.completed": ("running", "over"),
    "mcp_list_tools.failed": ("running", "over"),
    "response.mcp_call_arguments.delta": ("added", "added"),
    "response.mcp_call_arguments.done": ("added", "added"),
    "response.mcp_call.in_progress": ("added", "running"),
    "response.mcp_call.completed": ("running", "over"),
    "response.mcp_call.failed": ("running", "over"),
}
"""Where an item has to be for an event of it, and is then."""
SECRET = "a key of the user"


def servers(labels: tuple[str, ...]) -> list[Event]:
    approval = {"ask": "always", "free": "never"}
    tools = [mcp(label, require_approval=approval[label], authorization=SECRET) for label in labels]
    return [{"type": "function", "name": "own"}, *tools]


class Tools(RuleBasedStateMachine):
    """Random steps of all sides; the invariants read what was sent and commanded."""

    @initialize(playout=st.sampled_from(Playout))
    def begin(self, playout: Playout) -> None:
        self.client = WireClient(playout=playout)
        self.update(LABELS)
        self.checked = 0
        self.items: dict[str, str] = {}
        """The kind of each item that was added and is not deleted."""
        self.places: dict[str, str] = {}
        """Where each item is: added, running, over, done, deleted."""
        self.open: set[str] = set()
        self.wished: set[str] = set()
        """Responses that the client asked for, as it may at any time."""
        self.speaking = False

    # -- the client

    @rule(labels=st.sampled_from([LABELS, LABELS, LABELS[:1], LABELS[1:], ()]))
    def update(self, labels: tuple[str, ...]) -> None:
        self.client.update(tools=servers(labels))
        for command in self.client.commands:
            if isinstance(command, ListServerTools) and labels == LABELS:
                self.client.hear(ServerToolsListed(command.item_id, (tool("a"), tool("own"))))

    @rule()
    def respond(self) -> None:
        for event in self.client.send("response.create"):
            if event["type"] == "response.created":
                self.wished.add(event["response"]["id"])

    @rule()
    def cancel(self) -> None:
        self.client.send("response.cancel")

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        self.client.send("conversation.item.delete", item_id=data.draw(st.sampled_from([*reversed(self.items), "nope"])))

    @rule(data=st.data(), approve=st.booleans())
    def decide(self, data: st.DataObject, approve: bool) -> None:
        asked = [item_id for item_id, kind in self.items.items() if kind == "mcp_approval_request"]
        item = {"type": "mcp_approval_response", "approval_request_id": data.draw(st.sampled_from(asked[::-1] or ["nope"]))}
        self.client.send("conversation.item.create", item=item | {"approve": approve})

    @rule()
    def answer_function(self) -> None:
        called = [event["call_id"] for event in self.client.log if event["type"] == "response.function_call_arguments.done"]
        item = {"type": "function_call_output", "call_id": called[-1] if called else "nope", "output": "x"}
        self.client.send("conversation.item.create", item=item)

    @rule(ms=st.integers(0, 3_000))
    def wait(self, ms: int) -> None:
        self.client.now_ms += ms

    # -- the person and the responder

    @rule(starts=st.booleans())
    def speech(self, starts: bool) -> None:
        self.speaking = starts
        self.client.hear(SpeechStarted(self.client.now_ms) if starts else SpeechStopped(self.client.now_ms))

    @rule(data=st.data(), call_id=st.sampled_from(["c0", "c1"]), whole=st.sampled_from([True, True, False]))
    def call(self, data: st.DataObject, call_id: str, whole: bool) -> None:
        if not self.open:
            self.respond()
        answer = commands(self.client, Respond)[-1]
        name = data.draw(st.sampled_from([*(each.name for each in reversed(answer.tools)), "invented"]))
        self.client.hear(ToolCallBegan(answer.response_id, call_id, name), ToolCallGrew(answer.response_id, call_id, "{}"))
        if whole:
            self.client.hear(ToolCallDone(answer.response_id, call_id))

    @rule(fails=st.booleans(), speaks=st.booleans())
    def end_answer(self, fails: bool, speaks: bool) -> None:
        for answer in commands(self.client, Respond)[-1:]:
            if speaks:
                self.client.hear(AnswerAudio(answer.response_id, sound(100), "Yes. "))
            self.client.hear(AnswerFailed(answer.response_id, "x", "y") if fails else AnswerDone(answer.response_id))

    @rule(which=st.integers(0, 2))
    def playout(self, which: int) -> None:
        for answer in commands(self.client, Respond)[-1:]:
            played = (PlayoutStarted, PlayoutStopped, lambda response_id: PlayoutCleared(response_id, 10))
            self.client.hear(played[which](answer.response_id))

    # -- the servers

    @rule(data=st.data(), fails=st.booleans(), names=st.lists(st.sampled_from(["own", "a", "b"]), unique=True))
    def list_tools(self, data: st.DataObject, fails: bool, names: list[str]) -> None:
        item_id = data.draw(st.sampled_from([command.item_id for command in commands(self.client, ListServerTools)]))
        listed = ServerToolsListed(item_id, tuple(tool(name) for name in names))
        self.client.hear(ServerToolsFailed(item_id, "gone", "Gone.") if fails else listed)

    @rule(data=st.data(), fails=st.booleans())
    def end_call(self, data: st.DataObject, fails: bool) -> None:
        made = [command.item_id for command in commands(self.client, CallServerTool)]
        item_id = data.draw(st.sampled_from([*made[::-1], "nope"]))
        self.client.hear(ServerToolFailed(item_id, "http_error", "No.") if fails else ServerToolDone(item_id, "Yes."))

    @rule(text=st.sampled_from(["One.", "Two."]))
    def word(self, text: str) -> None:
        self.client.hear(Word(text))

    # -- what holds

    @invariant()
    def the_wire_keeps_its_promises(self) -> None:
        for event in self.client.log[self.checked :]:
            self._follow(event)
        self.checked = len(self.client.log)
        assert len(self.open) <= 1, "one response at a time"
        made = [command.item_id for command in commands(self.client, CallServerTool)]
        assert len(made) == len(set(made)), "each call is made once"
        running = {item_id for item_id, place in self.places.items() if place == "running"}
        assert running <= {*made, *(command.item_id for command in commands(self.client, ListServerTools))}
        self._allowed()
        self._told()

    def _follow(self, event: Event) -> None:
        kind = event["type"]
        if kind in MOVES:
            before, after = MOVES[kind]
            assert self.places[event["item_id"]] == before, kind
            self.places[event["item_id"]] = after
        if "mcp_call_arguments" in kind:
            assert event["response_id"] in self.open
        if kind == "response.created":
            assert not self.speaking or event["response"]["id"] in self.wished, "nothing of ours over the person"
            self.open.add(event["response"]["id"])
        elif kind == "response.done":
            self.open.discard(event["response"]["id"])
        elif kind in ("conversation.item.added", "conversation.item.done", "conversation.item.deleted"):
            self._follow_item(kind, event)

    def _follow_item(self, kind: str, event: Event) -> None:
        if kind == "conversation.item.deleted":
            self.items.pop(event["item_id"])
            self.places[event["item_id"]] = "deleted"
            return
        item = event["item"]
        if kind == "conversation.item.added":
            assert item["id"] not in self.places
            self.items[item["id"]], self.places[item["id"]] = item["type"], "added"
        elif item["type"] in ("mcp_call", "mcp_list_tools"):
            # A call whose arguments broke off was never made.
            assert self.places[item["id"]] == "over" or (item["type"] == "mcp_call" and self.places[item["id"]] == "added")
            self.places[item["id"]] = "done"

    def _allowed(self) -> None:
        """What has to be allowed was, each by a request of its own."""
        approved = [e["item"] for e in self.client.log if e["type"] == "conversation.item.added" and e["item"].get("approve")]
        requests = [item["approval_request_id"] for item in approved]
        assert len(requests) == len(set(requests))
        theirs = [c for c in commands(self.client, CallServerTool) if c.server.label == "ask"]
        assert len(theirs) == len(requests)
        cancelled = [command.item_id for command in commands(self.client, CancelServerTool)]
        assert len(cancelled) == len(set(cancelled))

    def _told(self) -> None:
        """Each result follows its call, and no name is given twice."""
        for answer in commands(self.client, Respond):
            names = [each.name for each in answer.tools]
            assert len(names) == len(set(names))
            calls = [entry.call_id for entry in answer.history if isinstance(entry, ToolCall)]
            results = [entry.call_id for entry in answer.history if isinstance(entry, ToolResult)]
            assert len(calls) == len(set(calls))
            assert set(results) <= set(calls)

    def teardown(self) -> None:
        if not hasattr(self, "client"):
            return
        self.client.expire()
        self.the_wire_keeps_its_promises()
        given_up = {command.item_id for command in commands(self.client, CancelServerTool)}
        for command in commands(self.client, CallServerTool):
            assert self.places[command.item_id] in ("done", "deleted") or command.item_id in given_up, "each call has its end"
        assert SECRET not in json.dumps(self.client.log)


Tools.TestCase.settings = settings(deadline=None, max_examples=200, stateful_step_count=50)

TestTools = pytest.mark.timeout(300)(Tools.TestCase)
