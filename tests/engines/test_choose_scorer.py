"""Who judges, and what is said when smart-turn cannot be had."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from voicemode.engines.choose_scorer import SMART_TURN_MODEL, choose_scorer
from voicemode.errors import EngineError, ModelError
from voicemode.supervise.catalogue import CATALOGUE


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.touch()
    return path


def test_auto_takes_smart_turn_where_it_can_be_had(model: Path) -> None:
    """The model's file and onnxruntime are enough; nothing is started to find out, and onnxruntime is not imported."""
    before = "onnxruntime" in sys.modules
    choice = choose_scorer("auto", model, os.environ)
    assert (choice.scorer.name, choice.reason) == ("smart-turn-v3", "smart-turn is the best judge here.")
    assert ("onnxruntime" in sys.modules) is before


def test_auto_takes_prosody_without_the_model_and_says_how_to_get_it(tmp_path: Path) -> None:
    """One command."""
    choice = choose_scorer("auto", tmp_path / "model.onnx", os.environ)
    assert choice.scorer.name == "prosody"
    assert choice.reason.endswith("model.onnx. Run 'voicemode models pull smart-turn-v3.2'.")


def test_auto_takes_prosody_without_onnxruntime_and_says_how_to_get_it(model: Path) -> None:
    """The extra."""
    choice = choose_scorer("auto", model, os.environ, has_runtime=lambda: False)
    assert choice.scorer.name == "prosody"
    assert choice.reason.endswith("onnxruntime is not installed. Run: pip install 'voicemode[turns]'.")


def test_prosody_is_taken_as_asked(model: Path) -> None:
    """Although smart-turn could be had."""
    assert choose_scorer("prosody", model, os.environ).scorer.name == "prosody"


def test_smart_turn_asked_for_by_name_never_becomes_something_else(model: Path, tmp_path: Path) -> None:
    """What is missing is an error with the command that brings it."""
    assert choose_scorer("smart-turn", model, os.environ).scorer.name == "smart-turn-v3"
    with pytest.raises(ModelError) as lacks_model:
        choose_scorer("smart-turn", tmp_path / "absent.onnx", os.environ)
    assert "voicemode models pull smart-turn-v3.2" in lacks_model.value.remedy
    with pytest.raises(EngineError) as lacks_runtime:
        choose_scorer("smart-turn", model, os.environ, has_runtime=lambda: False)
    assert "pip install 'voicemode[turns]'" in lacks_runtime.value.remedy
    assert "VOICEMODE_TURN_SCORER=auto" in lacks_runtime.value.remedy


def test_the_model_is_in_the_catalogue() -> None:
    """The command that is recommended works."""
    assert SMART_TURN_MODEL in {model.name for model in CATALOGUE}
