"""Functions: called in order, answered when the client says, and never taken back."""

from __future__ import annotations

from tests.wire.realtime.answer_reports import call, done, spoken
from tests.wire.realtime.wire_client import WireClient, kinds, one
from voicemode.dialogue import (
    AnswerDone,
    SpeechStarted,
    ToolCall,
    ToolResult,
)

# -- function calls


def test_functions_are_called_one_by_one() -> None:
    """Each with its own item, complete before the response is; then we wait."""
    client = WireClient()
    client.say("Weather?")
    response_id = client.respond()
    events = client.hear(*spoken(response_id, "One moment."), *call(response_id, "c1"), *call(response_id, "c2", "news"))
    finished = [event for event in events if event["type"] == "response.function_call_arguments.done"]
    assert [(event["call_id"], event["name"], event["arguments"], event["output_index"]) for event in finished] == [
        ("c1", "weather", '{"city":"Bonn"}', 1),
        ("c2", "news", '{"city":"Bonn"}', 2),
    ]
    items = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert [(item["type"], item["status"], item["call_id"]) for item in items] == [
        ("function_call", "completed", "c1"),
        ("function_call", "completed", "c2"),
    ]
    response = done(client.hear(AnswerDone(response_id)))
    assert [item["type"] for item in response["output"]] == ["message", "function_call", "function_call"]
    assert client.commands == ()


def test_results_come_in_any_order_and_are_answered_when_the_client_says() -> None:
    """A result without a response.create stays silent."""
    client = WireClient()
    client.say("Weather?")
    response_id = client.respond()
    client.hear(*call(response_id, "c1"), *call(response_id, "c2"), AnswerDone(response_id))
    for call_id in ("c2", "c1"):
        events = client.send(
            "conversation.item.create", item={"type": "function_call_output", "call_id": call_id, "output": call_id}
        )
        assert kinds(events) == ["conversation.item.added", "conversation.item.done"]
        assert client.commands == ()
    client.respond()
    arguments = '{"city":"Bonn"}'
    assert client.history()[1:] == (
        ToolCall("c1", "weather", arguments),
        ToolCall("c2", "weather", arguments),
        ToolResult("c2", "c2"),
        ToolResult("c1", "c1"),
    )


def test_an_interruption_does_not_take_a_call_back() -> None:
    """The function is running at the client: its late result is kept as context."""
    client = WireClient()
    response_id = client.respond()
    client.hear(*call(response_id, "c1"))
    assert done(client.hear(SpeechStarted(0)))["output"][0]["status"] == "completed"
    client.send("conversation.item.create", item={"type": "function_call_output", "call_id": "c1", "output": "Rain."})
    client.respond()
    assert client.history() == (ToolCall("c1", "weather", '{"city":"Bonn"}'), ToolResult("c1", "Rain."))


def test_a_call_that_broke_off_is_never_to_be_made() -> None:
    """Its arguments are half a JSON object: no arguments.done, an incomplete item, and nothing in the history."""
    client = WireClient()
    response_id = client.respond()
    client.hear(*call(response_id, "c1")[:2])
    events = client.send("response.cancel")
    assert kinds(events) == ["response.output_item.done", "conversation.item.done", "response.done"]
    assert events[0]["item"]["status"] == "incomplete"
    client.respond()
    assert client.history() == ()


def test_calls_have_ids_of_their_own() -> None:
    """Small models number them anew in each answer; a client could not tell them apart."""
    client = WireClient()
    seen = []
    for _ in range(2):
        response_id = client.respond()
        events = client.hear(*call(response_id, "call_0"), AnswerDone(response_id))
        seen.append(one(events, "response.function_call_arguments.done")["call_id"])
    assert len(set(seen)) == 2


def test_a_result_of_no_call_is_refused() -> None:
    """It would mean nothing to the model, or break its request."""
    item = {"type": "function_call_output", "call_id": "c9", "output": "x"}
    assert WireClient().error("conversation.item.create", item=item)["code"] == "invalid_tool_call_id"
