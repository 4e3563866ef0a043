"""A turn drawn with the blocks of Unicode, as wide as the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text as Line

from voicemode.cli.failure import printable
from voicemode.core.timeline import Lane, Text, Timeline, What

__all__ = ["columns", "drawing", "happenings", "words_of"]

_LABEL = 11
_LEAST_WIDTH = 40
_BLOCKS = " ▁▂▃▄▅▆▇█"
_SOFTEST_DBFS, _LOUDEST_DBFS = -70, -10
"""What a column of full height spans: a quiet room to a loud word."""
_MOST_HAPPENINGS = 80
_TICKS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600)
_TICK_COLUMNS = 8
"""A mark of the time scale is at least so wide."""

_SIGNS: dict[What, tuple[str, str, str]] = {
    What.WAITING_FOR_FLOOR: ("w", "waits for another agent", "yellow"),
    What.LISTENING: ("L", "listens", "cyan"),
    What.SPEECH: ("[", "speech begins", "green"),
    What.PAUSE: ("-", "pauses", "yellow"),
    What.RESUME: ("+", "goes on", "green"),
    What.SPEECH_ENDED: ("]", "last word ends", "green"),
    What.COMMITTED: ("C", "turn is over", "bold red"),
    What.TRANSCRIBING: ("t", "transcription starts", "blue"),
    What.TRANSCRIBED: ("T", "words are there", "blue"),
    What.MICROPHONE_QUIET: ("0", "only zeros", "red"),
    What.RESULT: ("R", "result", "bold"),
}
_BARGE_IN_SIGNS = {"duck": "d", "unduck": "u", "pause": "p", "weigh": "?", "resume": "r", "stop": "X"}


def drawing(timeline: Timeline, width: int) -> Group:
    """The whole page: head, lanes, legend, and what happened in order."""
    room = max(width, _LEAST_WIDTH) - _LABEL - 1
    lasts_s = max(timeline.lasted_s, timeline.grain_s)
    return Group(
        *_head(timeline), Line(), *_lanes(timeline, room, lasts_s), Line(), *_legend(timeline), Line(), _list(timeline)
    )


def columns(lane: Lane, grain_s: float, lasts_s: float, room: int) -> list[int | None]:
    """``room`` columns that share ``lasts_s`` seconds evenly, each with the highest number that falls into it."""
    found: list[int | None] = []
    for column in range(room):
        first = round(column * lasts_s / room / grain_s)
        last = max(round((column + 1) * lasts_s / room / grain_s), first + 1)
        known = [value for value in lane[first:last] if value is not None]
        found.append(max(known) if known else None)
    return found


def words_of(text: Text) -> str:
    """The words, or how many characters they had; empty for none."""
    if isinstance(text, int):
        return f"({text} characters)" if text else ""
    return f'"{printable(text)}"' if text else ""


def happenings(timeline: Timeline) -> list[tuple[float, str, str]]:
    """Everything that has an instant, in order: seconds since the call, what, and the evidence."""
    found = [(moment.at, _SIGNS[moment.what][1], "") for moment in timeline.moments]
    found += [(score.at, "score", _score_words(score.probability, score.who, score.arrived)) for score in timeline.scores]
    found += [(partial.at, "understood", words_of(partial.text)) for partial in timeline.partials]
    found += [(event.at, f"playback: {event.what}", event.why) for event in timeline.barge_ins]
    found += [(piece.began, "says", f"{words_of(piece.text)} until {piece.ended:.2f} s") for piece in timeline.pieces]
    found += [(earcon.began, "sounds", earcon.name) for earcon in timeline.earcons]
    for decision in timeline.decisions:
        evidence = [
            "" if decision.silence_s is None else f"silence {decision.silence_s:.2f} s",
            "" if decision.wait_s is None else f"waits for {decision.wait_s:.2f} s",
            "" if decision.score is None else f"score {decision.score:.2f}",
            f"cue {decision.cue}" if decision.cue else "",
        ]
        found.append((decision.at, f"decides: {decision.what}", ", ".join(filter(None, evidence))))
    return sorted(found, key=lambda each: each[0])


def _score_words(probability: float, who: str, arrived: float | None) -> str:
    return f"{probability:.2f} {who}" + ("" if arrived is None else f", known at {arrived:.2f} s")


def _head(timeline: Timeline) -> Iterator[Line]:
    ended = f", by {timeline.ended_by}" if timeline.ended_by else ""
    yield Line(printable(f"turn {timeline.id or '?'}: {timeline.status}{ended}, {timeline.lasted_s:.2f} s"), style="bold")
    asked = f" for {timeline.program}" if timeline.program else ""
    if timeline.began:
        yield Line(printable(f"{timeline.began}{asked}"))
    for name, text in (("said", timeline.text), ("heard", timeline.heard), ("not heard", timeline.unheard)):
        if words := words_of(text):
            yield Line(f"{name}: {words}", overflow="fold")
    facts = [f"{name} {value}" for name, value in (*timeline.engines.items(), *timeline.settings.items())]
    facts += [f"{name} {value} ms" for name, value in timeline.timings_ms.items()]
    if facts:
        yield Line(printable(", ".join(facts)), style="dim")


def _lanes(timeline: Timeline, room: int, lasts_s: float) -> Iterator[Line]:
    yield _labelled("seconds", _scale(room, lasts_s), "dim")

    def lane(name: str, values: Lane, low: float, high: float, style: str) -> Line:
        blocks = (_block(value, low, high) for value in columns(values, timeline.grain_s, lasts_s, room))
        return _labelled(name, "".join(blocks), style)

    yield lane("microphone", timeline.microphone_dbfs, _SOFTEST_DBFS, _LOUDEST_DBFS, "green")
    yield lane("speech", timeline.speech_percent, 0, 100, "cyan")
    yield _labelled(
        "score", _sparse(room, lasts_s, [(score.at, _score_sign(score.probability)) for score in timeline.scores]), "magenta"
    )
    if timeline.far_end_dbfs:
        yield lane("far end", timeline.far_end_dbfs, _SOFTEST_DBFS, _LOUDEST_DBFS, "yellow")
    yield _labelled("playback", _playback(timeline, room, lasts_s), "yellow")
    if timeline.barge_ins:
        signs = [(event.at, _BARGE_IN_SIGNS.get(event.what, "!")) for event in timeline.barge_ins]
        yield _labelled("barge-in", _sparse(room, lasts_s, signs), "red")
    signs = [(moment.at, _SIGNS[moment.what][0]) for moment in timeline.moments]
    styles = {sign: style for sign, _, style in _SIGNS.values()}
    line = Line("turn".ljust(_LABEL))
    for sign in _sparse(room, lasts_s, signs):
        line.append(sign, styles.get(sign))
    yield line


def _legend(timeline: Timeline) -> Iterator[Line]:
    seen = {moment.what for moment in timeline.moments}
    signs = [f"{sign} {words}" for what, (sign, words, _) in _SIGNS.items() if what in seen]
    if signs:
        yield Line(f"turn: {', '.join(signs)}", style="dim")
    if timeline.barge_ins:
        told = {event.what for event in timeline.barge_ins}
        yield Line(
            "barge-in: " + ", ".join(f"{sign} {what}" for what, sign in _BARGE_IN_SIGNS.items() if what in told), style="dim"
        )
    if timeline.scores:
        yield Line("score: 0 to 9, how surely the person had finished, in tenths", style="dim")
    yield Line(f"microphone and far end: {_SOFTEST_DBFS} to {_LOUDEST_DBFS} dBFS", style="dim")


def _list(timeline: Timeline) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(justify="right", no_wrap=True)
    table.add_column()
    table.add_column(overflow="fold")
    found = happenings(timeline)
    for at, what, evidence in found[:_MOST_HAPPENINGS]:
        table.add_row(f"{at:.2f} s", printable(what), printable(evidence))
    left = len(found) - _MOST_HAPPENINGS
    if left > 0:
        table.add_row("", f"and {left} more: --json", "")
    return table


def _labelled(name: str, drawn: str, style: str) -> Line:
    return Line.assemble(name.ljust(_LABEL), (drawn, style), no_wrap=True)


def _block(value: int | None, low: float, high: float) -> str:
    if value is None:
        return " "
    height = (value - low) / (high - low) * (len(_BLOCKS) - 1)
    return _BLOCKS[round(min(max(height, 0), len(_BLOCKS) - 1))]


def _scale(room: int, lasts_s: float) -> str:
    tick_s = next((tick for tick in _TICKS_S if tick * room / lasts_s >= _TICK_COLUMNS), _TICKS_S[-1])
    drawn = [" "] * room
    for number in range(int(lasts_s / tick_s) + 1):
        label = f"|{number * tick_s:g}"
        start = int(number * tick_s / lasts_s * room)
        if start + len(label) <= room:
            drawn[start : start + len(label)] = label
    return "".join(drawn)


def _column(at: float, lasts_s: float, room: int) -> int:
    return min(max(int(at / lasts_s * room), 0), room - 1)


def _sparse(room: int, lasts_s: float, signs: Sequence[tuple[float, str]]) -> str:
    """Each sign in its column, or in the next free one: nothing that happened is hidden behind its neighbour."""
    drawn = [" "] * room
    for at, sign in signs:
        column = _column(at, lasts_s, room)
        free = next((each for each in range(column, min(column + 4, room)) if drawn[each] == " "), column)
        drawn[free] = sign
    return "".join(drawn)


def _score_sign(probability: float) -> str:
    return str(min(max(int(probability * 10), 0), 9))


def _playback(timeline: Timeline, room: int, lasts_s: float) -> str:
    drawn = [" "] * room
    spans = [(piece.began, piece.ended) for piece in timeline.pieces]
    if not spans and timeline.first_sound is not None and timeline.last_sound is not None:
        spans = [(timeline.first_sound, timeline.last_sound)]
    for number, (began, ended) in enumerate(spans):
        first, last = _column(began, lasts_s, room), _column(ended, lasts_s, room)
        drawn[first : last + 1] = "━┅"[number % 2] * (last + 1 - first)
    for earcon in timeline.earcons:
        drawn[_column(earcon.began, lasts_s, room)] = "♪"
    return "".join(drawn)
