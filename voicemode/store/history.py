"""What can be done with kept conversations, besides adding to them; and what that tells.

Everything is asked for one identity and tells nothing of any other: not even that somebody else has a thread of a name.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from voicemode.record import Entry, Surface

__all__ = ["Ending", "Forgotten", "Found", "Health", "History", "SessionFacts", "ThreadFacts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadFacts:
    """One conversation, over all its sessions."""

    thread: str
    began_at: float
    """Unix seconds, as all times here."""
    touched_at: float
    """When something was last put into it."""
    surfaces: tuple[Surface, ...]
    """Where it was held, in the order in which each was first used."""
    entries: int
    opening: str
    """The first words of somebody in it, cut; data from outside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFacts:
    """One surface's hold of a thread."""

    session: str
    thread: str
    surface: Surface
    began_at: float
    closed_at: float | None
    """When the surface was done with it, or its process was found dead; None while it goes on."""
    lost: bool
    """Its process died before it closed it."""
    ended_at: float | None
    """When it was ended, for good; None while it can be gone on with."""
    reason: str
    """Why it ended, or else why it was closed."""
    summary: str
    feedback: str
    entries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A place where words were found."""

    thread: str
    entry: Entry
    snippet: str
    """The part of its text with the words, on one line, with "…" where it was cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How the sessions of a thread ended."""

    first: bool
    """Whether this call ended them; if not, the rest tells of the call that did."""
    thread: str
    sessions: tuple[str, ...]
    """Their ids, oldest first."""
    began_at: float
    ended_at: float
    reason: str
    summary: str
    feedback: str
    entries: int
    """How many they hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What is gone."""

    threads: int
    entries: int
    files: int
    """Of sound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The state of what is kept, of all identities together."""

    kept: bool
    """Whether there is anything on disk at all."""
    path: Path | None
    """None where conversations are kept in memory."""
    version: int
    """Of the schema; 0 where nothing is kept."""
    size: int
    """Bytes on disk, all files together."""
    threads: int
    sessions: int
    entries: int
    problems: tuple[str, ...]
    """What is damaged; empty when nothing is."""
    set_aside: tuple[Path, ...]
    """Damaged stores of before, which nobody deletes but the person."""


class History(Protocol):
    """What is kept, for surfaces that look at it. Every call has a deadline; every one raises RecordError."""

    async def threads(self, *, identity: str, last: int = 50) -> tuple[ThreadFacts, ...]:
        """The threads of an identity, the one last used first."""

    async def sessions(self, thread: str, *, identity: str) -> tuple[SessionFacts, ...]:
        """The sessions of a thread, oldest first. Raises ForeignThreadError."""

    async def show(self, thread: str, *, identity: str, last: int | None = None) -> tuple[Entry, ...]:
        """The entries of a thread, or its last ones, oldest first. Raises ForeignThreadError."""

    async def search(self, words: str, *, identity: str, thread: str = "", last: int = 20) -> tuple[Found, ...]:
        """Entries that hold all the words, best first, and of equals the newest; ``"several words"`` belong together.

        Nothing in ``words`` is an operator but the quotes. In one thread, or with "" in all. No words find nothing.
        """

    async def end(self, thread: str, *, identity: str, reason: str = "", summary: str = "", feedback: str = "") -> Ending:
        """End what sessions of the thread are not ended: nothing new is added to them, and what is in flight may settle.

        Idempotent: what a first call said stands, and what it left empty a later one fills in. A session that is opened
        later has to be ended anew. Raises ForeignThreadError, also for a thread that never had a session.
        """

    async def forget(self, thread: str, *, identity: str) -> Forgotten:
        """Remove a thread, with its index and its sound; it cannot be read from the disk any more.

        Raises ForeignThreadError.
        """

    async def forget_all(self, *, identity: str) -> Forgotten:
        """``forget`` every thread of an identity."""

    async def check(self) -> Health:
        """Look at everything; it takes seconds where much is kept."""
