"""``voicemode-kokoro``, ``python -m voicemode_kokoro``: serve until a signal comes."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from voicemode_service.serve import parse, serve
from voicemode_service.settings import ServiceSettings

from voicemode_kokoro.routes import make_app

__all__ = ["DEFAULTS", "main"]

DEFAULTS = ServiceSettings(name="kokoro", port=8880, models_dir=Path("~/.voicemode/models").expanduser(), max_upload_mb=2)
"""A request is a text: 100,000 characters of any script, escaped, fit into 2 MiB."""


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """The exit status; 2 for settings that are not allowed."""
    given = sys.argv[1:] if arguments is None else arguments
    return serve(parse(DEFAULTS, given, os.environ if environ is None else environ), make_app)


if __name__ == "__main__":
    sys.exit(main())
