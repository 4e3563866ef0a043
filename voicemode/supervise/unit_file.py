"""A unit or agent that we write and that a person may have changed: told by a stamp, the hash of what we wrote."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from voicemode.supervise.errors import EditedByHandError, NoRightsError
from voicemode.supervise.private import make_folder, write_private

__all__ = ["UnitFile", "secret_command", "stamped", "untouched"]

_STAMP = re.compile(r"^.*\bvoicemode sha256=([0-9a-f]{64})\b.*\n", re.MULTILINE)
_MAX_BYTES = 1 << 20
"""Nothing of ours is as large; what is, somebody else wrote."""
_WITH_SECRETS = (
    "import json,os,sys;f,*a=sys.argv[1:];s=json.load(open(f,encoding='utf-8'));os.execve(a[0],a,{**os.environ,**s})"
)
"""Becomes the service, with what a file of mode 0600 adds to its environment: units and agents can be read by more."""


def stamped(text: str, after: str, comment: str) -> str:
    """``text`` with a stamp behind its beginning ``after``; ``comment`` holds the stamp at ``{}``."""
    line = comment.format(f"voicemode sha256={hashlib.sha256(text.encode()).hexdigest()}")
    return f"{after}{line}\n{text.removeprefix(after)}"


def untouched(text: str) -> bool:
    """Whether it is as we wrote it, by this or an earlier version."""
    found = _STAMP.search(text)
    return found is not None and hashlib.sha256(_STAMP.sub("", text, count=1).encode()).hexdigest() == found[1]


def secret_command(python: str, secrets: Path, command: Sequence[str]) -> tuple[str, ...]:
    """``command`` with the variables of the file ``secrets``, which only its reader sees."""
    return (python, "-I", "-c", _WITH_SECRETS, str(secrets), *command)


class UnitFile:
    """One file of a service that only its owner can read."""

    def __init__(self, service: str, path: Path) -> None:
        self._service, self.path = service, path

    @property
    def backup(self) -> Path:
        """Where changes by hand are kept when the file is replaced or removed."""
        return self.path.with_name(f"{self.path.name}.edited")

    def read(self) -> str | None:
        """What is there; None for nothing. Raises NoRightsError."""
        try:
            with self.path.open("rb") as file:
                return file.read(_MAX_BYTES).decode(errors="replace")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise NoRightsError(self._service, self.path, error.strerror or "it cannot be read") from error

    def is_edited(self) -> bool:
        """Something is there, and it is not what we wrote."""
        text = self.read()
        return text is not None and not untouched(text)

    def diff(self, text: str) -> str:
        """From what is there to ``text``; empty when that is the same."""
        before = self.read()
        name = str(self.path)
        lines = difflib.unified_diff(
            (before or "").splitlines(), text.splitlines(), "/dev/null" if before is None else name, name, lineterm=""
        )
        return "\n".join(lines)

    def write(self, text: str, *, force: bool = False) -> bool:
        """Have it be ``text``, atomically and 0600; whether it was not before.

        Raises EditedByHandError, unless ``force``: then what a person wrote is kept as ``backup``.
        """
        if self.read() == text:
            return False
        if self.is_edited():
            if not force:
                raise EditedByHandError(self._service, self.path)
            self._keep()
        self._replace(text)
        return True

    def write_secrets(self, secrets: Mapping[str, str]) -> None:
        """Have it hold the variables, or not be there when there are none."""
        if not secrets:
            self._delete()
            return
        text = json.dumps(dict(secrets), indent=1, sort_keys=True)
        if self.read() != text:
            self._replace(text)

    def differs(self, secrets: Mapping[str, str]) -> bool:
        """Whether ``write_secrets`` would change something."""
        return self.read() != (json.dumps(dict(secrets), indent=1, sort_keys=True) if secrets else None)

    def remove(self) -> bool:
        """Have it gone; whether it was there. What a person wrote is kept as ``backup``."""
        if self.read() is None:
            return False
        if self.is_edited():
            self._keep()
        self._delete()
        return True

    def discard(self) -> bool:
        """Have it gone without a copy; whether it was there."""
        was = self.path.exists()
        self._delete()
        return was

    def _keep(self) -> None:
        try:
            self.path.replace(self.backup)
        except OSError as error:
            raise NoRightsError(self._service, self.path, error.strerror or "it cannot be moved") from error

    def _delete(self) -> None:
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise NoRightsError(self._service, self.path, error.strerror or "it cannot be removed") from error

    def _replace(self, text: str) -> None:
        try:
            make_folder(self.path.parent)
            write_private(self.path, text)
        except OSError as error:
            raise NoRightsError(self._service, self.path, error.strerror or "it cannot be written") from error
