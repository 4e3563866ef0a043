"""What the engine of a continuous conversation and the protocol in front of it tell one another.

A protocol adapter (OpenAI Realtime is the first) turns messages of its wire into commands, and the engine's reports into
messages; it owns the record of the conversation. The engine owns sound, time, models and tasks; it knows no wire. ::

    client ──wire──> adapter (no I/O, no clock) ──Command──> engine (listens, answers, speaks)
           <──wire──                            <──Report───

Identifiers are the adapter's. Milliseconds count from the first sample of the session's input. Nothing here is mutable.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, unique
from typing import Literal, TypeAlias

from voicemode.audio import Samples, WordOnset
from voicemode.dialogue_tools import Tool, ToolCall, ToolHostCommand, ToolHostReport, ToolResult
from voicemode.playout import PlayoutSound

__all__ = [
    "AnswerAudio",
    "AnswerDone",
    "AnswerFailed",
    "AnswerText",
    "AudioIn",
    "CancelAnswer",
    "CancelReason",
    "ClearInput",
    "Command",
    "CommitInput",
    "Configure",
    "DialogueOptions",
    "Eagerness",
    "Expect",
    "FlushPlayout",
    "IdleTimedOut",
    "InputTranscribed",
    "InputTranscriptFailed",
    "InputTranscriptGrew",
    "Message",
    "PlayoutCleared",
    "PlayoutStarted",
    "PlayoutStopped",
    "Report",
    "Respond",
    "SpeechStarted",
    "SpeechStopped",
    "Tool",
    "ToolCall",
    "ToolCallBegan",
    "ToolCallDone",
    "ToolCallGrew",
    "ToolResult",
    "TurnTaking",
    "Usage",
    "UserTurn",
]


@unique
class TurnTaking(Enum):
    """Who says that a turn is over."""

    MANUAL = "manual"
    """The client, by ``CommitInput``."""
    SILENCE = "silence"
    """So much silence (OpenAI's server_vad)."""
    SEMANTIC = "semantic"
    """The turn policy: score, words and silence (semantic_vad)."""


@unique
class Eagerness(Enum):
    """How soon a turn that may be over is taken for one. The longest wait: 8, 4 and 2 s, as OpenAI documents."""

    LOW = "low"
    AUTO = "auto"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class DialogueOptions:
    """How the engine listens; in force from the next turn on, but for ``turn_taking``, which is at once."""

    turn_taking: TurnTaking = TurnTaking.SEMANTIC
    threshold: float = 0.5
    """Of the speech detector, 0 to 1; only with SILENCE."""
    prefix_ms: int = 300
    """Sound before the detected start that belongs to the utterance; only with SILENCE."""
    silence_ms: int = 500
    """Only with SILENCE."""
    idle_timeout_ms: int | None = None
    """Told after so much silence since the last answer was heard to its end; None: never."""
    eagerness: Eagerness = Eagerness.AUTO
    interrupts: bool = True
    """Whether speech of the person ends an answer that is under way: the adapter cancels it on ``SpeechStarted``."""
    answers: bool = True
    """Whether a turn that ended will be answered, so that the engine may begin to think before it is certain."""
    transcribe: bool = True
    """Whether the person's words are wanted on the wire. A text responder needs them in any case."""
    language: str | None = None
    """BCP 47, of the person; None: the engine finds out."""
    noise_reduction: Literal["near_field", "far_field"] | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """Words of somebody, as far as they were heard."""

    role: Literal["system", "user", "assistant"]
    text: str
    item_id: str = ""
    response_id: str = field(default="", compare=False)
    """The ``Respond`` that these words came of; empty: none."""


@dataclass(frozen=True, slots=True)
class UserTurn:
    """What the person said in this item, whose words may still be being written down: the engine knows or awaits them."""

    item_id: str


# -- commands: the adapter tells the engine


@dataclass(frozen=True, slots=True)
class Configure:
    """Listen like this from now on."""

    options: DialogueOptions


@dataclass(frozen=True, slots=True, eq=False)
class AudioIn:
    """Sound of the person: mono int16."""

    samples: Samples
    sample_rate: int


@dataclass(frozen=True, slots=True)
class CommitInput:
    """What was heard since the last turn is the person's turn; its words are reported under ``item_id``."""

    item_id: str


@dataclass(frozen=True, slots=True)
class ClearInput:
    """Forget what was heard since the last turn."""


@dataclass(frozen=True, slots=True)
class Respond:
    """Answer. Any number of answers may be under way; only one of them speaks (the adapter sees to it)."""

    response_id: str
    history: tuple[Message | UserTurn | ToolCall | ToolResult, ...]
    """Oldest first, the assistant's words as far as they were heard."""
    instructions: str = ""
    tools: tuple[Tool, ...] = ()
    tool_choice: str = "auto"
    """Either "auto", "none", "required", or "function:NAME"."""
    parallel_tool_calls: bool = True
    audio: bool = True
    """Speak it; else it is text only."""
    voice: str = ""
    """A name as the client gave it; "" or unknown: the engine's own."""
    speed: float = 1.0
    max_tokens: int | None = None
    model: str = ""
    in_conversation: bool = True
    """Whether ``history`` is that of the conversation, of which the answer becomes a part; else it stands beside it."""
    script: str = ""
    """The answer, word for word: nobody is asked for one. Empty: whoever answers is."""


@dataclass(frozen=True, slots=True)
class Expect:
    """Should the person's turn end as it stands, this is how it would be answered; said again whenever that changes.

    Lets the engine begin before the turn is certain. What it began is used if ``Respond`` then says the same, and thrown away
    otherwise; nothing of it is reported before.
    """

    answer: Respond | None
    """``response_id`` means nothing, and ``history`` ends before the turn, whose words the engine adds. None: no answer."""


@unique
class CancelReason(Enum):
    """Why an answer ends early."""

    TURN_DETECTED = "turn_detected"
    CLIENT = "client_cancelled"


@dataclass(frozen=True, slots=True)
class CancelAnswer:
    """Say no more of it. Reports of it that were under way are dropped by the adapter; a tool that runs goes on."""

    response_id: str
    reason: CancelReason


@dataclass(frozen=True, slots=True)
class FlushPlayout:
    """Where the engine owns the playout (WebRTC): be silent now. ``PlayoutCleared`` tells how much had been heard."""


Command: TypeAlias = (
    Configure | AudioIn | CommitInput | ClearInput | Respond | Expect | CancelAnswer | FlushPlayout | ToolHostCommand
)
"""Those about a server's tools are for whoever hosts tools, and for no engine."""


# -- reports: the engine tells the adapter


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The person began to speak; ``at_ms`` is where the utterance begins, prefix included."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """Their turn is over. The adapter makes it an item and answers with ``CommitInput``."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class IdleTimedOut:
    """Nobody said anything for as long as was agreed: from ``start_ms`` to ``end_ms``."""

    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class InputTranscriptGrew:
    """More words of a turn that is under way and has no item yet, the one whose ``SpeechStarted`` said ``at_ms``."""

    at_ms: int
    text: str
    """All that are settled. Data from outside, never an instruction."""


@dataclass(frozen=True, slots=True)
class InputTranscribed:
    """All words of the turn. Data from outside, never an instruction."""

    item_id: str
    text: str
    seconds: float
    """How much sound it was."""


@dataclass(frozen=True, slots=True)
class InputTranscriptFailed:
    """Nobody could write it down; the recording is kept, and the sentence says what to do."""

    item_id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Counted by the responder, else estimated from the text."""

    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True)
class AnswerText:
    """More words of the answer, as they will be spoken (or shown, without audio)."""

    response_id: str
    delta: str


@dataclass(frozen=True, slots=True, eq=False)
class AnswerAudio:
    """More sound of the answer: 24 kHz mono int16, behind what was reported before."""

    response_id: str
    samples: Samples
    text: str = ""
    """The words that begin with this chunk; "" where it goes on with words that began before."""
    onsets: tuple[WordOnset, ...] = ()
    """Which of these words, or of those that began before, begin where; as ``AudioChunk.onsets``."""


@dataclass(frozen=True, slots=True)
class ToolCallBegan:
    """The assistant wants a function called."""

    response_id: str
    call_id: str
    name: str


@dataclass(frozen=True, slots=True)
class ToolCallGrew:
    """More of its arguments."""

    response_id: str
    call_id: str
    delta: str


@dataclass(frozen=True, slots=True)
class ToolCallDone:
    """All of its arguments."""

    response_id: str
    call_id: str


@dataclass(frozen=True, slots=True)
class AnswerDone:
    """Nothing more of this answer comes; what was reported may not have been heard yet."""

    response_id: str
    usage: Usage = field(default_factory=Usage)
    incomplete: Literal["max_output_tokens", "content_filter"] | None = None


@dataclass(frozen=True, slots=True)
class AnswerFailed:
    """It broke off; what was reported before stands."""

    response_id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class PlayoutStarted:
    """The first sample of the answer left for the person. Only where the engine owns the playout."""

    response_id: str


@dataclass(frozen=True, slots=True)
class PlayoutStopped:
    """The last sample of the answer was heard."""

    response_id: str


@dataclass(frozen=True, slots=True)
class PlayoutCleared:
    """The playout was flushed when so much of the answer had been heard."""

    response_id: str
    heard_ms: int


Report: TypeAlias = (
    SpeechStarted
    | SpeechStopped
    | IdleTimedOut
    | InputTranscriptGrew
    | InputTranscribed
    | InputTranscriptFailed
    | AnswerText
    | AnswerAudio
    | ToolCallBegan
    | ToolCallGrew
    | ToolCallDone
    | AnswerDone
    | AnswerFailed
    | PlayoutStarted
    | PlayoutStopped
    | PlayoutCleared
    | PlayoutSound
    | ToolHostReport
)
