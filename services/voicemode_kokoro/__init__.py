"""Kokoro as a local speech service: OpenAI's speech route on port 8880."""

import voicemode_service  # noqa: F401  (before any engine: it keeps onnxruntime from reporting)
