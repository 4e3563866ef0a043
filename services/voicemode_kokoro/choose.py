"""Which engine: the PyTorch package where it is installed, has weights and a GPU; else kokoro-onnx."""

from __future__ import annotations

import os
import time

from voicemode_service.settings import ServiceSettings

from voicemode_kokoro import torch_engine
from voicemode_kokoro.engine import Engine, Interrupt, OnnxEngine, Spoken
from voicemode_kokoro.files import ModelFiles
from voicemode_kokoro.speech import Pace
from voicemode_kokoro.styles import voice_names
from voicemode_kokoro.voices import language_of, read_voice

__all__ = ["load", "threads_for"]

_MOST_THREADS = 8
"""Convolutions as small as Kokoro's gain nothing of more."""

_WARM_UP = "This is said once, to no one."


def load(files: ModelFiles, settings: ServiceSettings, pace: Pace) -> Engine:
    """A loaded engine that has spoken once, so that the first request is no slower than others. It blocks."""
    engine: Engine
    if settings.device != "cpu" and files.torch is not None and torch_engine.available():
        engine = torch_engine.TorchEngine(files.torch, files.voices)
    else:
        engine = OnnxEngine(files.model, files.voices, device=settings.device, threads=threads_for(settings))
    voice = read_voice("default", voice_names(files.voices))
    how = Spoken(voice, language_of(voice.main))
    phonemes = engine.phonemes(_WARM_UP, how.language)
    engine.speak(phonemes, how, Interrupt())  # the first run allocates
    began = time.monotonic()
    engine.speak(phonemes, how, Interrupt())
    pace.learn(phonemes, time.monotonic() - began)
    return engine


def threads_for(settings: ServiceSettings) -> int:
    """Those asked for, else a share of the processors this process may use for each worker."""
    if settings.threads:
        return settings.threads
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(_MOST_THREADS, processors // settings.workers))
