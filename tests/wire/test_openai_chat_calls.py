"""Calls of functions in streamed answers: those of the reference, and those of servers that number and name otherwise."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemode.answers import ToolDelta
from voicemode.wire.openai_audio import AnswerError
from voicemode.wire.openai_chat_calls import CALLS_LIMIT, CallsReader

Piece = dict[str, Any]


def piece(
    index: int | None = None, call_id: str | None = None, name: str | None = None, arguments: Any = None
) -> dict[str, Any]:
    given = {"index": index, "id": call_id, "function": {"name": name, "arguments": arguments}}
    return {key: value for key, value in given.items() if value is not None}


def read(*events: list[Piece]) -> list[tuple[str, str, str]]:
    """Each call with name and arguments, in order of their beginning; ids of ours are numbered."""
    numbers = itertools.count()
    reader = CallsReader(lambda: f"ours_{next(numbers)}")
    calls: dict[str, list[ToolDelta]] = {}
    for event in events:
        for delta in reader.feed(event):
            calls.setdefault(delta.call_id, []).append(delta)
    reader.close()
    assert all(len({delta.name for delta in deltas}) == 1 for deltas in calls.values())
    return [(call_id, deltas[0].name, "".join(d.arguments for d in deltas)) for call_id, deltas in calls.items()]


def test_a_call_is_told_with_its_name_and_each_piece_of_its_arguments() -> None:
    """The reference's stream."""
    reader = CallsReader(str)
    events = [[piece(0, "a", "weather", "")], [piece(0, arguments='{"ci')], [piece(0, arguments='ty":"Rome"}')], []]
    assert [list(reader.feed(event)) for event in events] == [
        [ToolDelta("a", "weather", "")],
        [ToolDelta("a", "weather", '{"ci')],
        [ToolDelta("a", "weather", 'ty":"Rome"}')],
        [],
    ]
    assert reader.begun


@given(st.permutations([(0, "{}"), (1, "[1]"), (0, " "), (1, " "), (2, "7")]))
def test_calls_that_grow_in_turns_are_told_apart(grown: list[tuple[int, str]]) -> None:
    """By their number."""
    begin = [piece(number, f"id{number}", "weather") for number in range(3)]
    whole = {f"id{n}": "".join(text for number, text in grown if number == n) for n in range(3)}
    assert {i: arguments for i, _, arguments in read(begin, *([piece(n, arguments=text)] for n, text in grown))} == whole


def test_calls_that_are_all_number_0_are_told_apart_by_their_ids() -> None:
    """Some servers send each call whole, and number none."""
    assert read([piece(0, "a", "weather", "1")], [piece(0, "b", "time", "2")]) == [("a", "weather", "1"), ("b", "time", "2")]
    assert read([piece(None, "a", "weather", "1"), piece(None, "b", "time", "2")]) == [
        ("a", "weather", "1"),
        ("b", "time", "2"),
    ]


def test_an_id_that_is_missing_twice_the_same_or_unusable_is_one_of_ours() -> None:
    """Calls are answered by id, so each has one of its own."""
    assert [i for i, _, _ in read([piece(0, None, "a"), piece(1, "x", "b"), piece(2, "x", "c"), piece(3, "\n" * 9, "d")])] == [
        "ours_0",
        "x",
        "ours_1",
        "ours_2",
    ]


def test_a_name_that_is_repeated_or_late_is_one_name() -> None:
    """Arguments that came before it are not lost."""
    assert read([piece(0, "a", "weather", "1")], [piece(0, "a", "weather", "2")]) == [("a", "weather", "12")]
    assert read([piece(0, "a", None, "1")], [piece(0, None, "weather")]) == [("a", "weather", "1")]


def test_arguments_that_are_not_written_as_a_string_are_written_as_one() -> None:
    """The reference wants JSON in a string; not everybody heeds it."""
    assert read([piece(0, "a", "weather", {"city": "Rome"})]) == [("a", "weather", '{"city": "Rome"}')]


@pytest.mark.parametrize("odd", [None, "x", 7, [None], ["x"]])
def test_what_is_no_call_is_passed_over(odd: Any) -> None:
    """As every unknown delta."""
    assert read(odd) == []


def test_a_call_without_a_name_is_an_error() -> None:
    """Nobody could make it."""
    with pytest.raises(AnswerError, match="without naming it"):
        read([piece(0, "a", None, "{}")])


def test_calls_without_an_end_are_given_up() -> None:
    """Memory has a limit."""
    with pytest.raises(AnswerError, match=str(CALLS_LIMIT)):
        read([piece(n, f"id{n}", "weather") for n in range(CALLS_LIMIT + 1)])
