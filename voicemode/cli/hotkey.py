"""``voicemode control`` as a key starts it: the action at once, and nothing else loaded.

The whole command line takes half a second to load, a pressed key should be obeyed before the next word. So what a hotkey
writes is read here; everything else (help, mistakes) is left to the command line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from voicemode.cli.failure import FAILED, printable, tell
from voicemode.errors import VoicemodeError
from voicemode.runtime.control_client import control
from voicemode.wire.control import ControlAction

__all__ = ["obey", "press"]

_TALK = {"--start": ControlAction.TALK_START, "--end": ControlAction.TALK_END}
_BASE_DIR = "VOICEMODE_BASE_DIR"


def press(arguments: Sequence[str], environ: Mapping[str, str]) -> int | None:
    """Obey ``arguments``, what follows "control", and return the exit status; None for what the command line must read."""
    action, *options = arguments or [""]
    chosen = [_TALK[option] for option in options if option in _TALK]
    if action not in _named() or len(chosen) > 1 or set(options) - {"--json", *(_TALK if action == "talk" else ())}:
        return None
    return obey(chosen[0] if chosen else ControlAction(action), environ, as_json="--json" in options)


def obey(action: ControlAction, environ: Mapping[str, str], *, as_json: bool) -> int:
    """Do it, tell what came of it, and return the exit status: 0, or 1 when it could not be done."""
    try:
        pid, answer = control(_base_dir(environ), action)
    except VoicemodeError as error:
        if as_json:
            print(json.dumps({"status": "failed", "code": error.code, "error": str(error)}, indent=2, ensure_ascii=False))
        return tell(error)
    if as_json:
        facts = {"status": "ok" if answer.ok else "refused", "state": str(answer.state), "detail": answer.detail, "pid": pid}
        print(json.dumps(facts, indent=2, ensure_ascii=False))
    else:
        print(printable(": ".join(part for part in (str(answer.state), answer.detail) if part)))
    return 0 if answer.ok else FAILED


def _named() -> set[str]:
    """The actions as they are typed."""
    return {str(action) for action in ControlAction if action not in _TALK.values()}


def _base_dir(environ: Mapping[str, str]) -> Path:
    """VOICEMODE_BASE_DIR, whose default is written in settings.py too: to load the settings takes longer than all the rest.

    They are loaded when anything at all may say something else. Raises SettingsError then.
    """
    home = Path.home()
    try:
        here = Path.cwd()
    except OSError:  # somebody removed it
        here = home
    files = [home / ".voicemode" / "voicemode.env", *(folder / ".voicemode.env" for folder in (here, *here.parents))]
    if _BASE_DIR in environ or any(_mentions(path) for path in files):
        from voicemode.load_config import load_from_process

        return load_from_process(environ).settings.base_dir
    return home / ".voicemode"


def _mentions(path: Path) -> bool:
    try:
        return _BASE_DIR.encode() in path.read_bytes()
    except FileNotFoundError:
        return False
    except OSError:  # the reader of settings says what is wrong
        return True
