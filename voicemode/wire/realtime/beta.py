"""The protocol's beta dialect, for clients that send ``OpenAI-Beta: realtime=v1``: the same session under its older names.

Flat session object, ``response.audio.delta``, ``conversation.item.created``. What only GA has keeps its name; ``temperature``
has no meaning any more and is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from voicemode.dialogue import Report
from voicemode.wire.realtime.errors import ClientError
from voicemode.wire.realtime.fields import parse_event
from voicemode.wire.realtime.session import RealtimeSession
from voicemode.wire.realtime.step import Step

__all__ = ["BetaSession", "event_from_beta", "event_to_beta", "session_from_beta"]

_FORMATS = {"pcm16": "audio/pcm", "g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}
_BETA_FORMATS = {new: old for old, new in _FORMATS.items()}
_INPUT = {
    "input_audio_format": "format",
    "input_audio_transcription": "transcription",
    "input_audio_noise_reduction": "noise_reduction",
    "turn_detection": "turn_detection",
}
"""Flat names, and where they are below ``audio.input``."""
_OUTPUT = {"output_audio_format": "format", "voice": "voice", "speed": "speed"}
"""Likewise below ``audio.output``."""
_RENAMED = {"modalities": "output_modalities", "max_response_output_tokens": "max_output_tokens"}
_DROPPED = {"temperature", "client_secret"}
_PARTS = {"output_text": "text", "output_audio": "audio"}
_GA_PARTS = {old: new for new, old in _PARTS.items()}
_EVENTS = {
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
    "response.output_text.delta": "response.text.delta",
    "response.output_text.done": "response.text.done",
    "conversation.item.added": "conversation.item.created",
}
_NOT_IN_BETA = {"conversation.item.done", "input_audio_buffer.timeout_triggered"}

Translate = Callable[[Mapping[str, object]], dict[str, object]]


class BetaSession:
    """A session as clients of the beta see it, with the methods of RealtimeSession."""

    def __init__(self, session: RealtimeSession) -> None:
        self._session = session

    def open(self, now_ms: float) -> Step:
        return _step_to_beta(self._session.open(now_ms))

    def receive(self, message: str | bytes, now_ms: float) -> Step:
        """One client event, as it came; GA's own are understood too."""
        try:
            event = event_from_beta(parse_event(message))
        except ClientError:
            return _step_to_beta(self._session.receive(message, now_ms))
        return _step_to_beta(self._session.receive_event(event, now_ms))

    def report(self, report: Report, now_ms: float) -> Step:
        return _step_to_beta(self._session.report(report, now_ms))

    def expire(self) -> Step:
        return _step_to_beta(self._session.expire())

    def leave(self, now_ms: float) -> Step:
        return self._session.leave(now_ms)


def event_from_beta(event: Mapping[str, object]) -> dict[str, object]:
    """A client event under GA's names. What has the wrong type is left as it is, for the session to refuse."""
    kind = event.get("type")
    changed = dict(event)
    if kind == "transcription_session.update":
        changed["type"] = "session.update"
        changed["session"] = _over(event.get("session"), _transcription_from_beta)
    elif kind == "session.update":
        changed["session"] = _over(event.get("session"), session_from_beta)
    elif kind == "response.create":
        changed["response"] = _over(event.get("response"), _response_from_beta)
    elif kind == "conversation.item.create":
        changed["item"] = _over(event.get("item"), _item_from_beta)
    return changed


def session_from_beta(session: Mapping[str, object]) -> dict[str, object]:
    """A flat session object as GA nests it; present fields only."""
    given: dict[str, object] = {}
    below: dict[str, dict[str, object]] = {"input": {}, "output": {}}
    for name, value in session.items():
        if name in _INPUT:
            below["input"][_INPUT[name]] = _format_from_beta(value) if name.endswith("format") else value
        elif name in _OUTPUT:
            below["output"][_OUTPUT[name]] = _format_from_beta(value) if name.endswith("format") else value
        elif name == "modalities":
            given["output_modalities"] = _modalities_from_beta(value)
        elif name not in _DROPPED:
            given[_RENAMED.get(name, name)] = value
    audio = {name: fields for name, fields in below.items() if fields}
    # A client in the middle of its move to GA sends both shapes: its nested fields stand.
    return {"audio": audio, **given} if audio else given


def event_to_beta(event: Mapping[str, object]) -> dict[str, object] | None:
    """A server event under the beta's names; None: the beta has no such event."""
    kind = str(event.get("type"))
    if kind in _NOT_IN_BETA:
        return None
    changed = {**event, "type": _EVENTS.get(kind, kind)}
    for name, translate in (("session", _session_to_beta), ("item", _item_to_beta), ("response", _response_to_beta)):
        if name in event:
            changed[name] = _over(event[name], translate)
    session = event.get("session")
    if isinstance(session, dict) and session.get("type") == "transcription":
        changed["type"] = f"transcription_{kind}"
    return changed


def _step_to_beta(step: Step) -> Step:
    events = (event_to_beta(event) for event in step.events)
    return Step(tuple(event for event in events if event is not None), step.commands, step.close, step.entries)


def _over(value: object, translate: Translate) -> object:
    return translate(value) if isinstance(value, dict) else value


def _format_from_beta(value: object) -> object:
    return {"type": _FORMATS.get(value, value)} if isinstance(value, str) else value


def _modalities_from_beta(value: object) -> object:
    """The beta always sends the words of what it speaks, and says so."""
    return ["audio"] if isinstance(value, list) and "audio" in value and set(map(str, value)) <= {"audio", "text"} else value


def _transcription_from_beta(session: Mapping[str, object]) -> dict[str, object]:
    return {**session_from_beta(session), "type": "transcription"}


def _response_from_beta(response: Mapping[str, object]) -> dict[str, object]:
    changed = session_from_beta(response)
    items = response.get("input")
    if isinstance(items, list):
        changed["input"] = [_over(item, _item_from_beta) for item in items]
    return changed


def _item_from_beta(item: Mapping[str, object]) -> dict[str, object]:
    content = item.get("content")
    if item.get("role") != "assistant" or not isinstance(content, list):
        return dict(item)
    return {**item, "content": [_over(part, _part_from_beta) for part in content]}


def _part_from_beta(part: Mapping[str, object]) -> dict[str, object]:
    kind = part.get("type")
    return {**part, "type": _GA_PARTS.get(kind, kind) if isinstance(kind, str) else kind}


def _item_to_beta(item: Mapping[str, object]) -> dict[str, object]:
    content = item.get("content")
    if not isinstance(content, list):
        return dict(item)
    return {**item, "content": [{**part, "type": _PARTS.get(part["type"], part["type"])} for part in content]}


def _modalities_to_beta(value: object) -> list[str]:
    return ["text"] if value == ["text"] else ["audio", "text"]


def _flat(audio: object) -> dict[str, object]:
    """The fields below ``audio``, under their flat names."""
    flat: dict[str, object] = {}
    for side, names in (("input", _INPUT), ("output", _OUTPUT)):
        fields = audio.get(side) if isinstance(audio, dict) else None
        for old, new in names.items():
            if isinstance(fields, dict) and new in fields:
                value = fields[new]
                flat[old] = _to_flat(new, value)
    return flat


def _to_flat(name: str, value: object) -> object:
    """Formats are words there, and voices are names only."""
    if not isinstance(value, dict):
        return value
    return _BETA_FORMATS.get(str(value.get("type"))) if name == "format" else value.get("id") if name == "voice" else value


def _session_to_beta(session: Mapping[str, object]) -> dict[str, object]:
    kept = {name: value for name, value in session.items() if name not in {"audio", "type", *_RENAMED.values()}}
    flat = {**kept, **_flat(session.get("audio"))}
    if session.get("type") == "transcription":
        return flat
    modalities = _modalities_to_beta(session.get("output_modalities"))
    return {**flat, "modalities": modalities, "max_response_output_tokens": session.get("max_output_tokens")}


def _response_to_beta(response: Mapping[str, object]) -> dict[str, object]:
    kept = {name: value for name, value in response.items() if name not in {"audio", "output_modalities", "output"}}
    output = response.get("output")
    items = [_item_to_beta(item) for item in output] if isinstance(output, list) else []
    return {
        **kept,
        **_flat(response.get("audio")),
        "modalities": _modalities_to_beta(response.get("output_modalities")),
        "output": items,
    }
