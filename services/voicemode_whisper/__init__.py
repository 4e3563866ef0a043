import voicemode_service  # noqa: F401  (before any engine: it keeps onnxruntime from reporting)
