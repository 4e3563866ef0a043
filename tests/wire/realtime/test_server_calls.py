"""Tools of servers are called by us: allowed by the user, made once, over once, and the answer goes on by itself."""

from __future__ import annotations

import pytest

from tests.wire.realtime.answer_reports import call, done
from tests.wire.realtime.tool_servers import called, commands, listed_client, mcp, tool
from tests.wire.realtime.wire_client import Event, WireClient, kinds, one
from voicemode.dialogue import (
    AnswerDone,
    InputTranscribed,
    Message,
    Respond,
    SpeechStarted,
    SpeechStopped,
    ToolCall,
    ToolCallBegan,
    ToolCallGrew,
    ToolResult,
    UserTurn,
)
from voicemode.dialogue_tools import (
    CallServerTool,
    CancelServerTool,
    ListServerTools,
    ServerToolDone,
    ServerToolFailed,
    ServerToolsListed,
    ToolServer,
)
from voicemode.record import Role, Standing

CITY = '{"city":"Bonn"}'
ASKS = mcp()
"""Each call of it has to be allowed, as where nothing is said about it."""


def asked(client: WireClient) -> Event:
    """The request for the user that an answer leads to."""
    response_id = client.respond()
    events = client.hear(*call(response_id, "c1"), AnswerDone(response_id))
    item: Event = one(events, "conversation.item.added")["item"]
    return item


def allow(client: WireClient, request: Event, approve: bool, **more: object) -> list[Event]:
    item = {"type": "mcp_approval_response", "approval_request_id": request["id"], "approve": approve, **more}
    return client.send("conversation.item.create", item=item)


def answers(client: WireClient) -> list[Respond]:
    found: list[Respond] = commands(client, Respond)
    return found


# -- a call that nobody has to allow


def test_a_call_is_shown_made_and_over_and_the_answer_goes_on() -> None:
    """The item and its arguments, the call, the end of the response; then what came of it, and the next response."""
    client = listed_client()
    response_id = client.respond()
    events = client.hear(*call(response_id, "c1"))
    assert kinds(events) == [
        "response.output_item.added",
        "conversation.item.added",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.output_item.done",
        "response.mcp_call.in_progress",
    ]
    item_id = events[0]["item"]["id"]
    bare = {"id": item_id, "type": "mcp_call", "server_label": "home", "name": "weather", "output": None, "error": None}
    assert events[0]["item"] == {**bare, "arguments": "", "approval_request_id": None}
    assert events[5]["item"] == {**bare, "arguments": CITY, "approval_request_id": None}
    assert events[4]["arguments"] == CITY
    assert (events[6]["item_id"], events[6]["output_index"]) == (item_id, 0)
    assert client.commands == (CallServerTool(item_id, ToolServer("home", "https://home.example/mcp"), "weather", CITY),)
    assert [item["id"] for item in done(client.hear(AnswerDone(response_id)))["output"]] == [item_id]
    events = client.hear(ServerToolDone(item_id, "Rain."))
    assert kinds(events) == ["response.mcp_call.completed", "conversation.item.done", "response.created"]
    assert events[1]["item"] == {**bare, "arguments": CITY, "approval_request_id": None, "output": "Rain."}
    assert client.history() == (ToolCall("c1", "weather", CITY), ToolResult("c1", "Rain."))


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (("tool_execution_error", "No such city.", None), {"type": "tool_execution_error", "message": "No such city."}),
        (("http_error", "Gone.", 410), {"type": "http_error", "message": "Gone.", "code": 410}),
        (("protocol_error", "What?", -32602), {"type": "protocol_error", "message": "What?", "code": -32602}),
        (("protocol_error", "No answer.", None), {"type": "protocol_error", "message": "No answer.", "code": 0}),
    ],
)
def test_a_call_that_fails_says_how_and_the_responder_is_told(failure: tuple[object, ...], error: Event) -> None:
    """In the fields of OpenAI's three kinds."""
    client = listed_client()
    (item_id,) = called(client)
    events = client.hear(ServerToolFailed(item_id, *failure))  # type: ignore[arg-type]
    assert kinds(events) == ["response.mcp_call.failed", "conversation.item.done", "response.created"]
    assert (events[1]["item"]["error"], events[1]["item"]["output"]) == (error, None)
    assert client.history()[-1] == ToolResult("c0", f"The call failed: {error['message']}")


def test_several_calls_of_a_response_are_answered_once_after_the_last() -> None:
    """In whatever order they end, also before the response does."""
    client = listed_client()
    response_id = client.respond()
    client.hear(*call(response_id, "c1"), *call(response_id, "c2"))
    first, second = (command.item_id for command in commands(client, CallServerTool))
    events = client.hear(ServerToolDone(second, "2"), AnswerDone(response_id))
    assert kinds(events) == ["response.mcp_call.completed", "conversation.item.done", "response.done"]
    assert one(client.hear(ServerToolDone(first, "1")), "response.created")
    assert [entry.output for entry in client.history() if isinstance(entry, ToolResult)] == ["1", "2"]
    assert len(answers(client)) == 2


def test_a_call_that_is_over_before_its_response_is_answered_at_its_end() -> None:
    """One response at a time."""
    client = listed_client()
    response_id = client.respond()
    client.hear(*call(response_id, "c1"))
    (made,) = commands(client, CallServerTool)
    assert "response.created" not in kinds(client.hear(ServerToolDone(made.item_id, "Rain.")))
    assert kinds(client.hear(AnswerDone(response_id))) == ["response.done", "response.created"]


def test_a_call_that_is_over_before_the_next_one_begins_waits_for_it() -> None:
    """They are of one response all the same."""
    client = listed_client()
    response_id = client.respond()
    client.hear(*call(response_id, "c1"))
    client.hear(ServerToolDone(commands(client, CallServerTool)[0].item_id, "1"), *call(response_id, "c2"))
    assert kinds(client.hear(AnswerDone(response_id))) == ["response.done"]
    assert one(client.hear(ServerToolDone(commands(client, CallServerTool)[1].item_id, "2")), "response.created")


def test_a_result_that_nobody_waits_for_is_dropped() -> None:
    """It comes once; what nobody asked for does not come at all."""
    client = listed_client()
    (item_id,) = called(client)
    client.hear(ServerToolDone(item_id, "Rain."))
    assert client.hear(ServerToolDone(item_id, "Sun."), ServerToolFailed(item_id, "http_error", "x")) == []
    assert client.hear(ServerToolDone("item_never", "x"), ServerToolsListed("item_never", ())) == []


def test_a_call_whose_arguments_broke_off_is_never_made() -> None:
    """Its item ends with the response, and the responder does not hear of it."""
    client = listed_client()
    response_id = client.respond()
    client.hear(ToolCallBegan(response_id, "c1", "weather"), ToolCallGrew(response_id, "c1", '{"ci'))
    events = client.hear(SpeechStarted(0))
    assert kinds(events)[1:] == ["response.output_item.done", "conversation.item.done", "response.done"]
    assert commands(client, CallServerTool) == []
    client.respond()
    assert client.history() == ()


# -- the user is asked


def test_the_user_is_asked_first_and_then_it_is_called() -> None:
    """The request is an item of the response; its answer is one of the client, and the call a third."""
    client = listed_client(ASKS)
    response_id = client.respond()
    assert client.hear(*call(response_id, "c1")[:-1]) == []
    events = client.hear(call(response_id, "c1")[-1])
    assert kinds(events) == [
        "response.output_item.added",
        "conversation.item.added",
        "response.output_item.done",
        "conversation.item.done",
    ]
    request = events[0]["item"]
    assert request == {
        "id": request["id"],
        "type": "mcp_approval_request",
        "server_label": "home",
        "name": "weather",
        "arguments": CITY,
    }
    assert kinds(client.hear(AnswerDone(response_id))) == ["response.done"]
    assert commands(client, CallServerTool) == []
    events = allow(client, request, True)
    assert kinds(events) == [
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.added",
        "response.mcp_call.in_progress",
    ]
    assert events[0]["item"]["approve"] is True
    item = events[2]["item"]
    assert (item["type"], item["approval_request_id"], item["arguments"]) == ("mcp_call", request["id"], CITY)
    assert client.commands == (CallServerTool(item["id"], ToolServer("home", "https://home.example/mcp"), "weather", CITY),)
    events = client.hear(ServerToolDone(item["id"], "Rain."))
    assert kinds(events) == ["response.mcp_call.completed", "conversation.item.done", "response.created"]
    assert client.history() == (ToolCall("c1", "weather", CITY), ToolResult("c1", "Rain."))


def test_what_the_user_refused_is_told_and_the_answer_goes_on() -> None:
    """With the reason, if there is one."""
    client = listed_client(ASKS)
    request = asked(client)
    assert kinds(allow(client, request, False, reason="Too dear.")) == [
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ]
    assert commands(client, CallServerTool) == []
    assert client.history() == (
        ToolCall("c1", "weather", CITY),
        ToolResult("c1", "The user did not allow this. Reason: Too dear."),
    )


def test_while_the_user_is_asked_others_are_answered() -> None:
    """And the responder knows that it waits."""
    client = listed_client(ASKS)
    asked(client)
    client.hear(SpeechStarted(0), SpeechStopped(500))
    *_, told, turn = client.history()
    assert isinstance(told, ToolResult)
    assert "was asked to allow it" in told.output
    assert isinstance(turn, UserTurn)


@pytest.mark.parametrize(
    ("approval", "asks"),
    [
        ("always", True),
        (None, True),
        ({"never": {"tool_names": ["weather"]}}, False),
        ({"never": {"tool_names": ["other"]}}, True),
        ({"always": {"tool_names": ["other"]}}, True),
        ({"always": {"tool_names": ["weather"]}, "never": {"tool_names": ["weather"]}}, True),
        ({"always": {"tool_names": ["other"]}, "never": {}}, False),
        ({"never": {"read_only": True}}, True),
        ({}, True),
    ],
)
def test_which_calls_have_to_be_allowed(approval: object, asks: bool) -> None:
    """All but those that the client says need not."""
    client = listed_client(mcp(require_approval=approval))
    assert called(client) == [] if asks else called(client) != []


def test_an_approval_is_of_one_request_and_given_once() -> None:
    """Nothing is called by a mistake."""
    client = listed_client(ASKS)
    request = asked(client)
    wrong = {"type": "mcp_approval_response", "approval_request_id": "item_never", "approve": True}
    assert client.error("conversation.item.create", item=wrong)["code"] == "invalid_approval_request_id"
    allow(client, request, False)
    client.send("response.cancel")
    again = wrong | {"approval_request_id": request["id"]}
    assert client.error("conversation.item.create", item=again)["code"] == "approval_request_answered"
    assert client.error("conversation.item.create", item=again | {"approve": None})["param"] == "item.approve"
    assert commands(client, CallServerTool) == []


# -- its end, and the record


def test_a_call_that_the_client_deletes_is_given_up() -> None:
    """Nothing of it comes any more."""
    client = listed_client()
    (item_id,) = called(client)
    assert kinds(client.send("conversation.item.delete", item_id=item_id)) == ["conversation.item.deleted"]
    assert client.commands == (CancelServerTool(item_id),)
    assert client.hear(ServerToolDone(item_id, "Rain.")) == []
    client.respond()
    assert client.history() == ()


def test_a_request_that_the_client_deletes_cannot_be_allowed() -> None:
    """It is as if it had never been asked."""
    client = listed_client(ASKS)
    request = asked(client)
    client.send("conversation.item.delete", item_id=request["id"])
    assert one(allow(client, request, True), "error")["error"]["code"] == "invalid_approval_request_id"


def test_at_the_end_of_the_session_calls_are_given_up() -> None:
    """Nobody is there for what they bring."""
    client = listed_client()
    (item_id,) = called(client)
    client.expire()
    assert client.commands == (CancelServerTool(item_id),)
    assert client.hear(ServerToolDone(item_id, "x")) == []


def test_the_record_hears_of_a_call_as_it_begins_and_as_it_ends() -> None:
    """With its arguments, and what came of it or why not."""
    for report, standing, text in (
        (ServerToolDone, Standing.WHOLE, "Rain."),
        (lambda item_id, text: ServerToolFailed(item_id, "http_error", text), Standing.FAILED, "Gone."),
    ):
        client = listed_client()
        (item_id,) = called(client)
        client.hear(report(item_id, text))
        began, *_, ended = (entry for entry in client.entries if entry.role is Role.TOOL)
        assert (began.key, began.standing, began.text) == (ended.key, Standing.IN_FLIGHT, "")
        assert (ended.standing, ended.text, ended.tool, ended.arguments) == (standing, text, "weather", CITY)
        assert ended.call_id == "c0"


def test_calls_of_an_earlier_turn_keep_their_place_in_the_history() -> None:
    """Between what was said before and after them."""
    client = listed_client()
    client.say("Weather?")
    (item_id,) = called(client)
    client.hear(SpeechStarted(0), SpeechStopped(500))
    turn = next(iter(each for each in client.log if each["type"] == "input_audio_buffer.committed"))["item_id"]
    client.hear(InputTranscribed(turn, "Hello?", 0.5), ServerToolDone(item_id, "Rain."))
    client.send("response.cancel")
    client.respond()
    told = client.history()
    assert isinstance(told[0], Message)
    assert told[1:] == (ToolCall("c0", "weather", CITY), ToolResult("c0", "Rain."), UserTurn(turn))


def test_a_beta_client_is_shown_the_same_items() -> None:
    """Under its older names."""
    client = WireClient(beta=True)
    client.send("session.update", session={"tools": [mcp(require_approval="never")]})
    (asks,) = commands(client, ListServerTools)
    client.hear(ServerToolsListed(asks.item_id, (tool(),)))
    response_id = one(client.send("response.create"), "response.created")["response"]["id"]
    events = client.hear(*call(response_id, "c1"))
    assert one(events, "conversation.item.created")["item"]["type"] == "mcp_call"
    assert one(events, "response.mcp_call.in_progress")
