"""What is known about the built-in engines without loading them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from voicemode.engines import builtin
from voicemode.engines.builtin import ESPEAK, POCKETSPHINX, builtin_available, require_builtin
from voicemode.errors import EngineError


def test_installed_engines_are_named_with_their_version() -> None:
    """What doctor shows."""
    assert set(builtin_available()) == {ESPEAK, POCKETSPHINX}
    assert builtin_available()[POCKETSPHINX].startswith("pocketsphinx 5")


def test_a_missing_extra_is_an_error_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package without its extra works, but for these engines."""
    monkeypatch.setattr(builtin, "find_spec", lambda _name: None)
    assert builtin_available() == {}
    with pytest.raises(EngineError) as caught:
        require_builtin(ESPEAK)
    assert "pip install 'voicemode[builtin]'" in caught.value.remedy


def test_no_engine_is_loaded_into_our_process() -> None:
    """espeak-ng is GPL and the model is large: neither may be in a process that only asks, prepares or imports."""
    code = (
        "import sys\n"
        "from voicemode.engines import builtin_stt, builtin_tts\n"
        "from voicemode.engines.builtin import builtin_available\n"
        "builtin_available(); builtin_stt.BuiltinTranscriber({}); builtin_tts.BuiltinSynthesizer({})\n"
        "print([m for m in ('pocketsphinx', 'espeakng_loader', 'num2words') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert shown.stdout.strip() == "[]"


def test_a_worker_imports_nothing_of_ours_that_is_heavy() -> None:
    """A worker must answer within 80 ms: no numpy, no pydantic, no asyncio, no metadata."""
    code = (
        "import sys\n"
        "import voicemode.engines.workers.espeak_worker, voicemode.engines.workers.pocketsphinx_worker\n"
        "heavy = ('numpy', 'pydantic', 'asyncio', 'importlib.metadata', 'dataclasses', 'voicemode.settings')\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert shown.stdout.strip() == "[]"
