"""Where the model is: a folder with the model and its voices, or the model itself with the voices beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from voicemode_service.errors import EngineFailedError
from voicemode_service.settings import ServiceSettings

__all__ = ["DEFAULT_MODEL", "ModelFiles", "find"]

DEFAULT_MODEL = "kokoro-v1.0"


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The files of one model, which exist."""

    model: Path
    """An ONNX graph, or a .pth of the PyTorch package with its config.json beside it."""
    voices: Path
    """An npz of arrays, whatever it ends with."""

    @property
    def torch(self) -> Path | None:
        """The weights of the PyTorch package, where they lie beside the model."""
        return next(iter(sorted(self.model.parent.glob("*.pth"))), None)


def find(settings: ServiceSettings) -> ModelFiles:
    """Look for the model. Raises EngineFailedError that says where it was looked for."""
    wanted = settings.model or DEFAULT_MODEL
    place = Path(wanted).expanduser()
    if not place.exists():
        place = settings.models_dir / wanted
    folder = place if place.is_dir() else place.parent
    model = place if place.is_file() else _first(folder, "*.onnx")
    voices = _first(folder, "voices*.bin", "voices*.npz", "*.npz")
    if model is None or not model.is_file():
        raise EngineFailedError(f"There is no Kokoro model at {place}. 'voicemode models pull {DEFAULT_MODEL}' gets it.")
    if voices is None:
        raise EngineFailedError(f"There is no voices file (voices*.bin) beside {model}.")
    return ModelFiles(model, voices)


def _first(folder: Path, *patterns: str) -> Path | None:
    return next((path for pattern in patterns for path in sorted(folder.glob(pattern))), None)
