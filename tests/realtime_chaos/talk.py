"""One person's conversation with the server while its engines fail, and what must hold of every turn."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from websockets.asyncio.client import ClientConnection

from bench.realtime_person import session_update
from bench.realtime_sounds import WIRE_RATE, appends, room, saying
from tests.realtime_chaos.storm import ANSWER, HEARD, SECONDS_PER_CHAR, Strike

__all__ = ["Talk", "Turn", "problems", "well"]

SHOWN_S = 3.0
"""Issue 6, "Done when" 4."""
_SLACK_S = 0.5
"""Of a machine that runs tests beside it."""
_TURN_S = 30.0
_KEPT = re.compile(r"kept as (\S+):")
_TRANSCRIPTION = "conversation.item.input_audio_transcription"


@dataclass(slots=True)
class Turn:
    """What came of one utterance: events with when they came."""

    sent_at: float
    events: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    over: bool = False

    def of(self, *kinds: str) -> list[tuple[float, dict[str, Any]]]:
        return [(at, event) for at, event in self.events if event["type"] in kinds]

    @property
    def is_over(self) -> bool:
        """Every utterance has words or none for good, and every answer its end."""
        items = {event["item_id"] for _, event in self.of("input_audio_buffer.committed")}
        words = {event["item_id"] for _, event in self.of(f"{_TRANSCRIPTION}.completed", f"{_TRANSCRIPTION}.failed")}
        begun = {event["response"]["id"] for _, event in self.of("response.created")}
        ended = {event["response"]["id"] for _, event in self.of("response.done")}
        return bool(items) and bool(begun) and items == words and begun == ended


class Talk:
    """A session over WebSocket; sound is sent at once, which changes no decision."""

    def __init__(self, socket: ClientConnection, chance: random.Random) -> None:
        self._socket, self._chance = socket, chance
        self.turns: list[Turn] = []
        self._changed = asyncio.Event()

    async def begin(self) -> None:
        await self._socket.send(session_update())

    async def read(self) -> None:
        """Until the connection ends."""
        async for text in self._socket:
            event = json.loads(text)
            if event["type"] == "response.output_audio.delta":
                event["seconds"] = len(base64.b64decode(event.pop("delta"))) / 2 / WIRE_RATE
            if self.turns:
                self.turns[-1].events.append((time.monotonic(), event))
            self._changed.set()

    async def speak(self) -> Turn:
        """One utterance and all that comes of it; after half a minute it is over in any case."""
        turn = Turn(time.monotonic())
        self.turns.append(turn)
        for chunk in appends(np.concatenate((saying(self._chance).samples, room(0.8))), 0.2):
            await self._socket.send(chunk)
        try:
            async with asyncio.timeout(_TURN_S):
                while not turn.is_over:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return turn
        turn.over = True
        return turn


def well(turn: Turn) -> list[str]:
    """What is wrong with a turn in which nothing failed."""
    found = [] if turn.over else ["it never ended"]
    words = [event["transcript"] for _, event in turn.of(f"{_TRANSCRIPTION}.completed")]
    if words != [HEARD]:
        found.append(f"words: {words}")
    statuses = [event["response"]["status"] for _, event in turn.of("response.done")]
    if statuses != ["completed"]:
        found.append(f"answers: {[event['response'] for _, event in turn.of('response.done')]}")
    return found + _unspoken(turn)


def problems(turn: Turn, strikes: Sequence[Strike], pending: Path) -> list[str]:
    """What was lost in silence, or was told too late; a sentence for each."""
    if not turn.over:
        kinds = [event["type"] for _, event in turn.events if "delta" not in event["type"]]
        return [f"after {_TURN_S:g} s it was not over: {kinds}"]
    found = _unspoken(turn)
    found += [f"an error: {event['error']}" for _, event in turn.of("error")]
    for _, event in turn.of(f"{_TRANSCRIPTION}.failed"):
        kept = _KEPT.search(event["error"]["message"])
        if kept is None or not (pending / f"{kept.group(1)}.wav").exists():
            found.append(f"a recording that was not kept: {event['error']}")
    for at, event in turn.of("response.done"):
        response = event["response"]
        if response["status"] == "failed" and not response["status_details"]["error"].get("code"):
            found.append(f"a failure without a reason: {response}")
        if response["status"] not in {"completed", "failed"}:
            found.append(f"an answer is {response['status']} at {at - turn.sent_at:.1f} s")
    late = [(what, late_s) for what, late_s in _failures(turn, strikes) if late_s > SHOWN_S + _SLACK_S]
    return found + [f"{what} was told after {late_s:.1f} s" for what, late_s in late]


def _unspoken(turn: Turn) -> list[str]:
    """Answers that are said to be complete and are not."""
    found = []
    for _, done in turn.of("response.done"):
        response = done["response"]
        if response["status"] != "completed":
            continue
        mine = [event for _, event in turn.events if event.get("response_id") == response["id"]]
        text = "".join(event["delta"] for event in mine if event["type"] == "response.output_audio_transcript.delta")
        spoken_s = sum(event["seconds"] for event in mine if event["type"] == "response.output_audio.delta")
        if text.split() != ANSWER.split():
            found.append(f"an answer that is complete has lost words: {text!r}")
        elif spoken_s < 0.9 * SECONDS_PER_CHAR * len(ANSWER):
            found.append(f"an answer that is complete was spoken for {spoken_s:.2f} s only")
    return found


def _failures(turn: Turn, strikes: Sequence[Strike]) -> list[tuple[str, float]]:
    """Each failure, and how long after its cause it was told: the strike, or what met it if that came later."""
    found = []
    committed = {event["item_id"]: at for at, event in turn.of("input_audio_buffer.committed")}
    for at, event in turn.of(f"{_TRANSCRIPTION}.failed"):
        found.append(("a failed transcription", at - _cause(committed[event["item_id"]], at, strikes)))
    created = {event["response"]["id"]: at for at, event in turn.of("response.created")}
    words_at = max((at for at, _ in turn.of(f"{_TRANSCRIPTION}.completed")), default=0.0)
    for at, event in turn.of("response.done"):
        if event["response"]["status"] == "failed":
            response_id = event["response"]["id"]
            mine = [seen for seen, each in turn.events if each.get("response_id") == response_id and "delta" in each["type"]]
            # What was heard meanwhile was no silence.
            begun = max([created[response_id], words_at, *(seen for seen in mine if seen < at)])
            found.append(("a failed answer", at - _cause(begun, at, strikes)))
    return found


def _cause(begun: float, told: float, strikes: Sequence[Strike]) -> float:
    return max([begun, *(strike.began for strike in strikes if strike.began <= told)])
