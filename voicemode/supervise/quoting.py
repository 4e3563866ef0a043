"""Text as systemd and launchd read it back unchanged: what looks like a command, a variable or an escape stays text.

Sources: systemd.syntax(7) "Quoting", systemd.unit(5) "Specifiers", systemd.service(5) "Command lines", and the source of
systemd 252 where these are silent (``extract_first_word``, ``config_parse_exec``).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence

__all__ = [
    "QuotingError",
    "plist_environment",
    "plist_text",
    "systemd_command",
    "systemd_environment",
    "systemd_path",
    "systemd_text",
    "systemd_word",
]

_SECRET_ENDINGS = ("TOKEN", "KEY", "SECRET", "PASSWORD")
_NOT_IN_PROGRAMS = frozenset("\"'\\")
"""systemd refuses a program whose path has one of them, however it is quoted (``string_is_safe``)."""
_NOT_IN_XML = frozenset("\ufffe\uffff")
_MAX_LINE_BYTES = 1 << 19
"""Half of what systemd reads as one line (``LONG_LINE_MAX``)."""


class QuotingError(ValueError):
    """A value that a unit or an agent cannot hold. ``what`` names it."""

    def __init__(self, what: str, problem: str) -> None:
        super().__init__(what, problem)
        self.what, self.problem = what, problem

    def __str__(self) -> str:
        return f"{self.what} does not fit into it, since {self.problem}"


def systemd_word(text: str, what: str) -> str:
    """One word of ``ExecStart=`` (but the first) or ``Environment=``, quoted. ``what`` names it in the error.

    In ``ExecStart=`` only after the prefix ":", without which ``$`` would be expanded. Raises QuotingError.
    """
    return f'"{"".join(map(_escaped, _checked(text, what)))}"'.replace("%", "%%")


def systemd_path(path: str) -> str:
    """A path of ``ReadWritePaths=``. There a backslash only protects the next character. Raises QuotingError."""
    _refuse_control(path, "a folder", "")
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'


def systemd_text(text: str, what: str) -> str:
    """A value that goes to the end of its line and knows no quotes, such as ``Description=``. Raises QuotingError."""
    _refuse_control(text, what, "")
    if text != text.strip() or text.endswith("\\"):
        raise QuotingError(what, "it begins or ends with a blank or a backslash")
    return text.replace("%", "%%")


def systemd_command(argv: Sequence[str]) -> str:
    """The value of ``ExecStart=``. The prefix ":" (systemd 244) switches variables off. Raises QuotingError."""
    program, *arguments = argv
    _refuse_control(program, "the program", "")
    if not program.startswith("/") or _NOT_IN_PROGRAMS & set(program):
        raise QuotingError("the program", "systemd runs only absolute paths without quotes and backslashes")
    quoted = [f'"{program.replace("%", "%%")}"', *(systemd_word(each, "an argument") for each in arguments)]
    return ":" + " ".join(quoted)


def systemd_environment(variables: Mapping[str, str]) -> str:
    """An ``Environment=`` line for each variable, sorted. Raises QuotingError, also for secrets: others can read units."""
    return "\n".join(
        "Environment=" + systemd_word(f"{_name(name)}={value}", f"the variable {name[:80]}")
        for name, value in sorted(variables.items())
    )


def plist_text(text: str, what: str) -> str:
    """The text itself if a property list in XML can hold it, which knows no control characters. Raises QuotingError."""
    _refuse_control(_checked(text, what), what, "\t\n")
    if _NOT_IN_XML & set(text):
        raise QuotingError(what, "it holds a character that XML cannot")
    return text


def plist_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables, if they may be in an agent. Raises QuotingError, also for secrets."""
    return {_name(name): plist_text(value, f"the variable {name[:80]}") for name, value in sorted(variables.items())}


def _name(name: str) -> str:
    if not name.isascii() or not name.isidentifier():
        raise QuotingError(f"the variable {name[:80]!r}", "that is no name")
    if name.upper().endswith(_SECRET_ENDINGS):
        raise QuotingError(f"the variable {name}", "it is a secret, and others can read units")
    return name


def _checked(text: str, what: str) -> str:
    if "\0" in text or any(unicodedata.category(character) == "Cs" for character in text):
        raise QuotingError(what, "it holds a NUL or bytes that are not UTF-8")
    if len(text.encode()) > _MAX_LINE_BYTES:
        raise QuotingError(what, "it is longer than 512 KiB")
    return text


def _refuse_control(text: str, what: str, allowed: str) -> None:
    if any(unicodedata.category(each) in ("Cc", "Cs") and each not in allowed for each in text):
        raise QuotingError(what, "it holds a control character")


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    # \r ends a line as \n does, and the rest would make the file hard to read; \x is the byte, so only in ASCII.
    return f"\\x{ord(character):02x}" if ord(character) < 0x20 or ord(character) == 0x7F else character
