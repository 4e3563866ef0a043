"""The door at which ``voicemode control`` knocks: a socket of this process that only its own user may use.

The folder is 0700, the socket 0600, and the user at the other end is asked of the kernel. Where there are no such sockets, or
the path is too long for one, it is a port of this machine, and whoever connects must know a secret from a file (0600).
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import logging
import os
import secrets
import socket
import struct
import time
from pathlib import Path
from typing import Protocol

from voicemode.errors import VoicemodeError
from voicemode.wire.control import LINE_LIMIT, ControlAction, ControlAnswer, read_request, write_answer

__all__ = ["ControlServer", "Controllable", "peer_uid"]

REQUEST_TIMEOUT_S = 1.0
"""From the connection to the end of the request, which is sent at once."""
ACTION_TIMEOUT_S = 2.0
"""For what was asked for. Opening a microphone takes longest, up to about one second with Bluetooth."""
MOST_CONNECTIONS = 8
"""At a time; more are closed. A held key that repeats 30 times a second has two or three under way."""

_log = logging.getLogger(__name__)


class Controllable(Protocol):
    """A conversation, or whatever else a key can control."""

    async def control(self, action: ControlAction) -> ControlAnswer:
        """Do it, and say how it is then. Returns within ``ACTION_TIMEOUT_S``. May be cancelled at any await.

        Asked for what holds already it changes nothing, and that is fine (``ok``). Where there is nothing to act on, it is not,
        and ``detail`` says why. ``STATUS`` never changes anything.
        """


class ControlServer:
    """Takes requests for one ``Controllable`` between ``start`` and ``aclose``; one for each process."""

    def __init__(self, base_dir: Path, target: Controllable, *, sockets: bool = hasattr(socket, "AF_UNIX")) -> None:
        """``sockets``: use a socket in the file system where that is possible."""
        self._folder, self._target, self._sockets = base_dir / "control", target, sockets
        self._server: asyncio.Server | None = None
        """None before ``start`` and after ``aclose``."""
        self._door: Path | None = None
        """What clients find; None where ``_server`` is."""
        self._secret = ""
        """What they must send; empty for a socket, whose user the kernel tells."""
        self._connections: set[asyncio.Task[None]] = set()
        self._starting = asyncio.Lock()

    @property
    def open(self) -> bool:
        """Whether requests are taken."""
        return self._server is not None

    async def start(self) -> None:
        """Open the door; removes those of processes that ended. Idempotent.

        A disk that is full or read-only costs the keys and not the conversation: it is logged, and ``open`` stays false.
        """
        async with self._starting:
            if self._server is not None:
                return
            try:
                for each in (self._folder.parent, self._folder):
                    each.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._folder.chmod(0o700)
                await asyncio.to_thread(remove_left_doors, self._folder)
                await self._open()
            except OSError as error:
                _log.warning("no key can control this conversation: %s", error.strerror or error)

    async def _open(self) -> None:
        """Raises OSError."""
        with contextlib.ExitStack() as undo:
            listener = _socket_in(self._folder, undo) if self._sockets else None
            if listener is None:
                await self._open_port()
                return
            self._server = await asyncio.start_unix_server(self._accept, sock=listener, limit=LINE_LIMIT)
            undo.pop_all()
        # By its final name it can be connected to from the first moment, so that nobody takes it for one left behind.
        self._door = _half(self._folder).replace(self._folder / f"{os.getpid()}.sock")

    async def _open_port(self) -> None:
        """Raises OSError."""
        self._secret = secrets.token_hex(16)
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=LINE_LIMIT)
        half = _half(self._folder)
        try:
            descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump({"port": server.sockets[0].getsockname()[1], "secret": self._secret}, file)
            self._door = half.replace(self._folder / f"{os.getpid()}.json")
        except OSError:
            server.close()
            raise
        self._server = server

    async def aclose(self) -> None:
        """Close the door; connections under way end. Idempotent."""
        server, self._server = self._server, None
        door, self._door = self._door, None
        if door is not None:
            with contextlib.suppress(OSError):
                door.unlink(missing_ok=True)
        if server is not None:
            server.close()
        # What a key asked for may be what ends the process: that connection cannot wait for itself.
        others = self._connections - {asyncio.current_task()}
        for connection in others:
            connection.cancel()
        if others:
            await asyncio.wait(others)

    # -- one connection

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - narrows the type: the server runs this as a task
        if len(self._connections) >= MOST_CONNECTIONS or self._server is None:
            writer.close()
            return
        self._connections.add(task)
        try:
            if self._is_own(writer):
                writer.write(write_answer(await self._answer(reader)))
                async with asyncio.timeout(REQUEST_TIMEOUT_S):
                    await writer.drain()
        except (OSError, TimeoutError):
            pass  # nobody waits for the answer any more
        finally:
            self._connections.discard(task)
            writer.close()

    def _is_own(self, writer: asyncio.StreamWriter) -> bool:
        """Whether the other end is this user, as far as the connection tells it."""
        if self._secret:
            return True
        uid = peer_uid(writer.get_extra_info("socket"))
        if uid == os.geteuid():
            return True
        _log.warning("a request of another user (%s) was refused", uid)
        return False

    async def _answer(self, reader: asyncio.StreamReader) -> ControlAnswer:
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                line = await reader.readuntil()
            action, secret = read_request(line)
            known = hmac.compare_digest(secret.encode(), self._secret.encode())
        except (EOFError, asyncio.LimitOverrunError, TimeoutError):
            return ControlAnswer(ok=False, detail=f"no line of up to {LINE_LIMIT} bytes came")
        except ValueError as error:
            return ControlAnswer(ok=False, detail=str(error))
        return await self._act(action) if known else ControlAnswer(ok=False, detail="the secret is wrong")

    async def _act(self, action: ControlAction) -> ControlAnswer:
        try:
            async with asyncio.timeout(ACTION_TIMEOUT_S):
                return await self._target.control(action)
        except TimeoutError:
            return ControlAnswer(ok=False, detail=f"{action} was not done within {ACTION_TIMEOUT_S:g} s")
        except VoicemodeError as error:
            return ControlAnswer(ok=False, detail=str(error))
        except Exception:  # noqa: BLE001  (whatever breaks in it, whoever pressed the key is told, and the next press is heard)
            _log.exception("%s failed", action)
            return ControlAnswer(ok=False, detail=f"{action} failed; the log of the process says why")


# -- files and sockets


def _half(folder: Path) -> Path:
    """The door's name until it is ready; longer than the final one, so that what can be bound can be connected to."""
    return folder / f"{os.getpid()}.sock.part"


def _socket_in(folder: Path, undo: contextlib.ExitStack) -> socket.socket | None:
    """A listening socket with the name ``_half``; None where the system has none or the path is too long. Raises OSError."""
    path = _half(folder)
    path.unlink(missing_ok=True)
    listener = undo.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
    listener.setblocking(False)
    try:
        listener.bind(str(path))
    except OSError as error:
        if error.errno is None:  # Python's own "AF_UNIX path too long": 104 to 108 bytes
            return None
        raise
    undo.callback(path.unlink, missing_ok=True)
    path.chmod(0o600)
    listener.listen(MOST_CONNECTIONS)
    return listener


def remove_left_doors(folder: Path) -> None:
    """Remove those at which nobody answers any more. Blocks for up to ``_KNOCK_TIMEOUT_S`` for each process that hangs."""
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            if path.suffix == ".part" and time.time() - path.stat().st_mtime < _STARTING_S:
                continue
            if path.name.partition(".")[0].isdecimal() and not _is_answered(path):
                path.unlink(missing_ok=True)


_KNOCK_TIMEOUT_S = 0.2
_STARTING_S = 60.0
"""A door is unfinished for milliseconds."""


def _is_answered(door: Path) -> bool:
    """Whether somebody takes connections, as far as that can be told. Raises OSError."""
    try:
        if ".json" in door.suffixes:
            address = ("127.0.0.1", int(json.loads(door.read_bytes())["port"]))
            socket.create_connection(address, timeout=_KNOCK_TIMEOUT_S).close()
            return True
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knock:
            knock.settimeout(_KNOCK_TIMEOUT_S)
            knock.connect(str(door))
    except (ConnectionRefusedError, ValueError, KeyError, TypeError):  # the last three: no file of ours, or half of one
        return False
    except TimeoutError:
        pass
    return True


def peer_uid(connection: socket.socket) -> int | None:
    """The user at the other end of a socket in the file system, from the kernel; None where it does not tell."""
    try:
        if hasattr(socket, "SO_PEERCRED"):  # Linux: struct ucred {pid, uid, gid}
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            return int(struct.unpack("3i", credentials)[1])
        return _peer_euid(connection)
    except (OSError, AttributeError, struct.error):
        return None


def _peer_euid(connection: socket.socket) -> int:
    """By getpeereid(3) of macOS and the BSDs. Raises OSError, AttributeError where there is none."""
    import ctypes  # here and not above: Linux has no use for it

    uid, gid = ctypes.c_uint32(), ctypes.c_uint32()  # uid_t and gid_t there
    failed = ctypes.CDLL(None, use_errno=True).getpeereid(connection.fileno(), ctypes.byref(uid), ctypes.byref(gid))
    if failed:
        raise OSError(ctypes.get_errno(), "getpeereid")
    return uid.value
