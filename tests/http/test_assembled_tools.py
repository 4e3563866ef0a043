"""Whose tools a call gets, and what becomes of its jobs when it ends."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from pathlib import Path

import pytest

from tests.stubs.mcp_servers import STDIO
from voicemode.assemble_records import build_session_records
from voicemode.assemble_tools import build_tools
from voicemode.dialogue_tools import CallServerTool, ListServerTools, ServerToolsFailed, ToolHostReport, ToolServer
from voicemode.http.sessions import SessionWish
from voicemode.record import Surface
from voicemode.settings import Settings

pytestmark = pytest.mark.anyio

WITHIN_S = 20.0


def settings(home: Path) -> Settings:
    script = "import sys, time; time.sleep(0.5); print('the result')"
    command = shlex.join([sys.executable, "-c", script, "{text}"])
    return Settings(mcp_servers=f"own={STDIO}", job_command=command, base_dir=home)


async def reported(reports: list[ToolHostReport], count: int) -> list[ToolHostReport]:
    async with asyncio.timeout(WITHIN_S):
        while len(reports) < count:
            await asyncio.sleep(0.02)
    return reports


async def test_only_the_owner_has_the_owners_servers_and_jobs(tmp_path: Path) -> None:
    """They act with the owner's rights; a guest's conversation is not the owner's."""
    records = build_session_records(settings(tmp_path))
    tools = build_tools(settings(tmp_path), os.environ, records)
    for identity, refused in (("owner", False), ("a guest", True)):
        reports: list[ToolHostReport] = []
        host = tools(SessionWish(identity=identity, thread=identity, memory="incognito"))(reports.append)
        host.command(ListServerTools("i1", ToolServer("own")))
        host.command(ListServerTools("i2", ToolServer("voicemode")))
        await reported(reports, 2)
        await host.aclose()
        assert [isinstance(report, ServerToolsFailed) for report in reports] == [refused, refused]
    await tools.aclose()
    await records.aclose()


async def test_a_result_that_nobody_was_there_for_is_in_the_record(tmp_path: Path) -> None:
    """In memory too: the next call of the thread begins with it."""
    records = build_session_records(settings(tmp_path))
    tools = build_tools(settings(tmp_path), os.environ, records)
    wish = SessionWish(thread="kitchen", memory="incognito")
    reports: list[ToolHostReport] = []
    host = tools(wish)(reports.append)
    host.command(CallServerTool("i1", ToolServer("voicemode"), "start_job", '{"task": "x"}'))
    await reported(reports, 1)
    await host.aclose()
    record = await records.open("incognito", "kitchen", "owner", Surface.WEBSOCKET)
    async with asyncio.timeout(WITHIN_S):
        while not (entries := await record.history()):
            await asyncio.sleep(0.05)
    assert entries[0].text.endswith("the result")
    assert len(reports) == 1
    await record.aclose()
    await tools.aclose()
    await records.aclose()
