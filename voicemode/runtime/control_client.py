"""Asks a running conversation to pause, stop or listen: for ``voicemode control``, which a key starts.

A key must act at once, so this is one blocking exchange, and nothing is imported that takes time.
"""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

from voicemode.errors import VoicemodeError
from voicemode.wire.control import LINE_LIMIT, ControlAction, ControlAnswer, ControlState, read_answer, write_request

__all__ = ["ControlError", "NobodyTalkingError", "control"]

ANSWER_TIMEOUT_S = 3.0
"""For what was asked for. Above the deadline of the server, so that its own reason arrives."""
STATUS_TIMEOUT_S = 0.5
"""For the question whether a process talks, when all are asked."""


class ControlError(VoicemodeError):
    """A conversation cannot be controlled; ``pid`` is its process."""

    code = "control"

    def __init__(self, pid: int, problem: str, remedy: str = "") -> None:
        super().__init__(pid, problem, remedy)
        self.pid, self.detail, self.remedy = pid, problem, remedy

    @property
    def problem(self) -> str:
        return f"The voicemode process {self.pid} {self.detail}."


class NobodyTalkingError(ControlError):
    """There is no conversation that could be controlled."""

    code = "nobody_talking"

    def __init__(self) -> None:
        super().__init__(0, "", "Try it while an agent speaks or listens.")

    @property
    def problem(self) -> str:
        return "Nobody is talking."


class _GoneError(Exception):
    """The process has ended and left its door behind."""


def control(base_dir: Path, action: ControlAction) -> tuple[int | None, ControlAnswer]:
    """Ask the conversation that goes on; returns the number of its process and what came of it.

    Of several processes the one that holds the floor is asked, else one that is not idle. ``STATUS`` is answered also where
    nobody talks: (None, idle). Takes up to ``ANSWER_TIMEOUT_S``, and for each process that hangs ``STATUS_TIMEOUT_S`` more.
    Raises NobodyTalkingError, ControlError.
    """
    doors = _doors(base_dir / "control")
    holder = _floor_holder(base_dir)
    for pid in sorted(doors, key=lambda pid: (pid != holder, pid)):
        try:
            if pid == holder or _talks(pid, doors[pid]):
                return pid, _ask(pid, doors[pid], action, ANSWER_TIMEOUT_S)
        except _GoneError:  # and perhaps another one talks by now
            continue
    if action is ControlAction.STATUS:
        return None, ControlAnswer(ok=True)
    raise NobodyTalkingError


def _doors(folder: Path) -> dict[int, Path]:
    """Where each process that can be asked takes connections: a socket, or a file with port and secret."""
    try:
        paths = list(folder.iterdir())
    except OSError:
        return {}
    return {int(path.stem): path for path in paths if path.stem.isdecimal() and path.suffix in {".sock", ".json"}}


def _floor_holder(base_dir: Path) -> int | None:
    try:
        pid = json.loads((base_dir / "floor.json").read_bytes())["pid"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return pid if isinstance(pid, int) else None


def _talks(pid: int, door: Path) -> bool:
    """False also for one that hangs or answers nonsense: another one may talk. Raises _GoneError."""
    try:
        return _ask(pid, door, ControlAction.STATUS, STATUS_TIMEOUT_S).state is not ControlState.IDLE
    except ControlError:
        return False


def _ask(pid: int, door: Path, action: ControlAction, timeout_s: float) -> ControlAnswer:
    """One exchange. Raises ControlError, _GoneError."""
    deadline = time.monotonic() + timeout_s
    try:
        connection, secret = _knock(door, timeout_s)
        with connection:
            connection.sendall(write_request(action, secret))
            line = _read_line(connection, deadline)
    except (ConnectionRefusedError, FileNotFoundError):
        raise _GoneError from None
    except TimeoutError:
        raise ControlError(
            pid, f"did not answer within {timeout_s:g} s", "It may hang; end the conversation in its client."
        ) from None
    except OSError as error:
        raise ControlError(pid, f"could not be asked ({error.strerror or error})") from None
    try:
        return read_answer(line)
    except ValueError:
        whole = line.endswith(b"\n") or len(line) > LINE_LIMIT
        problem = "gave an answer that this version does not understand" if whole else "ended before it answered"
        raise ControlError(pid, problem) from None


def _knock(door: Path, timeout_s: float) -> tuple[socket.socket, str]:
    """A connection, and the secret to send over it ("" for a socket). Raises OSError."""
    if door.suffix == ".json":
        try:
            told = json.loads(door.read_bytes())
            port, secret = int(told["port"]), str(told["secret"])
        except (ValueError, KeyError, TypeError):
            raise FileNotFoundError from None
        return socket.create_connection(("127.0.0.1", port), timeout=timeout_s), secret
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout_s)
        connection.connect(str(door))
    except BaseException:
        connection.close()
        raise
    return connection, ""


def _read_line(connection: socket.socket, deadline: float) -> bytes:
    """Up to its end, the end of the connection, or more than a line may have. Raises OSError."""
    line = b""
    while not line.endswith(b"\n") and len(line) <= LINE_LIMIT:
        connection.settimeout(max(deadline - time.monotonic(), 0.001))
        piece = connection.recv(LINE_LIMIT)
        if not piece:
            break
        line += piece
    return line
