"""What a responder is told of a conversation that was kept."""

from __future__ import annotations

from voicemode.core.recorded import turns_of
from voicemode.dialogue import Message, ToolCall, ToolResult
from voicemode.record import Entry, Role, Standing


def test_words_and_tools_come_in_order() -> None:
    """Tools with their call, as chat endpoints want them."""
    entries = [
        Entry("1", Role.USER, "How warm?"),
        Entry("2", Role.TOOL, "7 degrees", tool="weather", call_id="call_1", arguments='{"city": "Ghent"}'),
        Entry("3", Role.ASSISTANT, "Seven", Standing.INTERRUPTED),
    ]
    assert turns_of(entries) == (
        Message("user", "How warm?", "1"),
        ToolCall("call_1", "weather", '{"city": "Ghent"}'),
        ToolResult("call_1", "7 degrees"),
        Message("assistant", "Seven", "3"),
    )


def test_what_nobody_heard_is_not_told() -> None:
    """Neither are tools without a call, which no endpoint would take."""
    assert turns_of([Entry("1", Role.ASSISTANT, " ", Standing.LOST), Entry("2", Role.TOOL, "x")]) == ()


def test_of_a_long_conversation_the_newest_is_told() -> None:
    """And always the last turn, however long."""
    entries = [Entry(str(number), Role.USER, "x" * 100) for number in range(50)]
    assert [turn.item_id for turn in turns_of(entries, 350) if isinstance(turn, Message)] == ["47", "48", "49"]
    assert len(turns_of(entries[:1], 10)) == 1
