"""How long a pause may be before it ends the person's turn."""

from __future__ import annotations

from voicemode.core.turn_policy import Patience
from voicemode.errors import RequestError
from voicemode.settings import Settings

__all__ = ["turn_patience"]

_MS = (100, 10_000)
"""The same limits as VOICEMODE_SILENCE_THRESHOLD_MS."""


def turn_patience(asked: str | int | None, settings: Settings) -> tuple[Patience, float | None]:
    """What "quick", "normal", "patient" or a number of milliseconds means: a patience, and the fixed silence in seconds that
    stands in its place, or None.

    None takes the settings; their fixed silence stands for "normal". Raises RequestError.
    """
    match settings.patience if asked is None else asked:
        case "normal":
            fixed_ms = settings.silence_threshold_ms
            return "normal", None if fixed_ms is None else fixed_ms / 1000
        case "quick" | "patient" as patience:
            return patience, None
        case int(ms) if _MS[0] <= ms <= _MS[1]:
            return "normal", ms / 1000
        case str(digits) if digits.isdecimal() and _MS[0] <= int(digits) <= _MS[1]:
            return "normal", int(digits) / 1000
        case other:
            allowed = f"quick, normal, patient, or {_MS[0]} to {_MS[1]} milliseconds"
            raise RequestError("patience", f"'{str(other)[:40]}' is not a patience", allowed)
