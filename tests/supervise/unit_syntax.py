"""How systemd reads a unit, written anew after systemd.syntax(7), systemd.unit(5) and systemd.service(5)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

__all__ = ["MANAGER", "dump", "settings", "specifiers", "words"]

_ESCAPES = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "s": " ",
    "\\": "\\",
    '"': '"',
    "'": "'",
}
_DIGITS = {"x": (2, 16), "u": (4, 16), "U": (8, 16)}

MANAGER = next((path for path in ("/lib/systemd/systemd", "/usr/lib/systemd/systemd") if Path(path).exists()), None)
"""systemd itself; None where it is not installed."""


def settings(unit: str) -> list[tuple[str, str]]:
    """Name and raw value of each line, in order; comments, sections and blank lines are none."""
    found, pending = [], ""
    for line in re.split(r"[\n\r\0]", unit):
        if not pending and line.lstrip()[:1] in ("", "#", ";", "["):
            continue
        if line.endswith("\\"):
            pending += line[:-1] + " "
            continue
        name, _, value = (pending + line).partition("=")
        pending = ""
        found.append((name.strip(), value.strip()))
    return found


def words(value: str, *, c_escapes: bool = True) -> list[str]:
    """The words of a value, without quotes and escapes. ReadWritePaths= and its like know no C escapes."""
    found: list[str] = []
    word: str | None = None
    quote = ""
    rest = list(value)
    while rest:
        character = rest.pop(0)
        if character == "\\":
            word = (word or "") + (_unescaped(rest) if c_escapes else rest.pop(0))
        elif quote:
            if character == quote:
                quote = ""
            else:
                word = (word or "") + character
        elif character in "\"'":
            quote, word = character, word or ""
        elif character in " \t\n\r":
            if word is not None:
                found.append(word)
            word = None
        else:
            word = (word or "") + character
    assert not quote, "a quote is not closed"
    return [*found, *([word] if word is not None else [])]


def _unescaped(rest: list[str]) -> str:
    kind = rest.pop(0)
    if kind in _ESCAPES:
        return _ESCAPES[kind]
    count, base = _DIGITS.get(kind, (3, 8))
    if base == 8:
        rest.insert(0, kind)
    digits = "".join(rest.pop(0) for _ in range(count))
    return chr(int(digits, base))


def specifiers(text: str) -> str:
    """Resolve %: only %% is allowed here, everything else would become something else."""
    assert not re.search(r"%(?!%)", re.sub("%%", "", text)), f"a specifier in {text!r}"
    return text.replace("%%", "%")


def dump(unit: Path, home: Path) -> str:
    """What systemd itself makes of a unit in ``home``/.config/systemd/user: it loads all, prints it and starts nothing."""
    assert MANAGER is not None
    setpriv = [shutil.which("setpriv") or "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
    prefix: list[str] = []
    if os.geteuid() == 0:  # as root it refuses to, and for others the folder must be theirs
        prefix = setpriv
        for path in (home, *home.rglob("*")):
            os.chown(path, 65534, 65534)
    done = subprocess.run(
        [*prefix, MANAGER, "--user", "--test", f"--unit={unit.name}"],
        env={"HOME": str(home), "XDG_RUNTIME_DIR": str(home), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        timeout=60,
        check=True,
    )
    text = done.stdout.decode(errors="surrogateescape")
    start = text.index(f"-> Unit {unit.name}:")
    return text[start : text.find("\n\t-> Unit ", start + 1)]
