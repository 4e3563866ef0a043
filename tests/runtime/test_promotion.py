"""What was said reaches gptme: once it can be reached, once, and also after this process has ended."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from voicemode.errors import EndpointError
from voicemode.providers.gptme import FinishedCall
from voicemode.runtime.promotion import Promotion

TURNS = (("user", "Hello."), ("assistant", "Hello there."))


def finished(name: str, *, kept: bool = True) -> FinishedCall:
    return FinishedCall(name, "kitchen", TURNS, kept=kept)


class Gptme:
    """Takes calls, unless it was told to refuse the next ones."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problems: list[EndpointError] = []
        self.got: list[FinishedCall] = []
        self.pauses: list[float] = []
        self.awake = asyncio.Event()
        self.awake.set()

    async def promote(self, call: FinishedCall) -> None:
        if self.problems:
            raise self.problems.pop(0)
        self.got.append(call)

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await self.awake.wait()

    def promotion(self) -> Promotion:
        return Promotion(self.promote, self.folder, sleep=self.sleep)


def told(story: Callable[[Gptme], Coroutine[Any, Any, None]], folder: Path) -> None:
    async def run() -> None:
        await story(Gptme(folder))

    asyncio.run(run())


async def settled(promotion: Promotion) -> None:
    async with asyncio.timeout(5):
        while promotion.waiting:
            await asyncio.sleep(0)


def test_a_call_is_handed_over_and_leaves_nothing(tmp_path: Path) -> None:
    """Once it is, its file is gone."""

    async def story(gptme: Gptme) -> None:
        promotion = gptme.promotion()
        promotion.finished(finished("a"))
        await settled(promotion)
        assert [call.call_id for call in gptme.got] == ["a"]
        assert list(gptme.folder.iterdir()) == []
        await promotion.aclose()

    told(story, tmp_path / "gptme")


def test_gptme_is_asked_until_it_takes_it_with_longer_and_longer_pauses(tmp_path: Path) -> None:
    """Up to ten minutes; the calls keep their order."""

    async def story(gptme: Gptme) -> None:
        gptme.problems = [EndpointError("gptme", "connection refused") for _ in range(12)]
        promotion = gptme.promotion()
        for name in "ab":
            promotion.finished(finished(name))
        await settled(promotion)
        assert [call.call_id for call in gptme.got] == ["a", "b"]
        assert gptme.pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]

    told(story, tmp_path)


def test_what_gptme_did_not_take_is_handed_over_by_the_next_process(tmp_path: Path) -> None:
    """With the same name, so that it is added once."""

    async def story(gptme: Gptme) -> None:
        gptme.problems = [EndpointError("gptme", "connection refused")]
        gptme.awake.clear()
        promotion = gptme.promotion()
        promotion.finished(finished("a"))
        for _ in range(5):
            await asyncio.sleep(0)
        await promotion.aclose()
        assert gptme.got == []
        later = gptme.promotion()
        later.start()
        await settled(later)
        assert gptme.got == [finished("a")]

    told(story, tmp_path)


def test_what_is_not_to_be_kept_never_touches_the_disk(tmp_path: Path) -> None:
    """It waits in memory, and has a last moment when the process ends."""

    async def story(gptme: Gptme) -> None:
        gptme.problems = [EndpointError("gptme", "connection refused")]
        gptme.awake.clear()
        promotion = gptme.promotion()
        promotion.finished(finished("a", kept=False))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not gptme.folder.exists()
        asyncio.get_running_loop().call_soon(gptme.awake.set)
        await promotion.aclose()
        assert [call.call_id for call in gptme.got] == ["a"]

    told(story, tmp_path / "gptme")


def test_a_call_that_gptme_will_never_take_does_not_keep_the_others_waiting(tmp_path: Path) -> None:
    """It is set aside, for whoever wants to see it."""

    async def story(gptme: Gptme) -> None:
        gptme.problems = [EndpointError("gptme", "answered with 404", 404, retryable=False)]
        promotion = gptme.promotion()
        for name in "ab":
            promotion.finished(finished(name))
        await settled(promotion)
        assert [call.call_id for call in gptme.got] == ["b"]
        assert [path.name for path in gptme.folder.iterdir()] == ["a.refused"]

    told(story, tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX'")
def test_what_waits_is_the_owners_alone(tmp_path: Path) -> None:
    """0600 in 0700."""

    async def story(gptme: Gptme) -> None:
        gptme.problems = [EndpointError("gptme", "connection refused")]
        gptme.awake.clear()
        promotion = gptme.promotion()
        promotion.finished(finished("a"))
        assert stat.S_IMODE(gptme.folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((gptme.folder / "a.json").stat().st_mode) == 0o600
        await promotion.aclose()

    told(story, tmp_path / "gptme")


def test_a_damaged_file_is_passed_over(tmp_path: Path) -> None:
    """And the others are handed over."""

    async def story(gptme: Gptme) -> None:
        for text in ("", "{", "[]", '{"turns": 5}', '{"conversation": "x", "turns": [[1]]}'):
            (gptme.folder / f"{len(text)}.json").write_text(text)
        promotion = gptme.promotion()
        promotion.start()
        promotion.finished(finished("a"))
        await settled(promotion)
        assert [call.call_id for call in gptme.got] == ["a"]

    told(story, tmp_path)


def test_a_full_disk_does_not_keep_a_call_from_gptme(tmp_path: Path) -> None:
    """It is handed over from memory."""

    async def story(gptme: Gptme) -> None:
        gptme.folder.write_text("a file where the folder should be")
        promotion = gptme.promotion()
        promotion.finished(finished("a"))
        await settled(promotion)
        assert [call.call_id for call in gptme.got] == ["a"]

    told(story, tmp_path / "gptme")


def test_a_call_in_which_nobody_spoke_is_none(tmp_path: Path) -> None:
    """gptme is not asked to begin a conversation for it."""

    async def story(gptme: Gptme) -> None:
        promotion = gptme.promotion()
        promotion.finished(FinishedCall("a", "kitchen", ()))
        assert promotion.waiting == 0

    told(story, tmp_path)
