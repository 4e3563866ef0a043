"""What is learnt of the way from the loudspeaker to the microphone, from message to message of a session."""

from __future__ import annotations

from dataclasses import dataclass, field

from voicemode.core.double_talk import DoubleTalk
from voicemode.core.echo_lag import EchoLag

__all__ = ["EchoPath"]


@dataclass(frozen=True, slots=True, eq=False)
class EchoPath:
    """One per pair of devices."""

    lag: EchoLag = field(default_factory=EchoLag)
    double_talk: DoubleTalk = field(default_factory=DoubleTalk)

    def reopen(self) -> None:
        """Devices are opened anew, perhaps others. What is known counts once the echo shows that it is still true."""
        self.lag.reopen()
        self.double_talk.reopen()
