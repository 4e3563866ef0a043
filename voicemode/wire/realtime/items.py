"""Items of a conversation: what they look like on the wire, and what a responder is told of them."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from voicemode.dialogue import Message, ToolCall, ToolResult, UserTurn
from voicemode.record import Entry, Role, Standing
from voicemode.wire.realtime.sound import SpokenWords

__all__ = ["AnswerItem", "CallItem", "HistoryEntry", "Item", "MessageItem", "OutputItem", "TurnItem", "tokens_of_text"]

HistoryEntry: TypeAlias = Message | UserTurn | ToolCall | ToolResult

_CHARACTERS_PER_TOKEN = 4
"""Of English, as OpenAI's own rule of thumb has it; an estimate, only to bound a history."""
_TOKENS_PER_ITEM = 4
"""Role and separators of one message in chat templates."""
_TOKENS_PER_SPOKEN_S = 4
"""About three words a second."""


def tokens_of_text(text: str) -> int:
    """An estimate."""
    return -(-len(text) // _CHARACTERS_PER_TOKEN)


@dataclass(slots=True)
class Item:
    """One entry of the conversation."""

    id: str
    status: str = "completed"
    """Or in_progress, incomplete: it broke off."""

    def wire(self, audio: bytes | None = None) -> dict[str, object]:
        """With the sound of its utterance, if it is given, as it travelled."""
        body = self.body()
        content = body.get("content")
        if audio is not None and isinstance(content, list) and content:
            body["content"] = [{**content[0], "audio": base64.b64encode(audio).decode()}, *content[1:]]
        return {**self.head(), **body}

    def head(self) -> dict[str, object]:
        return {"id": self.id, "object": "realtime.item", "type": self.kind, "status": self.status}

    @property
    def kind(self) -> str:
        return "message"

    @property
    def characters(self) -> int:
        """How much text the record holds for it."""
        raise NotImplementedError

    @property
    def tokens(self) -> int:
        """What it adds to a history: an estimate."""
        return _TOKENS_PER_ITEM + -(-self.characters // _CHARACTERS_PER_TOKEN)

    def body(self) -> dict[str, object]:
        raise NotImplementedError

    def history(self) -> HistoryEntry | None:
        """None: nothing of it is told."""
        raise NotImplementedError

    def told(self) -> tuple[HistoryEntry, ...]:
        """All that a responder is told of it."""
        entry = self.history()
        return () if entry is None else (entry,)

    def entry(self) -> Entry | None:
        """As the record has it now, under the item's id; None: it is none of its own."""
        return None


@dataclass(slots=True)
class MessageItem(Item):
    """Words that the client put there."""

    role: Literal["system", "user", "assistant"] = "user"
    content: tuple[dict[str, object], ...] = ()
    """As the client gave it."""

    @property
    def text(self) -> str:
        return "\n".join(str(part.get("text") or part.get("transcript") or "") for part in self.content)

    @property
    def characters(self) -> int:
        return len(self.text)

    def body(self) -> dict[str, object]:
        return {"role": self.role, "content": list(self.content)}

    def history(self) -> HistoryEntry | None:
        return Message(self.role, self.text, self.id) if self.text.strip() else None

    def entry(self) -> Entry | None:
        return Entry(self.id, Role(self.role), self.text)


@dataclass(slots=True)
class TurnItem(Item):
    """What the person said, or that they said nothing for some time."""

    seconds: float = 0.0
    """How long it was, silences included."""
    transcript: str | None = None
    """None: not known to us (yet)."""
    shows_transcript: bool = True
    """Whether the client wants to see it."""
    idle: bool = False
    """A wait that timed out: nothing was said."""
    failed: bool = False
    """Nobody could write it down."""

    @property
    def characters(self) -> int:
        return len(self.transcript or "")

    @property
    def tokens(self) -> int:
        if self.transcript is None:
            return _TOKENS_PER_ITEM + round(self.seconds * _TOKENS_PER_SPOKEN_S)
        return _TOKENS_PER_ITEM + tokens_of_text(self.transcript)

    def body(self) -> dict[str, object]:
        # Null and not left out while the words are not known: @openai/agents throws where the field is missing.
        shown = self.transcript if self.shows_transcript else None
        return {"role": "user", "content": [{"type": "input_audio", "transcript": shown}]}

    def history(self) -> HistoryEntry:
        if self.idle:
            # A model that reads nothing new answers nothing new.
            return Message("system", f"The user has been silent for {self.seconds:.0f} seconds.", self.id)
        return UserTurn(self.id)

    def entry(self) -> Entry | None:
        if self.idle:
            return None
        if self.transcript is None and not self.failed:
            return Entry(self.id, Role.USER, "", Standing.IN_FLIGHT)
        text = (self.transcript or "").strip()
        return Entry(self.id, Role.USER, text, Standing.WHOLE if text else Standing.FAILED)


@dataclass(slots=True)
class AnswerItem(Item):
    """What the assistant says, or shows."""

    spoken: SpokenWords | None = None
    """None: it is text only."""
    response_id: str = ""
    """Of which it is the words."""
    text: str = ""
    """All words so far, as they were sent."""
    cut_ms: float | None = None
    """So much of its sound was heard, and no more will be; None: it was not interrupted."""
    plays_until_ms: float = 0.0
    """When the last of its sound so far will have been played, on the session's clock."""
    was_heard: bool = False
    """All of its sound that there is was played."""
    failed: bool = False
    """It broke off by a fault."""

    def heard_ms(self, now_ms: float) -> float:
        """How much of its sound had been played by then, if it plays without a pause from when it was sent."""
        if self.spoken is None:
            return 0.0
        return min(max(self.spoken.length_ms - (self.plays_until_ms - now_ms), 0.0), self.spoken.length_ms)

    @property
    def heard(self) -> str:
        """The words that reached the person, or will."""
        if self.spoken is None:
            return self.text
        if self.cut_ms is not None:
            return self.spoken.heard(self.cut_ms)
        return self.text if self.status == "completed" else self.spoken.heard(self.spoken.length_ms)

    @property
    def characters(self) -> int:
        return len(self.text)

    def body(self) -> dict[str, object]:
        if not self.text:
            return {"role": "assistant", "content": []}
        text = self.text if self.cut_ms is None else self.heard
        if self.spoken is None:
            return {"role": "assistant", "content": [{"type": "output_text", "text": text}]}
        return {"role": "assistant", "content": [{"type": "output_audio", "transcript": text}]}

    def part(self) -> dict[str, object]:
        """As ``response.content_part.*`` shows it."""
        if self.spoken is None:
            return {"type": "text", "text": self.text}
        return {"type": "audio", "transcript": self.text}

    def history(self) -> HistoryEntry | None:
        heard = self.heard
        return Message("assistant", heard, self.id, self.response_id) if heard.strip() else None

    def entry(self) -> Entry | None:
        return Entry(self.id, Role.ASSISTANT, self.heard, self._standing())

    def _standing(self) -> Standing:
        if self.status == "in_progress":
            return Standing.IN_FLIGHT
        if self.failed:
            return Standing.FAILED
        if self.status == "incomplete" or self.cut_ms is not None:
            return Standing.INTERRUPTED
        return Standing.WHOLE if self.was_heard or not (self.spoken and self.spoken.length_ms) else Standing.IN_FLIGHT


@dataclass(slots=True)
class CallItem(Item):
    """A function that the assistant wants called."""

    call_id: str = ""
    name: str = ""
    pieces: list[str] = field(default_factory=list)
    """The arguments, as they came."""
    output: str | None = None
    """What came of it, for the record; None: nothing yet."""

    @property
    def kind(self) -> str:
        return "function_call"

    @property
    def arguments(self) -> str:
        return "".join(self.pieces)

    @property
    def characters(self) -> int:
        return len(self.name) + sum(map(len, self.pieces))

    def body(self) -> dict[str, object]:
        return {"name": self.name, "call_id": self.call_id, "arguments": self.arguments}

    def history(self) -> HistoryEntry | None:
        # A call that broke off has no result and never will.
        return ToolCall(self.call_id, self.name, self.arguments) if self.status == "completed" else None

    def entry(self) -> Entry | None:
        broke_off = Standing.FAILED if self.status == "incomplete" else Standing.IN_FLIGHT
        return Entry(
            self.id,
            Role.TOOL,
            self.output or "",
            broke_off if self.output is None else Standing.WHOLE,
            tool=self.name,
            call_id=self.call_id,
            arguments=self.arguments,
        )


@dataclass(slots=True)
class OutputItem(Item):
    """What came of a call."""

    call_id: str = ""
    output: str = ""

    @property
    def kind(self) -> str:
        return "function_call_output"

    @property
    def characters(self) -> int:
        return len(self.output)

    def body(self) -> dict[str, object]:
        return {"call_id": self.call_id, "output": self.output}

    def history(self) -> HistoryEntry:
        return ToolResult(self.call_id, self.output)
