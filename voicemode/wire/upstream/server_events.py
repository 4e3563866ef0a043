"""What an upstream tells: read without trust, under the names of today and those of before August 2025."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from voicemode.audio import Samples

__all__ = ["Told", "read_event"]

_NEW_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "response.audio.delta": "response.output_audio.delta",
        "response.audio.done": "response.output_audio.done",
        "response.audio_transcript.delta": "response.output_audio_transcript.delta",
        "response.audio_transcript.done": "response.output_audio_transcript.done",
        "response.text.delta": "response.output_text.delta",
        "response.text.done": "response.output_text.done",
        "conversation.item.created": "conversation.item.added",
    }
)
_NO_SOUND: Samples = np.zeros(0, np.int16)


@dataclass(frozen=True, slots=True)
class Told:
    """One event. Each reader gives an empty value for what is not there or is of another kind."""

    kind: str
    """By the name of today; empty for what is no event."""
    values: Mapping[str, object]

    def text(self, name: str) -> str:
        value = self.values.get(name)
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> int | None:
        value = self.values.get(name)
        return round(value) if isinstance(value, int | float) and abs(value) < 1e12 else None

    def child(self, name: str) -> Told:
        value = self.values.get(name)
        return Told(self.kind, value if isinstance(value, dict) else {})

    def children(self, name: str) -> list[Told]:
        value = self.values.get(name)
        return [Told(self.kind, each) for each in value if isinstance(each, dict)] if isinstance(value, list) else []

    def sound(self, name: str) -> Samples:
        """24 kHz; of what is no sound nothing, of half a sample the whole ones."""
        try:
            data = base64.b64decode(self.text(name), validate=True)
        except (binascii.Error, ValueError):
            return _NO_SOUND
        return np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.int16, copy=False)


def read_event(message: str | bytes) -> Told:
    """Never raises."""
    try:
        event = json.loads(message)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict):
        return Told("", {})
    kind = event.get("type")
    return Told(_NEW_NAMES.get(kind, kind), event) if isinstance(kind, str) else Told("", {})
