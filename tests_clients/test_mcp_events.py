"""Each event about tools of servers is one that the vendors' own types take: also where it goes wrong."""

from __future__ import annotations

from typing import Any

from tests.wire.realtime.answer_reports import call
from tests.wire.realtime.tool_servers import called, commands, listed_client, mcp
from tests.wire.realtime.wire_client import WireClient
from tests_clients.driving import refused
from voicemode.dialogue import AnswerDone, SpeechStarted, ToolCallBegan
from voicemode.dialogue_tools import (
    CallServerTool,
    ListServerTools,
    ServerToolDone,
    ServerToolFailed,
    ServerToolsFailed,
    Word,
)

_EXPECTED = {
    "mcp_list_tools.in_progress",
    "mcp_list_tools.completed",
    "mcp_list_tools.failed",
    "response.mcp_call_arguments.delta",
    "response.mcp_call_arguments.done",
    "response.mcp_call.in_progress",
    "response.mcp_call.completed",
    "response.mcp_call.failed",
}


def _listing() -> WireClient:
    client = WireClient()
    tools = [
        mcp("good", authorization="x", headers={"A": "b"}, server_description="Good.", allowed_tools=["weather"]),
        mcp("bad"),
    ]
    client.update(tools=tools, tool_choice={"type": "mcp", "server_label": "good", "name": "weather"})
    listed_client(*tools, client=client)
    client.update(tools=[mcp("bad", server_url="http://bad.example")])
    client.hear(ServerToolsFailed(commands(client, ListServerTools)[-1].item_id, "unreachable", "Nobody answers."))
    client.send("conversation.item.retrieve", item_id=commands(client, ListServerTools)[-1].item_id)
    return client


def _calling() -> WireClient:
    client = listed_client()
    for report in (
        lambda item_id: ServerToolDone(item_id, "Rain."),
        lambda item_id: ServerToolFailed(item_id, "tool_execution_error", "No."),
        lambda item_id: ServerToolFailed(item_id, "http_error", "No.", 503),
        lambda item_id: ServerToolFailed(item_id, "protocol_error", "No."),
    ):
        (item_id,) = called(client)
        client.send("conversation.item.retrieve", item_id=item_id)
        client.hear(report(item_id))
        client.send("conversation.item.retrieve", item_id=item_id)
        client.send("response.cancel")
    response_id = client.respond()
    client.hear(ToolCallBegan(response_id, "c9", "weather"), SpeechStarted(0))
    return client


def _asking() -> WireClient:
    client = listed_client(mcp(require_approval={"always": {"tool_names": ["weather"]}}))
    for approve in (True, False):
        response_id = client.respond()
        client.hear(*call(response_id, "c1"), AnswerDone(response_id))
        request = [e["item"] for e in client.log if e.get("item", {}).get("type") == "mcp_approval_request"][-1]
        answer = {"type": "mcp_approval_response", "approval_request_id": request["id"], "approve": approve}
        client.send("conversation.item.create", item=answer)
        if approve:
            client.hear(ServerToolDone(commands(client, CallServerTool)[-1].item_id, "Rain."))
            client.send("response.cancel")
    return client


def test_the_vendors_types_take_each_event() -> None:
    """Of three packages; each event that there is about such tools is among them."""
    spoken_of = WireClient()
    spoken_of.hear(Word("Done."))
    events: list[dict[str, Any]] = [e for client in (_listing(), _calling(), _asking(), spoken_of) for e in client.log]
    seen = {event["type"] for event in events}
    assert seen >= _EXPECTED, _EXPECTED - seen
    items = {event["item"]["type"] for event in events if "item" in event}
    assert items >= {"mcp_list_tools", "mcp_call", "mcp_approval_request", "mcp_approval_response"}
    assert refused(events) == []
    broken = {**next(e for e in events if e["type"] == "response.mcp_call.completed"), "output_index": "first"}
    assert {each.by for each in refused([broken])} == {"openai", "openai-agents", "@openai/agents"}
