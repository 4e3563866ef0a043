"""Subtitle files: SubRip (srt) and WebVTT (vtt), written cue by cue.

WebVTT as in the W3C's "WebVTT: The Web Video Text Tracks Format"; SubRip has no standard, only what players agree on.
A cue holds what a viewer can read at once: two lines of 42 characters, as the BBC's and Netflix's guides have it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["VTT_HEAD", "Cue", "cues", "srt_cue", "vtt_cue"]

VTT_HEAD = "WEBVTT\n\n"
"""A file of WebVTT begins so."""

_LINE = 42
"""Characters."""
_LINES = 2
_SHORTEST_S = 0.001
"""Both formats count milliseconds, and a cue ends after it begins."""


@dataclass(frozen=True, slots=True)
class Cue:
    """What is shown from ``start`` to ``end``, in seconds since the beginning."""

    start: float
    end: float
    lines: tuple[str, ...]
    """Plain text, each at most 42 characters, none of them empty."""


def cues(start: float, end: float, text: str) -> list[Cue]:
    """Cut a text into cues that can be read; none for a text without words.

    Within the text the times are estimates: each cue gets its share by its number of characters.
    """
    lines = textwrap.wrap(" ".join(text.split()), _LINE)
    shown = [lines[at : at + _LINES] for at in range(0, len(lines), _LINES)]
    per_character = (end - start) / max(sum(map(_length, shown)), 1)
    found = []
    for each in shown:
        until = start + _length(each) * per_character
        found.append(Cue(start, max(until, start + _SHORTEST_S), tuple(each)))
        start = until
    return found


def srt_cue(number: int, cue: Cue) -> str:
    """One cue of a SubRip file. ``number`` counts from 1.

    The format has no escapes: the arrow that separates times is broken up, and what looks like a tag stays as it is.
    """
    text = "\n".join(cue.lines).replace("-->", "-- >")
    return f"{number}\n{_time(cue.start, ',')} --> {_time(cue.end, ',')}\n{text}\n\n"


def vtt_cue(cue: Cue) -> str:
    """One cue of a WebVTT file; ``VTT_HEAD`` comes before the first."""
    text = "\n".join(cue.lines).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"{_time(cue.start, '.')} --> {_time(cue.end, '.')}\n{text}\n\n"


def _length(lines: Sequence[str]) -> int:
    return sum(map(len, lines))


def _time(seconds: float, point: str) -> str:
    """Hours have two digits or more, and are there also when there are none."""
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02}:{minute:02}:{second:02}{point}{milliseconds:03}"
