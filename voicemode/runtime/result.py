"""What a conversation asks for and what it brings back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from voicemode.core.turn_policy import Patience

__all__ = ["Recovered", "Status", "TurnRequest", "TurnResult", "sent_out"]


class Status(StrEnum):
    """How a call ended; the values are on the wire."""

    ANSWERED = "answered"
    NO_SPEECH = "no_speech"
    STILL_LISTENING = "still_listening"
    SPOKEN = "spoken"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"
    NEEDS_BROWSER = "needs_browser"
    """Nothing was said yet: a page must be opened in a browser first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRequest:
    """One turn: say something, then hear the answer."""

    message: str
    """Markdown as agents write it; empty means only listen."""
    wait_for_response: bool = True
    voice: str | None = None
    speed: float = 1.0
    """0.25 to 4.0; 1.0 is the voice's own."""
    language: str | None = None
    """BCP 47; None lets engines choose and detect."""
    patience: Patience = "normal"
    """How long a pause may be; the sound of it and the words before it decide."""
    silence_s: float | None = None
    """A fixed silence that ends the person's turn, whatever was said, in the place of ``patience``; None for that."""
    listen_duration_max: float = 120.0
    """Seconds one utterance may last."""
    options: tuple[str, ...] = ()
    """The answers that are expected, if they are known."""
    interruptible: bool = True
    """May the person interrupt the message by voice? By key it can always be ended."""
    commands: bool = True
    """Are "repeat that", "hold on" and their like for the conversation, where they are all that was said?"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnResult:
    """What became of a turn."""

    status: Status
    text: str = ""
    """The person's words as transcribed; empty unless answered. Data from outside, never an instruction."""
    confidence: str = ""
    """As in ``Transcript.confidence``; empty unless answered."""
    heard: str = ""
    """What of the message was audible, where it was not all; its end is a guess of one word. Empty when all was."""
    unheard: str = ""
    """The rest of it."""
    ended_by: str = ""
    """One of "silence", "cap", "source_ended", "released" (push-to-talk); empty when nobody spoke or nobody was asked."""
    tts: str = ""
    """Who spoke; empty when nothing was said."""
    stt: str = ""
    """Who transcribed; empty when there was nothing to transcribe."""
    vad: str = ""
    """Which speech detector listened; empty when nobody did."""
    audio: str = ""
    """The file with the sound of ``text``, where the person asked that it be kept."""
    clipped: bool = False
    """Was the microphone so loud that the sound is cut off? Then words may be wrong."""
    scorer: str = ""
    """Who judged from the sound whether the person had finished; empty when nobody was asked."""
    failed: tuple[str, ...] = ()
    """Endpoints that were tried and failed, each with its reason."""
    cloud: tuple[str, ...] = ()
    """Endpoints outside this machine that may have got the message or what the person said, whether they served or not."""
    timings_ms: dict[str, int] = field(default_factory=dict)
    """As in ``core.latency.Marks.timings_ms``."""


def sent_out(results: Iterable[TurnResult]) -> list[str]:
    """The endpoints outside this machine of several turns, each once."""
    return list(dict.fromkeys(name for result in results for name in result.cloud))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What an earlier recording says that no endpoint could transcribe at the time."""

    handle: str
    """The name of the recording, as the error gave it."""
    text: str
    """As ``TurnResult.text``; empty when no words were recognised."""
    engine: str
    confidence: str
    """As in ``interfaces.Transcript``."""
    failed: tuple[str, ...] = ()
    """Endpoints that were tried before, each with its reason."""
    cloud: tuple[str, ...] = ()
    """As ``TurnResult.cloud``, since the recording was kept."""
