"""Markdown to what a person would say when reading it to someone.

Marks vanish, lists become sentences, code is announced and not read, addresses are shortened, numbers become words. Plain
prose comes out as it went in, but for its whitespace. Emoji are dropped rather than named: engines that are given "face with
tears of joy" say it in the middle of the sentence, which no reader would; a tick or cross that fills a table cell is its
content and becomes yes or no.

All patterns are without nested repetition and begin at a fixed character, so time grows with length only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.token import Token

from voicemode.core.phrases import Phrases, phrases_for
from voicemode.core.spoken_names import say_code, say_names
from voicemode.core.spoken_numbers import say_count, say_numbers

__all__ = ["speakable"]

_INVISIBLE = re.compile(
    "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x84\\x86-\\x9f\\xad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffd"
    "\\ud800-\\udfff\U000e0000-\U000e007f]"
)
"""Control, direction, tag and replacement characters, soft hyphens, lone surrogates; not the joiners some scripts need."""
_BLANKS = re.compile(r"[^\S\n]+")
_EMOJI_SET = (
    "\u231a\u231b\u23e9-\u23f3\u23f8-\u23fa\u25aa\u25ab\u25fb-\u25fe\u2600-\u27bf\u2b05-\u2b07\u2b1b\u2b1c\u2b50\u2b55"
    "\U0001f000-\U0001faff"
)
_EMOJI = re.compile(f" ?[{_EMOJI_SET}][{_EMOJI_SET}\u200d\ufe0f\u20e3]*( ?)")
_EMOJI_REST = re.compile("[\ufe0e\ufe0f\u20e3]")
_YES, _NO = frozenset("\u2705\u2714\u2713\u2611"), frozenset("\u274c\u2718\u2717\u2716\u274e")
_TASK = re.compile(r"\[([ xX])\] ")
_SENTENCE_END = re.compile(r"[.!?\u2026:;,\u3002\uff01\uff1f\u0964\u061f][\"'\u201d\u2019\u00bb)\]]*\Z")
_WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]\Z")
_TAG = re.compile(r"<[^<>]*>")
_TAG_NAME = re.compile(r"</?([A-Za-z][\w.-]{0,40})\s?/?>\Z")
_HTML = frozenset(
    re.findall(
        r"\w+",
        "a abbr b blockquote body br button center code col dd del details div dl dt em figure font footer form h1 h2 h3 h4 h5 "
        "h6 head header hr html i img input ins kbd label li link main mark meta nav ol p picture pre q s samp section small "
        "source span strike strong sub summary sup svg table tbody td th thead tr tt u ul var video",
    )
)
_LANGUAGES = dict.fromkeys(("sh", "bash", "zsh", "console"), "shell") | {
    "py": "Python",
    "python": "Python",
    "python3": "Python",
    "js": "JavaScript",
    "ts": "TypeScript",
    "rb": "Ruby",
    "rs": "Rust",
    "md": "Markdown",
    "c++": "C plus plus",
    "cpp": "C plus plus",
    "c#": "C sharp",
    "cs": "C sharp",
    "yml": "YAML",
}
_LANGUAGE = re.compile(r"[\w+#-]{1,20}")
_UNNAMED = frozenset({"", "text", "txt", "plain", "plaintext", "none"})


def speakable(markdown: str, language: str = "en") -> str:
    """Turn ``markdown`` into text for a voice that speaks ``language`` (BCP 47; unknown ones keep their digits).

    One line per paragraph, heading, list item or table row, each with a letter or digit; empty when nothing is left to say.
    """
    text = _INVISIBLE.sub("", markdown.replace("\r\n", "\n").replace("\r", "\n"))
    reader = _Reader(language)
    lines = (say_numbers(reader.prose(line), language) for line in reader.blocks(_parser().parse(text)))
    # Entities such as "&#x202e;" have become characters only now.
    return "\n".join(clean for line in lines if (clean := _tidy(_INVISIBLE.sub("", line))))


@cache
def _parser() -> MarkdownIt:
    # Agents indent prose by accident more often than they indent code on purpose; fences are what they use for code.
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).disable("code")


def _tidy(text: str) -> str:
    lines = (_BLANKS.sub(" ", part).strip() for part in text.split("\n"))
    # Some engines answer a request without a letter in it with an error.
    return "\n".join(line for line in lines if any(map(str.isalnum, line)))


class _Reader:
    """Reads parsed Markdown aloud, line by line."""

    def __init__(self, language: str) -> None:
        self._language = language
        self._phrases: Phrases = phrases_for(language)

    def blocks(self, tokens: Sequence[Token]) -> Iterator[str]:
        """The lines of a document, numbers and addresses not yet said."""
        lead = ""
        lists: list[int | None] = []
        stream = iter(tokens)
        for token in stream:
            match token.type:
                case "heading_open":
                    yield _sentence(self._inline(next(stream)))
                case "bullet_list_open":
                    lists.append(None)
                case "ordered_list_open":
                    lists.append(int(token.attrGet("start") or 1))
                case "bullet_list_close" | "ordered_list_close":
                    lists.pop()
                case "list_item_open":
                    lead, lists[-1] = self._number(lists[-1])
                case "inline":
                    text = self._inline(token)
                    yield _sentence(lead + self._task(text)) if lists else text
                    lead = ""
                case "fence" | "code_block":
                    yield self._code_block(token)
                case "html_block":
                    yield _html_text(token.content)
                case "table_open":
                    yield from self._table(stream)
                case _:
                    pass

    def prose(self, text: str) -> str:
        """Say the names in one line, and leave its emoji out."""
        text = say_names(_BLANKS.sub(" ", text), self._phrases)
        return _EMOJI_REST.sub("", _EMOJI.sub(_emoji_gap, text))

    def _number(self, number: int | None) -> tuple[str, int | None]:
        """What leads an item, and the number of the next one."""
        if number is None:
            return "", None
        said = say_count(number, self._language)
        return f"{said[:1].upper()}{said[1:]}: ", number + 1

    def _task(self, text: str) -> str:
        box = _TASK.match(text)
        if not box:
            return text
        return f"{self._phrases.todo if box[1] == ' ' else self._phrases.done}: {text[box.end() :]}"

    def _code_block(self, token: Token) -> str:
        named = _LANGUAGE.match(token.info.strip())
        name = named.group().lower() if named else ""
        lines = token.content.count("\n") or 1
        said = self._phrases.code_line if lines == 1 else self._phrases.code_lines.format(lines)
        if name not in _UNNAMED:
            said += self._phrases.in_language.format(_LANGUAGES.get(name, name))
        return f"{said}."

    def _table(self, stream: Iterator[Token]) -> Iterator[str]:
        """Each row as "head cell, head cell."; consumes ``stream`` to the end of the table."""
        heads: list[str] = []
        row: list[str] = []
        for token in stream:
            if token.type == "inline":
                row.append(self._cell(self._inline(token)))
            elif token.type == "thead_close":
                heads, row = row, []
            elif token.type == "tr_close" and heads:
                said = [f"{head}: {cell}" if head else cell for head, cell in zip(heads, row, strict=False) if cell]
                yield _sentence(", ".join(said))
                row = []
            elif token.type == "table_close":
                return

    def _cell(self, text: str) -> str:
        mark = _EMOJI_REST.sub("", text.strip())
        return self._phrases.yes if mark in _YES else self._phrases.no if mark in _NO else text.strip()

    def _inline(self, token: Token) -> str:
        parts: list[str] = []
        struck = 0
        for child in token.children or ():
            if child.type in {"s_open", "s_close"}:
                struck += child.nesting
            elif not struck:
                parts.append(self._piece(child))
        return "".join(parts)

    def _piece(self, token: Token) -> str:
        match token.type:
            case "text":
                return token.content
            case "softbreak":
                return " "
            case "hardbreak":
                return "\n"
            case "code_inline":
                return say_code(token.content, self._phrases)
            case "image":
                return f"{self._phrases.image}: {token.content}" if token.content.strip() else self._phrases.image
            case "html_inline":
                return _tag_text(token.content)
            case _:
                return ""


def _sentence(text: str) -> str:
    text = text.strip()
    if not text or _SENTENCE_END.search(text, max(0, len(text) - 8)):
        return text
    return f"{text}\u3002" if _WIDE.search(text, len(text) - 1) else f"{text}."


def _emoji_gap(found: re.Match[str]) -> str:
    """Keep words apart, and marks at their words."""
    text, end = found.string, found.end()
    follows = text[end : end + 1]
    return " " if follows.isalnum() or (found[1] and follows) else ""


def _tag_text(tag: str) -> str:
    """Nothing for HTML; the name for "<branch>", which is how agents write a blank to fill in."""
    named = _TAG_NAME.match(tag)
    if named and named[1].lower() == "br":
        return "\n"
    return named[1] if named and named[1].lower() not in _HTML else ""


def _html_text(html: str) -> str:
    """The text between the tags, without comments, scripts and styles."""
    for opening, closing in (("<!--", "-->"), ("<script", "</script>"), ("<style", "</style>")):
        html = _without(html, opening, closing)
    return _TAG.sub(" ", html).replace("\n", " ")


def _without(text: str, opening: str, closing: str) -> str:
    kept: list[str] = []
    low = text.lower()
    if len(low) != len(text):
        low = text  # Some letters grow when lowered, and places must agree.
    at = 0
    while (begin := low.find(opening, at)) >= 0:
        kept.append(text[at:begin])
        end = low.find(closing, begin)
        at = len(text) if end < 0 else end + len(closing)
    return "".join([*kept, text[at:]])
