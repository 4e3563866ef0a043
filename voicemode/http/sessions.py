"""What a client asks for when it connects, and the session that it gets: one that was bound to a secret begins configured."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from voicemode.dialogue import Command, Report
from voicemode.http.errors import HttpError
from voicemode.playout import PlayoutSink
from voicemode.runtime.outbox import Event
from voicemode.runtime.realtime_parts import DialogueEngineLike, SessionLike, StepLike

__all__ = ["MakeEngine", "MakeSession", "SessionWish", "bound", "effective_session", "for_secret"]

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
"""A session of the protocol; ``wish.session`` is not its business."""
MakeEngine: TypeAlias = Callable[[SessionWish, PlayoutSink | None, Callable[[Report], None]], DialogueEngineLike]
"""What listens and speaks; given where it reports to, and the playout if the server owns it."""


def bound(make: MakeSession, wish: SessionWish) -> SessionLike:
    """The session, which begins as ``wish.session`` says."""
    session = make(wish)
    return _Bound(session, wish.session) if wish.session else session


def effective_session(make: MakeSession, wish: SessionWish) -> Mapping[str, Any]:
    """The whole session object that a client with this wish would see. Raises HttpError for one that is not allowed."""
    step = bound(make, wish).open(0)
    for event in step.events:
        if event.get("type") == "error":
            error = event.get("error", {})
            raise HttpError(
                400,
                str(error.get("code") or "invalid_value"),
                str(error.get("message") or "This session is not allowed."),
                param=error.get("param"),
            )
    shown = next((event["session"] for event in step.events if isinstance(event.get("session"), Mapping)), None)
    return dict(shown) if shown is not None else {}


@dataclass(frozen=True, slots=True)
class _Step:
    events: tuple[Event, ...]
    commands: tuple[Command, ...]
    close: tuple[int, str] | None


class _Bound:
    """A session whose first message tells it as it was asked for, not as it would be by default."""

    def __init__(self, session: SessionLike, wanted: Mapping[str, Any]) -> None:
        self._session, self._wanted = session, wanted

    def open(self, now_ms: int) -> StepLike:
        opened = self._session.open(now_ms)
        update = json.dumps({"type": "session.update", "session": dict(self._wanted)})
        updated = self._session.receive(update, now_ms)
        shown = next((event["session"] for event in updated.events if event.get("type") == "session.updated"), None)
        events = [
            {**event, "session": shown} if shown is not None and event.get("type") == "session.created" else event
            for event in opened.events
        ]
        rest = [event for event in updated.events if event.get("type") != "session.updated"]
        return _Step(
            events=(*events, *rest), commands=(*opened.commands, *updated.commands), close=updated.close or opened.close
        )

    def receive(self, message: str | bytes, now_ms: int) -> StepLike:
        return self._session.receive(message, now_ms)

    def report(self, report: Report, now_ms: int) -> StepLike:
        return self._session.report(report, now_ms)

    def expire(self) -> StepLike:
        return self._session.expire()


def for_secret(wish: SessionWish, bound_to: SessionWish) -> SessionWish:
    """What a client gets who came with a secret: what that was made for; the address only fills what it left open."""
    return replace(
        bound_to, model=bound_to.model or wish.model, beta=bound_to.beta or wish.beta, server_plays=wish.server_plays
    )
