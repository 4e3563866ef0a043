"""What the local speech services have in common: who may ask, how much at once, what is told, and in which shape."""

import os

# From version 1.31 on onnxruntime reports to its maker unless it is told not to before it is imported. Nothing leaves here.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__all__ = ["__version__"]

__version__ = "0.1.0"
