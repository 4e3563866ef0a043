"""The PyTorch package ``kokoro`` as an engine, for machines with a GPU. It is used where it is installed, and never required.

Tested with a stand-in for the package only: its weights and PyTorch (5.9 GB) are more than this project's tests fetch.
Pronunciation and voices are the same as with kokoro-onnx, so that a voice sounds alike on both, and nothing is downloaded
behind one's back: the package's own way to pronounce fetches a language model when it is first used.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from kokoro_onnx.config import SAMPLE_RATE
from kokoro_onnx.tokenizer import Tokenizer
from kokoro_onnx.trim import trim
from numpy.typing import NDArray
from voicemode_service.errors import EngineFailedError

from voicemode_kokoro.engine import Interrupt, Spoken
from voicemode_kokoro.pronounce import Pronunciation
from voicemode_kokoro.styles import Styles

__all__ = ["TorchEngine", "available"]

_REPO = "hexgrad/Kokoro-82M"
"""Named so that the package does not print which one it assumes; both files are given, so nothing is fetched from it."""


def available() -> bool:
    """Whether the package is installed and PyTorch has a GPU. It may take seconds: PyTorch is imported."""
    if importlib.util.find_spec("kokoro") is None or importlib.util.find_spec("torch") is None:
        return False
    return bool(importlib.import_module("torch").cuda.is_available())


class TorchEngine:
    """``kokoro.KModel`` on the first GPU."""

    name = "kokoro"
    device = "cuda"
    rate = SAMPLE_RATE

    def __init__(self, weights: Path, voices: Path) -> None:
        """Load them. Raises EngineFailedError where config.json is missing, and whatever PyTorch says of corrupt weights."""
        config = weights.with_name("config.json")
        if not config.is_file():
            raise EngineFailedError(f"{config.name} is missing beside {weights}.")
        # The package writes what is said into its log, which goes to standard error unless it is told not to.
        importlib.import_module("loguru").logger.disable("kokoro")
        self._torch: Any = importlib.import_module("torch")
        kokoro = importlib.import_module("kokoro")
        self._model = kokoro.KModel(repo_id=_REPO, config=str(config), model=str(weights)).to(self.device).eval()
        self._styles = Styles(voices)
        self._alphabet = frozenset(self._model.vocab)
        Tokenizer()  # finds espeak-ng's library
        self._pronunciation = Pronunciation(self._alphabet)

    def phonemes(self, text: str, language: str) -> str:
        return self._pronunciation.of(text, language)

    def speak(self, phonemes: str, how: Spoken, interrupt: Interrupt) -> NDArray[np.float32] | None:
        """Not interrupted in mid-clause, which takes a GPU some tens of milliseconds."""
        if interrupt:
            return None
        styles = self._styles.of(how.voice)
        style = self._torch.from_numpy(styles[min(len(phonemes), len(styles)) - 1])
        try:
            samples = np.asarray(self._model(phonemes, style, how.speed).numpy(), dtype=np.float32).ravel()
        except Exception as error:  # noqa: BLE001  (PyTorch raises what it likes; the text must not travel with it)
            raise EngineFailedError(f"The engine failed ({type(error).__name__}).") from None
        trimmed: NDArray[np.float32] = np.nan_to_num(trim(samples)[0])
        return None if interrupt else trimmed
