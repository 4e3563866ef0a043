"""The pitch of known sounds."""

from __future__ import annotations

import numpy as np
import pytest

from voicemode.audio import Samples
from voicemode.core.pitch import HOP_S, pitch_track


def voice(hertz: np.ndarray[tuple[int], np.dtype[np.float64]], harmonics: int = 8) -> Samples:
    """A buzz whose pitch is ``hertz`` at each sample, with the falling harmonics of a voice."""
    phase = 2 * np.pi * np.cumsum(hertz) / 16_000
    samples: Samples = np.rint(3_000 * sum(np.sin(k * phase) / k for k in range(1, harmonics + 1))).astype(np.int16)
    return samples


@pytest.mark.parametrize("hertz", [75, 110, 180, 250, 380])
@pytest.mark.parametrize("harmonics", [1, 8])
def test_a_steady_voice_has_its_pitch(hertz: float, harmonics: int) -> None:
    """From a low man to a child, as a pure tone and as a buzz: within 1 %, in every frame."""
    track = pitch_track(voice(np.full(16_000, hertz), harmonics))
    assert track == pytest.approx(np.full(len(track), hertz), rel=0.01)


def test_a_glide_is_followed() -> None:
    """From 200 to 120 Hz in half a second, each frame around its place in time."""
    hertz = np.linspace(200, 120, 8_000)
    track = pitch_track(voice(hertz))
    at = np.round((np.arange(len(track)) * HOP_S + 0.02) * 16_000).astype(int)
    assert track == pytest.approx(hertz[at], rel=0.03)


def test_a_voice_without_its_fundamental_keeps_its_pitch() -> None:
    """Telephones and small microphones lose it; the harmonics repeat with the same period."""
    t = np.arange(16_000) / 16_000
    samples = np.rint(3_000 * sum(np.sin(2 * np.pi * 120 * k * t) for k in (2, 3, 4))).astype(np.int16)
    assert pitch_track(samples) == pytest.approx(120, rel=0.01)


def test_noise_and_silence_have_no_pitch() -> None:
    """At most one frame in twenty of white noise looks like a voice, and none of silence."""
    noise = np.random.default_rng(0).normal(0, 3_000, 64_000).astype(np.int16)
    assert np.isnan(pitch_track(noise)).mean() > 0.95
    assert np.isnan(pitch_track(np.zeros(16_000, np.int16))).all()


@pytest.mark.parametrize("length", [0, 1, 639])
def test_less_than_a_frame_has_no_pitch_at_all(length: int) -> None:
    """Nothing to look at is no error."""
    assert len(pitch_track(np.zeros(length, np.int16))) == 0
