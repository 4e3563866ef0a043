"""What is known about the built-in engines without starting them, and the honest words about what is better."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from voicemode.errors import EngineError

__all__ = ["BETTER_STT", "BETTER_TTS", "ESPEAK", "POCKETSPHINX", "builtin_available", "require_builtin"]

POCKETSPHINX = "builtin:pocketsphinx"
ESPEAK = "builtin:espeak-ng"

BETTER_STT = "voicemode config set VOICEMODE_STT_BASE_URLS http://127.0.0.1:2022/v1"
"""The one command that brings a good transcriber, with the address of any OpenAI-compatible endpoint (here the usual one of
a local Whisper). pocketsphinx gets one word in three wrong in dictation."""

BETTER_TTS = "voicemode config set VOICEMODE_TTS_BASE_URLS http://127.0.0.1:8880/v1"
"""The same for a voice that sounds human (here the usual address of a local Kokoro)."""

_PACKAGES = {POCKETSPHINX: ("pocketsphinx", "pocketsphinx"), ESPEAK: ("espeakng_loader", "espeakng-loader")}
"""Engine: its module and its distribution."""

_REMEDY = "Run: pip install 'voicemode[builtin]'."


def builtin_available() -> dict[str, str]:
    """The installed built-in engines, each with its package and version. Loads none of them."""
    found = {}
    for engine, (module, distribution) in _PACKAGES.items():
        if find_spec(module) is None:
            continue
        try:
            found[engine] = f"{distribution} {version(distribution)}"
        except PackageNotFoundError:
            found[engine] = distribution
    return found


def require_builtin(engine: str) -> None:
    """Raise EngineError with its remedy unless the engine's package is installed. Loads nothing."""
    module, distribution = _PACKAGES[engine]
    if find_spec(module) is None:
        raise EngineError(engine, f"the package {distribution} is not installed", _REMEDY)
