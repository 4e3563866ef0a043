"""What a client asks for when it connects, and how sessions and engines are made for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from voicemode.dialogue import Report
from voicemode.http.errors import HttpError
from voicemode.playout import PlayoutSink
from voicemode.record import OWNER, Entry
from voicemode.runtime.realtime_parts import DialogueEngineLike, SessionLike

__all__ = ["MakeEngine", "MakeSession", "SessionWish", "effective_session", "for_secret"]

_MOST_SESSION_BYTES = 256 << 10
"""Of a session's configuration in JSON; its instructions and tools are the most of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionWish:
    """How a session is to begin."""

    kind: Literal["realtime", "transcription"] = "realtime"
    model: str = ""
    """As the client named it; empty: ours."""
    beta: bool = False
    """The client speaks the protocol of before August 2025 (``OpenAI-Beta: realtime=v1``)."""
    server_plays: bool = False
    """The server owns the playout (WebRTC)."""
    session: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What is asked for besides, as ``session.update`` has it."""
    identity: str = OWNER
    """Whose conversation it is. Of whoever was let in, never of what they asked."""
    thread: str = ""
    """Which one is gone on with; empty: a new one."""
    memory: Literal["", "incognito", "persistent"] = ""
    """Whether it is kept; empty: as the settings have it."""
    surface: str = ""
    """A ``record.Surface``; empty: WebSocket, or WebRTC where the server plays."""
    history: Sequence[Entry] = field(default=(), repr=False)
    """What was said in the thread before, once its record was opened."""

    @classmethod
    def of_session(cls, session: Mapping[str, Any], **known: Any) -> SessionWish:
        """What a session object of a client asks for. Raises HttpError for one that is none."""
        kind = session.get("type", "realtime")
        if kind not in ("realtime", "transcription"):
            raise HttpError(400, "invalid_value", "It is 'realtime' or 'transcription'.", param="session.type")
        model = session.get("model", "")
        if not isinstance(model, str):
            raise HttpError(400, "invalid_type", "It is a text.", param="session.model")
        try:
            size = len(json.dumps(session))
        except (TypeError, ValueError, RecursionError):
            size = _MOST_SESSION_BYTES + 1
        if size > _MOST_SESSION_BYTES:
            raise HttpError(400, "session_too_large", f"It has more than {_MOST_SESSION_BYTES >> 10} KiB.", param="session")
        return cls(**({"kind": kind, "model": model, "session": session} | known))


MakeSession: TypeAlias = Callable[[SessionWish], SessionLike]
"""A session of the protocol that begins as the wish has it. Raises HttpError for one that is not allowed."""
MakeEngine: TypeAlias = Callable[[SessionWish, PlayoutSink | None, Callable[[Report], None]], DialogueEngineLike]
"""What listens and speaks; given where it reports to, and the playout if the server owns it."""


def effective_session(make: MakeSession, wish: SessionWish) -> Mapping[str, Any]:
    """The whole session object that a client with this wish would see. Raises HttpError."""
    events = [event for event in make(wish).open(0).events if not isinstance(event, bytes)]
    shown = next((event["session"] for event in events if isinstance(event.get("session"), Mapping)), None)
    return dict(shown) if shown is not None else {}


def for_secret(wish: SessionWish, bound_to: SessionWish) -> SessionWish:
    """What a client gets who came with a secret: what that was made for; the address only fills what it left open."""
    return replace(
        bound_to, model=bound_to.model or wish.model, beta=bound_to.beta or wish.beta, server_plays=wish.server_plays
    )
