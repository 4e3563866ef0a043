"""``voicemode-kokoro``, ``python -m voicemode_kokoro``: serve on port 8880 until a signal comes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from voicemode_service.missing import tell_missing

__all__ = ["main"]

PORT = 8880
"""Where users of kokoro-fastapi know Kokoro to be."""
UPLOAD_MB = 2
"""A request is a text: 100,000 characters of any script, escaped, fit into 2 MiB."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status; 2 for settings that are not allowed."""
    try:
        from voicemode_service.serve import parse, serve
        from voicemode_service.settings import ServiceSettings

        from voicemode_kokoro.routes import make_app
    except ModuleNotFoundError as error:
        return tell_missing("kokoro", error)
    given = sys.argv[1:] if arguments is None else arguments
    defaults = ServiceSettings(name="kokoro", port=PORT, max_upload_mb=UPLOAD_MB)
    return serve(parse(defaults, given, os.environ), make_app)


if __name__ == "__main__":
    sys.exit(main())
