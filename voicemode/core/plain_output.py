"""What a program writes to a terminal, as text that can be said: decoded, without colours and cursor movements, piece by piece.

Control sequences are those of ECMA-48 (https://ecma-international.org/publications-and-standards/standards/ecma-48/).
"""

from __future__ import annotations

import codecs
import io
import re

__all__ = ["EndMarker", "PlainOutput"]

HELD_LIMIT = 4096
"""Characters of a control sequence that may be incomplete. Window titles and links are shorter; more is no sequence."""

_SEQUENCE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC: titles, links
    r"|\x1b[PX^_][^\x1b]*\x1b\\"  # DCS, SOS, PM, APC
    r"|\x1b[ -/]*[0-OQ-WYZ\\`-~]"  # two characters and their like
    r"|\x9b[0-?]*[ -/]*[@-~]"
)
_BEGUN = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]*\x1b?|[PX^_][^\x1b]*\x1b?|[ -/]*)\Z|\x9b[0-?]*[ -/]*\Z")
"""The beginning of one at the end of what came."""
_LINES = re.compile(r"[^\n]*\n|[^\n]+")
_CONTROLS = {code: None for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"}


class PlainOutput:
    """Bytes go in, text comes out. Ends of line become LF, a lone CR too."""

    def __init__(self) -> None:
        self._decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8")("replace"), translate=True)
        self._held = ""

    def feed(self, data: bytes) -> str:
        return self._plain(self._decoder.decode(data))

    def finish(self) -> str:
        """What was held back; a sequence that is not complete is none of it."""
        text = self._plain(self._decoder.decode(b"", final=True))
        self._held = ""
        return text

    def _plain(self, text: str) -> str:
        text = _SEQUENCE.sub("", self._held + text)
        begun = _BEGUN.search(text)
        self._held = text[begun.start() :] if begun is not None else ""
        if begun is not None:
            text = text[: begun.start()]
        if len(self._held) > HELD_LIMIT:
            self._held = ""
        return text.translate(_CONTROLS)


class EndMarker:
    """Finds the line that says that an answer is over. What may become it is held back.

    Before the first word it is passed over: as a prompt it stands there, and an answer that was stopped leaves it behind.
    """

    def __init__(self, marker: str, *, begun: bool = False) -> None:
        """``begun``: some words of the answer were read before."""
        self._marker = marker.strip()
        self._line = ""
        """What of the current line is held back."""
        self._within = False
        """The current line has words that were given out."""
        self._begun = begun
        self.ended = False

    @property
    def may_be_end(self) -> bool:
        """The marker stands there without an end of line, as a prompt does; if nothing follows it, it is the end."""
        return self._begun and not self._within and self._line.strip() == self._marker

    def feed(self, text: str) -> str:
        """The words of the answer in this text, as far as they are certain. After the end there are none."""
        return "".join(self._part(part) for part in _LINES.findall(text))

    def finish(self) -> str:
        """What was held back, when the program has ended."""
        rest, self._line = self._line, ""
        return "" if rest.strip() == self._marker else rest

    def _part(self, part: str) -> str:
        if self.ended:
            return ""
        whole = part.endswith("\n")
        if self._within:
            self._within = not whole
            return part
        self._line += part
        words = self._line.strip()
        if whole and words == self._marker:
            self.ended, self._line = self._begun, ""
            return ""
        if not whole and self._marker.startswith(words):
            return ""
        if not self._begun and _follows(words, self._marker):
            self._line = self._line.lstrip().removeprefix(self._marker).lstrip(" \t")
        given, self._line, self._within = self._line, "", not whole
        self._begun = self._begun or bool(words)
        return given


def _follows(words: str, marker: str) -> bool:
    """Whether these are a prompt, and words behind it."""
    return bool(marker) and words.startswith(marker) and words[len(marker)].isspace()
