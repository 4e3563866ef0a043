"""Which backend: systemd or launchd where the person's own one answers, else a supervising process of ours."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from voicemode.supervise.backend import Backend
from voicemode.supervise.launchd import LaunchdBackend
from voicemode.supervise.process import ProcessBackend
from voicemode.supervise.systemd import SystemdBackend

__all__ = ["backends", "choose", "why_not"]


def backends(base_dir: Path, environ: Mapping[str, str]) -> Sequence[Backend]:
    """All there are, the best first; the last one is always available. Nothing is asked yet."""
    last = ProcessBackend(base_dir, environ)
    if os.name != "posix":
        return (last,)
    home, uid = Path.home(), os.getuid()
    if sys.platform == "darwin":
        return (LaunchdBackend(environ, home=home, base_dir=base_dir, uid=uid), last)
    return (SystemdBackend(environ, home=home, base_dir=base_dir, uid=uid), last)


def choose(known: Sequence[Backend], noted: str = "") -> Backend:
    """The one that was noted at install, so that it is found again; else the first that works here and now."""
    same = next((each for each in known if each.kind == noted), None)
    return same or next((each for each in known if each.available()), known[-1])


def why_not(known: Sequence[Backend], chosen: Backend) -> str:
    """Why a better one than ``chosen`` was not taken, for people; empty when there is none or it would have worked."""
    better = known[: known.index(chosen)] if chosen in known else ()
    return "; ".join(filter(None, (str(getattr(each, "why_not", "")) for each in better)))
