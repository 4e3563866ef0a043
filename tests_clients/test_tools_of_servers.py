"""``openai-agents`` and ``@openai/agents``, unmodified, use real MCP servers through a session: over HTTP and in a process.

One answers, refuses and fails; one hangs; one is not there. The person allows one call and refuses another.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stubs.mcp_servers import STDIO, http_server
from tests_clients.driving import ordered, refused
from tests_clients.endpoint_stub import TOLD
from tests_clients.held import Held
from tests_clients.recording_proxy import RecordingProxy
from tests_clients.serving import KEY, served

_GONE = 9
"""A port that nobody listens on (discard)."""
_FREE = ["fail", "hang", "headers"]
_ORDERS = [
    ('call add {"a": 2, "b": 40}', True),
    ('call add {"a": 1, "b": 1}', False),
    ("call fail", None),
    ("call hang", None),
    ("call variables", None),
]


@pytest.fixture(scope="module", params=["tools_python.py", "tools_websocket.mjs"], ids=["openai-agents", "@openai/agents"])
def used(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    folder = tmp_path_factory.mktemp("used")
    with http_server() as (port, _):
        hosts = f"127.0.0.1:{port}, 127.0.0.1:{_GONE}"
        tools = [
            {
                "type": "mcp",
                "server_label": "web",
                "server_url": f"http://127.0.0.1:{port}/mcp",
                "allowed_tools": ["add", *_FREE],
                "require_approval": {"never": {"tool_names": _FREE}},
            },
            {"type": "mcp", "server_label": "own", "allowed_tools": ["variables"], "require_approval": "never"},
            {"type": "mcp", "server_label": "gone", "server_url": f"http://127.0.0.1:{_GONE}/mcp"},
        ]
        with served(folder, mcp_allowed_hosts=hosts, mcp_servers=f"own={STDIO}", mcp_call_timeout_s="2") as server:
            with RecordingProxy(server.port) as proxy:
                address = f"http://127.0.0.1:{proxy.port}"
                seen = ordered(request.param, address, KEY, tools=tools, orders=_ORDERS)
                events = [message.event for connection in proxy.connections for message in connection.received]
            yield Held(seen, tuple(events), tuple(server.chats()), server.log)


def test_it_gets_through(used: Held) -> None:
    """Without an error on either side."""
    assert used.seen.all("finished"), (used.seen.lines[-3:], used.seen.log[-2000:], used.log[-2000:])
    assert not [line for line in used.seen.lines if line["saw"] in ("error", "failed")]
    assert not [event for event in used.events if event["type"] == "error"]


def test_the_servers_are_listed_and_one_is_not_there(used: Held) -> None:
    """With the tools that the client allows."""
    listed = {line["server"]: sorted(line["tools"]) for line in used.seen.all("listed")}
    assert listed == {"web": sorted(["add", *_FREE]), "own": ["variables"], "gone": []}
    kinds = [event["type"] for event in used.events if event["type"].startswith("mcp_list_tools.")]
    assert sorted(kinds) == sorted(
        ["mcp_list_tools.in_progress"] * 3 + ["mcp_list_tools.completed"] * 2 + ["mcp_list_tools.failed"]
    )


def test_the_person_is_asked_and_decides(used: Held) -> None:
    """About what is to be asked, and nothing else."""
    asked = [(line["name"], line["arguments"]) for line in used.seen.all("asked")]
    assert asked == [("add", {"a": 2, "b": 40}), ("add", {"a": 1, "b": 1})]


def test_the_answers_are_about_what_came(used: Held) -> None:
    """A result, a refusal, a failure, a time-out, and the names of variables of a process: one answer for each."""
    answers = [line["text"] for line in used.seen.all("answer")]
    assert all(answer.startswith(TOLD) for answer in answers)
    added, forbidden, failed, hung, variables = (answer.removeprefix(TOLD) for answer in answers)
    assert added == "42"
    assert forbidden.startswith("The user did not allow this.")
    assert failed.startswith("The call failed: ")
    assert "the printer is on fire" in failed
    assert hung.startswith("The call failed: ")
    assert "2 s" in hung
    assert "PATH" in variables.split()
    assert not [name for name in variables.split() if name.startswith("VOICEMODE_")]
    assert len([event for event in used.events if event["type"] == "response.output_text.done"]) == len(_ORDERS)


def test_each_call_has_its_end(used: Held) -> None:
    """As its event and its item say."""
    ends = [event["type"].rpartition(".")[2] for event in used.events if event["type"].startswith("response.mcp_call.")]
    assert ends == ["in_progress", "completed", *["in_progress", "failed"] * 2, "in_progress", "completed"]
    done = [event["item"] for event in used.events if event["type"] == "conversation.item.done"]
    calls = [item for item in done if item["type"] == "mcp_call"]
    assert [(item["name"], item["error"] and item["error"]["type"]) for item in calls][:2] == [
        ("add", None),
        ("fail", "tool_execution_error"),
    ]
    assert calls[0]["output"] == "42"
    assert calls[0]["approval_request_id"]


def test_the_vendors_types_take_all_that_was_sent(used: Held) -> None:
    """Of three packages."""
    assert refused(used.events) == []


def test_what_the_sdk_keeps_of_it(used: Held) -> None:
    """@openai/agents tells of calls that are over, and of the tools that there are."""
    if used.seen.all("completed"):
        assert [line["name"] for line in used.seen.all("completed")] == ["add", "fail", "hang", "variables"]
        assert {"add", "variables"} <= set(used.seen.all("available")[0]["tools"])
