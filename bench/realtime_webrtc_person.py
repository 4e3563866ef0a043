"""A person on the realtime server over WebRTC, as ``realtime_person`` is one over WebSocket."""

from __future__ import annotations

import asyncio
import json
import random

from bench.realtime_person import SpokenTurn, session_update
from bench.realtime_sounds import saying
from bench.realtime_webrtc_line import MediaLine, is_loud, media_line
from voicemode.audio import Samples

__all__ = ["WebRtcPerson"]

_TURN_S = 15.0


class WebRtcPerson:
    """Speaks one turn after the other."""

    def __init__(self, number: int, chance: random.Random) -> None:
        self.number, self._chance = number, chance
        self.turns: list[SpokenTurn] = []
        self._turn: SpokenTurn | None = None
        self._silent = asyncio.Event()
        """The answer was played to its end."""

    async def hold(self, url: str, headers: dict[str, str], turns: int, stay: asyncio.Event) -> None:
        """Talk, and then be silent until ``stay`` is set."""
        async with media_line(url, headers, heard=self._heard, message=self._took) as line:
            line.send(session_update())
            for _ in range(turns):
                await self._speak(line)
            await stay.wait()

    async def _speak(self, line: MediaLine) -> None:
        said = saying(self._chance)
        turn = self._turn = SpokenTurn(self.number)
        self._silent.clear()
        turn.end_at = line.say(said.samples) + said.end_s
        self.turns.append(turn)
        try:
            async with asyncio.timeout(_TURN_S):
                await self._silent.wait()
        except TimeoutError:
            turn.problem = turn.problem or "no answer"
        await asyncio.sleep(self._chance.uniform(0.3, 0.8))
        self._turn = None

    def _heard(self, samples: Samples, now: float) -> None:
        turn = self._turn
        if turn is not None and turn.first_at is None and is_loud(samples):
            turn.first_at = now

    def _took(self, text: str, now: float) -> None:
        turn, event = self._turn, json.loads(text)
        if turn is None:
            return
        match event["type"]:
            case "input_audio_buffer.speech_stopped":
                turn.stopped_at = now
            case "input_audio_buffer.speech_started" if turn.stopped_at is not None:
                turn.problem = "it took one utterance for two"
            case "error":
                turn.problem = str(event["error"]["code"])
            case "response.done":
                if event["response"]["status"] != "completed":
                    turn.problem = f"the answer is {event['response']['status']}"
                turn.done_at = now
            case "output_audio_buffer.stopped":
                self._silent.set()
