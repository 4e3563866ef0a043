"""The door of a conversation: its own user is obeyed, everybody and everything else changes nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import stat
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from voicemode.errors import FloorTakenError
from voicemode.runtime.control import MOST_CONNECTIONS, ControlServer, peer_uid
from voicemode.runtime.control_client import ControlError, control
from voicemode.wire.control import LINE_LIMIT, ControlAction, ControlAnswer, ControlState, read_answer, write_request

PAUSE = write_request(ControlAction.PAUSE)


class Conversation:
    """Remembers what it was asked, and speaks until it is asked to pause."""

    def __init__(self) -> None:
        self.asked: list[ControlAction] = []
        self.state = ControlState.SPEAKING
        self.error: Exception | None = None
        self.goes_on: asyncio.Event | None = None
        """What an action waits for; None: for nothing."""

    async def control(self, action: ControlAction) -> ControlAnswer:
        self.asked.append(action)
        if self.goes_on is not None and action is not ControlAction.STATUS:
            await self.goes_on.wait()
        if self.error is not None:
            raise self.error
        if action is ControlAction.PAUSE:
            self.state = ControlState.PAUSED
        return ControlAnswer(ok=True, state=self.state)


@contextlib.asynccontextmanager
async def serving(base: Path, target: Conversation, *, sockets: bool = True) -> AsyncIterator[Path]:
    """A process that talks; gives the door."""
    server = ControlServer(base, target, sockets=sockets)
    await server.start()
    assert server.open
    try:
        (door,) = [path for path in (base / "control").iterdir() if path.stem == str(os.getpid())]
        yield door
    finally:
        await server.aclose()


async def ask(base: Path, action: ControlAction = ControlAction.PAUSE) -> tuple[int | None, ControlAnswer]:
    """As the command does, which blocks."""
    return await asyncio.to_thread(control, base, action)


async def send(door: Path, data: bytes) -> bytes:
    """Send bytes, and return all that comes back."""
    reader, writer = await asyncio.open_unix_connection(door)
    try:
        with contextlib.suppress(ConnectionError):
            writer.write(data)
            await writer.drain()
            writer.write_eof()
            return await asyncio.wait_for(reader.read(), 10)
        return b""
    finally:
        writer.close()


# -- the server


@pytest.mark.parametrize("sockets", [True, False], ids=["socket", "port"])
def test_what_is_asked_is_done_and_told(base: Path, sockets: bool) -> None:
    """Over either kind of door, as often as a key is pressed."""

    async def scene() -> Conversation:
        target = Conversation()
        async with serving(base, target, sockets=sockets):
            told = ControlAnswer(ok=True, state=ControlState.PAUSED)
            assert await ask(base) == (os.getpid(), told)
            assert await ask(base, ControlAction.STATUS) == (os.getpid(), told)
        return target

    assert [each for each in asyncio.run(scene()).asked if each != "status"] == [ControlAction.PAUSE]


@pytest.mark.parametrize("sockets", [True, False], ids=["socket", "port"])
def test_the_door_is_its_owners_and_goes_with_the_process(base: Path, sockets: bool) -> None:
    """Also where the folder was open to others before."""

    async def scene() -> tuple[int, int]:
        (base / "control").mkdir(mode=0o777, parents=True)
        async with serving(base, Conversation(), sockets=sockets) as door:
            return stat.S_IMODE(door.stat().st_mode), stat.S_IMODE(door.parent.stat().st_mode)

    assert asyncio.run(scene()) == (0o600, 0o700)
    assert list((base / "control").iterdir()) == []


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\n",
        b"pause\n",
        b"\x00\xff" * 100 + b"\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b'{"action": "reboot"}\n',
        b"[" * 4000 + b"\n",
    ],
    ids=["nothing", "empty", "word", "binary", "http", "unknown", "brackets"],
)
def test_garbage_is_answered_and_changes_nothing(base: Path, garbage: bytes) -> None:
    """The next request is served."""

    async def scene() -> None:
        target = Conversation()
        async with serving(base, target) as door:
            answer = read_answer(await send(door, garbage))
            assert not answer.ok
            assert answer.detail
            assert target.asked == []
            assert read_answer(await send(door, PAUSE)).ok

    asyncio.run(scene())


def test_a_line_without_end_is_not_read_on(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused when it has become longer than a line may be, and not only when time is up."""
    monkeypatch.setattr("voicemode.runtime.control.REQUEST_TIMEOUT_S", 60.0)

    async def scene() -> None:
        target = Conversation()
        async with serving(base, target) as door:
            reader, writer = await asyncio.open_unix_connection(door)
            writer.write(b"x" * (LINE_LIMIT + 1))
            assert not read_answer(await asyncio.wait_for(reader.read(), 10)).ok
            writer.close()
            await send(door, b"x" * (1 << 20))
            assert target.asked == []
            assert read_answer(await send(door, PAUSE)).ok

    asyncio.run(scene())


def test_who_says_nothing_holds_nobody_up(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others are served meanwhile, and the silent one is sent away."""
    monkeypatch.setattr("voicemode.runtime.control.REQUEST_TIMEOUT_S", 0.2)

    async def scene() -> None:
        async with serving(base, Conversation()) as door:
            reader, writer = await asyncio.open_unix_connection(door)
            assert read_answer(await send(door, PAUSE)).ok
            assert not read_answer(await asyncio.wait_for(reader.read(), 10)).ok
            writer.close()

    asyncio.run(scene())


def test_more_connections_than_keys_make_are_closed(base: Path) -> None:
    """A program gone wild cannot fill the process."""

    async def scene() -> None:
        async with serving(base, Conversation()) as door:
            open_ones = [await asyncio.open_unix_connection(door) for _ in range(MOST_CONNECTIONS)]
            assert await send(door, PAUSE) == b""
            for _, writer in open_ones:
                writer.close()
            while not await send(door, PAUSE):
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(scene(), 20))


@pytest.mark.parametrize(
    ("error", "told"), [(FloorTakenError("me", 1), "Someone else"), (RuntimeError("secret words"), "pause failed")]
)
def test_what_breaks_is_told_and_the_next_press_is_heard(base: Path, error: Exception, told: str) -> None:
    """Our own errors with their sentence, others without their text."""

    async def scene() -> None:
        target = Conversation()
        target.error = error
        async with serving(base, target) as door:
            answer = read_answer(await send(door, PAUSE))
            assert not answer.ok
            assert answer.detail.startswith(told)
            assert "secret words" not in answer.detail
            target.error = None
            assert read_answer(await send(door, PAUSE)).ok

    asyncio.run(scene())


def test_an_action_has_a_deadline(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever pressed the key is told that it was not done, and it is cancelled."""
    monkeypatch.setattr("voicemode.runtime.control.ACTION_TIMEOUT_S", 0.05)

    async def scene() -> None:
        target = Conversation()
        target.goes_on = asyncio.Event()
        async with serving(base, target):
            _, answer = await ask(base)
            assert answer.detail == "pause was not done within 0.05 s"
            assert not answer.ok

    asyncio.run(scene())


def test_closing_ends_what_is_under_way(base: Path) -> None:
    """Nobody is left waiting, no task remains, and closing twice is fine."""

    async def scene() -> None:
        target = Conversation()
        target.goes_on = asyncio.Event()
        server = ControlServer(base, target)
        await server.start()
        await server.start()
        asking = asyncio.create_task(ask(base, ControlAction.STOP))
        while ControlAction.STOP not in target.asked:
            await asyncio.sleep(0.01)
        await server.aclose()
        await server.aclose()
        with pytest.raises(ControlError):
            await asking
        assert not server.open
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(scene())


def test_an_action_may_close_the_door(base: Path) -> None:
    """Where a key ends the process, the connection does not wait for itself."""

    class Ending(Conversation):
        async def control(self, action: ControlAction) -> ControlAnswer:
            await server.aclose()
            return await super().control(action)

    server = ControlServer(base, Ending())

    async def scene() -> bytes:
        await server.start()
        return await send(base / "control" / f"{os.getpid()}.sock", PAUSE)

    assert read_answer(asyncio.run(asyncio.wait_for(scene(), 10))).ok


def test_a_folder_that_cannot_be_used_costs_the_keys_only(base: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The conversation goes on, and the log says why no key works."""
    base.mkdir()
    (base / "control").write_text("a file")

    async def scene() -> bool:
        server = ControlServer(base, Conversation())
        await server.start()
        await server.aclose()
        return server.open

    assert not asyncio.run(scene())
    assert "no key can control this conversation" in caplog.text


def test_a_path_too_long_for_a_socket_gets_a_port(base: Path) -> None:
    """Home folders may be deep, and a socket's path has 108 bytes at most."""
    deep = base / ("d" * 60) / ("e" * 60)

    async def scene() -> str:
        async with serving(deep, Conversation()) as door:
            assert (await ask(deep))[1].ok
            return door.suffix

    assert asyncio.run(scene()) == ".json"


# -- who asks


def test_a_port_wants_its_secret(base: Path) -> None:
    """Every user of the machine can connect to a port, and only the owner can read the file."""

    async def scene() -> Conversation:
        target = Conversation()
        async with serving(base, target, sockets=False) as door:
            told = json.loads(door.read_text())
            for line in (PAUSE, write_request(ControlAction.PAUSE, "guess"), write_request(ControlAction.PAUSE, "\ud800")):
                reader, writer = await asyncio.open_connection("127.0.0.1", told["port"])
                writer.write(line)
                assert not read_answer(await reader.read()).ok
                writer.close()
        return target

    assert asyncio.run(scene()).asked == []


def test_the_kernel_tells_the_user_at_the_other_end() -> None:
    """Its number, not what the peer claims; nothing for a connection without users."""
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        assert peer_uid(ours) == os.geteuid()
    with socket.socket() as unconnected:
        assert peer_uid(unconnected) in {None, -1, 0xFFFFFFFF}


def test_another_users_request_is_not_even_read(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection ends without a word, and the log says whose it was."""
    monkeypatch.setattr("voicemode.runtime.control.peer_uid", lambda _connection: os.geteuid() + 1)

    async def scene() -> Conversation:
        target = Conversation()
        async with serving(base, target) as door:
            assert await send(door, PAUSE) == b""
        return target

    assert asyncio.run(scene()).asked == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("opened", [False, True], ids=["as made", "opened by mistake"])
def test_a_real_other_user_gets_nothing(base: Path, opened: bool) -> None:
    """Neither through the folder's mode nor, where somebody opened folder and socket, past the kernel's word."""
    knock = "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.sendall(sys.argv[2].encode()); "
    knock += "print(s.recv(100))"

    async def scene() -> tuple[Conversation, str]:
        target = Conversation()
        async with serving(base, target) as door:
            if opened:
                for path, mode in ((base.parent, 0o755), (base, 0o755), (door.parent, 0o755), (door, 0o666)):
                    path.chmod(mode)
            run = await asyncio.to_thread(
                subprocess.run,
                ["/usr/bin/env", "python3", "-c", knock, str(door), PAUSE.decode()],
                user=65534,
                group=65534,
                extra_groups=[],
                capture_output=True,
                text=True,
                cwd="/",
            )
        return target, run.stdout + run.stderr

    target, said = asyncio.run(scene())
    assert target.asked == []
    assert ("b''" in said or "Broken" in said or "reset" in said) if opened else "PermissionError" in said
