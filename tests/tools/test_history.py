"""The tool ``history``: an agent finds what was said, and no more than it can bear."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from mcp.types import CallToolResult

from tests.mcp_server.plugin import DEAF
from tests.mcp_server.process import ServerProcess
from voicemode.assemble_kept import build_records
from voicemode.record import Entry, Role, Surface
from voicemode.settings import Settings
from voicemode.tools.history import history


def call(base: Path, **arguments: Any) -> CallToolResult:
    app = SimpleNamespace(loaded=SimpleNamespace(settings=Settings(base_dir=base)))
    context: Any = SimpleNamespace(request_context=SimpleNamespace(lifespan_context=app))
    return asyncio.run(history(context, **arguments))


def lines(result: CallToolResult) -> list[str]:
    assert result.structured_content is not None
    return [line["text"] for line in result.structured_content["lines"]]


def talk(base: Path, thread: str, *words: str, identity: str = "owner") -> None:
    async def keep() -> None:
        records = build_records(Settings(base_dir=base))
        record = await records.open(thread, surface=Surface.CONVERSE, identity=identity)
        for number, each in enumerate(words):
            record.put(Entry(str(number), Role.USER, each))
        await records.aclose()

    asyncio.run(keep())


def test_an_agent_finds_a_conversation_and_a_word_in_it(tmp_path: Path) -> None:
    """The list, the turns, and the places."""
    talk(tmp_path, "trip", "by the river", "over the bridge")
    talk(tmp_path, "trip", "somebody else's river", identity="eve")
    assert lines(call(tmp_path)) == ["by the river"]
    assert lines(call(tmp_path, thread="trip")) == ["by the river", "over the bridge"]
    assert lines(call(tmp_path, thread="trip", last=1)) == ["over the bridge"]
    result = call(tmp_path, search="river")
    assert lines(result) == ["by the river"]
    assert "You: by the river" in result.content[0].text  # type: ignore[union-attr]


def test_nothing_is_said_as_nothing(tmp_path: Path) -> None:
    """And nothing is made on disk."""
    result = call(tmp_path / "base", search="river")
    assert (lines(result), result.is_error) == ([], False)
    assert "VOICEMODE_MEMORY" in call(tmp_path / "base").content[0].text  # type: ignore[union-attr]
    assert not (tmp_path / "base").exists()


def test_a_thread_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """With what to do."""
    result = call(tmp_path, thread="none")
    assert result.is_error
    assert result.structured_content is not None
    assert result.structured_content["code"] == "thread_not_found"


def test_a_result_has_an_end(tmp_path: Path) -> None:
    """Long turns are cut, and the oldest are left out; how many is said."""
    talk(tmp_path, "t", *(f"{number} {'x' * 5_000}" for number in range(30)))
    result = call(tmp_path, thread="t", last=100)
    assert len(json.dumps(result.structured_content)) < 30_000
    assert lines(result)[-1].startswith("29 ")
    assert result.structured_content is not None
    assert result.structured_content["left_out"] == 30 - len(lines(result)) > 0


def test_it_is_there_only_when_it_was_asked_for(tmp_path: Path) -> None:
    """And costs an agent little."""
    with ServerProcess({**DEAF, "VOICEMODE_TOOLS": "history", "VOICEMODE_BASE_DIR": str(tmp_path)}) as server:
        server.initialize()
        (tool,) = server.wait(server.request("tools/list"))["result"]["tools"]
        assert tool["name"] == "history"
        assert tool["annotations"]["readOnlyHint"] is True
        assert len(json.dumps(tool)) / 4 <= 500
        answer = server.wait(server.call("history"))["result"]
        assert "No conversation is kept" in answer["content"][0]["text"]
