"""What can go wrong with a transport, beside what ``voicemode.errors`` has."""

from __future__ import annotations

from voicemode.errors import VoicemodeError

__all__ = ["PageLineError"]


class PageLineError(VoicemodeError):
    """There is no way to the browser: ``voicemode serve`` does not run, or refuses."""

    code = "no_page_server"

    def __init__(self, address: str, problem: str, remedy: str) -> None:
        super().__init__(address, problem, remedy)
        self.address, self.detail, self.remedy = address, problem, remedy

    @property
    def problem(self) -> str:
        return f"The browser cannot be reached through 'voicemode serve' ({self.address}): {self.detail}."
