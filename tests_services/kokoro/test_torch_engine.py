"""The adapter for the PyTorch package, with a stand-in for it: neither PyTorch nor its weights are here."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from voicemode_kokoro import choose, torch_engine
from voicemode_kokoro.engine import Interrupt, OnnxEngine, Spoken
from voicemode_kokoro.files import ModelFiles
from voicemode_kokoro.speech import Pace
from voicemode_kokoro.voices import Voice
from voicemode_service.errors import EngineFailedError
from voicemode_service.settings import ServiceSettings

HOW = Spoken(Voice((("af_bella", 1.0),)), "en-us", 1.5)


class _Model:
    """KModel of kokoro 0.9.4, as far as it is used."""

    def __init__(self, *, repo_id: str, config: str, model: str) -> None:
        self.vocab = {sign: number for number, sign in enumerate("abcdefghijklmnopqrstuvwxyz .,", 1)}
        assert repo_id == "hexgrad/Kokoro-82M"
        assert Path(config).is_file()
        assert Path(model).is_file()

    def to(self, device: str) -> _Model:
        assert device == "cuda"
        return self

    def eval(self) -> _Model:
        return self

    def __call__(self, phonemes: str, style: Any, speed: float) -> Any:
        assert style.shape == (1, 256)
        if phonemes == "broken":
            raise RuntimeError(f"CUDA error while speaking {phonemes}")
        return _Tensor(np.full(round(2400 * len(phonemes) / speed), style[0, 0], np.float32))


class _Tensor:
    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self._array = array

    def numpy(self) -> np.ndarray[Any, Any]:
        return self._array


@pytest.fixture
def muted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The stand-ins are installed; holds what was told to log nothing."""
    silenced: list[str] = []
    modules = {
        "torch": SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: True), from_numpy=lambda array: array),
        "kokoro": SimpleNamespace(KModel=_Model),
        "loguru": SimpleNamespace(logger=SimpleNamespace(disable=silenced.append)),
    }
    for name, content in modules.items():
        module = ModuleType(name)
        module.__dict__.update(vars(content))
        module.__spec__ = SimpleNamespace(name=name)  # type: ignore[assignment]  # find_spec wants one
        monkeypatch.setitem(sys.modules, name, module)
    return silenced


@pytest.fixture
def files(tone: Path, tmp_path: Path) -> ModelFiles:
    """The fixture with weights of the package beside it."""
    for path in tone.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "kokoro-fixture.pth").touch()
    (tmp_path / "config.json").write_text("{}")
    return ModelFiles(tmp_path / "tone-fixture.onnx", tmp_path / "voices-fixture.bin")


def test_it_is_taken_where_there_is_a_gpu(files: ModelFiles, muted: list[str]) -> None:
    """And it is told to log nothing of what is said."""
    engine = choose.load(files, ServiceSettings(name="kokoro", port=1), Pace())
    assert (engine.name, engine.device) == ("kokoro", "cuda")
    assert muted == ["kokoro"]


def test_it_is_not_taken_for_the_processor(files: ModelFiles, muted: list[str]) -> None:
    """There kokoro-onnx is as good and smaller."""
    assert isinstance(choose.load(files, ServiceSettings(name="kokoro", port=1, device="cpu"), Pace()), OnnxEngine)
    assert muted == []


def test_without_the_package_it_is_not_available() -> None:
    """Nothing is imported to find that out."""
    if "kokoro" not in sys.modules:
        assert not torch_engine.available()


@pytest.mark.usefixtures("muted")
def test_it_speaks_with_the_same_voices(files: ModelFiles) -> None:
    """A row of the voices file for each number of phonemes."""
    engine = torch_engine.TorchEngine(files.model.with_name("kokoro-fixture.pth"), files.voices)
    sound = engine.speak(engine.phonemes("the sea", "en-us"), HOW, Interrupt())
    assert sound is not None
    assert sound[0] == pytest.approx(0.02)


@pytest.mark.usefixtures("muted")
def test_what_breaks_in_it_does_not_carry_the_text(files: ModelFiles) -> None:
    """Neither in the message nor in what led to it."""
    engine = torch_engine.TorchEngine(files.model.with_name("kokoro-fixture.pth"), files.voices)
    with pytest.raises(EngineFailedError) as caught:
        engine.speak("broken", HOW, Interrupt())
    assert "broken" not in str(caught.value)
    assert caught.value.__suppress_context__
    assert caught.value.__cause__ is None


@pytest.mark.usefixtures("muted")
def test_missing_configuration_is_named(files: ModelFiles) -> None:
    """Instead of being fetched from elsewhere."""
    (files.model.parent / "config.json").unlink()
    with pytest.raises(EngineFailedError, match=r"config\.json"):
        torch_engine.TorchEngine(files.model.with_name("kokoro-fixture.pth"), files.voices)
