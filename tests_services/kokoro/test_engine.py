"""The real kokoro-onnx speaks with fixtures of the true signature, and stops when told."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import numpy as np
import pytest
from voicemode_kokoro.engine import Interrupt, OnnxEngine, Spoken
from voicemode_kokoro.styles import Styles
from voicemode_kokoro.voices import Voice
from voicemode_service.errors import EngineFailedError

from tests_services.fixtures.kokoro_model import FRAMES, HOP, tone_fixture, voices_fixture

SKY = Voice((("af_sky", 1.0),))
HOW = Spoken(SKY, "en-us")


def _engine(folder: Path) -> OnnxEngine:
    return OnnxEngine(next(folder.glob("*.onnx")), folder / "voices-fixture.bin", threads=1)


@pytest.fixture(scope="module")
def engine(tone: Path) -> OnnxEngine:
    """The fixture, loaded."""
    return _engine(tone)


def test_a_longer_text_takes_longer(engine: OnnxEngine) -> None:
    """The fixture gives each phoneme, and the two marks around them, the same time."""
    phonemes = engine.phonemes("Hello there", "en-us")
    sound = engine.speak(phonemes, HOW, Interrupt())
    assert sound is not None
    assert sound.dtype == np.float32
    assert sound.size == pytest.approx((len(phonemes) + 2) * FRAMES * HOP, abs=2 * HOP)


def test_speed_shortens(engine: OnnxEngine) -> None:
    """Half the frames for twice the speed, rounded to whole ones."""
    fast = engine.speak("hello", Spoken(SKY, "en-us", 2.0), Interrupt())
    slow = engine.speak("hello", Spoken(SKY, "en-us", 0.5), Interrupt())
    assert fast is not None
    assert slow is not None
    assert slow.size > 2 * fast.size


def test_an_older_export_speaks_too(tmp_path: Path) -> None:
    """It calls its input "tokens" and tells no durations."""
    engine = _engine(tone_fixture(tmp_path, tokens_input="tokens", durations=False))
    sound = engine.speak("hello", HOW, Interrupt())
    assert sound is not None
    assert sound.size


def test_an_interrupted_run_gives_nothing(engine: OnnxEngine) -> None:
    """onnxruntime ends between two nodes; the next run is whole again."""
    interrupt = Interrupt()
    interrupt.set()
    assert engine.speak("hello", HOW, interrupt) is None
    assert engine.speak("hello", HOW, Interrupt()) is not None


def test_an_interruption_touches_its_own_run_only(engine: OnnxEngine) -> None:
    """Two threads in the same session: one is stopped, the other is not."""
    interrupt, results = Interrupt(), {}
    interrupt.set()
    threads = [
        threading.Thread(target=lambda name=name, told=told: results.update({name: engine.speak("hello" * 40, HOW, told)}))
        for name, told in (("stopped", interrupt), ("spoken", Interrupt()))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results["stopped"] is None
    assert results["spoken"] is not None


def test_foreign_words_bring_no_names_of_languages(engine: OnnxEngine) -> None:
    """espeak-ng marks "(en)" and "(fr)" around them, which the model would speak."""
    assert "(" not in engine.phonemes("hello computer bonjour", "fr-fr")


def test_nothing_said_is_logged(tone: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Not even where everything else is, as LOG_LEVEL=DEBUG would have it."""
    for library in (None, "kokoro_onnx", "phonemizer"):
        caplog.set_level(logging.DEBUG, library)
    engine = _engine(tone)
    phonemes = engine.phonemes("the secret of the sea", "en-us")
    engine.speak(phonemes, HOW, Interrupt())
    assert "secret" not in caplog.text
    assert phonemes not in caplog.text


def test_a_blend_is_the_mean_of_its_voices(tone: Path) -> None:
    """The fixture's n-th voice is n/100 everywhere."""
    styles = Styles(tone / "voices-fixture.bin")
    mixed = styles.of(Voice((("af_alloy", 0.25), ("af_bella", 0.75))))
    assert mixed[0, 0, 0] == pytest.approx(0.25 * 0.01 + 0.75 * 0.02)
    assert mixed.shape == (510, 1, 256)


def test_voices_of_another_model_are_refused(tmp_path: Path) -> None:
    """By the width of a style."""
    with pytest.raises(EngineFailedError, match="another model"):
        Styles(voices_fixture(tmp_path / "voices.bin", width=128))


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04"])
def test_a_corrupt_voices_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """Naming the file."""
    path = tmp_path / "voices.bin"
    path.write_bytes(content)
    with pytest.raises(EngineFailedError, match=r"voices\.bin"):
        Styles(path)


def test_damage_inside_a_voice_is_found_when_it_is_asked_for(tmp_path: Path) -> None:
    """A checksum of the file's own tells."""
    path = voices_fixture(tmp_path / "voices.bin")
    content = bytearray(path.read_bytes())
    content[600_000] ^= 0xFF
    path.write_bytes(content)
    styles = Styles(path)
    with pytest.raises(EngineFailedError, match="af_bella"):
        styles.of(Voice((("af_bella", 1.0),)))


def test_a_model_of_another_kind_is_refused(tone: Path, tmp_path: Path) -> None:
    """By its inputs."""
    other = tone_fixture(tmp_path, tokens_input="mel")
    with pytest.raises(EngineFailedError, match="not a model of Kokoro"):
        OnnxEngine(next(other.glob("*.onnx")), tone / "voices-fixture.bin")
