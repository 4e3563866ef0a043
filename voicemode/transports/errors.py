"""What can go wrong with a transport, beside what ``voicemode.errors`` has."""

from __future__ import annotations

from voicemode.errors import VoicemodeError

__all__ = ["OfferError", "PageLineError"]


class PageLineError(VoicemodeError):
    """There is no way to the browser: ``voicemode serve`` does not run, or refuses."""

    code = "no_page_server"

    def __init__(self, address: str, problem: str, remedy: str) -> None:
        super().__init__(address, problem, remedy)
        self.address, self.detail, self.remedy = address, problem, remedy

    @property
    def problem(self) -> str:
        return f"The browser cannot be reached through 'voicemode serve' ({self.address}): {self.detail}."


class OfferError(VoicemodeError):
    """A WebRTC offer cannot be answered.

    ``reason`` is one of "invalid", "too_large", "no_audio", "unsupported_codec" and "unsupported".
    """

    code = "invalid_offer"

    def __init__(self, reason: str, problem: str) -> None:
        super().__init__(reason, problem)
        self.reason, self.detail = reason, problem

    @property
    def problem(self) -> str:
        return f"{self.detail}."
