"""One session as whoever writes knows it."""

from __future__ import annotations

from dataclasses import dataclass, field

from voicemode.record import Surface

__all__ = ["Hold"]


@dataclass(slots=True, eq=False)
class Hold:
    """A session: whose it is, and what became of what was put into it."""

    session: str
    thread: str
    identity: str
    surface: Surface
    began_at: float
    waiting: str = ""
    """Why something is not written yet; empty while nothing is late."""
    lost: str = ""
    """Why something never will be; empty while nothing is lost."""
    closed: bool = False
    keys: set[str] = field(default_factory=set)
    """Of everything that was ever written of it: what somebody forgot in the meantime must not come back by being put again."""
    database: int = 0
    """The database it was last written to; another one, made after that was damaged, knows nothing of it yet."""

    @property
    def problem(self) -> str:
        """As ``Record.problem``."""
        return self.lost or self.waiting
