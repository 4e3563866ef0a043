"""One turn at the virtual sound card, and the figures it gives."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from bench.alignment import clipping, locate
from bench.person import Ears
from bench.room import ANSWER, MESSAGE, SILENCE_S, Room, read_wav
from bench.stdio_client import Answer, StdioServer
from scripts.sound_recorder import Recording
from voicemode.audio import AudioChunk

__all__ = ["Figures", "TurnFailedError", "converse", "speak"]

Figures = dict[str, float]

_CALL_S = 30.0
_SOUND_S = 10.0
_POLITE_QUIET_S = 0.3
"""A polite person waits this long after the last word, as most do who are not in a hurry."""
_MIC_OPEN_S = 5.0
_SETTLE_S = 0.5
"""Until a new recorder knows its clock."""


class TurnFailedError(RuntimeError):
    """The product did not do what it was asked; the text says what it said instead."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A message that was spoken without listening."""

    heard: Recording
    answer: Answer
    first_sound: float
    last_sound: float

    @property
    def seconds(self) -> float:
        return self.last_sound - self.first_sound


async def speak(room: Room, server: StdioServer) -> Spoken:
    """Speak only. Raises TurnFailedError, TimeoutError."""
    ears = Ears(room.card)
    try:
        await asyncio.sleep(_SETTLE_S)
        answer = await server.converse(MESSAGE, wait_for_response=False).wait(_CALL_S)
        if answer.failed:
            raise TurnFailedError(f"{answer.text} {server.last_line()}")
        await ears.catch_up(time.monotonic() + 0.3)
        heard = ears.heard()
    finally:
        ears.close()
    sounds = heard.sounds()
    if not sounds:
        raise TurnFailedError(f"nothing was heard, but it said: {answer.text}")
    return Spoken(heard, answer, sounds[0][0], sounds[-1][1])


async def converse(room: Room, server: StdioServer, words: AudioChunk, *, message_s: float, after_s: float | None) -> Figures:
    """One question and its answer.

    The person starts ``after_s`` after the assistant's last word, which people foresee: it is the first sound plus
    ``message_s``. None is a polite person, who waits for silence and for the microphone. Raises TurnFailedError,
    TimeoutError.
    """
    before = len(room.stub.events())
    ears, microphone = Ears(room.card), room.card.record_microphone()
    try:
        await room.mouth.arm()
        await asyncio.sleep(_SETTLE_S)
        call = server.converse(MESSAGE)
        first_sound = await ears.first_sound(_SOUND_S)
        if after_s is None:
            await _politely(room, ears, first_sound + message_s)
            starts = time.monotonic()
        else:
            starts = first_sound + message_s + after_s
        await room.mouth.say(words, starts)
        answer = await call.wait(_CALL_S)
        await ears.catch_up(time.monotonic() + 0.1)
        loudspeaker, voice = ears.heard(starts), microphone.recording(starts - 0.2)
    finally:
        ears.close()
        microphone.close()
    events = room.stub.events()[before:]
    began = voice.started_at + locate(words, voice.chunk).offset_s
    ended = began + words.seconds
    response_s = answer.received_at - ended
    figures: Figures = {
        "call_to_sound_ms": 1000 * (first_sound - call.sent_at),
        "result_ms": 1000 * (response_s - SILENCE_S),
        "overhead_ms": 1000 * (first_sound - call.sent_at + response_s),
        "gap_ms": 1000 * (began - loudspeaker.sounds()[-1][1]),
        **_engine_figures(events, first_sound, ended),
        **_lost(room, events, words),
        **_own_timings(answer),
    }
    if figures["clipped_ms"] < 1000 * words.seconds and (answer.failed or ANSWER not in answer.text):
        raise TurnFailedError(f"{answer.text} {server.last_line()}")
    return figures


async def _politely(room: Room, ears: Ears, foreseen_end: float) -> None:
    await asyncio.sleep(foreseen_end - time.monotonic())
    await ears.quiet_for(_POLITE_QUIET_S, _SOUND_S)
    end = time.monotonic() + _MIC_OPEN_S
    while not await asyncio.to_thread(room.card.recording_clients):
        if time.monotonic() > end:
            raise TimeoutError("the microphone was not opened")
        await asyncio.sleep(0.02)


def _engine_figures(events: list[dict[str, Any]], first_sound: float, ended: float) -> Figures:
    figures: Figures = {}
    spoken = [event for event in events if event["kind"] == "tts" and "at_first" in event]
    if spoken:
        figures["first_sound_ms"] = 1000 * (first_sound - spoken[0]["at_first"])
    heard = [event for event in events if event["kind"] == "stt" and "at_done" in event]
    if heard:
        figures["uploads"] = len(heard)
        figures["last_upload_ms"] = 1000 * (heard[-1]["at_head"] - ended)
        figures["last_transcript_ms"] = 1000 * (heard[-1]["at_done"] - ended)
    return figures


def _lost(room: Room, events: list[dict[str, Any]], words: AudioChunk) -> Figures:
    """What the recognizer did not get, in whole milliseconds: the last upload of a turn is the one that counts."""
    if not any(event["kind"] == "stt" for event in events):
        return {"clipped_ms": round(1000 * words.seconds)}
    found = clipping(words, read_wav(room.stub.uploads()[-1]))
    return {
        "clipped_ms": round(found.lost_ms),
        "clipped_head_ms": found.head_ms,
        "clipped_tail_ms": found.tail_ms,
        "lost_inside_ms": found.inner_ms,
        "correlation": found.correlation,
    }


def _own_timings(answer: Answer) -> Figures:
    """What the product says of itself, for comparison."""
    timings = answer.result.get("structuredContent", {}).get("timings_ms", {})
    return {f"own_{name}_ms": value for name, value in timings.items()}
