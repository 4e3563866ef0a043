"""The worker process of smart-turn: onnxruntime and the model, which the MCP process does not have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from voicemode.engines.workers.serve import Request, serve
from voicemode.engines.workers.smart_turn_model import SmartTurn

__all__ = ["main"]


def main() -> None:
    """Serve "load" and "score"; both name the model's file, which is loaded once."""
    loaded: dict[str, SmartTurn] = {}

    def model(request: Request) -> SmartTurn:
        path: str = request.header["path"]
        if path not in loaded:
            loaded.clear()
            loaded[path] = SmartTurn(Path(path))
        return loaded[path]

    def load(request: Request) -> dict[str, Any]:
        model(request).score(np.zeros(1, np.int16))  # the first run is the slowest: it allocates
        return {}

    def score(request: Request) -> dict[str, Any]:
        samples = np.frombuffer(request.payload, "<i2").astype(np.int16, copy=False)
        return {"score": model(request).score(samples)}

    serve({"load": load, "score": score})


if __name__ == "__main__":
    main()
