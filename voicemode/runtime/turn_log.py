"""What happens in one turn, told to its surfaces, kept as timings, and drawn up as a timeline.

All instants that come in are seconds of ``time.monotonic()``; what goes out counts from the call.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from voicemode.core.endpointing import EndpointEvent, FrameFacts, NobodySpoke, PauseBegan, SpeechBegan, TurnEnded
from voicemode.core.interruption import InterruptionEvent
from voicemode.core.latency import Mark, Marks
from voicemode.core.timeline import What
from voicemode.core.timeline_builder import TimelineBuilder
from voicemode.events import (
    EventSink,
    ListeningStarted,
    MicrophoneQuiet,
    SpeechEnded,
    SpeechPaused,
    SpeechStarted,
    Transcribed,
    TranscriptionStarted,
    TurnEvent,
    Understood,
)
from voicemode.runtime.ear import Overheard

__all__ = ["TurnLog"]

_IN_TIMELINE: dict[type[TurnEvent], What] = {
    ListeningStarted: What.LISTENING,
    MicrophoneQuiet: What.MICROPHONE_QUIET,
    TranscriptionStarted: What.TRANSCRIBING,
    Transcribed: What.TRANSCRIBED,
}


class TurnLog:
    """One per turn."""

    def __init__(self, on_event: EventSink, called_at: float) -> None:
        """``called_at`` is when the caller asked."""
        self._on_event = on_event
        self.called_at = called_at
        self.marks = Marks()
        self.marks.set(Mark.CALL, called_at)
        self.timeline = TimelineBuilder()
        self.cloud: dict[str, None] = {}
        """Endpoints outside this machine that may have got words of this turn, in order."""

    def again(self) -> None:
        """The message is said once more: timings are of the last time."""
        self.marks = Marks()
        self.marks.set(Mark.CALL, self.called_at)

    def since_call(self, instant: float) -> float:
        return instant - self.called_at

    def now(self) -> float:
        """Seconds since the call."""
        return time.monotonic() - self.called_at

    def mark(self, mark: Mark, instant: float | None = None) -> None:
        """``instant``: now, if it is left out."""
        self.marks.set(mark, time.monotonic() if instant is None else instant)

    def tell(self, event: TurnEvent) -> None:
        """To the surfaces, and where it belongs there to the timeline."""
        what = _IN_TIMELINE.get(type(event))
        if what is not None:
            self.timeline.mark(event.at, what)
        self._on_event(event)

    def on_remote(self, endpoint: str) -> None:
        """As ``SpeechRequest.on_remote``."""
        self.cloud[endpoint] = None

    def sounded(self, first: float | None, last: float | None) -> None:
        """The message was audible from ``first`` to ``last``; None where it was not."""
        if first is not None:
            self.marks.set(Mark.FIRST_SOUND, first)
        if last is not None:
            self.marks.set(Mark.LAST_SOUND, last)
        if first is not None and last is not None:
            self.timeline.sounded(self.since_call(first), self.since_call(last))

    def frames(self, facts: Sequence[FrameFacts], overheard: Sequence[Overheard], ends_at: float) -> None:
        """What the microphone heard in the frames before ``ends_at``, and what of the loudspeaker, if anything is known."""
        ended = self.since_call(ends_at)
        self.timeline.frames(facts, ended=ended)
        at = ended - sum(frame.seconds for frame in facts)
        for frame, other in zip(facts, overheard, strict=False):
            self.timeline.far_end(at, level_dbfs=other.far_end_dbfs)
            at += frame.seconds

    def score(self, probability: float, silence_until: float, who: str) -> None:
        """A judgement of the silence up to an instant has just come in."""
        self.timeline.score(self.since_call(silence_until), probability, who, arrived=self.now())

    def understood(self, text: str) -> None:
        """What was said so far has just been understood."""
        self.timeline.partial(self.now(), text)
        self.tell(Understood(self.now(), text))

    def endpoint(self, event: EndpointEvent, anchor: float) -> None:
        """An event of the endpointer; ``anchor`` is the instant its times count from."""
        self.timeline.endpoint(event, self.since_call(anchor))
        instant = anchor + event.at
        at = self.since_call(instant)
        match event:
            case SpeechBegan():
                self.marks.set(Mark.SPEECH_BEGAN, instant)
                self.tell(SpeechStarted(at))
            case PauseBegan():
                self.tell(SpeechPaused(at))
            case TurnEnded():
                ended = anchor + event.speech_ended
                self.marks.set(Mark.SPEECH_ENDED, ended)
                self.mark(Mark.TURN_COMMITTED)
                self.tell(SpeechEnded(self.since_call(ended), str(event.reason.value)))
            case NobodySpoke():
                pass
            case _:
                pass

    def interruption(self, event: InterruptionEvent, anchor: float) -> None:
        """As ``endpoint``, of an interruption."""
        self.timeline.interruption(event, self.since_call(anchor))
