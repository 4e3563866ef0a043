"""A stopped service is started when a conversation lacks it, and nobody waits for it."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from voicemode.errors import EngineError
from voicemode.supervise.layout import Layout
from voicemode.supervise.on_demand import AGAIN_S, OnDemand

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Machine:
    """Services that take until ``ready`` is set to start."""

    def __init__(self, folder: Path, *installed: str) -> None:
        self.started: list[str] = []
        self.ready, self.now, self.fails = threading.Event(), 0.0, False
        for name in installed:
            record = Layout(folder, name).record
            record.parent.mkdir(parents=True)
            record.write_text("{}")
        self.on_demand = OnDemand(folder, lambda: self, clock=lambda: self.now)

    def start(self, name: str, *, wait_s: float) -> None:
        self.started.append(name)
        assert wait_s == 0
        assert self.ready.wait(5)
        if self.fails:
            raise EngineError(name, "its port is taken")

    async def settle(self) -> None:
        """Let what was begun end."""
        self.ready.set()
        async with asyncio.timeout(5):
            while self.on_demand._starting:
                await asyncio.sleep(0.001)


async def test_an_installed_service_is_started_once_while_it_is_lacking(tmp_path: Path) -> None:
    """However many sentences lack it meanwhile."""
    machine = Machine(tmp_path, "kokoro", "whisper")
    for task in ("tts", "tts", "stt", "tts"):
        machine.on_demand.lacks(task)
    await machine.settle()
    assert sorted(machine.started) == ["kokoro", "whisper"]


async def test_what_is_not_installed_is_not_started(tmp_path: Path) -> None:
    """Nor anything for chat, which no service of ours serves."""
    machine = Machine(tmp_path, "whisper")
    machine.on_demand.lacks("tts")
    machine.on_demand.lacks("chat")
    await machine.settle()
    assert machine.started == []


async def test_one_that_does_not_come_up_is_tried_again_after_a_while(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """And its reason is logged, not raised into a conversation."""
    machine = Machine(tmp_path, "kokoro")
    machine.fails = True
    machine.on_demand.lacks("tts")
    await machine.settle()
    assert "its port is taken" in caplog.text
    machine.now = AGAIN_S / 2
    machine.on_demand.lacks("tts")
    await machine.settle()
    assert machine.started == ["kokoro"]
    machine.now = AGAIN_S
    machine.on_demand.lacks("tts")
    await machine.settle()
    assert machine.started == ["kokoro", "kokoro"]


async def test_closing_does_not_wait_for_a_service(tmp_path: Path) -> None:
    """It comes up by itself, for the next conversation."""
    machine = Machine(tmp_path, "kokoro")
    machine.on_demand.lacks("tts")
    await asyncio.sleep(0.01)
    async with asyncio.timeout(1):
        await machine.on_demand.aclose()
    assert machine.started == ["kokoro"]
    assert not machine.ready.is_set()
    machine.ready.set()
