"""The token of this installation: made at the first start, its owner's alone, and the key to whatever changes something."""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from voicemode.errors import SettingsError
from voicemode.supervise.private import make_folder, write_private

__all__ = ["MIN_TOKEN", "TOKEN_FILE", "install_secret", "install_token", "is_one_of", "new_install_token"]

TOKEN_FILE = "token"  # noqa: S105  (the name of the file)
MIN_TOKEN = 16
"""Characters: what others could try in a day must not find it."""
_BYTES = 32
"""256 bits, from the system's source of chance."""
_MOST = 4096
"""Bytes of the file that are read."""


@dataclass(frozen=True, slots=True)
class _What:
    """What a file holds, in errors."""

    name: str
    remedy: str


_TOKEN = _What("the token", "'voicemode token --new' makes another one")


def install_token(base_dir: Path, given: SecretStr | None = None) -> SecretStr:
    """The token: ``given`` by a setting, else the one on disk, made (0600, in one step) if there is none.

    Two processes that start at once get the same one. Raises SettingsError when it is too short, or others can read the file.
    """
    if given is not None:
        return _checked(given.get_secret_value(), "VOICEMODE_SERVE_TOKEN", "environment")
    return _kept(base_dir / TOKEN_FILE, _TOKEN)


def install_secret(base_dir: Path, file: str, given: SecretStr | None, setting: str) -> SecretStr:
    """Another secret of this installation, kept in a file as the token is. Raises SettingsError as ``install_token``."""
    if given is not None:
        return _checked(given.get_secret_value(), setting, "environment")
    return _kept(base_dir / file, _What(f"the secret '{file}'", "remove it, and another one is made"))


def new_install_token(base_dir: Path) -> SecretStr:
    """Replace it; what has the old one is refused once the server was started again. Raises SettingsError."""
    path = base_dir / TOKEN_FILE
    try:
        make_folder(base_dir)
        write_private(path, f"{_new()}\n")
    except OSError as error:
        raise SettingsError("the token", f"it cannot be made: {error.strerror}", where=str(path)) from error
    return _read(path, _TOKEN)


def is_one_of(given: Iterable[bytes], token: SecretStr) -> bool:
    """Whether the token is among them, found out in a time that says nothing about it."""
    wanted = token.get_secret_value().encode()
    return any([hmac.compare_digest(each, wanted) for each in given])  # noqa: C419  (each is compared, whatever came before)


def _new() -> str:
    return f"vm_{secrets.token_urlsafe(_BYTES)}"


def _kept(path: Path, what: _What) -> SecretStr:
    try:
        if not path.exists():
            make_folder(path.parent)
            _make(path)
        return _read(path, what)
    except OSError as error:
        raise SettingsError(what.name, f"it cannot be read or made: {error.strerror}", where=str(path)) from error


def _make(path: Path) -> None:
    """The first one wins: a link is made in one step, or not at all."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    write_private(temporary, f"{_new()}\n")
    try:
        with contextlib.suppress(FileExistsError):
            _link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):  # a file system without links
        descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(source.read_bytes())


def _read(path: Path, what: _What) -> SecretStr:
    with path.open("rb") as file:
        data = file.read(_MOST)
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    if os.name == "posix" and mode & 0o077:
        problem = f"others can read it, so it is no secret any more; {what.remedy}"
        raise SettingsError(what.name, problem, where=str(path))
    return _checked(data.decode("ascii", "replace").strip(), what.name, str(path))


def _checked(token: str, key: str, where: str) -> SecretStr:
    if len(token) < MIN_TOKEN or not token.isascii() or not token.isprintable() or " " in token or "," in token:
        raise SettingsError(key, "it is not a token", f"{MIN_TOKEN} or more ASCII characters without spaces and commas", where)
    return SecretStr(token)
