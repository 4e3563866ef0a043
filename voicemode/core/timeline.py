"""What happened in one turn, and when: the inspector's data.

Times are seconds since the call. Levels and probabilities are kept per 20 ms as whole dB and whole per cent, which is what a
picture can show. ``core.timeline_builder`` makes these records, ``core.timeline_json`` writes and reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum, unique
from typing import TypeAlias

__all__ = [
    "FINEST_GRAIN_S",
    "MOST_BINS",
    "BargeIn",
    "Decision",
    "Earcon",
    "Lane",
    "Moment",
    "Partial",
    "Piece",
    "Score",
    "Text",
    "Timeline",
    "What",
    "without_words",
]

FINEST_GRAIN_S = 0.02
"""Two frames of 10 ms: a column of the widest picture is several times as long."""
MOST_BINS = 30_000
"""Ten minutes of the finest grain; a longer turn is kept in a coarser one."""

Text: TypeAlias = str | int
"""Words, or only how many characters they had where words are not kept."""

Lane: TypeAlias = tuple[int | None, ...]
"""One whole number per ``grain_s``, from the call on; None where nothing was measured. It ends with the last measurement."""


@unique
class What(StrEnum):
    """The kinds of moment; the values are in the file."""

    WAITING_FOR_FLOOR = "waiting_for_floor"
    LISTENING = "listening"
    """From here on the person was expected to speak."""
    SPEECH = "speech"
    """The person began to speak."""
    PAUSE = "pause"
    """The end of the last word before a pause; known 0.2 s later."""
    RESUME = "resume"
    """The person went on."""
    SPEECH_ENDED = "speech_ended"
    """The end of the person's last word."""
    COMMITTED = "committed"
    """It was decided that the turn is over."""
    TRANSCRIBING = "transcribing"
    TRANSCRIBED = "transcribed"
    MICROPHONE_QUIET = "microphone_quiet"
    RESULT = "result"


@dataclass(frozen=True, slots=True)
class Moment:
    at: float
    what: What


@dataclass(frozen=True, slots=True)
class Score:
    """How likely the person had finished, in somebody's opinion."""

    at: float
    """When the silence was that was scored; the answer may have come later."""
    probability: float
    """0 to 1."""
    who: str
    """The scorer's name, such as "smart-turn"."""
    arrived: float | None = None
    """When the answer came; None where it is not known."""


@dataclass(frozen=True, slots=True)
class Partial:
    """What had been understood at an instant."""

    at: float
    text: Text
    """Its end, if it was long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Something the policy decided, with the evidence it had."""

    at: float
    what: str
    """A name: "silence", "cap", "source_ended" and "nobody_spoke" end the turn; others tell of the way there."""
    score: float | None = None
    cue: str = ""
    """The kind of cue, by name ("open"); never the words it was seen in."""
    wait_s: float | None = None
    """The silence, in seconds, that would end the turn with this evidence."""
    silence_s: float | None = None
    """The silence there had been."""


@dataclass(frozen=True, slots=True)
class BargeIn:
    """Something the loudspeaker was told because somebody spoke over it."""

    at: float
    what: str
    """One of "duck", "unduck", "pause", "weigh", "resume" and "stop"."""
    why: str = ""
    """A name, such as "backchannel"; never words of the person."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the message while it was audible."""

    began: float
    ended: float
    text: Text = 0


@dataclass(frozen=True, slots=True)
class Earcon:
    """A sound that is no speech, such as the chime."""

    began: float
    ended: float
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """One turn."""

    id: str = ""
    """Sortable by time; empty before it was kept."""
    began: str = ""
    """When the call came, ISO 8601 with the zone; empty where nobody said."""
    program: str = ""
    """Who asked."""
    status: str = ""
    """As ``TurnResult.status``, or the code of the error."""
    ended_by: str = ""
    """As ``TurnResult.ended_by``."""
    lasted_s: float = 0.0
    """From the call to the last thing that is known."""
    text: Text = ""
    """What the person said."""
    heard: Text = ""
    """What the person heard of the message, where it was interrupted."""
    unheard: Text = ""
    """The rest of it."""
    has_words: bool = True
    """False where texts are only lengths."""

    grain_s: float = FINEST_GRAIN_S
    """Seconds per number of a lane: 0.02 times a power of two."""
    microphone_dbfs: Lane = ()
    """The loudest frame of each bin, -96 to 0."""
    speech_percent: Lane = ()
    """The detector's highest probability in each bin, 0 to 100."""
    noise_floor_dbfs: Lane = ()
    far_end_dbfs: Lane = ()
    """What was audible of the loudspeaker, -96 to 0."""

    moments: tuple[Moment, ...] = ()
    scores: tuple[Score, ...] = ()
    partials: tuple[Partial, ...] = ()
    decisions: tuple[Decision, ...] = ()
    barge_ins: tuple[BargeIn, ...] = ()
    first_sound: float | None = None
    """When the message was first audible; None when nothing was said."""
    last_sound: float | None = None
    pieces: tuple[Piece, ...] = ()
    earcons: tuple[Earcon, ...] = ()

    timings_ms: Mapping[str, int] = field(default_factory=dict)
    """As in ``core.latency.Marks.timings_ms``."""
    engines: Mapping[str, str] = field(default_factory=dict)
    """Who did it, by "tts", "stt", "vad", "scorer"."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """What was set that mattered, such as "patience"."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """How many entries of a list were left out to stay small, by the list's name."""

    def when(self, what: What) -> tuple[float, ...]:
        """The instants of one kind, in order."""
        return tuple(moment.at for moment in self.moments if moment.what is what)


def without_words(timeline: Timeline) -> Timeline:
    """The same with every text replaced by its length in characters; nothing in it says what was said."""
    return replace(
        timeline,
        has_words=False,
        text=_length(timeline.text),
        heard=_length(timeline.heard),
        unheard=_length(timeline.unheard),
        partials=tuple(replace(partial, text=_length(partial.text)) for partial in timeline.partials),
        pieces=tuple(replace(piece, text=_length(piece.text)) for piece in timeline.pieces),
    )


def _length(text: Text) -> int:
    return len(text) if isinstance(text, str) else text
