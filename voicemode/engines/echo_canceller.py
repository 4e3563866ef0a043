"""Takes the loudspeaker's sound out of the microphone's: WebRTC's canceller (AEC3), where its package loads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from voicemode.audio import CAPTURE_RATE, Samples
from voicemode.interfaces import EchoCanceller

__all__ = ["EchoCancellerChoice", "WebrtcEchoCanceller", "choose_echo_canceller"]

_FRAME = CAPTURE_RATE // 100
"""WebRTC takes 10 ms at a time, and would fill up the last frame with zeros."""


class WebrtcEchoCanceller:
    """An EchoCanceller. It filters out what is below 100 Hz, and suppresses no noise: quiet words are to stay.

    Nobody tells it the delay. It finds one of 0 to 0.5 s and follows it; a hint, right or 100 ms wrong, changed
    nothing. It takes 8 dB of an echo away in the first quarter of a second, 25 to 35 after 1.5 s: ADR 0010.
    """

    name = "webrtc-aec3"
    lead_s = 0.04
    """Instants of playback and of capture are each off by up to 30 ms (the tests of speaker and microphone), rarely both
    and in the same direction; a loudspeaker's buffer is 40 ms or more where it can be known that far ahead."""

    def __init__(self) -> None:
        """Raises ImportError or OSError where the package is missing or does not load."""
        # Here, for it may be missing, and a process that only serves files never needs it.
        import pywebrtc_audio

        self._canceller = pywebrtc_audio.EchoCanceller(sample_rate=CAPTURE_RATE, num_channels=1)

    def process(self, near: Samples, far: Samples) -> Samples:
        if near.shape != far.shape or near.ndim != 1 or len(near) % _FRAME:
            raise ValueError(f"near and far end have equal multiples of {_FRAME} samples, not {near.shape} and {far.shape}")
        if not len(near):
            return near
        cleaned: Samples = self._canceller.process(np.ascontiguousarray(near), np.ascontiguousarray(far))
        return cleaned

    def reset(self) -> None:
        self._canceller.reset()


@dataclass(frozen=True, slots=True)
class EchoCancellerChoice:
    """What there is against echo."""

    canceller: EchoCanceller | None
    """None: nobody can interrupt by voice, because voicemode would hear itself."""
    reason: str
    """Why it is so, as a sentence for the result and for ``doctor``."""


def choose_echo_canceller(load: Callable[[], EchoCanceller] = WebrtcEchoCanceller) -> EchoCancellerChoice:
    """A new canceller, with its own state, for one microphone. Never raises."""
    try:
        canceller = load()
    except (ImportError, OSError, RuntimeError) as error:
        remedy = "Run 'pip install --force-reinstall pywebrtc-audio'; it has wheels for Linux and macOS."
        return EchoCancellerChoice(None, f"No interrupting by voice: the echo canceller does not load ({error}). {remedy}")
    return EchoCancellerChoice(canceller, f"{canceller.name} takes the loudspeaker's sound out of the microphone's.")
