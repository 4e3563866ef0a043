"""A conversation as a document: Markdown for people, plain data for programs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

from voicemode.record import Entry, Role, Standing
from voicemode.store.history import Found, Health, SessionFacts, ThreadFacts

__all__ = [
    "entry_as_json",
    "found_as_json",
    "health_as_json",
    "moment",
    "session_as_json",
    "thread_as_json",
    "thread_as_markdown",
    "who",
]

_NAMES = {Role.USER: "You", Role.ASSISTANT: "Assistant", Role.SYSTEM: "System", Role.TOOL: "Tool"}
_REMARKS = {
    Standing.IN_FLIGHT: "going on",
    Standing.INTERRUPTED: "interrupted; what was heard",
    Standing.FAILED: "failed",
    Standing.LOST: "lost: its process died before it was over",
}


def moment(unix_s: float) -> str:
    """The local time, such as 2026-11-21 04:15:29; for a time that no calendar has, its number."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(unix_s))
    except (OverflowError, ValueError, OSError):
        return str(unix_s)


def who(entry: Entry) -> str:
    """Whose it is and what became of it, for people."""
    name = f"Tool {entry.tool}" if entry.role is Role.TOOL and entry.tool else _NAMES[entry.role]
    remark = _REMARKS.get(entry.standing, "")
    return f"{name} ({remark})" if remark else name


def thread_as_markdown(thread: str, sessions: Sequence[SessionFacts], entries: Iterable[Entry]) -> str:
    """Text from outside stays text: it is quoted line by line, so nothing in it is a heading of the document's own."""
    lines = [f"# {_inline(thread)}", ""]
    for session in sessions:
        if session.summary:
            lines += [*_quoted(f"Summary: {session.summary}"), ""]
    day = ""
    for entry in entries:
        date, _, clock = moment(entry.began_at).partition(" ")
        if date != day:
            day = date
            lines += [f"## {date}", ""]
        surface = f", {entry.surface.value}" if entry.surface is not None else ""
        lines += [f"**{_inline(who(entry))}**, {clock}{surface}", ""]
        if entry.arguments:
            lines += [*_quoted(entry.arguments), ""]
        if entry.text:
            lines += [*_quoted(entry.text), ""]
    return "\n".join(lines)


def entry_as_json(entry: Entry) -> dict[str, Any]:
    """Without what says nothing."""
    facts = {
        "key": entry.key,
        "role": entry.role.value,
        "text": entry.text,
        "standing": entry.standing.value,
        "began_at": entry.began_at,
        "surface": entry.surface.value if entry.surface is not None else "",
        "tool": entry.tool,
        "call_id": entry.call_id,
        "arguments": entry.arguments,
        "timings": dict(entry.timings),
        "audio": entry.audio,
    }
    return {name: value for name, value in facts.items() if value or name == "text"}


def thread_as_json(thread: ThreadFacts) -> dict[str, Any]:
    """One line of a list."""
    return {
        "thread": thread.thread,
        "began_at": thread.began_at,
        "touched_at": thread.touched_at,
        "surfaces": [surface.value for surface in thread.surfaces],
        "entries": thread.entries,
        "opening": thread.opening,
    }


def session_as_json(session: SessionFacts) -> dict[str, Any]:
    """Times that are not known are null."""
    return {
        "session": session.session,
        "surface": session.surface.value,
        "began_at": session.began_at,
        "closed_at": session.closed_at,
        "lost": session.lost,
        "ended_at": session.ended_at,
        "reason": session.reason,
        "summary": session.summary,
        "feedback": session.feedback,
        "entries": session.entries,
    }


def found_as_json(found: Found) -> dict[str, Any]:
    """The whole entry, and the place in it."""
    return {"thread": found.thread, "snippet": found.snippet, **entry_as_json(found.entry)}


def health_as_json(health: Health) -> dict[str, Any]:
    """As ``Health``."""
    return {
        "kept": health.kept,
        "path": str(health.path) if health.path is not None else "",
        "version": health.version,
        "size_bytes": health.size,
        "threads": health.threads,
        "sessions": health.sessions,
        "entries": health.entries,
        "problems": list(health.problems),
        "set_aside": [str(path) for path in health.set_aside],
    }


def _quoted(text: str) -> list[str]:
    return [f"> {line}".rstrip() for line in text.splitlines()] or [">"]


def _inline(text: str) -> str:
    """On one line, without what would be markup."""
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>#" else letter for letter in " ".join(text.split()))
