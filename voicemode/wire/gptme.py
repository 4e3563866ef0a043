"""gptme's two ways of talking: ``/voice`` for browsers (binary sound) and ``/local`` for its Python client (JSON).

Both are as gptme-voice speaks them, so its clients need no change. Messages that it does not have (``EVENTS``) are for clients
that asked for them. https://github.com/gptme/gptme-contrib/tree/master/packages/gptme-voice
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping

import numpy as np

from voicemode.audio import Samples
from voicemode.playout import PlayoutSound
from voicemode.wire.simple_session import (
    AnswerBegan,
    AnswerCut,
    AnswerHeard,
    ClientInput,
    Cue,
    EndTurn,
    Frame,
    Output,
    PersonSpeaks,
    Problem,
    Sound,
    Transcript,
    Typed,
)

__all__ = ["EVENTS", "INPUT_RATE", "OUTPUT_RATE", "LocalProtocol", "VoiceProtocol"]

INPUT_RATE, OUTPUT_RATE = 16_000, 24_000
"""Hertz of ``/voice``; ``/local`` has the second in both directions."""
EVENTS = ("answer_started", "interrupted", "speech_started", "speech_stopped", "transcript", "error")
"""What only clients are sent that ask for events."""
_CUE_RATE = 8_000
_CUE_HZ = {"dispatch": (660, 880), "timeout": (440, 330)}
"""Two notes each: upwards for what begins, downwards for what failed."""
_NOTE_S = 0.08
_LOUDNESS = 6_000
"""A fifth of full scale: beside speech, a tone is heard well at that."""


class VoiceProtocol:
    """``/voice``: 16 kHz PCM16LE comes in binary frames, 24 kHz goes out in such, and a few texts beside them."""

    def __init__(self, *, events: bool = False) -> None:
        """``events``: the client wants to know more than gptme tells."""
        self._events = events
        self._odd = b""
        """Half a sample, whose other half comes with the next frame."""

    def opening(self) -> Iterable[Frame]:
        yield {"type": "ready", "input_sample_rate": INPUT_RATE, "output_sample_rate": OUTPUT_RATE}

    def read(self, message: str | bytes) -> Iterable[ClientInput]:
        if isinstance(message, str):
            yield from _control(_object(message))
            return
        data = self._odd + message
        whole = len(data) & ~1
        self._odd = data[whole:]
        if whole:
            yield Sound(np.frombuffer(data[:whole], "<i2").astype(np.int16, copy=False), INPUT_RATE)

    def write(self, output: Output) -> Iterable[Frame]:
        if isinstance(output, PlayoutSound):
            yield _pcm(output.samples)
        else:
            yield from _told(output, events=self._events)


class LocalProtocol:
    """``/local``: the same in JSON, with 24 kHz in both directions. Nothing says that it is ready: it is at once."""

    def __init__(self, *, events: bool = False) -> None:
        """``events``: the client wants to know more than gptme tells."""
        self._events = events

    def opening(self) -> Iterable[Frame]:
        return ()

    def read(self, message: str | bytes) -> Iterable[ClientInput]:
        match _object(message):
            case {"type": "audio", "audio": str(audio)}:
                yield from self._sound(audio)
            case body:
                yield from _control(body)

    def _sound(self, audio: str) -> Iterable[ClientInput]:
        try:
            data = base64.b64decode(audio, validate=True)
        except (binascii.Error, ValueError):
            return
        if len(data) > 1:
            yield Sound(np.frombuffer(data[: len(data) & ~1], "<i2").astype(np.int16, copy=False), OUTPUT_RATE)

    def write(self, output: Output) -> Iterable[Frame]:
        if isinstance(output, PlayoutSound):
            yield {"type": "audio", "audio": base64.b64encode(_pcm(output.samples)).decode()}
        else:
            yield from _told(output, events=self._events)


def _told(output: Output, *, events: bool) -> Iterable[Frame]:
    """``audio_end`` makes gptme's player forget all it has, so it comes when that was heard, or must not be."""
    match output:
        case AnswerHeard():
            yield {"type": "audio_end"}
        case AnswerCut():
            if events:
                yield {"type": "interrupted"}
            yield {"type": "audio_end"}
        case Cue(kind=kind):
            yield {"type": "sound_cue", "cue": kind, "sample_rate": _CUE_RATE, "audio": _cue(kind)}
        case _ if events:
            yield from _event(output)


def _event(output: Output) -> Iterable[Frame]:
    match output:
        case AnswerBegan():
            yield {"type": "answer_started"}
        case PersonSpeaks(now=now):
            yield {"type": "speech_started" if now else "speech_stopped"}
        case Transcript(role=role, text=text, interrupted=interrupted):
            yield {"type": "transcript", "role": role, "text": text, "interrupted": interrupted}
        case Problem(code=code, message=message):
            yield {"type": "error", "code": code, "message": message}


def _control(body: Mapping[str, object]) -> Iterable[ClientInput]:
    """What is not known is passed over, as gptme does."""
    match body:
        case {"type": "commit"}:
            yield EndTurn()
        case {"type": "text", "text": str(text)} if text.strip():
            yield Typed(text)


def _object(message: str | bytes) -> Mapping[str, object]:
    try:
        body = json.loads(message)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _pcm(samples: Samples) -> bytes:
    return samples.astype("<i2", copy=False).tobytes()


def _cue(kind: str) -> str:
    times = np.arange(int(_NOTE_S * _CUE_RATE)) / _CUE_RATE
    fade = np.sin(np.pi * times / _NOTE_S)
    notes = [np.sin(2 * np.pi * hertz * times) * fade * _LOUDNESS for hertz in _CUE_HZ[kind]]
    return base64.b64encode(_pcm(np.concatenate(notes).astype(np.int16))).decode()
