"""Tools of type mcp: servers are asked once, nobody waits for them, and their credentials go nowhere else."""

from __future__ import annotations

import json

import pytest

from tests.wire.realtime.answer_reports import call, done
from tests.wire.realtime.tool_servers import SCHEMA, called, commands, listed_client, mcp, tool
from tests.wire.realtime.wire_client import Event, WireClient, kinds, one
from voicemode.dialogue import AnswerDone, Respond
from voicemode.dialogue_tools import (
    CallServerTool,
    CancelServerTool,
    ListServerTools,
    ServerToolsFailed,
    ServerToolsListed,
    ToolServer,
)
from voicemode.wire.realtime import Playout, RealtimeSession


def offered(client: WireClient) -> list[str]:
    """What the last answer may call."""
    command: Respond = commands(client, Respond)[-1]
    return [each.name for each in command.tools]


def test_a_server_is_asked_and_its_tools_are_shown_and_offered() -> None:
    """First the item, then that it is asked, and at the end the item with its tools."""
    client = WireClient()
    events = client.send("session.update", session={"type": "realtime", "tools": [mcp()]})
    assert kinds(events) == ["session.updated", "conversation.item.added", "mcp_list_tools.in_progress"]
    item = events[1]["item"]
    assert item == {"id": item["id"], "type": "mcp_list_tools", "server_label": "home", "tools": []}
    assert events[2]["item_id"] == item["id"]
    assert client.commands[-1] == ListServerTools(item["id"], ToolServer("home", "https://home.example/mcp"))
    events = client.hear(ServerToolsListed(item["id"], (tool(),)))
    assert kinds(events) == ["mcp_list_tools.completed", "conversation.item.done"]
    shown = {"name": "weather", "description": "About weather.", "input_schema": SCHEMA}
    assert events[1]["item"] == {**item, "tools": [shown]}
    client.respond()
    assert offered(client) == ["weather"]


def test_a_server_that_the_options_of_the_session_name_is_asked_as_it_opens() -> None:
    """As a client secret carries them."""
    session = RealtimeSession("s", playout=Playout.CLIENT, new_id=lambda word: f"{word}_1", options={"tools": [mcp()]})
    step = session.open(0)
    assert [event["type"] for event in step.events][2:] == ["conversation.item.added", "mcp_list_tools.in_progress"]
    assert isinstance(step.commands[-1], ListServerTools)


def test_nobody_waits_for_a_server_that_has_not_told() -> None:
    """The answer is made with what is known, and the next one knows more."""
    client = WireClient()
    client.update(tools=[mcp(), {"type": "function", "name": "own"}])
    response_id = client.respond()
    assert offered(client) == ["own"]
    client.hear(AnswerDone(response_id))
    (asked,) = commands(client, ListServerTools)
    client.hear(ServerToolsListed(asked.item_id, (tool(),)))
    client.respond()
    assert offered(client) == ["own", "weather"]


def test_a_server_that_cannot_be_asked_is_told_and_asked_again_at_the_next_update() -> None:
    """Its item says why; the session goes on."""
    client = WireClient()
    client.update(tools=[mcp()])
    (asked,) = commands(client, ListServerTools)
    events = client.hear(ServerToolsFailed(asked.item_id, "unreachable", "Nobody answers."))
    assert kinds(events) == ["mcp_list_tools.failed", "conversation.item.done"]
    assert events[1]["item"]["error"] == "unreachable: Nobody answers."
    assert client.hear(ServerToolsListed(asked.item_id, (tool(),))) == []
    response_id = client.respond()
    assert offered(client) == []
    client.hear(AnswerDone(response_id))
    assert len(commands(client, ListServerTools)) == 1
    client.update(tools=[mcp()])
    assert len(commands(client, ListServerTools)) == 2


def test_the_same_server_is_not_asked_twice_and_one_that_is_gone_is_forgotten() -> None:
    """An update about something else asks nobody; what was being asked for is given up, and its item ends."""
    client = listed_client()
    client.update(tools=[mcp(require_approval="always"), mcp("other")])
    client.update(instructions="Be brief.")
    first, other = commands(client, ListServerTools)
    assert (first.server.label, other.server.label) == ("home", "other")
    events = client.send("session.update", session={"type": "realtime", "tools": []})
    assert kinds(events) == ["session.updated", "mcp_list_tools.failed", "conversation.item.done"]
    assert commands(client, CancelServerTool) == [CancelServerTool(other.item_id)]
    client.respond()
    assert offered(client) == []
    client.update(tools=[mcp()])
    assert len(commands(client, ListServerTools)) == 3


def test_a_new_key_is_another_question_and_what_was_known_stands_meanwhile() -> None:
    """Another address is another server."""
    client = listed_client()
    client.update(tools=[mcp(authorization="new")])
    client.respond()
    assert offered(client) == ["weather"]
    client.update(tools=[mcp(server_url="https://else.example/mcp")])
    client.send("response.cancel")
    client.respond()
    assert offered(client) == []
    assert len(commands(client, ListServerTools)) == 3


def test_an_item_that_the_client_deleted_is_not_spoken_of() -> None:
    """The tools are known all the same."""
    client = WireClient()
    client.update(tools=[mcp()])
    (asked,) = commands(client, ListServerTools)
    client.send("conversation.item.delete", item_id=asked.item_id)
    assert client.hear(ServerToolsListed(asked.item_id, (tool(),))) == []
    client.respond()
    assert offered(client) == ["weather"]


@pytest.mark.parametrize(
    ("allowed", "names"),
    [
        (["b"], ["b"]),
        ({"tool_names": ["a", "zzz"]}, ["a"]),
        ({"read_only": True}, ["b"]),
        ({"read_only": False, "tool_names": ["a", "b"]}, ["a"]),
        ([], []),
        (None, ["a", "b"]),
    ],
)
def test_only_allowed_tools_are_offered_and_shown(allowed: object, names: list[str]) -> None:
    """By name, or by whether they change something."""
    client = WireClient()
    client.update(tools=[mcp(allowed_tools=allowed)])
    (asked,) = commands(client, ListServerTools)
    events = client.hear(ServerToolsListed(asked.item_id, (tool("a"), tool("b", read_only=True))))
    assert [each["name"] for each in events[1]["item"]["tools"]] == names
    client.respond()
    assert offered(client) == names


def test_names_that_clash_are_told_apart() -> None:
    """The client's function keeps its name; servers' tools get their label, whoever told first. Calls go where they belong."""
    for order in ((0, 1), (1, 0)):
        client = WireClient()
        servers = [mcp("a.b", require_approval="never"), mcp("c", require_approval="never")]
        client.update(tools=[{"type": "function", "name": "own"}, *servers])
        asked = commands(client, ListServerTools)
        for number in order:
            client.hear(ServerToolsListed(asked[number].item_id, (tool("own"), tool("both"), tool(f"only {number}"))))
        called(client, "c__both", "own", "a_b__own", "only_0")
        assert offered(client) == ["own", "a_b__own", "a_b__both", "only_0", "c__own", "c__both", "only_1"]
        made = [(command.server.label, command.name) for command in commands(client, CallServerTool)]
        assert made == [("c", "both"), ("a.b", "own"), ("a.b", "only 0")]
        items = [event["item"] for event in client.log if event["type"] == "response.output_item.done"]
        assert [(item["type"], item["name"]) for item in items][1] == ("function_call", "own")
        assert [item.get("server_label") for item in items] == ["c", None, "a.b", "a.b"]


def test_a_name_that_the_client_has_is_told_with_the_label() -> None:
    """Also where only one server has it; and such a name may itself be one that the client has."""
    client = WireClient()
    client.update(tools=[{"type": "function", "name": name} for name in ("weather", "b__weather")] + [mcp("a"), mcp("b")])
    first, second = commands(client, ListServerTools)
    client.hear(ServerToolsListed(first.item_id, (tool(),)))
    client.hear(AnswerDone(client.respond()))
    assert offered(client) == ["weather", "b__weather", "a__weather"]
    client.hear(ServerToolsListed(second.item_id, (tool(),)))
    client.respond()
    assert offered(client) == ["weather", "b__weather", "a__weather", "b__weather_2"]


@pytest.mark.parametrize(
    ("choice", "tools", "told"),
    [
        ({"type": "mcp", "server_label": "b", "name": "x"}, ["a__x", "b__x"], "function:b__x"),
        ({"type": "mcp", "server_label": "a"}, ["a__x"], "required"),
        ({"type": "mcp", "server_label": "c", "name": "x"}, ["a__x", "b__x"], "auto"),
        ({"type": "mcp", "server_label": "a", "name": "y"}, ["a__x", "b__x"], "auto"),
    ],
)
def test_a_choice_of_a_servers_tool_is_told_under_its_name(choice: Event, tools: list[str], told: str) -> None:
    """A server that has not told, or has no such tool, is no reason not to answer."""
    client = WireClient()
    assert client.update(tools=[mcp("a"), mcp("b")], tool_choice=choice)["tool_choice"] == choice
    for asked in commands(client, ListServerTools):
        client.hear(ServerToolsListed(asked.item_id, (tool("x"),)))
    client.respond()
    assert offered(client) == tools
    assert commands(client, Respond)[-1].tool_choice == told


def test_a_response_may_have_servers_of_its_own() -> None:
    """They are asked as it begins, and known from the next one on; beside the conversation there are none."""
    client = WireClient()
    response_id = client.respond(tools=[mcp()])
    (asked,) = commands(client, ListServerTools)
    client.hear(ServerToolsListed(asked.item_id, (tool(),)), AnswerDone(response_id))
    response_id = client.respond(tools=[mcp()])
    assert offered(client) == ["weather"]
    assert done(client.hear(AnswerDone(response_id)))["status"] == "completed"
    client.respond(tools=[mcp()], conversation="none")
    assert offered(client) == []
    client.respond()
    assert offered(client) == []
    assert len(commands(client, ListServerTools)) == 1


def test_credentials_are_in_no_echo_and_in_no_repr() -> None:
    """They go to whoever asks the server, and nowhere else."""
    client = WireClient()
    client.update(tools=[mcp(authorization="geheim", headers={"X-Key": "secret-7"})])
    (asked,) = commands(client, ListServerTools)
    assert (asked.server.authorization, asked.server.headers) == ("geheim", {"X-Key": "secret-7"})
    client.hear(ServerToolsListed(asked.item_id, (tool(),)))
    called(client)
    client.respond(tools=[mcp(authorization="geheim", headers={"X-Key": "secret-7"})], conversation="none")
    config = client.session.config  # type: ignore[union-attr]
    for text in (json.dumps(client.log), repr(client.all_commands), repr(config)):
        assert "geheim" not in text
        assert "secret-7" not in text


@pytest.mark.parametrize(
    ("given", "code", "param"),
    [
        ({"server_label": ""}, "invalid_value", "server_label"),
        ({"server_label": "x" * 65}, "invalid_value", "server_label"),
        ({"server_label": 7}, "invalid_type", "server_label"),
        ({"connector_id": "connector_gmail"}, "not_supported", "connector_id"),
        ({"tunnel_id": "t"}, "not_supported", "tunnel_id"),
        ({"server_url": "file:///etc/passwd"}, "invalid_value", "server_url"),
        ({"server_url": "https://" + "x" * 2_048}, "invalid_value", "server_url"),
        ({"headers": {"A": 1}}, "invalid_type", "headers.A"),
        ({"headers": {"A": "x" * 9_000}}, "invalid_value", "headers.A"),
        ({"headers": {str(number): "" for number in range(33)}}, "invalid_value", "headers"),
        ({"authorization": 1}, "invalid_type", "authorization"),
        ({"require_approval": "perhaps"}, "invalid_value", "require_approval"),
        ({"require_approval": {"never": {"tool_names": "x"}}}, "invalid_type", "require_approval.never.tool_names"),
        ({"allowed_tools": [1]}, "invalid_type", "allowed_tools[0]"),
        ({"allowed_tools": "x"}, "invalid_type", "allowed_tools"),
        ({"allowed_tools": {"read_only": 1}}, "invalid_type", "allowed_tools.read_only"),
    ],
)
def test_a_wrong_server_names_its_field(given: Event, code: str, param: str) -> None:
    """And nobody is asked."""
    client = WireClient()
    error = client.update(tools=[mcp() | given])
    assert (error["code"], error["param"]) == (code, f"session.tools[0].{param}")
    assert "passwd" not in error["message"]
    assert commands(client, ListServerTools) == []


def test_two_servers_of_one_label_are_refused() -> None:
    """Whose tool would be called?"""
    error = WireClient().update(tools=[mcp(), mcp()])
    assert (error["code"], error["param"]) == ("invalid_value", "session.tools[1].server_label")


def test_a_label_alone_means_a_server_of_the_settings() -> None:
    """A client cannot name a command."""
    client = WireClient()
    client.update(tools=[{"type": "mcp", "server_label": "files", "command": "rm"}])
    assert commands(client, ListServerTools)[0].server == ToolServer("files")


def test_without_such_a_tool_nothing_of_it_is_sent() -> None:
    """There are clients that end at what they do not know."""
    client = WireClient()
    client.update(tools=[{"type": "function", "name": "weather"}])
    response_id = client.respond()
    client.hear(*call(response_id, "c1"), AnswerDone(response_id))
    assert "mcp" not in json.dumps(client.log)


def test_a_transcription_session_asks_nobody() -> None:
    """It has no answers."""
    client = WireClient(kind="transcription")
    client.send("session.update", session={"type": "transcription", "tools": [mcp()]})
    assert commands(client, ListServerTools) == []
    assert one(client.log, "session.updated")
