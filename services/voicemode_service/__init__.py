"""What the local speech services have in common: who may ask, how much at once, what is told, and in which shape."""

import os

# onnxruntime reports to its maker from version 1.31 on, and decides when it is imported. Nothing of a service leaves the machine.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
