"""WebRTC's echo canceller, in a room of one reflection."""

from __future__ import annotations

import numpy as np
import pytest

from voicemode.audio import CAPTURE_RATE, Samples
from voicemode.core.level import rms_dbfs
from voicemode.engines.echo_canceller import WebrtcEchoCanceller, choose_echo_canceller
from voicemode.interfaces import EchoCanceller
from voicemode.testing import FakeEchoCanceller, tone

BLOCK = 160


def babble(seconds: float, seed: int = 1) -> Samples:
    """Noise below 1 kHz that comes and goes some four times a second, as syllables do, and never in the same way."""
    chance = np.random.default_rng(seed)
    count = round(seconds * CAPTURE_RATE)
    noise = np.convolve(chance.standard_normal(count), np.ones(8) / 8, "same")
    loudness = np.clip(chance.standard_normal(round(seconds * 8) + 1), 0, 2)
    syllables = np.interp(np.arange(count) / CAPTURE_RATE * 8, np.arange(len(loudness)), loudness)
    whole: Samples = (noise * syllables * 6_000).astype(np.int16)
    return whole


def echo_of(far: Samples, delay_s: float, gain_db: float = -12.0) -> Samples:
    """What a microphone hears of it."""
    delay = round(delay_s * CAPTURE_RATE)
    late = np.concatenate([np.zeros(delay), far[: len(far) - delay].astype(float)])
    return np.rint(late * 10 ** (gain_db / 20)).astype(np.int16)


def cleaned(canceller: EchoCanceller, near: Samples, far: Samples, block: int = BLOCK) -> Samples:
    starts = range(0, len(near) - block + 1, block)
    return np.concatenate([canceller.process(near[start : start + block], far[start : start + block]) for start in starts])


@pytest.mark.parametrize("delay_s", [0.02, 0.06, 0.15, 0.29])
def test_an_echo_is_gone_whatever_its_delay(delay_s: float) -> None:
    """By 20 dB and more after two seconds; nobody tells the delay."""
    far = babble(5.0)
    near = echo_of(far, delay_s)
    left = cleaned(WebrtcEchoCanceller(), near, far)
    assert rms_dbfs(left[2 * CAPTURE_RATE :]) < rms_dbfs(near[2 * CAPTURE_RATE :]) - 20.0


def test_what_is_said_in_silence_stays() -> None:
    """To a decibel: nothing plays, so nothing is to be taken away, and quiet sound is no noise to be suppressed."""
    near = tone(2.0, hertz=400, dbfs=-40.0)
    left = cleaned(WebrtcEchoCanceller(), near, np.zeros_like(near))
    assert rms_dbfs(left[CAPTURE_RATE:]) == pytest.approx(rms_dbfs(near[CAPTURE_RATE:]), abs=1.0)


def test_what_is_said_over_the_echo_is_heard() -> None:
    """A person as loud as the echo is left within 12 dB, where the echo alone is 20 dB lower."""
    far, said = babble(6.0), babble(6.0, seed=2)
    said[: 4 * CAPTURE_RATE] = 0
    echo = echo_of(far, 0.06, 0.0) // 2
    left = cleaned(WebrtcEchoCanceller(), (echo + said // 2).astype(np.int16), far)
    talking = slice(round(4.2 * CAPTURE_RATE), None)
    assert rms_dbfs(left[talking]) > rms_dbfs(said[talking] // 2) - 12.0


def test_blocks_of_several_frames_give_the_same() -> None:
    """A microphone may deliver 10 to 100 ms at once."""
    far = babble(2.0)
    near = echo_of(far, 0.05)
    by_frame, by_five = (cleaned(WebrtcEchoCanceller(), near, far, block) for block in (BLOCK, 5 * BLOCK))
    assert by_frame.tolist() == by_five.tolist()


def test_a_reset_forgets_the_room() -> None:
    """It then does what a new one does."""
    far = babble(3.0)
    near = echo_of(far, 0.05)
    used = WebrtcEchoCanceller()
    first = cleaned(used, near, far)
    again = cleaned(used, near, far)
    used.reset()
    assert cleaned(used, near, far).tolist() == first.tolist()
    assert again.tolist() != first.tolist()


@pytest.mark.parametrize(("near", "far"), [(100, 100), (160, 320), (320, 160)])
def test_frames_that_do_not_fit_are_refused(near: int, far: int) -> None:
    """It would fill them up with zeros, which no microphone heard."""
    with pytest.raises(ValueError, match="160"):
        WebrtcEchoCanceller().process(np.zeros(near, np.int16), np.zeros(far, np.int16))


def test_where_it_does_not_load_there_is_a_reason_and_no_canceller() -> None:
    """With what to do about it."""

    def missing() -> EchoCanceller:
        raise ImportError("No module named 'pywebrtc_audio'")

    choice = choose_echo_canceller(missing)
    assert choice.canceller is None
    assert "No module named 'pywebrtc_audio'" in choice.reason
    assert "pip install" in choice.reason


def test_where_it_loads_it_is_named() -> None:
    """As the result tells it."""
    assert choose_echo_canceller(FakeEchoCanceller).reason.startswith("fake ")
    canceller = choose_echo_canceller().canceller
    assert canceller is not None
    assert canceller.name == "webrtc-aec3"
