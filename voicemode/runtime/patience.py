"""How long a pause may be before it ends the person's turn."""

from __future__ import annotations

from voicemode.errors import RequestError
from voicemode.settings import Settings

__all__ = ["silence_seconds"]

_QUICK_S = 0.6
"""For one-word answers; open models cut 15 % of English turns off at this wait, so it is never the default."""
_PATIENT_FACTOR = 2.0
_PATIENT_MIN_S = 2.0
_MS = (100, 10_000)
"""The same limits as VOICEMODE_SILENCE_THRESHOLD_MS."""


def silence_seconds(patience: str | int | None, settings: Settings) -> float:
    """Seconds of silence that end a turn, for "quick", "normal", "patient" or a number of milliseconds.

    None takes the setting. Raises RequestError.
    """
    normal = settings.silence_threshold_ms / 1000
    match settings.patience if patience is None else patience:
        case "quick":
            return min(_QUICK_S, normal)
        case "normal":
            return normal
        case "patient":
            return max(_PATIENT_FACTOR * normal, _PATIENT_MIN_S)
        case int(ms) if _MS[0] <= ms <= _MS[1]:
            return ms / 1000
        case str(digits) if digits.isdecimal() and _MS[0] <= int(digits) <= _MS[1]:
            return int(digits) / 1000
        case other:
            allowed = f"quick, normal, patient, or {_MS[0]} to {_MS[1]} milliseconds"
            raise RequestError("patience", f"'{str(other)[:40]}' is not a patience", allowed)
