"""The seam to whoever thinks of an answer: a chat endpoint, an agent's command line, an echo.

One answer is a flow of deltas that ends with ``Finished``. What was given out stands, whatever fails afterwards.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from voicemode.dialogue import Message, Tool, ToolCall, ToolResult, Usage

__all__ = [
    "AnswerDelta",
    "AnswerFlow",
    "AnswerRequest",
    "Answerer",
    "FinishReason",
    "Finished",
    "TextDelta",
    "ToolDelta",
    "Turn",
]

Turn: TypeAlias = Message | ToolCall | ToolResult
"""One entry of a conversation whose words are all known."""

FinishReason: TypeAlias = Literal["stop", "length", "content_filter", "tool_calls"]


@dataclass(frozen=True, slots=True)
class AnswerRequest:
    """A conversation that is to be answered."""

    history: tuple[Turn, ...]
    """Oldest first; the assistant's words as far as they were heard. An agent that keeps its own takes the last message."""
    instructions: str = ""
    tools: tuple[Tool, ...] = ()
    """Who cannot call functions passes over them."""
    tool_choice: str = "auto"
    """Either "auto", "none", "required", or "function:NAME"."""
    parallel_tool_calls: bool = True
    max_tokens: int | None = None
    model: str = ""
    """As the client named it; "" or unknown to the responder: its own."""
    session_id: str = ""
    """Requests of one conversation have the same; it is not secret, and may be part of a process's arguments."""
    conversation: str = ""
    """As an agent is to call the conversation that they belong to, over any number of calls; "": it is not gone on with."""
    partial: str = ""
    """Text of the answer that was given out already: go on from there, or say it again, which the caller finds out."""


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More words; never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolDelta:
    """A call of a function begins, or its arguments grow. Calls may grow in turns; all are complete with ``Finished``."""

    call_id: str
    """Unique within the answer, never empty."""
    name: str
    """The same in every delta of the call."""
    arguments: str
    """A piece of JSON; may be empty, as where the call begins."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The last delta of every answer that did not fail."""

    reason: FinishReason = "stop"
    usage: Usage = field(default_factory=Usage)
    """All zeros where the responder does not count."""


AnswerDelta: TypeAlias = TextDelta | ToolDelta | Finished


class AnswerFlow(Protocol):
    """An answer on its way, to be iterated once, and closed. It is data from outside, never an instruction."""

    @property
    def engine(self) -> str:
        """Who answers; valid once the first delta is there. It may change in mid-answer."""

    @property
    def engines(self) -> tuple[str, ...]:
        """All that gave a part of it, in order."""

    @property
    def failed(self) -> tuple[str, ...]:
        """Who was tried before, each with the reason."""

    def __aiter__(self) -> AsyncIterator[AnswerDelta]:
        """Deltas as they arrive, ``Finished`` last unless it was closed. Raises any VoicemodeError about engines.

        Nothing happens before the first is asked for.
        """

    async def aclose(self) -> None:
        """Stop whoever answers, and free the connection or process, at once. Idempotent; may be called from any task."""


class Answerer(Protocol):
    """Whoever thinks of an answer. Shared by all sessions."""

    @property
    def name(self) -> str:
        """An endpoint's address, "command NAME", or "echo (no responder is configured)"."""

    @property
    def acts(self) -> bool:
        """Whether asking may have effects, as with an agent that runs tools of its own.

        Then only turns that are certain are asked: never speculatively, and never twice.
        """

    def answer(self, request: AnswerRequest) -> AnswerFlow:
        """Begin to answer. Nothing happens until the result is iterated."""

    async def leave(self, session_id: str) -> None:
        """The conversation is over: end what was kept for it alone. Never raises; idempotent."""

    async def aclose(self) -> None:
        """Free connections and processes. Idempotent."""
