"""Tools of real servers in conversations of a real server: ``type: mcp`` from the client's message to the spoken answer."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shlex
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.http.test_serve import running
from tests.stubs.client import SpeechStub
from tests.stubs.mcp_servers import STDIO, http_server
from voicemode.http.tokens import install_token

pytestmark = pytest.mark.anyio

WITHIN_S = 60.0

Event = dict[str, Any]


class Talk:
    """A client that reads everything."""

    def __init__(self, socket: ClientConnection, stub: SpeechStub) -> None:
        self._socket, self.stub = socket, stub
        self.log: list[Event] = []

    async def tell(self, kind: str, **fields: Any) -> None:
        await self._socket.send(json.dumps({"type": kind, **fields}))

    async def until(self, wanted: Callable[[Event], object]) -> Event:
        """The next event like this."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                event: Event = json.loads(await self._socket.recv())
                self.log.append(event)
                if wanted(event):
                    return event

    async def configure(self, *servers: Event) -> None:
        session = {"type": "realtime", "output_modalities": ["text"], "tools": [{"type": "mcp", **each} for each in servers]}
        await self.tell("session.update", session=session)
        for _ in servers:
            await self.until(lambda event: event["type"].startswith("mcp_list_tools.") and "in_progress" not in event["type"])

    async def say(self, text: str) -> None:
        """Typed by the person, who wants an answer."""
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
        await self.tell("conversation.item.create", item=item)
        await self.tell("response.create")

    async def ask_for(self, name: str, arguments: str = "{}") -> Event:
        """The item of a call that the responder makes when it is asked something."""
        self.stub.configure(chat_text="", chat_calls=[["call_1", name, arguments]])
        await self.say("Please.")
        await self.until(lambda event: event["type"] == "response.mcp_call.in_progress")
        self.stub.configure(chat_text="It is done.", chat_calls=[])
        done = await self.until(lambda event: event["type"] == "conversation.item.done" and event["item"]["type"] == "mcp_call")
        item_done: Event = done["item"]
        return item_done

    async def answer(self) -> str:
        """The next words of the assistant."""
        event = await self.until(lambda event: event["type"] == "response.output_text.done" and event["text"])
        return str(event["text"])


@contextlib.asynccontextmanager
async def talking(home: Path, **settings: str) -> AsyncIterator[Talk]:
    """With a server in a process of its own."""
    with SpeechStub(1) as stub:
        engines = {f"VOICEMODE_{task}_BASE_URLS": stub.url for task in ("TTS", "STT", "CHAT")}
        with running(home, "--port", "0", **{**engines, "VOICEMODE_BUILTIN": "false", **settings}) as server:
            port = await asyncio.to_thread(server.ready)
            token = install_token(server.home / ".voicemode").get_secret_value()
            headers = {"Authorization": f"Bearer {token}"}
            async with connect(f"ws://127.0.0.1:{port}/v1/realtime", additional_headers=headers, proxy=None) as socket:
                yield Talk(socket, stub)


async def test_a_process_and_a_server_over_http_are_listed_called_and_told(tmp_path: Path) -> None:
    """The server goes on with the answer by itself."""
    with http_server() as (port, _):
        settings = {"VOICEMODE_MCP_SERVERS": f"own={STDIO}", "VOICEMODE_MCP_ALLOWED_HOSTS": f"127.0.0.1:{port}"}
        async with talking(tmp_path, **settings) as talk:
            web = {"server_label": "web", "server_url": f"http://127.0.0.1:{port}/mcp", "authorization": "quicksilver"}
            for server in ({"server_label": "own"}, web):
                await talk.configure({**server, "require_approval": "never"})
                item = await talk.ask_for("add", '{"a": 20, "b": 22}')
                assert (item["output"], item["server_label"]) == ("42", server["server_label"])
                assert await talk.answer() == "It is done."
                item = await talk.ask_for("fail")
                assert item["error"]["type"] == "tool_execution_error"
                assert await talk.answer() == "It is done."
            assert "quicksilver" not in json.dumps(talk.log)


async def test_a_server_that_is_not_allowed_is_told_and_the_conversation_goes_on(tmp_path: Path) -> None:
    """Nothing is allowed without settings."""
    async with talking(tmp_path) as talk:
        await talk.configure({"server_label": "web", "server_url": "http://127.0.0.1:9/mcp"})
        assert talk.log[-1]["type"] == "mcp_list_tools.failed"
        await talk.say("Hello.")
        assert await talk.answer()


async def test_a_job_is_told_when_it_is_done(tmp_path: Path) -> None:
    """A receipt first; its result is an answer of its own, which nobody asked for."""
    script = "import sys, time; time.sleep(1.5); print('the keys are in', sys.argv[1])"
    command = shlex.join([sys.executable, "-c", script, "{text}"])
    async with talking(tmp_path, VOICEMODE_JOB_COMMAND=command) as talk:
        await talk.configure({"server_label": "voicemode", "require_approval": "never"})
        item = await talk.ask_for("start_job", '{"task": "the kitchen"}')
        assert json.loads(item["output"])["status"] == "started"
        assert await talk.answer() == "It is done."
        talk.stub.configure(chat_text="Your keys are in the kitchen.")
        assert await talk.answer() == "Your keys are in the kitchen."
        asked = [event["body"]["messages"] for event in talk.stub.events("chat") if "body" in event]
        assert "the keys are in the kitchen" in json.dumps(asked[-1])
