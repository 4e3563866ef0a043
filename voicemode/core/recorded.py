"""A conversation that was kept, as whoever answers is told it."""

from __future__ import annotations

from collections.abc import Iterable

from voicemode.answers import Turn
from voicemode.dialogue import Message, ToolCall, ToolResult
from voicemode.record import Entry, Role

__all__ = ["turns_of"]


def turns_of(entries: Iterable[Entry], most_characters: int = 200_000) -> tuple[Turn, ...]:
    """Oldest first, the newest of it that has so many characters: 200,000 are some 50,000 tokens.

    Only what was heard is told. What has no words, as a message that nobody heard, is left out; so is a tool that has no call.
    """
    turns: list[Turn] = []
    characters = 0
    for entry in reversed(list(entries)):
        characters += len(entry.text) + len(entry.arguments)
        if characters > most_characters and turns:
            break
        turns += reversed(_turns(entry))
    return tuple(reversed(turns))


def _turns(entry: Entry) -> tuple[Turn, ...]:
    match entry.role:
        case Role.TOOL if entry.call_id and entry.tool:
            return ToolCall(entry.call_id, entry.tool, entry.arguments or "{}"), ToolResult(entry.call_id, entry.text)
        case Role.TOOL:
            return ()
        case role:
            return (Message(role.value, entry.text, entry.key),) if entry.text.strip() else ()
