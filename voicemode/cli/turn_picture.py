"""A turn as a PNG, drawn by matplotlib. Importing this module needs it (extra ``plot``), so it is imported where it is used."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from voicemode.core.timeline import Lane, Timeline, What

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["png"]

_INCHES = (12.0, 8.0)
_DPI = 110
_HEIGHTS = (3, 2, 2, 2)
_SHADES = {"speech": "#2a9d4a", "pause": "#d9a300", "far end": "#e08a1e", "score": "#8a3ffc", "commit": "#c1121f"}
_BARGE_IN, _WAIT = "#1d4ed8", "#64748b"
_LEVELS = (-96, 0)


def png(timeline: Timeline) -> bytes:
    """The lanes of ``voicemode turn show`` under one another: level, speech, scores and waits, playback and decisions."""
    figure = Figure(figsize=_INCHES, dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    level, speech, scores, playback = figure.subplots(4, 1, sharex=True, height_ratios=_HEIGHTS)
    _draw_level(level, timeline)
    _draw_speech(speech, timeline)
    _draw_scores(scores, timeline)
    _draw_playback(playback, timeline)
    for axes in (level, speech, scores, playback):
        _draw_moments(axes, timeline)
        axes.grid(visible=True, axis="x", alpha=0.25)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="upper left", bbox_to_anchor=(1.05, 1.0), fontsize="small", frameon=False)
    level.set_title(f"turn {timeline.id or '?'}: {timeline.status}, {timeline.lasted_s:.2f} s", parse_math=False)
    playback.set_xlabel("seconds since the call")
    playback.set_xlim(0, max(timeline.lasted_s, timeline.grain_s))
    made = io.BytesIO()
    figure.savefig(made, format="png")
    return made.getvalue()


def _draw_level(axes: Axes, timeline: Timeline) -> None:
    axes.set_ylabel("level (dBFS)")
    axes.set_ylim(*_LEVELS)
    _line(axes, timeline.microphone_dbfs, timeline.grain_s, "microphone", "#333333")
    _line(axes, timeline.noise_floor_dbfs, timeline.grain_s, "noise floor", "#999999")
    _line(axes, timeline.far_end_dbfs, timeline.grain_s, "far end", _SHADES["far end"])


def _draw_speech(axes: Axes, timeline: Timeline) -> None:
    axes.set_ylabel("speech (%)")
    axes.set_ylim(0, 105)
    _line(axes, timeline.speech_percent, timeline.grain_s, "probability", "#0e7490")


def _draw_scores(axes: Axes, timeline: Timeline) -> None:
    axes.set_ylabel("end of turn")
    axes.set_ylim(0, 1.05)
    if timeline.scores:
        at = [score.at for score in timeline.scores]
        axes.plot(at, [score.probability for score in timeline.scores], "o", color=_SHADES["score"], ms=4, label="score")
    waits = [(each.at, each.wait_s) for each in timeline.decisions if each.wait_s is not None]
    if waits:
        seconds = axes.twinx()
        seconds.set_ylabel("wait (s)")
        seconds.plot([at for at, _ in waits], [wait for _, wait in waits], "_", color=_WAIT, ms=12)
        seconds.set_ylim(bottom=0)
        axes.plot([], [], "_", color=_WAIT, ms=12, label="wait (right)")


def _draw_playback(axes: Axes, timeline: Timeline) -> None:
    axes.set_ylim(0, 4)
    axes.set_yticks([0.5, 1.5, 2.5, 3.5], ["words", "decisions", "barge-in", "playback"])
    spans = [(piece.began, piece.ended - piece.began) for piece in timeline.pieces]
    if not spans and timeline.first_sound is not None and timeline.last_sound is not None:
        spans = [(timeline.first_sound, timeline.last_sound - timeline.first_sound)]
    axes.broken_barh(spans, (3.15, 0.7), facecolor=_SHADES["far end"], edgecolor="white")
    axes.broken_barh([(each.began, each.ended - each.began) for each in timeline.earcons], (3.15, 0.7), facecolor="#475569")
    for number, event in enumerate(timeline.barge_ins):  # one above the other: they follow within a tenth of a second
        height = 2.5 + (-0.25, 0.25)[number % 2]
        axes.text(event.at, height, f"|{event.what}", color=_BARGE_IN, fontsize="small", va="center", parse_math=False)
    for decision in timeline.decisions:
        axes.plot([decision.at], [1.5], "|", color="#334155", ms=12)
    starts, ends = timeline.when(What.TRANSCRIBING), timeline.when(What.TRANSCRIBED)
    last = ends[-1] if ends else timeline.lasted_s
    axes.broken_barh([(at, max(last - at, 0.0)) for at in starts[-1:]], (0.15, 0.7), facecolor="#7dd3fc")
    for partial in timeline.partials:
        axes.plot([partial.at], [0.5], "d", color="#0369a1", ms=4)


def _draw_moments(axes: Axes, timeline: Timeline) -> None:
    for began, ended, kind in _spans(timeline):
        axes.axvspan(began, ended, color=_SHADES[kind], alpha=0.12, lw=0)
    for number, at in enumerate(timeline.when(What.COMMITTED)):
        axes.axvline(at, color=_SHADES["commit"], lw=1.5, label=None if number else "turn is over")
    for number, at in enumerate(timeline.when(What.RESULT)):
        axes.axvline(at, color="black", lw=1, ls=":", label=None if number else "result")


def _spans(timeline: Timeline) -> list[tuple[float, float, str]]:
    """Where the person spoke, and where they paused in mid-turn or before the decision."""
    spans: list[tuple[float, float, str]] = []
    kind, since = "", 0.0
    for moment in timeline.moments:
        match moment.what:
            case What.SPEECH | What.RESUME:
                following = "speech"
            case What.PAUSE | What.SPEECH_ENDED:
                following = "pause"
            case What.COMMITTED:
                following = ""
            case _:
                continue
        if kind:
            spans.append((since, moment.at, kind))
        kind, since = following, moment.at
    return spans


def _line(axes: Axes, lane: Lane, grain_s: float, label: str, color: str) -> None:
    if lane:
        # Gaps where nothing was measured: matplotlib draws no line to a NaN.
        values = [float("nan") if value is None else value for value in lane]
        axes.plot([(index + 0.5) * grain_s for index in range(len(lane))], values, color=color, lw=0.9, label=label)
