"""``voicemode-whisper``, ``python -m voicemode_whisper``: serve on port 2022 until a signal comes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from voicemode_service.missing import tell_missing

__all__ = ["main"]

PORT = 2022
"""Where VoiceMode's users know Whisper to be."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status; 2 for settings that are not allowed."""
    try:
        from voicemode_service.serve import parse, serve
        from voicemode_service.settings import ServiceSettings

        from voicemode_whisper.routes import make_app
    except ModuleNotFoundError as error:
        return tell_missing("whisper", error)
    given = sys.argv[1:] if arguments is None else arguments
    return serve(parse(ServiceSettings(name="whisper", port=PORT), given, os.environ), make_app)


if __name__ == "__main__":
    sys.exit(main())
