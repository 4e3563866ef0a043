"""Make the environment a service runs in: Python's venv, the locked packages, and our own on top.

It is built beside its place and moved there when it has run once, so that an interrupted installation leaves the one before.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

from voicemode.engines.child_env import child_environment
from voicemode.supervise.errors import DiskFullError, InstallFailedError, NoNetworkError, NoRightsError
from voicemode.supervise.layout import Layout
from voicemode.supervise.source import Source

__all__ = ["OnStep", "build", "exchange", "refused", "sweep"]

OnStep = Callable[[str, float | None], None]
"""What is being done, and which part of it is done (0 to 1; None when that is not known)."""

_VENV_S = 120.0
_PIP_S = 3600.0
"""A slow line: 150 MB at 0.4 Mbit/s."""
_CHECK_S = 120.0
"""Importing numpy and an engine from a cold disk takes 10 s at most."""
_LAST_LINES = 4
_FULL_BYTES = 20_000_000
"""With less than this free after a failure, the disk is why: pip unpacks one package at a time."""
_DOWNLOADED = 0.9
"""Part of pip's time that goes by until every package is there."""

_PIP_NAMES = frozenset({"ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "NETRC", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"})
"""What pip needs besides its own PIP_* to reach an index."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_NO_NETWORK = re.compile(
    r"NewConnectionError|NameResolutionError|ConnectTimeoutError|ReadTimeoutError|ProxyError|SSLError"
    r"|Temporary failure in name resolution|Network is unreachable|Connection refused"
)
"""pip has one exit status for everything; these are the names of urllib3's and the operating system's errors in its output."""


def build(layout: Layout, source: Source, module: str, *, environ: Mapping[str, str], on_step: OnStep) -> None:
    """Make ``layout.building``, complete and tried. Blocks; raises ServiceError and leaves nothing there."""
    sweep(layout)
    try:
        _build(layout, source, module, environ, on_step)
    except OSError as error:
        raise _of_os(source.service, layout, error) from error
    except BaseException:
        sweep(layout)
        raise


def exchange(layout: Layout) -> None:
    """Put what ``build`` made into its place. The service must not run."""
    if layout.venv.exists():
        layout.venv.rename(layout.outdated)
    layout.building.rename(layout.venv)
    sweep(layout)


def sweep(layout: Layout) -> None:
    """Remove what an interrupted installation left. An exchange that was interrupted between its steps is taken back."""
    if layout.outdated.exists() and not layout.venv.exists():
        layout.outdated.rename(layout.venv)
    for rubbish in (layout.building, layout.outdated):
        shutil.rmtree(rubbish, ignore_errors=True)


def _build(layout: Layout, source: Source, module: str, environ: Mapping[str, str], on_step: OnStep) -> None:
    venv, python = layout.building, str(Layout.python_of(layout.building))
    plain = child_environment(environ)
    run = _Runner(source.service, layout)
    if source.own:
        venv.mkdir()  # it shows that the service is installed; nothing is in it
        run([sys.executable, "-I", "-m", module, "--help"], plain, _CHECK_S, step="the service's first run")
        return
    on_step("making an environment", None)
    without_pip = [] if source.lock is not None else ["--without-pip"]
    run([sys.executable, "-I", "-m", "venv", *without_pip, str(venv)], plain, _VENV_S, step="Python's venv module")
    if source.lock is not None:
        # Nothing unpinned, nothing built here (a build would fetch tools that no hash covers), nothing kept elsewhere.
        options = ["--require-hashes", "--no-deps", "--only-binary=:all:", "--no-cache-dir"]
        quiet = ["--no-input", "--disable-pip-version-check", "--progress-bar=off"]
        command = [python, "-I", "-m", "pip", "install", *options, *quiet, "-r", str(source.lock)]
        counted = _Counted(source.locked, on_step)
        run(command, plain | _for_pip(environ), _PIP_S, step="pip", on_line=counted)
    on_step("copying the service", None)
    source.copy_packages(_site_packages(venv))
    on_step("trying it", None)
    run([python, "-I", "-m", module, "--help"], plain, _CHECK_S, step="the service's first run")


def _site_packages(venv: Path) -> Path:
    if os.name == "nt":
        return venv / "Lib" / "site-packages"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return venv / "lib" / version / "site-packages"


def _for_pip(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name.startswith("PIP_") or name.upper() in _PIP_NAMES}


class _Counted:
    """Tells progress from pip's lines, one "Collecting" for each package."""

    def __init__(self, expected: int, on_step: OnStep) -> None:
        self._expected, self._on_step, self._seen = max(1, expected), on_step, 0

    def __call__(self, line: str) -> None:
        if line.startswith("Collecting "):
            self._seen += 1
            name = line.removeprefix("Collecting ").split("==")[0][:40]
            self._on_step(f"fetching {name}", min(1.0, self._seen / self._expected) * _DOWNLOADED)
        elif line.startswith("Installing collected packages"):
            self._on_step("unpacking packages", _DOWNLOADED)


class _Runner:
    """Runs one program after another for an installation, and says what went wrong in our words."""

    def __init__(self, service: str, layout: Layout) -> None:
        self._service, self._layout = service, layout

    def __call__(
        self,
        command: list[str],
        environment: Mapping[str, str],
        deadline_s: float,
        *,
        step: str,
        on_line: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Run it to its end. Raises ServiceError; ends it when this is interrupted."""
        said: list[str] = []
        late = threading.Event()
        with subprocess.Popen(  # noqa: S603  (interpreters and modules of our own choice)
            command,
            env=dict(environment),
            cwd=self._layout.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # Ctrl-C is ours to handle: it must not leave half of a package
        ) as process:
            watch = threading.Timer(deadline_s, _end_late, (late, process))
            watch.daemon = True
            watch.start()
            try:
                assert process.stdout is not None  # noqa: S101 - narrows the type: it is a pipe
                for line in process.stdout:
                    said.append(line.rstrip())
                    on_line(line.strip())
            except BaseException:
                process.kill()
                raise
            finally:
                watch.cancel()
        if late.is_set():
            raise InstallFailedError(self._service, step, f"it did not end within {deadline_s:.0f} s")
        if process.returncode != 0:
            raise self._why(step, said)

    def _why(self, step: str, said: list[str]) -> Exception:
        free = shutil.disk_usage(self._layout.folder).free
        if free < _FULL_BYTES:
            return DiskFullError(self._service, self._layout.folder, 0, free)
        last = deque((line for line in said if line), _LAST_LINES)
        if step == "pip":
            broken = next((line for line in said if _NO_NETWORK.search(line)), None)
            if broken is not None:
                return NoNetworkError(self._service, broken.strip()[:200])
        remedy = ""
        if step == "Python's venv module":
            version = f"{sys.version_info.major}.{sys.version_info.minor}"
            remedy = f"On Debian and Ubuntu it is a package of its own: sudo apt-get install python{version}-venv."
        return InstallFailedError(self._service, step, " | ".join(last)[-600:] or "it said nothing", remedy)


def _end_late(late: threading.Event, process: subprocess.Popen[str]) -> None:
    late.set()
    process.kill()


def _of_os(service: str, layout: Layout, error: OSError) -> Exception:
    """What the operating system refused, in our words; what was made so far is removed."""
    sweep(layout)
    return refused(service, layout.folder, error)


def refused(service: str, folder: Path, error: OSError) -> Exception:
    """The error of a service for one of the operating system."""
    if error.errno in _FULL:
        there = next(each for each in (folder, *folder.parents) if each.exists())
        return DiskFullError(service, folder, 0, shutil.disk_usage(there).free)
    path = Path(str(error.filename)) if error.filename else folder
    return NoRightsError(service, path, error.strerror or str(error))
