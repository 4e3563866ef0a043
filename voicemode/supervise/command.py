"""Run a program of the system with a deadline; its words are facts, never a shell's."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Done", "Run", "runner"]

_NOT_RUN = 127
_TOO_LATE = 124


@dataclass(frozen=True, slots=True)
class Done:
    """What became of it. ``status`` is 127 when it could not be run and 124 when it did not end in time."""

    status: int
    out: str = ""
    err: str = ""

    @property
    def last_words(self) -> str:
        """The last line of what it said, for people."""
        said = (self.err.strip() or self.out.strip()).splitlines()
        return said[-1].strip().rstrip(".")[:300] if said else f"it ended with status {self.status}"


Run = Callable[[Sequence[str], float], Done]
"""Program and arguments, and seconds it may take; never raises."""


def runner(environment: Mapping[str, str]) -> Run:
    """Runs programs with this environment and no other."""

    def run(argv: Sequence[str], timeout_s: float) -> Done:
        try:
            done = subprocess.run(  # noqa: S603  (a list, no shell; the programs are the system's)
                list(argv),
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Done(_TOO_LATE, err=f"{argv[0]} did not answer within {timeout_s:g} s")
        except OSError as error:
            return Done(_NOT_RUN, err=f"{argv[0]}: {error.strerror}")
        return Done(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))

    return run
