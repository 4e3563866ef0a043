"""A person on the realtime server over WebRTC; apart, since aiortc takes a quarter of a second to load."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.realtime_person import Line, Person
from bench.realtime_webrtc_line import is_loud, media_line
from voicemode.audio import Samples

__all__ = ["WebRtcPerson"]


class WebRtcPerson(Person):
    """Hears what is played to it."""

    @asynccontextmanager
    async def line(self, url: str, headers: dict[str, str]) -> AsyncIterator[Line]:
        async with media_line(url, headers, heard=self._heard, message=self._message) as line:
            yield line

    def _heard(self, samples: Samples, now: float) -> None:
        turn = self.turn
        if turn is not None and turn.first_at is None and is_loud(samples):
            turn.first_at = now

    def _message(self, text: str, now: float) -> None:
        event = json.loads(text)
        self.took(event, now)
        if event["type"] == "output_audio_buffer.stopped":
            self.over(now)
