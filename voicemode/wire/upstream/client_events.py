"""What an upstream is told, in its dialect. Sound is 24 kHz mono in both directions."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from voicemode.audio import Samples
from voicemode.dialogue import DialogueOptions, Eagerness, Message, Respond, ToolCall, ToolResult, TurnTaking
from voicemode.dialogue_tools import Tool
from voicemode.wire.upstream.profile import Dialect

__all__ = [
    "RATE",
    "RESPONSE_TAG",
    "Event",
    "Setup",
    "append",
    "item_of",
    "response_create",
    "session_update",
    "spoken_item",
    "truncate",
]

Event: TypeAlias = dict[str, object]

RATE = 24_000
"""Hertz."""
RESPONSE_TAG = "voicemode_response"
"""The key of a response's metadata that brings its name back."""

_EAGERNESS = {Eagerness.LOW: "low", Eagerness.AUTO: "auto", Eagerness.HIGH: "high"}
_SLOWEST, _FASTEST = 0.25, 1.5
"""OpenAI's bounds of ``audio.output.speed``."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What a session is to be like."""

    instructions: str = ""
    tools: tuple[Tool, ...] = ()
    tool_choice: str = "auto"
    voice: str = ""
    """Empty: the upstream's own."""
    speed: float = 1.0
    listening: DialogueOptions | None = None
    """How the upstream finds the ends of turns; None: it does not."""
    transcription: str = ""
    language: str | None = None


def session_update(setup: Setup, dialect: Dialect) -> Event:
    """The whole of it: what is left out of an update would stay as it was."""
    pcm = {"type": "audio/pcm", "rate": RATE}
    sound_in: dict[str, object] = {"format": pcm}
    sound_out: dict[str, object] = {"format": pcm}
    if setup.transcription:
        language = {"language": setup.language.split("-")[0].lower()} if setup.language else {}
        sound_in["transcription"] = {"model": setup.transcription, **language}
    if setup.speed != 1.0:
        sound_out["speed"] = min(max(setup.speed, _SLOWEST), _FASTEST)
    session: dict[str, object] = {"instructions": setup.instructions, "tools": [_function(tool) for tool in setup.tools]}
    voice = {"voice": setup.voice} if setup.voice else {}
    detection = _turn_detection(setup.listening, dialect)
    if dialect == "xai":
        session |= {**voice, "turn_detection": detection, "audio": {"input": sound_in, "output": sound_out}}
    else:
        sound_in["turn_detection"] = detection
        if setup.listening is not None and setup.listening.noise_reduction is not None:
            sound_in["noise_reduction"] = {"type": setup.listening.noise_reduction}
        session |= {
            "type": "realtime",
            "output_modalities": ["audio"],
            "tool_choice": _tool_choice(setup.tool_choice),
            "audio": {"input": sound_in, "output": {**sound_out, **voice}},
        }
    return {"type": "session.update", "session": session}


def append(samples: Samples) -> Event:
    """Sound of the person."""
    return {"type": "input_audio_buffer.append", "audio": _base64(samples)}


def response_create(request: Respond, dialect: Dialect, *, beside: Sequence[Mapping[str, object]] | None = None) -> Event:
    """Ask for an answer. ``beside`` is what one outside of the conversation is to answer; None: it is of the conversation."""
    modalities = ["audio"] if request.audio else ["text"]
    if dialect == "xai":
        both = ["text", "audio"] if request.audio else ["text"]
        return {"type": "response.create", "response": {"modalities": both}}
    response: dict[str, object] = {"output_modalities": modalities, "metadata": {RESPONSE_TAG: request.response_id}}
    if request.max_tokens is not None:
        response["max_output_tokens"] = request.max_tokens
    if beside is not None:
        response |= {
            "conversation": "none",
            "input": list(beside),
            "instructions": request.instructions,
            "tools": [_function(tool) for tool in request.tools],
            "tool_choice": _tool_choice(request.tool_choice),
        }
    return {"type": "response.create", "response": response}


def item_of(entry: Message | ToolCall | ToolResult) -> Event:
    """Something of the conversation that the upstream has not heard itself, without an id."""
    match entry:
        case Message():
            kind = "output_text" if entry.role == "assistant" else "input_text"
            return {"type": "message", "role": entry.role, "content": [{"type": kind, "text": entry.text}]}
        case ToolCall():
            return {"type": "function_call", "call_id": entry.call_id, "name": entry.name, "arguments": entry.arguments}
        case ToolResult():
            return {"type": "function_call_output", "call_id": entry.call_id, "output": entry.output}


def spoken_item(samples: Samples) -> Event:
    """A turn of the person whose words nobody knows, as its sound."""
    return {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": _base64(samples)}]}


def truncate(item_id: str, audio_end_ms: float) -> Event:
    """Of what the assistant said in this item so much was heard."""
    return {
        "type": "conversation.item.truncate",
        "item_id": item_id,
        "content_index": 0,
        "audio_end_ms": int(audio_end_ms),
    }


def _turn_detection(listening: DialogueOptions | None, dialect: Dialect) -> Event | None:
    if listening is None or listening.turn_taking is TurnTaking.MANUAL:
        return None
    # Answers are asked for: what they are to know and to say is ours to tell first.
    asked: Event = {} if dialect == "xai" else {"create_response": False, "interrupt_response": False}
    if listening.turn_taking is TurnTaking.SEMANTIC and dialect == "openai":
        return {"type": "semantic_vad", "eagerness": _EAGERNESS[listening.eagerness], **asked}
    if listening.turn_taking is TurnTaking.SEMANTIC:
        return {"type": "server_vad"}
    return {
        "type": "server_vad",
        "threshold": listening.threshold,
        "prefix_padding_ms": listening.prefix_ms,
        "silence_duration_ms": listening.silence_ms,
        **asked,
    }


def _function(tool: Tool) -> Event:
    return {"type": "function", "name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}


def _tool_choice(choice: str) -> object:
    name = choice.removeprefix("function:")
    return choice if name == choice else {"type": "function", "name": name}


def _base64(samples: Samples) -> str:
    return base64.b64encode(samples.astype("<i2", copy=False).tobytes()).decode()
