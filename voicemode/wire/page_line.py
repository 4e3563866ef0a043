"""The line between an agent's process and the page that is its sound card: sound as binary frames, everything else as JSON.

::

    agent's process  <── server ──>  page
        Take, Give  ->                        who may use the page
                    <-  Granted, Waiting, Ringing, NoPage, PageLeft
                         Ring, Begin, End  ->
                                          <-  Ready, Unready
        OpenSpeaker, sound, Complete, Cut, Duck, OpenMicrophone, ...  ->
                    <-  SpeakerOpened, Played, WasCut, sound, ...

What opens or cuts a device carries the number of a run, and what belongs to it repeats the number: so what was on its way when
a run ended is known to be late.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import IntEnum, unique
from typing import Any, TypeAlias, get_type_hints

__all__ = [
    "CAPTURE_RATE",
    "MOST_BYTES",
    "PLAY_RATE",
    "Act",
    "Begin",
    "CloseMicrophone",
    "CloseSpeaker",
    "Complete",
    "Cut",
    "Duck",
    "End",
    "Failed",
    "Give",
    "Granted",
    "Kind",
    "LineError",
    "Message",
    "MicrophoneOpened",
    "NoPage",
    "OpenMicrophone",
    "OpenSpeaker",
    "PageLeft",
    "Played",
    "Ready",
    "Ring",
    "Ringing",
    "Said",
    "SoundFrame",
    "SpeakerOpened",
    "State",
    "Take",
    "Unready",
    "Waiting",
    "WasCut",
    "Words",
    "decode",
    "decode_sound",
    "encode",
    "encode_sound",
]

PLAY_RATE = 24_000
"""Hertz of what the page plays: what most engines speak at."""
CAPTURE_RATE = 16_000
"""Hertz of what the page hears."""
MOST_BYTES = 1 << 16
"""Of one frame: more than a second of sound, and three times the longest message that may be spoken."""
_MOST_TEXT = 50_000
"""Characters: a message has at most 20,000."""
_HEADER = struct.Struct("<BxHIQ")
"""Kind, run, milliseconds of the page's clock, position. 16 bytes, so that samples begin at an even address."""
_RUNS = 1 << 16
_LAST_POSITION = 1 << 53
"""What a number of JavaScript holds exactly."""


class LineError(ValueError):
    """What came is not of this line. It says where, and never what."""


@unique
class Kind(IntEnum):
    """Of sound."""

    PLAY = 1
    """For the loudspeaker: 24 kHz."""
    CAPTURED = 2
    """Of the microphone: 16 kHz."""


@dataclass(frozen=True, slots=True)
class SoundFrame:
    """A piece of sound: mono, 16 bits, little-endian."""

    kind: Kind
    run: int
    """0 to 65535."""
    position: int
    """Of its first sample since the run's device was opened; a loudspeaker's goes on over its runs."""
    samples: bytes
    at_ms: int = 0
    """CAPTURED: when its first sample was heard, by the page's clock, modulo 2^32; it is sent when the last one was."""


# -- who may use the page


@dataclass(frozen=True, slots=True)
class Take:
    """Agent: may I use the page?"""

    agent: str


@dataclass(frozen=True, slots=True)
class Give:
    """Agent: I need it no more."""


@dataclass(frozen=True, slots=True)
class Granted:
    """To an agent: the page is yours. It comes again when a page is there again after ``PageLeft``."""

    page: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """To an agent: another one has it."""

    holder: str


@dataclass(frozen=True, slots=True)
class Ringing:
    """To an agent: a page is open, and shows a button that somebody must press first."""


@dataclass(frozen=True, slots=True)
class NoPage:
    """To an agent: none is open. A link with this key opens one, once."""

    key: str


@dataclass(frozen=True, slots=True)
class PageLeft:
    """To the agent that has it: it is gone, and may come back."""


@dataclass(frozen=True, slots=True)
class Ring:
    """To a page: an agent wants to talk; empty: no more."""

    agent: str


@dataclass(frozen=True, slots=True)
class Begin:
    """To a page: an agent talks through it from now on."""

    agent: str


@dataclass(frozen=True, slots=True)
class End:
    """To a page: it does not any more."""


@dataclass(frozen=True, slots=True)
class Ready:
    """Page: agents may talk; somebody has pressed the button, so sound works."""

    page: str


@dataclass(frozen=True, slots=True)
class Unready:
    """Page: they may not any more."""


# -- from the agent to the page


@dataclass(frozen=True, slots=True)
class OpenSpeaker:
    run: int


@dataclass(frozen=True, slots=True)
class CloseSpeaker:
    run: int


@dataclass(frozen=True, slots=True)
class Cut:
    """Be silent, forget what waits, and answer with ``WasCut``. Sound of ``run`` follows."""

    run: int


@dataclass(frozen=True, slots=True)
class Complete:
    """No more will come for now: play what there is."""

    run: int


@dataclass(frozen=True, slots=True)
class Duck:
    gain_db: float
    """At most 0."""


@dataclass(frozen=True, slots=True)
class OpenMicrophone:
    run: int


@dataclass(frozen=True, slots=True)
class CloseMicrophone:
    run: int


@dataclass(frozen=True, slots=True)
class State:
    """What is going on: "speaking", "listening", "hearing", "thinking", "interrupted" or "waiting"."""

    state: str


@dataclass(frozen=True, slots=True)
class Words:
    """What was understood of the person so far."""

    text: str


@dataclass(frozen=True, slots=True)
class Said:
    """What the agent says ("assistant") or the person said ("user"), for captions. The same key again replaces it."""

    key: str
    role: str
    text: str
    standing: str
    """"in_flight": about to be said; "whole"; "interrupted": the text is what was heard of it."""


# -- from the page to the agent


@dataclass(frozen=True, slots=True)
class SpeakerOpened:
    run: int
    latency_ms: float
    """From the page to the ear."""


@dataclass(frozen=True, slots=True)
class MicrophoneOpened:
    run: int
    name: str


@dataclass(frozen=True, slots=True)
class Failed:
    """A device does not open, or was unplugged."""

    device: str
    """Either "microphone" or "speaker"."""
    problem: str


@dataclass(frozen=True, slots=True)
class Played:
    """The sample at ``position`` is audible at that time of the page's clock."""

    run: int
    position: int
    at_ms: float
    now_ms: float
    """When this was sent."""


@dataclass(frozen=True, slots=True)
class WasCut:
    """It was silent from that time on; the sample at ``position`` was the first that was not audible."""

    run: int
    """That of ``Cut``."""
    position: int
    at_ms: float
    now_ms: float


@dataclass(frozen=True, slots=True)
class Act:
    """The person pressed a button."""

    action: str
    """As ``wire.control.ControlAction``."""


Message: TypeAlias = (
    Take
    | Give
    | Granted
    | Waiting
    | Ringing
    | NoPage
    | PageLeft
    | Ring
    | Begin
    | End
    | Ready
    | Unready
    | OpenSpeaker
    | CloseSpeaker
    | Cut
    | Complete
    | Duck
    | OpenMicrophone
    | CloseMicrophone
    | State
    | Words
    | Said
    | SpeakerOpened
    | MicrophoneOpened
    | Failed
    | Played
    | WasCut
    | Act
)


def _wire_name(kind: type[Message]) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in kind.__name__).removeprefix("_")


_KINDS: Mapping[str, type[Message]] = {_wire_name(kind): kind for kind in Message.__args__}
_NAMES = {kind: name for name, kind in _KINDS.items()}
_TYPES = {kind: get_type_hints(kind) for kind in _NAMES}


def encode(message: Message) -> str:
    """As one text frame."""
    return json.dumps({"type": _NAMES[type(message)], **asdict(message)}, ensure_ascii=False)


def decode(text: str) -> Message | None:
    """None for a type that is not known: the other side may be newer. Raises LineError."""
    if len(text) > MOST_BYTES:
        raise LineError("a message that is too long")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise LineError("a message that is no JSON") from None
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise LineError("a message without a type")
    kind = _KINDS.get(value["type"])
    if kind is None:
        return None
    return kind(**{each.name: _field(kind, each.name, value) for each in fields(kind)})


def _field(kind: type[Message], name: str, value: Mapping[str, Any]) -> Any:
    given, wanted = value.get(name), _TYPES[kind][name]
    if wanted is str and isinstance(given, str) and len(given) <= _MOST_TEXT:
        return given
    if not isinstance(given, bool) and isinstance(given, (int, float)) and math.isfinite(given):
        if wanted is float and abs(given) <= _LAST_POSITION:
            return float(given)
        if wanted is int and isinstance(given, int) and 0 <= given <= (_RUNS - 1 if name == "run" else _LAST_POSITION):
            return given
    raise LineError(f"a '{_NAMES[kind]}' whose '{name}' is not what it should be")


def encode_sound(frame: SoundFrame) -> bytes:
    """As one binary frame."""
    return _HEADER.pack(frame.kind, frame.run, frame.at_ms, frame.position) + frame.samples


def decode_sound(data: bytes) -> SoundFrame:
    """Raises LineError."""
    if not _HEADER.size <= len(data) <= MOST_BYTES or len(data) % 2:
        raise LineError("a frame of sound that is too short, too long or half a sample too much")
    kind, run, at_ms, position = _HEADER.unpack_from(data)
    if kind not in Kind.__members__.values() or position > _LAST_POSITION:
        raise LineError("a frame of sound of no known kind, or at no possible position")
    return SoundFrame(Kind(kind), run, position, data[_HEADER.size :], at_ms)
