"""Which engine: the PyTorch package where it is installed, has weights and a GPU; else kokoro-onnx."""

from __future__ import annotations

import time

import onnxruntime  # type: ignore[import-untyped]
from voicemode_service.settings import ServiceSettings
from voicemode_service.tune import Candidate, Memory, processors, ways

from voicemode_kokoro import torch_engine
from voicemode_kokoro.engine import Engine, Interrupt, OnnxEngine, Spoken
from voicemode_kokoro.files import ModelFiles
from voicemode_kokoro.speech import Pace
from voicemode_kokoro.styles import voice_names
from voicemode_kokoro.voices import language_of, read_voice

__all__ = ["load"]

_WARM_UP = "This is said once, to no one."


def load(files: ModelFiles, settings: ServiceSettings, pace: Pace) -> Engine:
    """A loaded engine that has spoken once, so that the first request is no slower than others. It blocks.

    Raises EngineFailedError, and whatever onnxruntime says of a corrupt file.
    """
    if settings.device != "cpu" and files.torch is not None and torch_engine.available():
        engine: Engine = torch_engine.TorchEngine(files.torch, files.voices)
    else:
        engine = _onnx_engine(files, settings)
    phonemes, seconds = _trial(engine, files)
    pace.learn(phonemes, seconds)
    return engine


def _onnx_engine(files: ModelFiles, settings: ServiceSettings) -> OnnxEngine:
    """In the way that was measured to be the fastest here."""

    def seconds(candidate: Candidate) -> float:
        return _trial(_made(files, candidate), files)[1]

    way = Memory.of(settings).choose(
        seconds,
        ways(settings, cuda="CUDAExecutionProvider" in onnxruntime.get_available_providers()),
        model=files.model,
        engine=f"onnxruntime {onnxruntime.__version__}",
        available=processors(),
    )
    return _made(files, way)


def _made(files: ModelFiles, way: Candidate) -> OnnxEngine:
    return OnnxEngine(files.model, files.voices, device=way.device, threads=way.threads)


def _trial(engine: Engine, files: ModelFiles) -> tuple[str, float]:
    """What was spoken, and how many seconds it took the second time: the first run allocates."""
    voice = read_voice("default", voice_names(files.voices))
    how = Spoken(voice, language_of(voice.main))
    phonemes = engine.phonemes(_WARM_UP, how.language)
    engine.speak(phonemes, how, Interrupt())
    began = time.monotonic()
    engine.speak(phonemes, how, Interrupt())
    return phonemes, time.monotonic() - began
