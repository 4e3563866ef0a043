"""Starts ``voicemode serve`` for a process that needs the page; it lives on when that process ends, as services do."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from voicemode.engines.child_env import child_environment
from voicemode.supervise.layout import Layout
from voicemode.supervise.on_demand import Starter
from voicemode.supervise.private import make_folder

__all__ = ["LOG", "start_serve"]

LOG = "serve.log"
"""Below ``base_dir/run``."""
_SERVICE = "voicemode"

_log = logging.getLogger(__name__)


def start_serve(
    base_dir: Path, environ: Mapping[str, str], services: Callable[[], Starter], options: Mapping[str, str]
) -> None:
    """Blocks until its process has begun, and not until it listens. ``environ`` is this process's own.

    Where it is installed as a service, that is started; else a process of its own. ``options`` are variables that both must
    agree on. Raises VoicemodeError, OSError.
    """
    if Layout(base_dir, _SERVICE).record.exists():
        services().start(_SERVICE, wait_s=0)
        return
    folder = base_dir / "run"
    make_folder(folder)
    ours = {name: value for name, value in environ.items() if name.startswith("VOICEMODE_")}
    descriptor = os.open(folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as log:
        process = subprocess.Popen(
            # -P: without it "-m" puts the working directory, which may be anyone's project, before the library
            [sys.executable, "-P", "-X", "utf8", "-m", "voicemode", "serve", "--quiet"],
            env={**child_environment(environ), **ours, **options},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    _log.info("voicemode serve was started as process %d", process.pid)
