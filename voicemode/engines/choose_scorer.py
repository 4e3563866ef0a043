"""Who judges the end of a turn: smart-turn where its model and onnxruntime are there, prosody where they are not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from voicemode.engines.prosody import ProsodyScorer
from voicemode.engines.smart_turn import SmartTurnScorer
from voicemode.errors import EngineError, ModelError, VoicemodeError
from voicemode.interfaces import TurnScorer

__all__ = ["SMART_TURN_MODEL", "ScorerChoice", "choose_scorer"]

SMART_TURN_MODEL = "smart-turn-v3.2"
"""Its name in the catalogue of models."""
_OR_AUTO = "or set VOICEMODE_TURN_SCORER=auto"


@dataclass(frozen=True, slots=True)
class ScorerChoice:
    """The scorer that was chosen; nothing of it runs yet."""

    scorer: TurnScorer
    reason: str
    """Why it is this one, as a sentence for the result and for ``doctor``."""


def onnxruntime_is_installed() -> bool:
    """Whether the worker could import it. Imports nothing."""
    return find_spec("onnxruntime") is not None


def choose_scorer(
    wanted: Literal["auto", "smart-turn", "prosody"],
    model: Path,
    environ: Mapping[str, str],
    *,
    has_runtime: Callable[[], bool] = onnxruntime_is_installed,
) -> ScorerChoice:
    """A scorer for all sessions of this process. ``model``: where smart-turn's ONNX file is, if it is there.

    Raises ModelError or EngineError when smart-turn is asked for by name and cannot be had.
    """
    if wanted == "prosody":
        return ScorerChoice(ProsodyScorer(), "VOICEMODE_TURN_SCORER asks for prosody.")
    lack = _lack(model, has_runtime)
    if lack is None:
        reason = (
            "VOICEMODE_TURN_SCORER asks for smart-turn." if wanted == "smart-turn" else "smart-turn is the best judge here."
        )
        return ScorerChoice(SmartTurnScorer(model, environ), reason)
    if wanted == "smart-turn":
        raise lack
    return ScorerChoice(ProsodyScorer(), f"{lack.problem} {lack.remedy.partition(f', {_OR_AUTO}')[0]}.")


def _lack(model: Path, has_runtime: Callable[[], bool]) -> VoicemodeError | None:
    """What smart-turn lacks; None when it can be started."""
    if not model.is_file():
        remedy = f"Run 'voicemode models pull {SMART_TURN_MODEL}', {_OR_AUTO}."
        return ModelError(SMART_TURN_MODEL, f"there is no {model}", remedy)
    if not has_runtime():
        remedy = f"Run: pip install 'voicemode[turns]', {_OR_AUTO}."
        return EngineError(SMART_TURN_MODEL, "the package onnxruntime is not installed", remedy)
    return None
