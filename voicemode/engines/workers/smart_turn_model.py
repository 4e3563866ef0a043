"""smart-turn v3 itself: eight seconds of sound in, one probability out. In a worker process, or in a benchmark's own."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from voicemode.audio import Samples
from voicemode.core.log_mel import BANDS, FRAMES, log_mel

__all__ = ["SmartTurn"]

_INPUT = "input_features"


class SmartTurn:
    """The loaded model, on one thread. It keeps nothing from one call to the next."""

    def __init__(self, path: Path) -> None:
        """Load it (0.2 s). Raises ImportError without onnxruntime, and ValueError for a file that is no such model."""
        # onnxruntime reports to its maker from 1.29 on, and reads this once, when it is imported.
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its errors have no other common ancestor
            raise ValueError(f"{path} cannot be loaded: {error}") from error
        inputs = [(each.name, each.shape[1:]) for each in self._session.get_inputs()]
        if inputs != [(_INPUT, [BANDS, FRAMES])]:
            raise ValueError(f"{path} is no model of smart-turn v3: it takes {inputs}")

    def score(self, samples: Samples) -> float:
        """How likely the speaker has finished, 0 to 1.

        ``samples``: 16 kHz mono PCM of the turn with the silence behind it; the last 8 s count. Silence and noise alone
        score near 1, so there must be speech in it. Raises ValueError when the model answers with no probability.
        """
        (answer,) = self._session.run(None, {_INPUT: log_mel(samples)[np.newaxis]})
        probability = float(np.asarray(answer).reshape(-1)[0])
        if not 0 <= probability <= 1:
            raise ValueError(f"the model answered {probability}")
        return probability
