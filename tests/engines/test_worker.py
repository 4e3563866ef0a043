"""The client of a worker process, with a worker that crashes, hangs, floods and babbles on request."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

from voicemode.engines import worker as worker_module
from voicemode.engines.worker import Worker
from voicemode.errors import EngineError

STUBS = Path(__file__).parent / "stub_workers"
SEARCH = os.pathsep.join([str(STUBS), *filter(None, [os.environ.get("PYTHONPATH")])])
ENVIRON = {**os.environ, "PYTHONPATH": SEARCH, "CLAUDE_CODE_MESSAGING_TOKEN": "sekrit"}
Result = TypeVar("Result")


def with_worker(use: Callable[[Worker], Awaitable[Result]], *, idle_s: float = 60, module: str = "stub_worker") -> Result:
    """Run ``use`` on a worker that is closed afterwards, and see that its process is gone by then."""

    async def run() -> Result:
        worker = Worker(module, engine="stub", idle_s=idle_s, environ=ENVIRON)
        try:
            return await use(worker)
        finally:
            pid = worker.pid
            await worker.aclose()
            assert pid is None or not psutil.pid_exists(pid)

    return asyncio.run(run())


async def echo(worker: Worker) -> bool:
    """Whether the worker works."""
    message = await worker.ask({"op": "echo", "say": "hello"}, b"12345", timeout_s=10)
    return bool(message.header["said"] == "hello" and message.header["size"] == 5)


async def gone(pid: int) -> bool:
    """Whether the process ends within 5 s."""
    for _ in range(500):
        if not psutil.pid_exists(pid):
            return True
        await asyncio.sleep(0.01)
    return False


def test_requests_are_answered_by_one_process_that_starts_with_the_first() -> None:
    """Nothing runs before it is needed, and nothing is started twice."""

    async def use(worker: Worker) -> None:
        assert worker.pid is None
        assert await echo(worker)
        pid = worker.pid
        assert all(await asyncio.gather(*(echo(worker) for _ in range(20))))
        assert worker.pid == pid

    with_worker(use)


def test_an_answer_arrives_in_parts_in_order() -> None:
    """As sound does."""

    async def use(worker: Worker) -> list[object]:
        async with worker.exchange({"op": "echo", "say": "x", "parts": 5}, b"ab", gap_s=10) as answer:
            return [message.header.get("part", "end") async for message in answer]

    assert with_worker(use) == [0, 1, 2, 3, 4, "end"]


@pytest.mark.parametrize(
    ("op", "problem"),
    [
        ("crash", "the model is not where it should be"),
        ("raise", "no such voice"),
        ("garbage", "nonsense"),
        ("unheard of", "unheard of"),
    ],
)
def test_whatever_goes_wrong_is_an_engine_error_and_the_next_request_works(op: str, problem: str) -> None:
    """A crash shows its last words on stderr; garbage on the pipe is recognised; an exception is told."""

    async def use(worker: Worker) -> None:
        assert await echo(worker)
        with pytest.raises(EngineError, match=problem):
            await worker.ask({"op": op}, timeout_s=10)
        assert await echo(worker)

    with_worker(use)


def test_a_worker_that_cannot_start_says_why() -> None:
    """A module that is not there is an error with Python's own words."""

    async def use(worker: Worker) -> None:
        with pytest.raises(EngineError, match="No module named"):
            await echo(worker)

    with_worker(use, module="no_such_worker")


def test_a_killed_worker_is_an_engine_error_and_the_next_request_works() -> None:
    """The kernel kills the largest process first when memory is short."""

    async def use(worker: Worker) -> None:
        async with worker.exchange({"op": "stream"}, gap_s=10) as answer:
            await anext(answer)
            pid = worker.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            with pytest.raises(EngineError, match="ended"):
                async for _ in answer:
                    pass
        assert await echo(worker)
        assert worker.pid != pid

    with_worker(use)


def test_a_worker_that_hangs_is_killed_at_the_deadline() -> None:
    """No wait is without end, and the next request does not inherit the hang."""

    async def use(worker: Worker) -> None:
        assert await echo(worker)
        pid = worker.pid
        assert pid is not None
        with pytest.raises(EngineError, match=r"within 0\.2 s"):
            await worker.ask({"op": "stubborn"}, timeout_s=0.2)
        assert await gone(pid)
        assert await echo(worker)

    with_worker(use)


def test_two_hundred_cancelled_requests_and_then_one_that_works() -> None:
    """At every stage: before the start, while waiting, and under a flood that fills the pipe; always in one process."""

    async def use(worker: Worker) -> None:
        assert await echo(worker)
        pid = worker.pid
        for number in range(200):
            task = asyncio.create_task(worker.ask({"op": "stream" if number % 2 else "echo", "say": ""}, timeout_s=10))
            await asyncio.sleep(0.001 * (number % 4))
            task.cancel()
            await asyncio.wait({task})
        assert await echo(worker)
        assert worker.pid == pid

    with_worker(use)


def test_a_request_cancelled_while_the_process_starts_leaves_none_behind() -> None:
    """Cancelled at once, ten times over: at most one process lives, and it works."""

    async def use(worker: Worker) -> None:
        for number in range(10):
            task = asyncio.create_task(echo(worker))
            await asyncio.sleep(0.002 * number)
            task.cancel()
            await asyncio.wait({task})
        assert await echo(worker)
        living = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
        assert [child.pid for child in living if "stub_worker" in " ".join(child.cmdline())] == [worker.pid]

    with_worker(use)


def test_a_worker_that_ignores_a_cancellation_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next request waits for it only so long."""
    monkeypatch.setattr(worker_module, "_SETTLE_S", 0.1)

    async def use(worker: Worker) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await worker.ask({"op": "stubborn"}, timeout_s=10)
        assert await echo(worker)

    with_worker(use)


def test_leaving_an_answer_early_cancels_the_rest() -> None:
    """The request of an endless stream ends when its reader goes."""

    async def use(worker: Worker) -> None:
        async with worker.exchange({"op": "stream"}, gap_s=10) as answer:
            await anext(answer)
        assert await echo(worker)

    with_worker(use)


def test_what_a_library_prints_does_not_corrupt_the_pipe() -> None:
    """Standard output belongs to the protocol alone, from Python and from C; standard input is empty for libraries."""

    async def use(worker: Worker) -> object:
        return (await worker.ask({"op": "print"}, timeout_s=10)).header["read"]

    assert with_worker(use) == ""


def test_an_idle_worker_ends_and_comes_back_when_needed() -> None:
    """120 MB are not kept for a conversation that is over."""

    async def use(worker: Worker) -> None:
        assert await echo(worker)
        pid = worker.pid
        assert pid is not None
        assert await gone(pid)
        async with asyncio.timeout(5):  # the process is gone before anybody here can know
            while worker.pid is not None:
                await asyncio.sleep(0.01)
        assert await echo(worker)

    with_worker(use, idle_s=0.05)


def test_a_busy_worker_is_not_idle() -> None:
    """A request that takes longer than the idle time is finished."""

    async def use(worker: Worker) -> None:
        async with worker.exchange({"op": "stream"}, gap_s=10) as answer:
            pid = worker.pid
            until = time.monotonic() + 0.2
            while time.monotonic() < until:
                await anext(answer)
            assert worker.pid == pid
        assert await echo(worker)

    with_worker(use, idle_s=0.05)


def test_closing_kills_and_reaps_within_300_ms_in_the_middle_of_a_request() -> None:
    """Whoever waited is told, and a closed worker does not come back."""

    async def use(worker: Worker) -> None:
        assert await echo(worker)
        pid = worker.pid
        assert pid is not None
        waiting = asyncio.create_task(worker.ask({"op": "stubborn"}, timeout_s=30))
        await asyncio.sleep(0.05)
        began = time.monotonic()
        await worker.aclose()
        assert time.monotonic() - began < 0.3
        assert not psutil.pid_exists(pid)
        with pytest.raises(EngineError):
            await waiting
        with pytest.raises(EngineError, match="closed"):
            await echo(worker)
        await worker.aclose()

    with_worker(use)


def test_a_worker_sees_no_secret_of_ours() -> None:
    """SECURITY 31: the client's messaging token stays in this process."""

    async def use(worker: Worker) -> dict[str, str]:
        environ: dict[str, str] = (await worker.ask({"op": "environment"}, timeout_s=10)).header["environ"]
        return environ

    environ = with_worker(use)
    assert "PATH" in environ
    assert "sekrit" not in str(environ)
    assert environ["OPENBLAS_NUM_THREADS"] == "1"  # small products on all cores take twice the processor time


def test_the_working_directory_is_not_where_a_worker_finds_its_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project that has a json.py of its own must not have it run."""
    (tmp_path / "json.py").write_text("raise SystemExit('hijacked')")
    monkeypatch.chdir(tmp_path)
    assert with_worker(echo)


PARENT = """
import asyncio, os, sys
from voicemode.engines.worker import Worker
async def main():
    worker = Worker("stub_worker", engine="stub", environ={**os.environ, "PYTHONPATH": sys.argv[1]})
    await worker.ask({"op": "echo", "say": ""}, timeout_s=10)
    if sys.argv[2] == "busy":
        task = asyncio.create_task(worker.ask({"op": "stubborn"}, timeout_s=60))
        await asyncio.sleep(0.2)
    print(worker.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


@pytest.mark.parametrize("state", ["idle", "busy"])
def test_a_worker_is_gone_within_5_s_of_its_parent_being_killed(state: str) -> None:
    """SIGKILL leaves the parent no time to clean up, also while the worker is in the middle of something."""
    with subprocess.Popen([sys.executable, "-c", PARENT, SEARCH, state], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert psutil.pid_exists(pid)
        parent.kill()
    assert asyncio.run(gone(pid))
