"""Sound on its way to a person over a transport that the server paces, such as WebRTC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from voicemode.audio import Samples

__all__ = ["PlayoutListener", "PlayoutSink", "PlayoutSound"]


@dataclass(frozen=True, slots=True, eq=False)
class PlayoutSound:
    """Sound that is due at the person, where the protocol's own messages carry it: 24 kHz mono int16."""

    samples: Samples


class PlayoutListener(Protocol):
    """Who is told what the person hears. The calls are made in the event loop and return at once."""

    def playout_started(self, response_id: str) -> None:
        """The first sample of this answer left for the person."""

    def playout_stopped(self, response_id: str) -> None:
        """The last sample was heard, after ``finish``; not after a ``flush``."""


class PlayoutSink(Protocol):
    """Sound on its way to a person over a transport that is paced by the clock, such as RTP. All of it returns at once."""

    def listen(self, listener: PlayoutListener | None) -> None:
        """Tell this one from now on; None: nobody."""

    def write(self, response_id: str, samples: Samples) -> None:
        """Queue sound behind what is queued: 24 kHz mono int16."""

    def finish(self, response_id: str) -> None:
        """No more sound of this answer comes."""

    def flush(self) -> int:
        """Be silent within one packet and drop what is queued; returns how many ms of the answer that was being heard were."""

    @property
    def queued_s(self) -> float:
        """Seconds of queued sound that were not sent yet: falls as time passes."""
