"""``python -m voicemode_whisper``: the Whisper service on port 2022."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from voicemode_service.serve import parse, serve
from voicemode_service.settings import ServiceSettings

from voicemode_whisper.routes import make_app

__all__ = ["main"]

PORT = 2022
"""Where VoiceMode's users know Whisper to be."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status."""
    defaults = ServiceSettings(name="whisper", port=PORT, models_dir=Path.home() / ".voicemode" / "models")
    settings = parse(defaults, sys.argv[1:] if arguments is None else arguments, os.environ)
    return serve(settings, make_app)


if __name__ == "__main__":
    sys.exit(main())
