"""``audio.input.turn_detection``: who says that a turn is over."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from voicemode.dialogue import DialogueOptions, Eagerness, TurnTaking
from voicemode.wire.realtime.fields import Fields

__all__ = ["TurnDetection", "read_turn_detection"]

_KINDS = ("server_vad", "semantic_vad")
_EAGERNESS = {"low": Eagerness.LOW, "medium": Eagerness.AUTO, "auto": Eagerness.AUTO, "high": Eagerness.HIGH}
"""OpenAI says that auto is medium."""
_LONGEST_MS = 60_000
"""Of prefix, silence and idle time; a longer one is a mistake in the unit."""


@dataclass(frozen=True, slots=True)
class TurnDetection:
    """The fields and defaults of both kinds, as OpenAI documents them."""

    kind: str = "server_vad"
    create_response: bool = True
    interrupt_response: bool = True
    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 500
    idle_timeout_ms: int | None = None
    eagerness: str = "auto"

    def wire(self) -> dict[str, object]:
        common: dict[str, object] = {"create_response": self.create_response, "interrupt_response": self.interrupt_response}
        if self.kind == "semantic_vad":
            return {"type": self.kind, "eagerness": self.eagerness, **common}
        return {
            "type": self.kind,
            "threshold": self.threshold,
            "prefix_padding_ms": self.prefix_padding_ms,
            "silence_duration_ms": self.silence_duration_ms,
            "idle_timeout_ms": self.idle_timeout_ms,
            **common,
        }

    def options(self) -> DialogueOptions:
        return DialogueOptions(
            turn_taking=TurnTaking.SEMANTIC if self.kind == "semantic_vad" else TurnTaking.SILENCE,
            threshold=self.threshold,
            prefix_ms=self.prefix_padding_ms,
            silence_ms=self.silence_duration_ms,
            idle_timeout_ms=self.idle_timeout_ms if self.kind == "server_vad" else None,
            eagerness=_EAGERNESS[self.eagerness],
            interrupts=self.interrupt_response,
            answers=self.create_response,
        )


def read_turn_detection(fields: Fields | None, now: TurnDetection | None) -> TurnDetection | None:
    """The present fields over those in force, if the kind stays the same, else over the defaults. Raises ClientError."""
    if fields is None:
        return None
    kind = fields.choice("type", _KINDS) or (now.kind if now else _KINDS[0])
    base = now if now is not None and now.kind == kind else TurnDetection(kind)
    plain = TurnDetection(kind)
    present = {
        "create_response": fields.flag("create_response"),
        "interrupt_response": fields.flag("interrupt_response"),
        "threshold": fields.number("threshold", 0, 1),
        "prefix_padding_ms": fields.integer("prefix_padding_ms", 0, _LONGEST_MS),
        "silence_duration_ms": fields.integer("silence_duration_ms", 0, _LONGEST_MS),
        "idle_timeout_ms": fields.integer("idle_timeout_ms", 1, 60 * _LONGEST_MS),
        "eagerness": fields.choice("eagerness", tuple(_EAGERNESS)),
    }
    changed: dict[str, Any] = {
        name: getattr(plain, name) if value is None else value for name, value in present.items() if name in fields
    }
    return replace(base, **changed)
