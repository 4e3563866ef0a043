"""The client's own items: created where it says, retrieved, deleted, and told to the responder in their order."""

from __future__ import annotations

import pytest

from tests.wire.realtime.wire_client import Event, WireClient, kinds, one, without_ids
from voicemode.dialogue import AnswerText, Message, SpeechStarted, SpeechStopped, ToolCall, ToolResult
from voicemode.wire.realtime import SessionDefaults


def create(client: WireClient, item_id: str, after: str | None = None) -> str | None:
    """The id of the item before it, as the server tells it."""
    item = {"id": item_id, "type": "message", "role": "user", "content": [{"type": "input_text", "text": item_id}]}
    more = {} if after is None else {"previous_item_id": after}
    events = client.send("conversation.item.create", item=item, **more)
    assert kinds(events) == ["conversation.item.added", "conversation.item.done"]
    assert events[0]["item"] == events[1]["item"] == {"object": "realtime.item", "status": "completed", **item}
    assert events[0]["previous_item_id"] == events[1]["previous_item_id"]
    previous: str | None = events[0]["previous_item_id"]
    return previous


def texts(client: WireClient) -> list[str]:
    client.respond()
    return [entry.text for entry in client.history() if isinstance(entry, Message)]


def message(role: str, *parts: Event) -> Event:
    return {"type": "message", "role": role, "content": list(parts)}


def test_items_go_where_the_client_says() -> None:
    """To the end, behind another, or to the root; the client's ids are kept, and each knows its neighbour."""
    client = WireClient()
    assert create(client, "a") is None
    assert create(client, "b") == "a"
    assert create(client, "c", after="a") == "a"
    assert create(client, "d", after="root") is None
    assert texts(client) == ["d", "a", "c", "b"]


def test_an_item_without_an_id_gets_one() -> None:
    """A new one each time."""
    client = WireClient()
    assert client.say("a")[0]["item"]["id"] != client.say("a")[0]["item"]["id"]


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"item": message("user"), "previous_item_id": "nope"}, "item_create_invalid_previous_item_id", "previous_item_id"),
        ({"item": {**message("user"), "id": "taken"}}, "item_create_invalid_item_id", "item.id"),
        ({"item": {**message("user"), "id": ""}}, "invalid_value", "item.id"),
        ({"item": {**message("user"), "id": "x" * 513}}, "invalid_value", "item.id"),
        ({"item": {"type": "message", "role": "user"}}, "missing_required_parameter", "item.content"),
        ({"item": message("nobody")}, "invalid_value", "item.role"),
        ({"item": {"type": "message", "content": []}}, "missing_required_parameter", "item.role"),
        ({"item": message("user", {"type": "input_text"})}, "missing_required_parameter", "item.content[0].text"),
        ({"item": message("user", {"type": "output_text", "text": "x"})}, "invalid_value", "item.content[0].type"),
        ({"item": message("user", {"type": "input_image", "image_url": "x"})}, "not_supported", "item.content[0].type"),
        ({"item": message("user", {"type": "input_audio", "audio": "AAAA"})}, "not_supported", "item.content[0].type"),
        ({"item": {"type": "mcp_approval_response"}}, "missing_required_parameter", "item.approval_request_id"),
        ({"item": {"type": "mcp_call"}}, "invalid_value", "item.type"),
        ({"item": {"type": "dream"}}, "invalid_value", "item.type"),
        ({"item": {"type": "function_call", "name": "f"}}, "missing_required_parameter", "item.arguments"),
        ({"item": {"type": "function_call_output", "output": "x"}}, "missing_required_parameter", "item.call_id"),
    ],
)
def test_a_wrong_item_is_refused(fields: Event, code: str, param: str) -> None:
    """By the field that is wrong, and nothing is added."""
    client = WireClient()
    create(client, "taken")
    error = client.error("conversation.item.create", **fields)
    assert (error["code"], error["param"]) == (code, param)
    assert texts(client) == ["taken"]


def test_a_conversation_is_filled_with_what_was_before() -> None:
    """Messages of all roles, and calls with their results."""
    client = WireClient()
    for item in (
        message("system", {"type": "input_text", "text": "You are a bird."}),
        message("user", {"type": "input_audio", "transcript": "Fly!"}),
        message("assistant", {"type": "output_text", "text": "I do."}),
        message("assistant", {"type": "output_audio", "transcript": "Still."}),
        {"type": "function_call", "name": "land", "arguments": "{}", "call_id": "c1"},
        {"type": "function_call_output", "call_id": "c1", "output": "Landed."},
    ):
        assert client.send("conversation.item.create", item=item)[0]["type"] == "conversation.item.added"
    client.respond()
    told = [(entry.role, entry.text) if isinstance(entry, Message) else entry for entry in client.history()]
    assert told == [
        ("system", "You are a bird."),
        ("user", "Fly!"),
        ("assistant", "I do."),
        ("assistant", "Still."),
        ToolCall("c1", "land", "{}"),
        ToolResult("c1", "Landed."),
    ]


def test_an_item_is_deleted() -> None:
    """The responder is not told of it any more, and the next one knows another neighbour."""
    client = WireClient()
    create(client, "a")
    create(client, "b")
    (event,) = client.send("conversation.item.delete", item_id="b")
    assert without_ids(event) == {"type": "conversation.item.deleted", "item_id": "b"}
    assert create(client, "c") == "a"
    assert texts(client) == ["a", "c"]


@pytest.mark.parametrize("what", ["retrieve", "delete"])
def test_items_that_are_not_there(what: str) -> None:
    """The error that clients know, with their event's id."""
    error = WireClient().error(f"conversation.item.{what}", item_id="nope", event_id="evt_2")
    assert (error["code"], error["param"], error["event_id"]) == (f"item_{what}_invalid_item_id", "item_id", "evt_2")


def test_what_is_being_said_is_not_deleted() -> None:
    """Its events go on; it can be deleted when it has ended."""
    client = WireClient()
    response_id = client.respond()
    item_id = one(client.hear(AnswerText(response_id, "Well")), "response.content_part.added")["item_id"]
    assert client.error("conversation.item.delete", item_id=item_id)["code"] == "item_delete_invalid_item_id"
    client.send("response.cancel")
    assert kinds(client.send("conversation.item.delete", item_id=item_id)) == ["conversation.item.deleted"]


def test_a_long_history_is_cut_from_its_beginning() -> None:
    """To about as many tokens as the responder has room for; the record is kept."""
    client = WireClient(defaults=SessionDefaults(context_tokens=100))
    for number in range(20):
        client.say(f"{number:02} " + "x" * 77)
    told = texts(client)
    assert [text[:2] for text in told] == ["16", "17", "18", "19"]
    first = next(event["item"]["id"] for event in client.log if event["type"] == "conversation.item.added")
    assert one(client.send("conversation.item.retrieve", item_id=first), "conversation.item.retrieved")


def test_a_history_may_be_cut_rarely() -> None:
    """With a retention ratio more is left out at once, and the beginning then stays where it is for a while."""
    client = WireClient(defaults=SessionDefaults(context_tokens=100))
    client.update(truncation={"type": "retention_ratio", "retention_ratio": 0.5})
    for number in range(6):
        client.say(f"{number:02} " + "x" * 77)
    assert [text[:2] for text in texts(client)] == ["04", "05"]
    client.say("06 " + "x" * 77)
    client.send("response.cancel")
    assert [text[:2] for text in texts(client)] == ["04", "05", "06"]


def test_a_history_may_stay_whole() -> None:
    """Then it is the model's affair."""
    client = WireClient(defaults=SessionDefaults(context_tokens=100))
    client.update(truncation="disabled")
    for _ in range(20):
        client.say("x" * 80)
    assert len(texts(client)) == 20


def test_a_result_does_not_outlive_its_call() -> None:
    """Where the call was left out of the history, its result would break the request."""
    client = WireClient(defaults=SessionDefaults(context_tokens=60))
    call = {"type": "function_call", "name": "f", "arguments": '"' + "x" * 150 + '"', "call_id": "c1"}
    client.send("conversation.item.create", item=call)
    client.send("conversation.item.create", item={"type": "function_call_output", "call_id": "c1", "output": "x"})
    client.say("y" * 120)
    assert texts(client) == ["y" * 120]
    assert len(client.history()) == 1


def test_a_client_does_not_fill_the_memory() -> None:
    """Neither with long items nor with many empty ones."""
    client = WireClient(defaults=SessionDefaults(record_characters=10_000))
    client.say("x" * 9_000)
    assert client.say("x" * 2_000)[0]["error"]["code"] == "conversation_too_long"
    client = WireClient(defaults=SessionDefaults(record_characters=10_000))
    assert sum("error" in event for _ in range(100) for event in client.say("")) > 50


def test_only_the_latest_sound_is_kept() -> None:
    """Within a budget; an older turn is retrieved without it."""
    client = WireClient(defaults=SessionDefaults(kept_audio_bytes=100_000))
    items = []
    for number in range(3):
        client.append(1_000)
        events = client.hear(SpeechStarted(number * 1_000), SpeechStopped(number * 1_000 + 1_000))
        items.append(events[0]["item_id"])
        if number == 0:
            client.update(audio={"input": {"turn_detection": {"type": "server_vad", "create_response": False}}})
    shown = [one(client.send("conversation.item.retrieve", item_id=item), "conversation.item.retrieved") for item in items]
    assert ["audio" in event["item"]["content"][0] for event in shown] == [False, True, True]
