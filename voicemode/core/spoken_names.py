"""Addresses, paths and identifiers as people say them.

Text is taken word by word (between spaces) and every pattern is anchored or bounded, so time grows with length only.
"""

from __future__ import annotations

import re
from functools import cache

from voicemode.core.phrases import Phrases

__all__ = ["say_code", "say_names"]

_WORD = re.compile(r"\S+")
_TELLING = re.compile(r"[/\\_@\u2192\u21d2\u27f6]|\.\w|->|=>")
"""Only words that hold one of these can be a name."""
_LEAD, _TRAIL = "\"'([{<\u201c\u2018\u00ab\u201e", "\"')]}>.,;:!?\u2026\u201d\u2019\u00bb\u201c"
_SCHEME = re.compile(r"(?<!\w)(?:(?:https?|wss?|ftp|sftp|file|ssh|git)://|www\.)", re.IGNORECASE)
_AUTHORITY = re.compile(r"[^/?#\\]*")
_PORT = re.compile(r":([0-9]{1,5})\Z")
_EMAIL = re.compile(r"([\w.+-]{1,64})@([\w-]{1,63}(?:\.[\w-]{1,63}){1,8})")
_ROOTED = re.compile(r"(?:~|\.{1,2}|[A-Za-z]:)?[/\\](?=[\w.@])")
_COMPONENT = re.compile(r"[\w.@+:-]*\Z")
_FILE = re.compile(
    r"[\w+-][\w.+-]+\.(?:py|pyi|js|mjs|ts|tsx|jsx|json|jsonl|toml|yaml|yml|md|txt|rs|go|java|kt|swift|c|h|cc|cpp|hpp|cs|rb|php|sh|"
    r"html|css|scss|sql|xml|csv|ini|cfg|conf|env|lock|log|pdf|png|jpg|jpeg|gif|svg|wav|mp3|mp4|zip|gz|tar|exe|dll|so|ipynb|vue)"
    r"(?::[0-9]{1,6})?"
)
_INNER_DOT = re.compile(r"\.(?=[^\W\d])")
_ARROW = re.compile(r"(?:-+>|=>|\u2192|\u21d2|\u27f6)\Z")
_SPOKEN_COMPONENTS = 3
"""People name a file and the folders around it; a path from the root is for reading."""

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_CAPITALIZED = re.compile(r"[A-Z][a-z]+\Z")
_LONGEST_CODE = 80
"""Characters of a code span that people still listen to."""
_OPERATOR = re.compile(
    r"===?|!==?|<=|>=|[-=]>|&&|\|\||(?<![\w-])--?(?=\w)|[<>](?=[0-9])|\A[<>]\Z|[=|+*/\\@]|(?<![0-9.])\.(?=\w)|(?<!\.)\.(?=[^\W\d])"
    r"|(?P<dropped>\.{2,}|\.(?!\w)|[^\w\s.-]+|_)"
)


def say_names(text: str, phrases: Phrases) -> str:
    """Replace URLs, mail addresses, paths, file names, snake_case and arrows in prose; everything else stays as it is."""
    return _WORD.sub(lambda word: _say_word(word.group(), phrases), text)


def say_code(code: str, phrases: Phrases) -> str:
    """Read a code span aloud: identifiers become words, operators their names, brackets and quotes nothing."""
    if len(code) > _LONGEST_CODE:
        return phrases.some_code
    return " ".join(part for word in code.split() if (part := _say_code_word(word, phrases)))


def _say_word(word: str, phrases: Phrases) -> str:
    if word.isalpha() or not _TELLING.search(word):
        return word
    if _ARROW.match(word):
        return phrases.to
    scheme = _SCHEME.search(word)
    begin = scheme.start() if scheme else len(word) - len(word.lstrip(_LEAD))
    end = max(len(word.rstrip(_TRAIL)), begin)
    name, tail = word[begin:end], word[end:]
    if scheme:
        # A bracket that was opened inside the address is closed inside it.
        closing = len(tail) - len(tail.lstrip(")"))
        return f"{word[:begin]}{_say_url(name, phrases)}{tail[min(closing, name.count('(')) :]}"
    if name.endswith("(") and tail.startswith(")"):
        name, tail = name[:-1], tail[1:]
    spoken = _say_name(name, phrases)
    return word if spoken is None else f"{word[:begin]}{spoken}{tail}"


def _say_name(name: str, phrases: Phrases) -> str | None:
    """How ``name`` is said, or None when it is an ordinary word."""
    email = _EMAIL.fullmatch(name)
    if email:
        user = email[1].replace(".", f" {phrases.dot} ").replace("_", " ")
        return f"{user} {phrases.at} {email[2]}"
    if _is_path(name):
        return _say_path(name, phrases)
    if _FILE.fullmatch(name):
        return _say_file(name, phrases)
    if "_" in name and "/" not in name:
        return " ".join(name.replace("_", " ").split())
    return None


def _say_url(url: str, phrases: Phrases) -> str:
    """Its host; never the user, password, path or query, which may be secret and are no use to the ear."""
    rest = _SCHEME.sub("", url, count=1)
    found = _AUTHORITY.match(rest)
    host = found.group().rpartition("@")[2] if found else ""
    port = _PORT.search(host)
    if port:
        host = f"{host[: port.start()]} {phrases.port.format(port[1])}"
    return phrases.link.format(host.removeprefix("www.") or _say_path(rest, phrases))


def _is_path(name: str) -> bool:
    """Whether it is a path, and neither "and/or" nor "1/2" nor "km/h"."""
    if "/" not in name and "\\" not in name:
        return False
    if _ROOTED.match(name):
        return True
    parts = name.replace("\\", "/").split("/")
    if not all(_COMPONENT.match(part) for part in parts):
        return False
    return _FILE.fullmatch(parts[-1]) is not None or "_" in name or (parts[0] != "" and parts[-1] == "")


def _say_path(path: str, phrases: Phrases) -> str:
    parts = [part for part in path.replace("\\", "/").split("/") if part.strip(".")]
    if parts and parts[0] == "~":
        parts[0] = phrases.home
    elif parts and len(parts[0]) == 2 and parts[0][1] == ":":
        parts.pop(0)
    spoken = [_say_file(part, phrases) for part in parts[-_SPOKEN_COMPONENTS:]]
    if len(spoken) == 1 and path[0] in "/\\":
        return f"{phrases.slash} {spoken[0]}"
    return f" {phrases.slash} ".join(spoken)


def _say_file(name: str, phrases: Phrases) -> str:
    spoken = _INNER_DOT.sub(f" {phrases.dot} ", name.replace("_", " "))
    return " ".join(spoken.replace(":", ", ").split())


def _say_code_word(word: str, phrases: Phrases) -> str:
    if _SCHEME.search(word):
        return _say_word(word, phrases)
    bare = word.strip("\"'`,;()[]{}")
    if _is_path(bare) or _FILE.fullmatch(bare):
        return _say_path(bare, phrases)
    names = _operators(phrases)
    spoken = _OPERATOR.sub(lambda mark: " " if mark["dropped"] else f" {names[mark.group()]} ", word)
    return " ".join(_say_identifier(part) for part in spoken.split() if part.strip("-"))


@cache
def _operators(phrases: Phrases) -> dict[str, str]:
    or_equal = f" {phrases.logical_or} {phrases.equals}"
    return {
        **dict.fromkeys(("=", "==", "==="), phrases.equals),
        **dict.fromkeys(("!=", "!=="), phrases.not_equals),
        **dict.fromkeys(("->", "=>"), phrases.to),
        **dict.fromkeys(("/", "\\"), phrases.slash),
        "<": phrases.less,
        ">": phrases.greater,
        "<=": phrases.less + or_equal,
        ">=": phrases.greater + or_equal,
        "&&": phrases.logical_and,
        "||": phrases.logical_or,
        "|": phrases.pipe,
        "+": phrases.plus,
        "*": phrases.star,
        "@": phrases.at,
        ".": phrases.dot,
        "-": phrases.dash,
        "--": f"{phrases.dash} {phrases.dash}",
    }


def _say_identifier(name: str) -> str:
    """The words of camelCase and SCREAMING names; short capitals stay, since they are mostly spelt (API, URL)."""
    parts = _CAMEL.sub(" ", name).split()
    if len(parts) > 1:
        parts = [part.lower() if _CAPITALIZED.match(part) else part for part in parts]
    return " ".join(part.lower() if part.isupper() and len(part) > 5 else part for part in parts)
