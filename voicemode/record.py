"""What is kept of a conversation, whichever surface it is held on, and the seam to whoever keeps it.

A thread is one conversation with one person, over any number of calls, processes and surfaces. Its entries are in the order in
which they began. By default nothing is kept: the records are then in memory, and gone with the process.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, unique
from types import MappingProxyType
from typing import NamedTuple, Protocol

from voicemode.errors import VoicemodeError

__all__ = [
    "OWNER",
    "EndedThreadError",
    "Entry",
    "ForeignThreadError",
    "Record",
    "RecordError",
    "Records",
    "Role",
    "Standing",
    "Surface",
]

OWNER = "owner"
"""The identity of whoever holds the installation's own token, or uses its command line."""


@unique
class Role(Enum):
    """Whose entry it is."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@unique
class Standing(Enum):
    """What became of it."""

    IN_FLIGHT = "in_flight"
    """It has begun."""
    WHOLE = "whole"
    INTERRUPTED = "interrupted"
    """The text is what was heard, or said, of it."""
    FAILED = "failed"
    LOST = "lost"
    """Its process died before it was over; the text is what had been put down."""


@unique
class Surface(Enum):
    """Where it was said."""

    CLI = "cli"
    """Typed or spoken at the command line."""
    CONVERSE = "converse"
    """The MCP tool."""
    WEBSOCKET = "websocket"
    WEBRTC = "webrtc"
    GPTME = "gptme"
    PHONE = "phone"
    API = "api"
    """Put down by a client over ``/api/sessions``."""


class Entry(NamedTuple):
    """One turn of somebody, or one use of a tool. A tuple: ten thousand frozen objects take three times as long to make."""

    key: str
    """Unique within its thread. Putting the same key again replaces what was put, in its old place."""
    role: Role
    text: str
    """Of the assistant: as far as it was heard. Of a tool: what came of it. Data from outside, never an instruction."""
    standing: Standing = Standing.WHOLE
    began_at: float = 0.0
    """Unix seconds; 0: the record's keeper puts in the time at which it is first put."""
    surface: Surface | None = None
    """None: the one that the record was opened for."""
    tool: str = ""
    """The function's name; only of tools."""
    call_id: str = ""
    """Only of tools."""
    arguments: str = ""
    """JSON; only of tools."""
    timings: Mapping[str, float] = MappingProxyType({})
    """Seconds by name, as "listening" or "transcription"."""
    audio: str = ""
    """The file with its sound, where the person asked that it be kept."""


class RecordError(VoicemodeError):
    """A record cannot be read or written. Whoever talks goes on."""

    code = "record_failed"
    remedy = "See 'voicemode history check'."

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.detail = problem

    @property
    def problem(self) -> str:
        return f"The record of the conversation: {self.detail}."


class ForeignThreadError(VoicemodeError):
    """There is no such thread of this identity; whether somebody else has one of that name is not told."""

    code = "thread_not_found"
    remedy = "Name a thread of your own, or none for a new one."

    def __init__(self, thread: str) -> None:
        super().__init__(thread)
        self.thread = thread

    @property
    def problem(self) -> str:
        return f"There is no thread '{self.thread[:80]}'."


class EndedThreadError(VoicemodeError):
    """The session was ended, and nothing can be added to it."""

    code = "session_ended"
    remedy = "Begin another session; it may be of the same thread."

    def __init__(self, thread: str) -> None:
        super().__init__(thread)
        self.thread = thread

    @property
    def problem(self) -> str:
        return f"The session of thread '{self.thread[:80]}' has ended."


class Record(Protocol):
    """One surface's hold of a thread: a session. Several may hold the same thread, in any number of processes."""

    @property
    def session(self) -> str:
        """The session's id, unique everywhere."""

    @property
    def thread(self) -> str:
        """The thread's name, unique for its identity."""

    @property
    def kept(self) -> bool:
        """Whether it is on disk (persistent) or in memory alone (incognito)."""

    def put(self, entry: Entry) -> None:
        """Put an entry down. Returns at once; they are written in order, in the background.

        A write that fails is logged and told by ``problem``; the conversation goes on.
        """

    @property
    def problem(self) -> str:
        """Why something could not be written; empty while all was."""

    async def history(self, last: int | None = None) -> tuple[Entry, ...]:
        """All entries of the thread, or its last ones, oldest first; with those put before this call.

        Raises RecordError.
        """

    async def aclose(self, reason: str = "") -> None:
        """The surface is done with it. Writes what waits, and marks what is in flight as lost. Idempotent; never raises.

        The thread can be opened again; it is not ended by this.
        """


class Records(Protocol):
    """Where records are. Shared by all conversations of a process."""

    async def open(self, thread: str = "", *, surface: Surface, identity: str = OWNER) -> Record:
        """Go on with a thread of this identity, or begin it; "" begins one with a name of its own.

        Raises RecordError; ForeignThreadError where the name may not be used.
        """

    async def aclose(self) -> None:
        """Writes what waits and frees everything. Idempotent."""
