"""What a person may choose about a service. Read once, from the command line and the environment, by ``serve.parse``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["ServiceSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """The defaults are safe: this machine only, and a bounded amount of everything."""

    name: str
    """Such as "whisper"; its variables begin with VOICEMODE_WHISPER_."""
    port: int
    host: str = "127.0.0.1"
    token: str | None = field(default=None, repr=False)
    """Wanted from everybody, if set. An address that others can reach needs one."""
    allow_remote: bool = False
    """Together with a token: listen on an address that others can reach."""
    allowed_hosts: str = ""
    """Names besides its address by which others reach it, with commas between them: "whisper,speech.lan"."""
    model: str = ""
    """Name of a model, or its path; empty takes the default."""
    models_dir: Path = Path()
    """``parse`` makes it a folder in VOICEMODE_BASE_DIR, as ``state_dir``."""
    state_dir: Path | None = None
    """Where the service keeps what it measured of this machine; the folder need not exist. None: nowhere."""
    device: str = "auto"
    """One of "auto", "cpu", "cuda"; "auto" is measured together with the threads."""
    threads: int = 0
    """Of the engine, per worker; 0: chosen by measuring, once per machine and model."""
    workers: int = 1
    """Requests the engine works on at the same time."""
    queue: int = 256
    """Requests that may be under way or wait; more are answered with 429."""
    max_upload_mb: int = 200
    """An hour of 16-bit sound at 24 kHz is 173."""
    max_audio_s: float = 4 * 3600.0
    """Seconds of sound in one upload, whatever its size."""
    preload: bool = False
    """Load the model at start, not at the first request."""
    idle_s: float | None = 900.0
    """Seconds after which an unused model is given back; None keeps it."""
    log_level: str = "warning"
