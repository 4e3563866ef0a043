"""The lines that ``voicemode control`` and a running conversation exchange: one JSON object each way, then the end.

Request ``{"action": "pause"}``, over TCP with ``"secret"`` too. Answer ``{"ok": true, "state": "paused", "detail": ""}``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

__all__ = [
    "LINE_LIMIT",
    "ControlAction",
    "ControlAnswer",
    "ControlState",
    "read_answer",
    "read_request",
    "write_answer",
    "write_request",
]

LINE_LIMIT = 4096
"""Bytes of a line with its end. Requests have about 100, answers about 200."""
_DETAIL_LIMIT = 300
"""Letters. A letter is at most 12 bytes of JSON (two escapes), so that every answer fits into a line."""


class ControlAction(StrEnum):
    """What a key can ask for."""

    PAUSE = "pause"
    """Playback halts where it is. Once more changes nothing."""
    RESUME = "resume"
    STOP = "stop"
    """End what is being said, and listen (push-to-interrupt)."""
    SKIP = "skip"
    """Leave out the rest of the message that is being said."""
    TALK = "talk"
    """Push-to-talk as a switch: start when nobody holds it, else end."""
    TALK_START = "talk_start"
    """The key went down: what is said from now on is the turn."""
    TALK_END = "talk_end"
    """The key went up: the turn is over."""
    STATUS = "status"


class ControlState(StrEnum):
    """What the conversation does after the action."""

    IDLE = "idle"
    """Nothing; an action finds nothing to act on."""
    SPEAKING = "speaking"
    PAUSED = "paused"
    LISTENING = "listening"
    TALKING = "talking"
    """Push-to-talk is held."""
    THINKING = "thinking"
    """The turn is over and its words are being found."""


@dataclass(frozen=True, slots=True)
class ControlAnswer:
    """What came of an action."""

    ok: bool
    """Whether it holds now; true also when it held already."""
    state: ControlState = ControlState.IDLE
    detail: str = ""
    """For people: why not, or what was done. No transcript."""


def write_request(action: ControlAction, secret: str = "") -> bytes:
    """``secret`` is for connections on which the peer's user cannot be asked for."""
    return _line({"action": str(action)} | ({"secret": secret} if secret else {}))


def read_request(line: bytes) -> tuple[ControlAction, str]:
    """Action and secret ("" for none). Raises ValueError, whose text may be shown to the sender."""
    request = _object(line)
    action, secret = request.get("action"), request.get("secret", "")
    if not isinstance(secret, str) or request.keys() - {"action", "secret"}:
        raise ValueError("the request has something else than an action")
    try:
        return ControlAction(str(action)), secret
    except ValueError:
        raise ValueError(f"the action is none of {', '.join(ControlAction)}") from None


def write_answer(answer: ControlAnswer) -> bytes:
    """A detail that is too long for a line is cut."""
    return _line({"ok": answer.ok, "state": str(answer.state), "detail": answer.detail[:_DETAIL_LIMIT]})


def read_answer(line: bytes) -> ControlAnswer:
    """Raises ValueError."""
    answer = _object(line)
    ok, state, detail = answer.get("ok"), answer.get("state"), answer.get("detail", "")
    if not isinstance(ok, bool) or not isinstance(detail, str):
        raise ValueError("the answer says not whether it was done")  # noqa: TRY004  # of the line, not of the caller
    return ControlAnswer(ok, ControlState(str(state)), detail)


def _line(content: dict[str, Any]) -> bytes:
    return json.dumps(content).encode("ascii") + b"\n"


def _object(line: bytes) -> dict[str, Any]:
    if len(line) > LINE_LIMIT or not line.endswith(b"\n"):
        raise ValueError(f"it is no line of up to {LINE_LIMIT} bytes")
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):  # bytes that are no UTF-8, no JSON, or brackets in brackets in brackets
        raise ValueError("it is no JSON") from None
    if not isinstance(content, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004  # as above
    return content
