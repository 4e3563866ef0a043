"""What the service wants of an engine, and kokoro-onnx as such."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
from kokoro_onnx import Kokoro
from kokoro_onnx.config import SAMPLE_RATE
from numpy.typing import NDArray
from voicemode_service.errors import EngineFailedError

from voicemode_kokoro.pronounce import Pronunciation
from voicemode_kokoro.styles import Styles
from voicemode_kokoro.voices import Voice

__all__ = ["SPEEDS", "Engine", "Interrupt", "OnnxEngine", "Spoken"]

SPEEDS = (0.5, 2.0)
"""What kokoro-onnx takes; beyond it refuses."""

_TOKENS = {"input_ids", "tokens"}
"""Newer and older exports call the phonemes so."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """How a text is to be spoken."""

    voice: Voice
    language: str
    """As espeak-ng names it, such as "en-us"."""
    speed: float = 1.0
    """Within SPEEDS."""


class Interrupt:
    """Ends the engine's work on one piece, from another thread."""

    def __init__(self) -> None:
        self._set = False
        self._action: Callable[[], None] | None = None

    def __bool__(self) -> bool:
        return self._set

    def set(self) -> None:
        """Idempotent."""
        self._set = True
        action = self._action
        if action is not None:
            action()

    @contextlib.contextmanager
    def ends(self, action: Callable[[], None]) -> Iterator[None]:
        """While the block runs, being set calls ``action``; so does having been set before."""
        self._action = action
        try:
            if self._set:
                action()
            yield
        finally:
            self._action = None


class Engine(Protocol):
    """A loaded model. Its methods block, and several threads may call them."""

    name: str
    device: str
    """Such as "cpu" or "cuda"."""
    rate: int
    """Of its sound, in hertz."""

    def phonemes(self, text: str, language: str) -> str:
        """How it is pronounced, in the model's alphabet; what the model does not know is left out."""

    def speak(self, phonemes: str, how: Spoken, interrupt: Interrupt) -> NDArray[np.float32] | None:
        """Mono samples, -1 to 1, without the silence around them; None when interrupted. Raises EngineFailedError."""


class OnnxEngine:
    """kokoro-onnx, with an interruption that onnxruntime obeys between two nodes of the graph."""

    name = "kokoro-onnx"

    def __init__(self, model: Path, voices: Path, *, device: str = "auto", threads: int = 0) -> None:
        """Load it. ``device`` is "auto", "cpu" or "cuda"; ``threads`` 0 leaves their number to onnxruntime.

        Raises EngineFailedError for files that are not Kokoro's, and whatever onnxruntime says of a corrupt one.
        """
        # Parts of it write phonemes into its log at debug level, which LOG_LEVEL in the environment turns on.
        logging.getLogger("kokoro_onnx").setLevel(logging.ERROR)
        self._styles = Styles(voices)
        self._session = _Interruptible(_session(model, device, threads))
        self.device = "cuda" if "CUDAExecutionProvider" in self._session.get_providers() else "cpu"
        self._kokoro = Kokoro.from_session(self._session, str(voices))
        # That class opens the voices, too, and would keep the file open.
        self._kokoro.voices.close()
        self.rate = SAMPLE_RATE
        self._pronunciation = Pronunciation(self._kokoro.tokenizer.vocab)

    def phonemes(self, text: str, language: str) -> str:
        return self._pronunciation.of(text, language)

    def speak(self, phonemes: str, how: Spoken, interrupt: Interrupt) -> NDArray[np.float32] | None:
        style = self._styles.of(how.voice)
        try:
            with self._session.interrupted_by(interrupt):
                samples, _ = self._kokoro.create(phonemes, style, how.speed, is_phonemes=True)
        except Exception as error:  # noqa: BLE001  (engines raise what they like, some with the text in it: "from None")
            if interrupt:
                return None
            raise EngineFailedError(f"The engine failed ({type(error).__name__}).") from None
        sound: NDArray[np.float32] = np.nan_to_num(np.asarray(samples, dtype=np.float32))
        return sound


class _Interruptible:
    """An onnxruntime session whose runs another thread can end. It stands in for the session in kokoro-onnx."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        self._local = threading.local()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    @contextlib.contextmanager
    def interrupted_by(self, interrupt: Interrupt) -> Iterator[None]:
        """For the runs that this thread begins in the block."""
        self._local.interrupt = interrupt
        try:
            yield
        finally:
            del self._local.interrupt

    def run(self, outputs: list[str] | None, inputs: dict[str, NDArray[Any]]) -> list[Any]:
        options = onnxruntime.RunOptions()
        with self._local.interrupt.ends(lambda: setattr(options, "terminate", True)):
            results: list[Any] = self._session.run(outputs, inputs, options)
            return results


def _session(model: Path, device: str, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Every clause has its own length: a plan made for one is never used again, and is kept all the same.
    options.enable_mem_pattern = False
    options.log_severity_level = 4  # onnxruntime reports each interruption as an error on standard error
    session = onnxruntime.InferenceSession(str(model), options, providers=_providers(device))
    if not {"style", "speed"} <= {i.name for i in session.get_inputs()} or not _TOKENS & {i.name for i in session.get_inputs()}:
        raise EngineFailedError(f"{model.name} is not a model of Kokoro: it takes {[i.name for i in session.get_inputs()]}.")
    return session


def _providers(device: str) -> list[Any]:
    cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    if device == "cuda" and not cuda:
        raise EngineFailedError("This onnxruntime has no CUDA: install onnxruntime-gpu, or take the device cpu.")
    # HEURISTIC: clauses differ in length, and the default would try all algorithms anew for each length.
    gpu = [("CUDAExecutionProvider", {"cudnn_conv_algo_search": "HEURISTIC"})] if cuda and device != "cpu" else []
    return [*gpu, "CPUExecutionProvider"]
