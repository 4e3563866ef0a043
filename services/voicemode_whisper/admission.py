"""Who is let in: so many requests, and so many bytes of uploads on the disk."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from voicemode_service.errors import BusyError

__all__ = ["Admission"]


class Admission:
    """Counts what is inside. A request counts from before its upload is read until its answer is sent."""

    def __init__(self, *, places: int, max_bytes: int) -> None:
        self._places, self._max_bytes = places, max_bytes
        self._inside, self._bytes = 0, 0
        self.usual_s = 1.0
        """How long a request takes, averaged over the last ones; for Retry-After."""

    @property
    def inside(self) -> int:
        return self._inside

    @contextlib.contextmanager
    def place(self, size: int = 0) -> Iterator[None]:
        """A place for a request with an upload of ``size`` bytes. Raises BusyError when there is none."""
        if self._inside >= self._places or (self._inside and self._bytes + size > self._max_bytes):
            raise BusyError(max(1, round(self.usual_s * self._inside / 2)))
        self._inside += 1
        self._bytes += size
        try:
            yield
        finally:
            self._inside -= 1
            self._bytes -= size

    def took(self, seconds: float) -> None:
        """How long a request took that was served."""
        self.usual_s += (seconds - self.usual_s) / 8
