"""How the stub of a vendor's realtime API behaves, and what it shows."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

__all__ = ["BETA", "RATE", "Script", "seen", "tone", "without_sound"]

RATE = 24_000
BETA = {
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
    "response.output_text.delta": "response.text.delta",
    "response.output_text.done": "response.text.done",
    "conversation.item.added": "conversation.item.created",
}
"""The names of before August 2025."""


@dataclass
class Script:
    """How it behaves; each field can be changed by the test."""

    models: list[str] = field(default_factory=list)
    """Those it has; empty: any."""
    key: str = ""
    """Others are answered with 401; empty: any."""
    quota: bool = False
    """Nothing is left of it."""
    beta: bool = False
    """Tell events by their names of before August 2025."""
    transcript: str | None = "what the person said"
    """Of the person; None: it writes nothing down."""
    text: str = "Paris is the capital of France. It lies on the Seine."
    seconds: float = 0.0
    """Of its sound; 0: six hundredths for each character."""
    delta_ms: int = 100
    first_s: float = 0.0
    """Until an answer begins."""
    pace_s: float = 0.0
    """Between two deltas of sound."""
    call: dict[str, str] | None = None
    """Call this function (name, arguments) where the last item is no result of one."""
    die_after: int | None = None
    """Break the connection off after so many deltas of sound."""
    dies: int = 1
    """So many times."""
    mute: bool = False
    """Take questions and say nothing."""
    expire_after: int | None = None
    """End the session after so many answers."""
    refuse_s: float = 0.0
    """Refuse connections for so long after one died."""
    slow_connect_s: float = 0.0
    unasked: bool = False
    """Answer turns that it ended itself without being asked, as some do whatever one wishes."""
    expires_in_s: float | None = None
    """What a session says of its own end."""


def without_sound(item: dict[str, Any]) -> dict[str, Any]:
    shown = {key: value for key, value in item.items() if key not in ("sent_ms", "cut_ms")}
    if isinstance(shown.get("content"), list):
        shown["content"] = [{key: value for key, value in part.items() if key != "audio"} for part in shown["content"]]
    return shown


def seen(item: dict[str, Any]) -> dict[str, Any]:
    """As the test looks at it."""
    said = "".join(str(part.get("text") or part.get("transcript") or part["type"]) for part in item.get("content", []))
    seen = {"type": item["type"], "role": item.get("role"), "text": said, "cut_ms": item.get("cut_ms")}
    return seen | {name: item[name] for name in ("call_id", "output", "name") if name in item}


@lru_cache(maxsize=16)
def tone(seconds: float) -> bytes:
    """Every sample differs from its neighbours, so that a lost or doubled one is found."""
    samples = (round(8000 * math.sin(2 * math.pi * 220 * n / RATE)) for n in range(round(seconds * RATE)))
    return b"".join(struct.pack("<h", sample) for sample in samples)
