"""Ends what this process started, should it die without doing so itself: a person's command acts with that person's rights.

A shell waits beside it for the end of a pipe that only this process holds. It begins with the first command, gets no variables
but a path, writes nothing, and is nobody's child.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading

__all__ = ["begin", "forget", "watch"]

_SHELL = "/bin/sh"
_SCRIPT = r"""
exec 3<&0
{
    trap '' HUP INT TERM
    groups=' '
    while read -r what group <&3; do
        case $what in
            +) groups="$groups$group " ;;
            -) case $groups in *" $group "*) groups="${groups%%" $group "*} ${groups#*" $group "}" ;; esac ;;
        esac
    done
    for group in $groups; do kill -9 "-$group"; done
} &
"""
"""Lines of "+ group" and "- group". A group's number is not used again as long as one of it lives."""
_START_S = 10.0


class _Watch:
    """The one of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups: set[int] = set()
        self._pipe: int | None = None

    def begin(self) -> None:
        with self._lock:
            if self._pipe is None:
                self._start()

    def add(self, group: int) -> None:
        with self._lock:
            self._groups.add(group)
            self._tell(b"+ %d\n" % group)

    def remove(self, group: int) -> None:
        with self._lock:
            if group in self._groups:
                self._groups.remove(group)
                self._tell(b"- %d\n" % group)

    def _tell(self, line: bytes) -> None:
        if self._pipe is not None:
            with contextlib.suppress(OSError):
                os.write(self._pipe, line)
                return
            os.close(self._pipe)  # somebody killed it
            self._pipe = None
        self._start()

    def _start(self) -> None:
        # A machine without a shell has to do without.
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            self._pipe = _started()
            os.write(self._pipe, b"".join(b"+ %d\n" % group for group in self._groups))


_WATCH = _Watch()


def begin() -> None:
    """Blocks until it watches, which takes a moment the first time. A command should start after that."""
    if os.name == "posix":
        _WATCH.begin()


def watch(group: int) -> None:
    """Kill that process group when this process is gone, if it still lives then."""
    if os.name == "posix":
        _WATCH.add(group)


def forget(group: int) -> None:
    """It has ended, or may go on. Idempotent."""
    _WATCH.remove(group)


def _started() -> int:
    """The end of the pipe that it is told on. Raises OSError, SubprocessError."""
    theirs, ours = os.pipe()
    try:
        os.set_blocking(ours, False)  # one that was stopped must not stop us
        subprocess.run(  # noqa: S603 - nothing of it is a person's
            [_SHELL, "-c", _SCRIPT],
            stdin=theirs,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.defpath},
            start_new_session=True,
            timeout=_START_S,
            check=True,
        )
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    return ours
