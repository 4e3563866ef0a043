"""Standard output belongs to the protocol: whatever else is printed goes to standard error."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

__all__ = ["ReservedStdout"]

_OUT, _ERR = 1, 2


class ReservedStdout:
    """Standard output, out of reach of plug-ins, libraries and child processes until the process ends.

    The SDK keeps others away from it while it serves, and only then: a library prints when it is imported and at exit too.
    """

    def __init__(self) -> None:
        self._wire = os.dup(_OUT)
        os.dup2(_ERR, _OUT)

    @contextlib.contextmanager
    def handed_over(self) -> Iterator[None]:
        """Standard output is what it was, for the SDK to take it."""
        sys.stdout.flush()  # what was printed so far, to standard error
        os.dup2(self._wire, _OUT)
        try:
            yield
        finally:
            # Python's buffer may hold what a tool printed; it is written at exit, and must not go to the client then.
            os.dup2(_ERR, _OUT)
