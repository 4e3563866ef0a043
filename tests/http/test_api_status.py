"""What the page's status view is told: by whom, how soon, how often it looks, and that no key is in it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from tests.http.serving import served
from tests.security.assembled import house
from voicemode.errors import SettingsError
from voicemode.http.api_status import FRESH_S, StatusBoard, status_routes
from voicemode.http.sessions import SessionWish

pytestmark = pytest.mark.anyio

STATUS = "/api/status"


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class _Looking:
    """A part that gives what it is told to, and counts."""

    def __init__(self, value: Any = "fine") -> None:
        self.value, self.count = value, 0
        self.may = asyncio.Event()
        self.may.set()

    async def __call__(self) -> Any:
        self.count += 1
        await self.may.wait()
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


async def test_only_the_owner_is_told(tmp_path: Path) -> None:
    """Nobody without a key, nobody with a secret for one session; it tells of folders and addresses."""
    async with served(more=status_routes(StatusBoard({}))) as server:
        secret, _ = server.secrets.make(60, SessionWish())
        async with server.stranger() as stranger, server.client() as owner:
            assert (await stranger.get(STATUS)).status_code == 401
            assert (await stranger.get(STATUS, headers={"Authorization": f"Bearer {secret}"})).status_code == 403
            answer = await owner.get(STATUS)
            assert answer.status_code == 200
            assert answer.headers["cache-control"] == "no-store"
    del tmp_path


async def test_what_is_slow_does_not_hold_back_the_rest() -> None:
    """It is said to be looked at, one look at a time, and told when it is there."""
    slow, quick = _Looking(), _Looking("here")
    slow.may.clear()
    board = StatusBoard({"slow": slow, "quick": quick}, patience_s=0.01)
    for _ in range(3):
        told = await board.read()
        assert told["slow"] == {"looking": True}
        assert told["quick"]["seen"] == "here"
    assert slow.count == 1
    slow.may.set()
    await asyncio.sleep(0)
    assert (await board.read())["slow"]["seen"] == "fine"
    await board.aclose()


async def test_what_was_seen_a_moment_ago_is_told_again() -> None:
    """And looked at anew later: a page that is left open costs an endpoint a request every few seconds."""
    part, clock = _Looking(), _Clock()
    board = StatusBoard({"part": part}, clock)
    await board.read()
    clock.now = FRESH_S - 0.1
    assert (await board.read())["part"]["age_s"] == pytest.approx(FRESH_S - 0.1)
    assert part.count == 1
    clock.now = FRESH_S
    assert (await board.read())["part"]["age_s"] == 0
    assert part.count == 2


@pytest.mark.parametrize(
    ("error", "words"),
    [(SettingsError("VOICEMODE_X", "it is odd"), "VOICEMODE_X"), (RuntimeError("sk-secret"), "Something went wrong")],
    ids=["ours", "a fault"],
)
async def test_a_part_that_fails_says_so_beside_the_others(error: Exception, words: str) -> None:
    """In our words; those of a fault of our own may be a key. What was seen before is still told."""
    part, clock = _Looking(), _Clock()
    board = StatusBoard({"part": part, "other": _Looking()}, clock)
    await board.read()
    part.value, clock.now = error, FRESH_S
    told = await board.read()
    assert words in told["part"]["problem"]
    assert "sk-secret" not in str(told)
    assert told["part"]["seen"] == "fine"
    assert "problem" not in told["other"]


async def test_a_board_that_is_closed_looks_no_more() -> None:
    """Whatever was under way is given up."""
    part = _Looking()
    part.may.clear()
    board = StatusBoard({"part": part}, patience_s=0.01)
    await board.read()
    before = asyncio.all_tasks()
    await board.aclose()
    assert asyncio.all_tasks() < before


async def test_the_assembled_server_tells_what_doctor_tells_within_two_seconds(tmp_path: Path) -> None:
    """With the remedies; an endpoint that is not there is no reason to wait, and keys are masked."""
    async with (
        house(
            tmp_path,
            stt_base_urls="http://127.0.0.1:9/v1",
            responder_command="agent --from https://someone:a-password@example.org {text}",
            stt_api_key="sk-of-the-test",
            builtin="false",
        ) as here,
        here.web() as web,
    ):
        began = time.monotonic()
        told = (await web.get(STATUS)).json()
        assert time.monotonic() - began < 10  # of a busy machine; the board itself waits 1.5 s
        deadline = time.monotonic() + 20
        while any(part["looking"] for part in told.values()):
            assert time.monotonic() < deadline
            told = (await web.get(STATUS)).json()
        assert set(told) == {"server", "speech", "services", "models", "devices", "settings"}
        text = str(told)
        assert "sk-of-the-test" not in text
        assert here.token not in text
        assert "a-password" not in text
        speech = told["speech"]["seen"]
        stt = [check for check in speech["checks"] if check["name"] == "speech-to-text"]
        assert {check["state"] for check in stt} == {"failed"}
        assert any("VOICEMODE_STT_BASE_URLS" in check["remedy"] for check in stt)
        (endpoint,) = [each for each in speech["endpoints"] if each["task"] == "stt"]
        assert not endpoint["works"]
        settings = {each["name"]: each for each in told["settings"]["seen"]}
        assert settings["VOICEMODE_STT_API_KEY"]["value"] == "********"
        assert settings["VOICEMODE_STT_API_KEY"]["changed"]
        assert not settings["VOICEMODE_VAD"]["changed"]
        assert {each["service"] for each in told["services"]["seen"]} >= {"whisper", "kokoro"}
