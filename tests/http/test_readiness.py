"""Who would answer a conversation that began now."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tests.security.assembled import house
from tests.stubs.client import SpeechStub
from voicemode.http.logs import log_to_stderr

pytestmark = pytest.mark.anyio

UPSTREAM = "ws://127.0.0.1:9/v1/realtime"


async def test_an_upstream_is_named_before_who_answers_in_its_place(tmp_path: Path, stub: SpeechStub) -> None:
    """It is not asked for that: its connections belong to conversations."""
    async with house(tmp_path, upstream=UPSTREAM, chat_base_urls=stub.url) as here, here.web() as web:
        told = (await web.get("/readyz")).json()["checks"]["responder"]
    assert told == {"ready": True, "by": ["upstream 127.0.0.1:9", stub.url], "remark": "VOICEMODE_UPSTREAM is set"}


@pytest.mark.parametrize("settings", [{"upstream_fallback": "false"}, {"chat_base_urls": ""}])
async def test_nobody_else_is_named_where_nobody_takes_its_place(
    tmp_path: Path, stub: SpeechStub, settings: dict[str, str]
) -> None:
    """Where it is not wanted, or only an echo is there."""
    chosen = {"upstream": UPSTREAM, "chat_base_urls": stub.url, **settings}
    async with house(tmp_path, **chosen) as here, here.web() as web:
        assert (await web.get("/readyz")).json()["checks"]["responder"]["by"] == ["upstream 127.0.0.1:9"]


def test_the_library_for_servers_of_tools_logs_nothing_of_a_call() -> None:
    """From the start on, before anybody uses one; it logs what is sent and answered."""
    root = logging.getLogger()
    before, handlers = root.level, root.handlers[:]
    try:
        log_to_stderr("debug", as_json=False)
        assert not logging.getLogger("mcp.client.session").isEnabledFor(logging.INFO)
    finally:
        root.setLevel(before)
        root.handlers[:] = handlers
