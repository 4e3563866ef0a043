"""Who is asked when a key is pressed, and what is said when nobody answers as he should."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from voicemode.runtime import control_client
from voicemode.runtime.control import remove_left_doors
from voicemode.runtime.control_client import ControlError, NobodyTalkingError, control
from voicemode.runtime.floor import Floor
from voicemode.wire.control import LINE_LIMIT, ControlAction, ControlAnswer, ControlState

OTHER_PROCESS = """
import asyncio, os, sys
from pathlib import Path
from voicemode.runtime.control import ControlServer
from voicemode.runtime.floor import Floor
from voicemode.wire.control import ControlAnswer, ControlState

class Conversation:
    async def control(self, action):
        if sys.argv[2] == "dies" and action != "status":
            os.kill(os.getpid(), 9)
        if sys.argv[2] == "hangs":
            await asyncio.sleep(60)
        return ControlAnswer(True, ControlState.IDLE if sys.argv[2] == "idle" else ControlState.SPEAKING, sys.argv[2])

async def main():
    base = Path(sys.argv[1])
    await ControlServer(base, Conversation()).start()
    async with Floor(base, "another", 0).hold() if "floor" in sys.argv[3:] else asyncio.timeout(60):
        print("open", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


@contextlib.contextmanager
def another(base: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Another voicemode process that can be asked."""
    command = [sys.executable, "-c", OTHER_PROCESS, str(base), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
            yield process
        finally:
            process.kill()


# -- several processes


def test_the_one_that_holds_the_floor_is_asked(base: Path) -> None:
    """However many are open and whatever they say of themselves."""
    with another(base, "talks"), another(base, "the holder", "floor") as holder, another(base, "talks"):
        assert control(base, ControlAction.PAUSE) == (holder.pid, ControlAnswer(True, ControlState.SPEAKING, "the holder"))


def test_without_a_floor_the_one_that_is_not_idle_is_asked(base: Path) -> None:
    """Idle ones are many: one for each editor window."""
    with another(base, "idle"), another(base, "talks") as talking, another(base, "idle"):
        assert control(base, ControlAction.PAUSE)[0] == talking.pid


def test_a_process_that_hangs_is_passed_over(base: Path) -> None:
    """It costs a moment, not the key."""
    with another(base, "hangs"), another(base, "talks") as talking:
        assert control(base, ControlAction.PAUSE)[0] == talking.pid


def test_where_nobody_talks_that_is_said(base: Path) -> None:
    """Without any process, and with one that is idle; to ask for the state is fine."""
    with pytest.raises(NobodyTalkingError, match="Nobody is talking"):
        control(base, ControlAction.PAUSE)
    assert not base.exists(), "asking makes nothing"
    with another(base, "idle"):
        with pytest.raises(NobodyTalkingError):
            control(base, ControlAction.TALK_START)
        assert control(base, ControlAction.STATUS) == (None, ControlAnswer(ok=True, state=ControlState.IDLE))


def test_what_a_killed_process_left_is_passed_over_and_removed(base: Path) -> None:
    """Its socket and its note on the floor outlive it; the next process that starts clears the socket away."""
    with another(base, "the holder", "floor") as killed:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert (base / "control" / f"{killed.pid}.sock").exists()
        assert json.loads((base / "floor.json").read_text())["pid"] == killed.pid
        with pytest.raises(NobodyTalkingError):
            control(base, ControlAction.PAUSE)
        with another(base, "talks") as talking:
            assert control(base, ControlAction.PAUSE)[0] == talking.pid
            assert [path.stem for path in (base / "control").iterdir()] == [str(talking.pid)]


def test_only_what_was_left_is_removed(tmp_path: Path) -> None:
    """Not the door of a process that lives, nor one that is being made, nor files of others."""
    with socket.socket() as port:
        port.bind(("127.0.0.1", 0))
        port.listen()
        living, dead = tmp_path / "10.json", tmp_path / "11.json"
        living.write_text(json.dumps({"port": port.getsockname()[1], "secret": "x"}))
        dead.write_text("{")
        (tmp_path / "12.sock.part").touch()
        (tmp_path / "13.sock.part").touch()
        os.utime(tmp_path / "13.sock.part", (0, 0))
        (tmp_path / "notes.txt").touch()
        remove_left_doors(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["10.json", "12.sock.part", "notes.txt"]


# -- the other end breaks


def test_a_process_that_dies_over_its_answer_is_told(base: Path) -> None:
    """Instead of waiting for it."""
    with another(base, "dies", "floor") as dying, pytest.raises(ControlError, match="ended before it answered") as caught:
        control(base, ControlAction.STOP)
    assert caught.value.pid == dying.pid


@contextlib.contextmanager
def answering(base: Path, answer: Callable[[socket.socket], object]) -> Iterator[None]:
    """Something else at the door of the process that holds the floor."""
    (base / "control").mkdir(parents=True)
    (base / "floor.json").write_text(json.dumps({"pid": 4711}))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(base / "control" / "4711.sock"))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            thread.join(10)


@pytest.mark.parametrize("answer", [b"hello\n", b"{}\n", b'{"ok": true, "state": "dancing"}\n', b"x" * (LINE_LIMIT * 4)])
def test_an_answer_that_is_none_is_told(base: Path, answer: bytes) -> None:
    """Also when it has no end."""
    with answering(base, lambda connection: connection.sendall(answer)), pytest.raises(ControlError, match="process 4711"):
        control(base, ControlAction.PAUSE)


def test_an_answer_without_end_is_not_read_on(base: Path) -> None:
    """What is longer than a line may be is none, and that is known before the deadline."""

    def answer(connection: socket.socket) -> None:
        while True:
            connection.sendall(b"x" * LINE_LIMIT)

    with answering(base, answer), pytest.raises(ControlError, match="does not understand"):
        control(base, ControlAction.PAUSE)


def test_silence_is_told_after_its_deadline(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that hangs holds the key's command for so long, not longer."""
    monkeypatch.setattr(control_client, "ANSWER_TIMEOUT_S", 0.1)
    silent = threading.Event()
    with answering(base, lambda _connection: silent.wait(5)):
        with pytest.raises(ControlError, match=r"did not answer within 0\.1 s"):
            control(base, ControlAction.PAUSE)
        silent.set()


@pytest.mark.parametrize("note", ["", "[]", "{}", '{"pid": "4711"}', "\x00"])
def test_a_broken_note_on_the_floor_names_nobody(base: Path, note: str) -> None:
    """It is written by others, and half of it may be there."""
    base.mkdir()
    (base / "floor.json").write_text(note)
    with another(base, "talks") as talking:
        assert control(base, ControlAction.PAUSE)[0] == talking.pid


def test_the_floor_says_which_process_holds_it(tmp_path: Path) -> None:
    """So that a key reaches it."""

    async def scene() -> object:
        async with Floor(tmp_path, "me", 0).hold():
            return json.loads((tmp_path / "floor.json").read_text())["pid"]

    assert asyncio.run(scene()) == os.getpid()
