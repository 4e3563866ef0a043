"""What a person is told who starts a service without its packages. Nothing of others is imported here."""

from __future__ import annotations

import sys

__all__ = ["EX_CONFIG", "tell_missing"]

EX_CONFIG = 78
"""Of sysexits.h: it is not set up as it must be."""


def tell_missing(service: str, error: ModuleNotFoundError) -> int:
    """Writes the sentence to standard error; the exit status."""
    sys.stderr.write(
        f"voicemode-{service} lacks the package '{error.name}'. Let voicemode give the service an environment of its own: "
        f"voicemode service install {service}. Or into this one: pip install 'voicemode[{service}]'\n"
    )
    return EX_CONFIG
