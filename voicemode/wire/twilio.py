"""Twilio's media streams: the messages of the WebSocket that carries a telephone call.

https://www.twilio.com/docs/voice/media-streams/websocket-messages

Sound is µ-law at 8 kHz in both directions. What we send is played in order; a ``mark`` comes back when all sound before it was
played, also when a ``clear`` took that sound away.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from voicemode.audio import Samples
from voicemode.core.g711 import G711_RATE, ulaw_decode, ulaw_encode
from voicemode.core.resample import StreamResampler
from voicemode.playout import PlayoutSound
from voicemode.wire.simple_session import AnswerCut, ClientInput, Frame, HangUp, Output, Sound, Typed

__all__ = ["Digit", "Marked", "Media", "Message", "Started", "Stopped", "TwilioProtocol", "pressed", "read_message"]

_SOUND_RATE = 24_000
"""Hertz, of the assistant's sound."""
_LONGEST = 256 << 10
"""Characters of a message: Twilio's have 300."""
_LONGEST_SOUND = 60 * G711_RATE
"""Bytes of one message's sound; Twilio's have 160."""
_TEXT = 200
"""Characters of an identifier: Twilio's have 34."""
_PARAMETERS = 20
_DIGITS = frozenset("0123456789*#ABCDabcd")
_DIGITS_PAUSE_S = 1.5
"""After a digit, so much silence ends the number: people look for the next key for about a second."""
_DIGITS_MOST = 64


@dataclass(frozen=True, slots=True)
class Started:
    """The stream begins; what comes before it says nothing."""

    stream_sid: str
    call_sid: str
    account_sid: str
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What our TwiML gave along."""
    understood: bool = True
    """Its sound is µ-law at 8 kHz, the only format that Twilio documents."""


@dataclass(frozen=True, slots=True, eq=False)
class Media:
    """Sound of the caller: 8 kHz mono int16."""

    samples: Samples


@dataclass(frozen=True, slots=True)
class Digit:
    """A key of the caller's telephone."""

    digit: str


@dataclass(frozen=True, slots=True)
class Marked:
    """All sound before this mark of ours was played, or cleared."""

    name: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The stream has ended: somebody hung up."""


Message: TypeAlias = Started | Media | Digit | Marked | Stopped


def read_message(message: str | bytes) -> Message | None:
    """What a message says; None for what says nothing to us, and for what is none. Never raises."""
    if len(message) > _LONGEST:
        return None
    try:
        value = json.loads(message)
    except (ValueError, RecursionError):
        return None
    match value:
        case {"event": "media", "media": {"payload": str(payload), **media}} if media.get("track", "inbound") == "inbound":
            return _media(payload)
        case {"event": "start", "start": {"streamSid": str(stream), "callSid": str(call), **start}}:
            return _started(stream, call, start)
        case {"event": "dtmf", "dtmf": {"digit": str(digit)}} if digit in _DIGITS:
            return Digit(digit.upper())
        case {"event": "mark", "mark": {"name": str(name)}} if len(name) <= _TEXT:
            return Marked(name)
        case {"event": "stop"}:
            return Stopped()
        case _:
            return None


def _media(payload: str) -> Media | None:
    try:
        data = base64.b64decode(payload, validate=True)
    except (ValueError, binascii.Error):
        return None
    return Media(ulaw_decode(data)) if 0 < len(data) <= _LONGEST_SOUND else None


def _started(stream: str, call: str, start: Mapping[object, object]) -> Started | None:
    account = start.get("accountSid")
    if not isinstance(account, str) or max(map(len, (stream, call, account))) > _TEXT:
        return None
    given = start.get("customParameters")
    parameters = {
        name: value
        for name, value in list(given.items() if isinstance(given, Mapping) else ())[:_PARAMETERS]
        if isinstance(name, str) and isinstance(value, str)
    }
    match start.get("mediaFormat"):
        case {"encoding": "audio/x-mulaw", "sampleRate": 8000} | None:
            return Started(stream, call, account, parameters)
        case _:
            return Started(stream, call, account, parameters, understood=False)


def pressed(digits: str) -> str:
    """How the responder is told of keys, since it reads words."""
    return f"The caller pressed {' '.join(digits)}."


class TwilioProtocol:
    """One call, as ``SimpleSession`` speaks it. The stream has started.

    Each piece of sound that is told becomes a ``media`` and a ``mark`` with the next number, from 1 on.
    """

    def __init__(self, stream_sid: str, *, played: Callable[[int], None], stopped: Callable[[], None]) -> None:
        """``played`` is told the number of each mark that came back, ``stopped`` that the caller is gone."""
        self._stream_sid, self._played, self._stopped = stream_sid, played, stopped
        self._resampler = StreamResampler(_SOUND_RATE, G711_RATE)
        self._marks = 0
        self._digits = ""
        self._silent_s = 0.0
        """Sound since the last digit."""

    def opening(self) -> Iterable[Frame]:
        return ()

    def read(self, message: str | bytes) -> Iterable[ClientInput]:
        match read_message(message):
            case Media(samples=samples):
                yield Sound(samples, G711_RATE)
                self._silent_s += len(samples) / G711_RATE
                if self._digits and self._silent_s >= _DIGITS_PAUSE_S:
                    yield self._number()
            case Digit(digit=digit):
                self._digits += digit
                self._silent_s = 0.0
                if digit == "#" or len(self._digits) >= _DIGITS_MOST:
                    yield self._number()
            case Marked(name=name) if name.isascii() and name.isdigit() and len(name) <= 18:
                self._played(int(name))
            case Stopped():
                self._stopped()
                yield HangUp()

    def write(self, output: Output) -> Iterable[Frame]:
        match output:
            case PlayoutSound(samples=samples):
                self._marks += 1
                data = ulaw_encode(self._resampler.push(samples))
                if data:
                    yield self._frame("media", {"payload": base64.b64encode(data).decode()})
                yield self._frame("mark", {"name": str(self._marks)})
            case AnswerCut():
                self._resampler = StreamResampler(_SOUND_RATE, G711_RATE)  # what it holds belongs to what was cut
                yield {"event": "clear", "streamSid": self._stream_sid}

    def _number(self) -> Typed:
        digits, self._digits = self._digits, ""
        return Typed(pressed(digits))

    def _frame(self, event: str, content: Mapping[str, object]) -> Frame:
        return {"event": event, "streamSid": self._stream_sid, event: content}
