"""What child processes may know (SECURITY 31)."""

from __future__ import annotations

import subprocess
import sys

from voicemode.engines.child_env import child_environment

CLIENT = {
    "PATH": "/usr/bin",
    "HOME": "/home/someone",
    "LC_CTYPE": "C.UTF-8",
    "CLAUDE_CODE_MESSAGING_TOKEN": "sekrit-1",
    "OPENAI_API_KEY": "sekrit-2",
    "VOICEMODE_TTS_API_KEY": "sekrit-3",
    "LD_PRELOAD": "/tmp/evil.so",
    "PYTHONSTARTUP": "/tmp/evil.py",
}


def test_only_what_is_listed_goes_through() -> None:
    """Tokens, keys and what injects code stay behind; the path, the home and the locale go along."""
    assert child_environment(CLIENT) == {"PATH": "/usr/bin", "HOME": "/home/someone", "LC_CTYPE": "C.UTF-8"}


def test_windows_names_compare_without_case() -> None:
    """Windows says SystemRoot or SYSTEMROOT for one and the same thing."""
    assert child_environment({"SystemRoot": r"C:\Windows", "Api_Key": "x"}) == {"SystemRoot": r"C:\Windows"}


def test_a_real_child_runs_with_it_and_sees_no_secret() -> None:
    """Python starts with that environment, and nothing secret is in it."""
    shown = subprocess.run(
        [sys.executable, "-c", "import os; print(dict(os.environ))"],
        env=child_environment(CLIENT),
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    ).stdout
    assert "/home/someone" in shown
    assert "sekrit" not in shown
