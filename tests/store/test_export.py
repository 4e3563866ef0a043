"""Conversations as documents."""

from __future__ import annotations

from tests.store.entries import said, told
from voicemode.record import Entry, Role, Standing, Surface
from voicemode.store.export import entry_as_json, moment, thread_as_markdown
from voicemode.store.history import SessionFacts

SESSION = SessionFacts(
    session="s", thread="t", surface=Surface.CLI, began_at=0, closed_at=None, lost=False, ended_at=None, reason="",
    summary="They talked.", feedback="", entries=2,
)  # fmt: skip


def test_markdown_tells_who_said_what_and_what_became_of_it() -> None:
    """With the summary at the top and tools with their arguments."""
    entries = [
        said("1", "Where to?"),
        told("2", "To the", Standing.INTERRUPTED),
        Entry("3", Role.TOOL, "7 degrees", tool="weather", arguments='{"city": "Ghent"}', surface=Surface.WEBRTC),
    ]
    text = thread_as_markdown("my_trip", [SESSION], entries)
    assert text.startswith("# my\\_trip\n")
    for part in (
        "> Summary: They talked.",
        "**You**",
        "> Where to?",
        "**Assistant (interrupted; what was heard)**",
        "> To the",
    ):
        assert part in text
    assert "**Tool weather**" in text
    assert '> {"city": "Ghent"}' in text
    assert ", webrtc" in text


def test_nothing_that_was_said_is_markup_of_the_document() -> None:
    """A heading that somebody dictated is a quotation."""
    text = thread_as_markdown("t", [], [said("1", "fine\n# Not a heading\r\n## Nor this")])
    assert [line for line in text.splitlines() if line.startswith("#")] == ["# t", f"## {moment(0.0)[:10]}"]


def test_json_leaves_out_what_says_nothing() -> None:
    """And always has the text."""
    assert entry_as_json(Entry("1", Role.USER, "", surface=Surface.CLI)) == {
        "key": "1", "role": "user", "text": "", "standing": "whole", "surface": "cli",
    }  # fmt: skip


def test_a_time_that_no_calendar_has_is_its_number() -> None:
    """A client may send any."""
    assert moment(1e300) == "1e+300"
