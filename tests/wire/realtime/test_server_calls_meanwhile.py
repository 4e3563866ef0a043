"""What others do while a tool of a server runs, and who goes on after it."""

from __future__ import annotations

import pytest

from tests.wire.realtime.answer_reports import call, done
from tests.wire.realtime.tool_servers import called, commands, listed_client
from tests.wire.realtime.wire_client import WireClient, kinds, one
from voicemode.dialogue import (
    AnswerDone,
    Expect,
    Respond,
    SpeechStarted,
    SpeechStopped,
    ToolResult,
)
from voicemode.dialogue_tools import (
    CallServerTool,
    CancelServerTool,
    ServerToolDone,
)

CITY = '{"city":"Bonn"}'


def answers(client: WireClient) -> list[Respond]:
    found: list[Respond] = commands(client, Respond)
    return found


def test_an_interruption_does_not_take_a_call_back_and_its_result_is_told_later() -> None:
    """The person's turn is answered first; the result is told when that answer is over."""
    client = listed_client()
    response_id = client.respond()
    client.hear(*call(response_id, "c1"))
    (made,) = commands(client, CallServerTool)
    events = client.hear(SpeechStarted(0))
    assert done(events)["status"] == "cancelled"
    turn = one(client.hear(SpeechStopped(500)), "response.created")["response"]["id"]
    assert "still running" in client.history()[1].output  # type: ignore[attr-defined]
    assert kinds(client.hear(ServerToolDone(made.item_id, "Rain."))) == [
        "response.mcp_call.completed",
        "conversation.item.done",
    ]
    assert kinds(client.hear(AnswerDone(turn))) == ["response.done", "response.created"]
    assert client.history()[1] == ToolResult("c1", "Rain.")
    assert commands(client, CancelServerTool) == []


def test_a_result_that_comes_while_the_person_speaks_is_known_to_the_answer_of_their_turn() -> None:
    """Nothing is begun over them, and there is one answer; the engine is told that the turn would now be answered otherwise."""
    client = listed_client()
    (item_id,) = called(client)
    client.hear(SpeechStarted(0))
    assert kinds(client.hear(ServerToolDone(item_id, "Rain."))) == ["response.mcp_call.completed", "conversation.item.done"]
    assert ToolResult("c0", "Rain.") in commands(client, Expect)[-1].answer.history
    turn = one(client.hear(SpeechStopped(500)), "response.created")["response"]["id"]
    assert ToolResult("c0", "Rain.") in client.history()
    assert kinds(client.hear(AnswerDone(turn))) == ["response.done"]


def test_a_response_that_the_client_cancelled_does_not_go_on() -> None:
    """What its calls bring is context."""
    client = listed_client()
    response_id = client.respond()
    client.hear(*call(response_id, "c1"))
    (made,) = commands(client, CallServerTool)
    client.send("response.cancel")
    client.now_ms += 5_000
    assert kinds(client.hear(ServerToolDone(made.item_id, "Rain."))) == [
        "response.mcp_call.completed",
        "conversation.item.done",
    ]
    client.respond()
    assert ToolResult("c1", "Rain.") in client.history()


def test_an_answer_that_does_not_know_the_conversation_does_not_know_the_result() -> None:
    """It is told after it."""
    client = listed_client()
    response_id = client.respond()
    client.hear(*call(response_id, "c1"), *call(response_id, "c2", "own"))
    client.hear(ServerToolDone(commands(client, CallServerTool)[0].item_id, "Rain."), AnswerDone(response_id))
    response_id = client.respond(input=[])
    assert client.history() == ()
    client.hear(AnswerDone(response_id))
    assert ToolResult("c1", "Rain.") in client.history()


def test_a_client_that_cancels_is_next() -> None:
    """A response of ours, about a result that came meanwhile, would be in the way of its own."""
    client = listed_client()
    (item_id,) = called(client)
    client.hear(SpeechStarted(0), SpeechStopped(500), ServerToolDone(item_id, "Rain."))
    assert kinds(client.send("response.cancel")) == ["response.done"]
    client.respond()
    assert ToolResult("c0", "Rain.") in client.history()


def test_beside_a_function_of_the_client_its_response_create_goes_on() -> None:
    """It has the other result and says when."""
    client = listed_client()
    response_id = client.respond()
    client.hear(*call(response_id, "c1"), *call(response_id, "c2", "own"), AnswerDone(response_id))
    (made,) = commands(client, CallServerTool)
    assert "response.created" not in kinds(client.hear(ServerToolDone(made.item_id, "Rain.")))
    client.send("conversation.item.create", item={"type": "function_call_output", "call_id": "c2", "output": "x"})
    assert len(answers(client)) == 1
    client.respond()
    assert {entry.output for entry in client.history() if isinstance(entry, ToolResult)} == {"Rain.", "x"}


def test_a_result_that_the_clients_answer_did_not_know_is_told_after_it() -> None:
    """Its function was quicker than the server's tool."""
    client = listed_client()
    response_id = client.respond()
    client.hear(*call(response_id, "c1"), *call(response_id, "c2", "own"), AnswerDone(response_id))
    (made,) = commands(client, CallServerTool)
    client.send("conversation.item.create", item={"type": "function_call_output", "call_id": "c2", "output": "x"})
    client.hear(AnswerDone(client.respond()))
    assert one(client.hear(ServerToolDone(made.item_id, "Rain.")), "response.created")


@pytest.mark.parametrize("early", [True, False])
def test_a_client_that_asks_to_go_on_gets_the_one_answer(early: bool) -> None:
    """Some do when a call is over; two answers, or an error, would be heard as a fault."""
    client = listed_client()
    (item_id,) = called(client)
    events = client.hear(ServerToolDone(item_id, "Rain."))
    if not early:
        client.hear(AnswerDone(one(events, "response.created")["response"]["id"]))
    assert client.send("response.create") == []
    assert len(answers(client)) == 2
    if not early:
        assert one(client.send("response.create"), "response.created")


def test_a_client_that_cancelled_what_went_on_and_asks_again_gets_another() -> None:
    """It is not the same wish any more."""
    client = listed_client()
    (item_id,) = called(client)
    client.hear(ServerToolDone(item_id, "Rain."))
    client.send("response.cancel")
    (item_id,) = called(client)
    assert one(client.hear(ServerToolDone(item_id, "Rain.")), "response.created")


def test_a_client_that_asks_for_something_else_gets_it() -> None:
    """With words of its own, or after words of the person, or much later."""
    for ask in range(3):
        client = listed_client()
        (item_id,) = called(client)
        events = client.hear(ServerToolDone(item_id, "Rain."))
        client.hear(AnswerDone(one(events, "response.created")["response"]["id"]))
        if ask == 1:
            client.say("And tomorrow?")
        client.now_ms += 5_001 if ask == 2 else 0
        assert one(client.send("response.create", response={"instructions": "Sing."} if ask == 0 else {}), "response.created")


def test_going_on_does_not_force_another_call_and_ends() -> None:
    """Where the client wished a call, it has had one; and a model that only ever calls is stopped."""
    client = listed_client()
    client.update(tool_choice={"type": "mcp", "server_label": "home", "name": "weather"})
    called(client)
    for number in range(40):
        made = commands(client, CallServerTool)[number]
        client.hear(ServerToolDone(made.item_id, "Again."))
        last = answers(client)[-1]
        if last.tool_choice == "none":
            break
        assert last.tool_choice == "auto"
        client.hear(*call(last.response_id, f"d{number}"), AnswerDone(last.response_id))
    assert len(answers(client)) == 17
    client.hear(AnswerDone(last.response_id), SpeechStarted(0), SpeechStopped(500))
    assert answers(client)[-1].tool_choice == "function:weather"
    client.hear(*call(answers(client)[-1].response_id, "e"), AnswerDone(answers(client)[-1].response_id))
    client.hear(ServerToolDone(commands(client, CallServerTool)[-1].item_id, "For somebody."))
    assert answers(client)[-1].tool_choice == "auto"
