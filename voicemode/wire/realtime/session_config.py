"""The session object: read from ``session.update`` field by field, echoed whole, and told to the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from voicemode.dialogue import DialogueOptions, Tool, TurnTaking
from voicemode.wire.realtime.errors import ClientError, wrong_type, wrong_value
from voicemode.wire.realtime.fields import Fields
from voicemode.wire.realtime.formats import WireFormat, read_format
from voicemode.wire.realtime.mcp_config import McpServer, read_mcp_choice, read_mcp_tool
from voicemode.wire.realtime.turn_detection import TurnDetection, read_turn_detection

__all__ = ["SessionConfig", "SessionDefaults", "merged", "merged_for_response"]

JsonObject = Mapping[str, object]

_BETA_NAMES = {
    "modalities": "output_modalities",
    "voice": "audio.output.voice",
    "speed": "audio.output.speed",
    "input_audio_format": "audio.input.format",
    "output_audio_format": "audio.output.format",
    "input_audio_transcription": "audio.input.transcription",
    "input_audio_noise_reduction": "audio.input.noise_reduction",
    "turn_detection": "audio.input.turn_detection",
    "max_response_output_tokens": "max_output_tokens",
}
"""Where the flat fields of the beta protocol went."""
_MOST_TOOLS = 256
_MOST_SERVERS = 16
"""Each is a connection, which is opened because a client says so."""
_MOST_TOKENS = 1_000_000


@dataclass(frozen=True, slots=True)
class SessionDefaults:
    """What is in force where a client says nothing."""

    model: str = "gpt-realtime"
    """Echoed and handed on; clients look for a name that they know."""
    voice: str = "marin"
    instructions: str = ""
    turn_detection: TurnDetection | None = field(default_factory=TurnDetection)
    transcription_model: str = "whisper-1"
    """Echoed in transcription sessions; in others, nothing is transcribed for the wire unless the client asks for it."""
    context_tokens: int = 28_672
    """The most that the history handed to a responder is estimated to have; older items are left out of it. OpenAI's number."""
    kept_audio_bytes: int = 1_000_000
    """Of the latest utterances, so that they can be retrieved with their sound: 20 s at 24 kHz."""
    language: str = ""
    """BCP 47, of what the session says by itself where the client names none; empty: English."""
    approval_aloud: bool = False
    """Whether the person is also asked aloud if a server's tool may be called."""
    record_characters: int = 4_000_000
    """Of all items of the conversation together; a client that creates more gets an error."""


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """What is in force now. Objects of a client are kept as they came and never changed."""

    kind: Literal["realtime", "transcription"]
    defaults: SessionDefaults
    model: str
    instructions: str
    voice: str | JsonObject
    turn_detection: TurnDetection | None
    transcription: JsonObject | None
    output_modality: str = "audio"
    speed: float = 1.0
    input_format: WireFormat = WireFormat.PCM
    output_format: WireFormat = WireFormat.PCM
    noise_reduction: JsonObject | None = None
    tools: tuple[JsonObject, ...] = ()
    """As they are shown: without credentials."""
    servers: tuple[McpServer, ...] = ()
    """Those of ``tools`` that are of type mcp."""
    tool_choice: str | JsonObject = "auto"
    max_output_tokens: int | None = None
    """None: "inf"."""
    parallel_tool_calls: bool = True
    truncation: str | JsonObject = "auto"
    tracing: str | JsonObject | None = None
    reasoning: JsonObject | None = None
    prompt: JsonObject | None = None
    include: tuple[object, ...] | None = None

    @classmethod
    def initial(cls, kind: Literal["realtime", "transcription"], defaults: SessionDefaults) -> SessionConfig:
        transcription = {"model": defaults.transcription_model} if kind == "transcription" else None
        return cls(
            kind, defaults, defaults.model, defaults.instructions, defaults.voice, defaults.turn_detection, transcription
        )

    @property
    def voice_name(self) -> str:
        return self.voice if isinstance(self.voice, str) else str(self.voice.get("id", ""))

    @property
    def speaks(self) -> bool:
        return self.output_modality == "audio"

    def wire(self) -> dict[str, object]:
        """The whole object, but for its id and when it expires."""
        audio_input = {
            "format": self.input_format.wire(),
            "transcription": self.transcription,
            "noise_reduction": self.noise_reduction,
            "turn_detection": self.turn_detection and self.turn_detection.wire(),
        }
        include = None if self.include is None else list(self.include)
        if self.kind == "transcription":
            return {"type": self.kind, "audio": {"input": audio_input}, "include": include}
        return {
            "type": self.kind,
            "model": self.model,
            "output_modalities": [self.output_modality],
            "instructions": self.instructions,
            "tools": list(self.tools),
            "tool_choice": self.tool_choice,
            "parallel_tool_calls": self.parallel_tool_calls,
            "max_output_tokens": self.wire_max_output_tokens,
            "truncation": self.truncation,
            "tracing": self.tracing,
            "reasoning": self.reasoning,
            "prompt": self.prompt,
            "include": include,
            "audio": {"input": audio_input, "output": self.wire_output | {"voice": self.voice, "speed": self.speed}},
        }

    @property
    def wire_max_output_tokens(self) -> int | str:
        return "inf" if self.max_output_tokens is None else self.max_output_tokens

    @property
    def wire_output(self) -> dict[str, object]:
        return {"format": self.output_format.wire(), "voice": self.voice_name}

    def options(self) -> DialogueOptions:
        """How the engine is to listen."""
        turn = self.turn_detection
        options = DialogueOptions(turn_taking=TurnTaking.MANUAL, interrupts=False) if turn is None else turn.options()
        if self.kind == "transcription":
            options = replace(options, answers=False, interrupts=False, idle_timeout_ms=None)
        heard = self.transcription or {}
        languages = heard.get("languages")
        first = languages[0] if isinstance(languages, list) and languages else None
        noise = (self.noise_reduction or {}).get("type")
        return replace(
            options,
            transcribe=self.transcription is not None,
            language=str(heard.get("language") or first or "") or None,
            noise_reduction="far_field" if noise == "far_field" else "near_field" if noise == "near_field" else None,
        )

    def functions(self) -> tuple[Tool, ...]:
        """Those that the client calls."""
        return tuple(_function(tool) for tool in self.tools if tool["type"] == "function")


def merged(config: SessionConfig, session: Fields) -> SessionConfig:
    """``config`` with the fields that ``session.update`` brings; null, "" and [] clear. Raises ClientError.

    Fields that nobody knows are passed over, so that a client newer than we are goes on; the echo shows what is in force.
    """
    kind = session.choice("type", ("realtime", "transcription"))
    if kind not in {None, config.kind}:
        raise wrong_value("session.type", kind, f"{config.kind}: a session does not change its type")
    for name, place in _BETA_NAMES.items():
        if name in session:
            path, new = session.path_of(name), session.path_of(place)
            raise ClientError("unknown_parameter", f"Unknown parameter: '{path}'. In the GA protocol it is '{new}'.", path)
    config = _apply(config, session, _SESSION_FIELDS)
    audio = session.child("audio") or Fields({})
    config = _apply(config, audio.child("input") or Fields({}), _INPUT_FIELDS)
    return _apply(config, audio.child("output") or Fields({}), _OUTPUT_FIELDS)


def merged_for_response(config: SessionConfig, response: Fields) -> SessionConfig:
    """What is in force for one response: ``response.create`` over the session. Raises ClientError."""
    for name in ("modalities", "voice", "output_audio_format", "max_response_output_tokens"):
        if name in response:
            path, new = response.path_of(name), response.path_of(_BETA_NAMES[name])
            raise ClientError("unknown_parameter", f"Unknown parameter: '{path}'. In the GA protocol it is '{new}'.", path)
    # Absent and null mean the session's here: a response clears nothing but with "" and [].
    present = Fields({name: value for name, value in response.values.items() if value is not None}, response.path)
    config = _apply(config, present, {name: _SESSION_FIELDS[name] for name in _RESPONSE_NAMES})
    output = (present.child("audio") or Fields({})).child("output") or Fields({})
    return _apply(config, output, {name: _OUTPUT_FIELDS[name] for name in ("format", "voice")})


Reader = Callable[[SessionConfig, Fields], dict[str, object]]
"""Reads one field, and says what becomes of the configuration."""


def _apply(config: SessionConfig, fields: Fields, readers: Mapping[str, Reader]) -> SessionConfig:
    changes: dict[str, Any] = {}
    for name, reader in readers.items():
        if name in fields:
            changes |= reader(config, fields)
    return replace(config, **changes) if changes else config


def _modality(_: SessionConfig, fields: Fields) -> dict[str, object]:
    given = fields.array("output_modalities") or ["audio"]
    if given not in (["audio"], ["text"]):
        raise wrong_value(fields.path_of("output_modalities"), given, "['audio'] and ['text'], not both")
    return {"output_modality": given[0]}


def _tools(_: SessionConfig, fields: Fields) -> dict[str, object]:
    tools = list(fields.objects("tools"))
    if len(tools) > _MOST_TOOLS:
        raise wrong_value(fields.path_of("tools"), f"{len(tools)} tools", f"at most {_MOST_TOOLS}")
    shown: list[JsonObject] = []
    servers: dict[str, McpServer] = {}
    for tool in tools:
        if tool.choice("type", ("function", "mcp")) == "mcp":
            server, safe = read_mcp_tool(tool)
            if server.label in servers:
                raise wrong_value(tool.path_of("server_label"), server.label, "labels that no other server of this list has")
            if len(servers) >= _MOST_SERVERS:
                raise wrong_value(fields.path_of("tools"), f"{len(servers) + 1} servers", f"at most {_MOST_SERVERS}")
            servers[server.label] = server
            shown.append(safe)
            continue
        tool.need_text("name")
        tool.text("description")
        tool.child("parameters")
        shown.append({"type": "function", **tool.values})
    return {"tools": tuple(shown), "servers": tuple(servers.values())}


def _tool_choice(_: SessionConfig, fields: Fields) -> dict[str, object]:
    value = fields.values["tool_choice"]
    if value is None or value == "":
        return {"tool_choice": "auto"}
    if isinstance(value, str):
        return {"tool_choice": fields.choice("tool_choice", ("auto", "none", "required"))}
    choice = fields.need_child("tool_choice")
    if choice.choice("type", ("function", "mcp")) == "mcp":
        return {"tool_choice": read_mcp_choice(choice)}
    choice.need_text("name")
    return {"tool_choice": {"type": "function", **choice.values}}


def _max_output_tokens(_: SessionConfig, fields: Fields) -> dict[str, object]:
    value = fields.values["max_output_tokens"]
    if value is None or value in ("inf", ""):
        return {"max_output_tokens": None}
    return {"max_output_tokens": fields.integer("max_output_tokens", 1, _MOST_TOKENS)}


def _text(name: str, default: Callable[[SessionConfig], str]) -> Reader:
    return lambda config, fields: {name: fields.text(name) or default(config)}


def _voice(config: SessionConfig, fields: Fields) -> dict[str, object]:
    value = fields.values["voice"]
    if isinstance(value, dict):
        fields.need_child("voice").need_text("id")
        return {"voice": value}
    return {"voice": fields.text("voice") or config.defaults.voice}


def _speed(_: SessionConfig, fields: Fields) -> dict[str, object]:
    # 0.25 to 1.5 is OpenAI's range.
    return {"speed": fields.number("speed", 0.25, 1.5) or 1.0}


def _parallel(_: SessionConfig, fields: Fields) -> dict[str, object]:
    return {"parallel_tool_calls": fields.flag("parallel_tool_calls") is not False}


def _object_or(name: str, words: tuple[str, ...], cleared: str | None) -> Reader:
    """A field that we only keep: an object or one of some words."""

    def read(_: SessionConfig, fields: Fields) -> dict[str, object]:
        value = fields.values[name]
        if value is None or value == "" or value == []:
            return {name: cleared}
        if isinstance(value, str) and words:
            return {name: fields.choice(name, words)}
        if not isinstance(value, dict):
            raise wrong_type(fields.path_of(name), "an object", value)
        return {name: value}

    return read


def _truncation(config: SessionConfig, fields: Fields) -> dict[str, object]:
    read = _object_or("truncation", ("auto", "disabled"), "auto")(config, fields)
    if isinstance(read["truncation"], dict):
        ratio = fields.need_child("truncation")
        ratio.choice("type", ("retention_ratio",))
        ratio.number("retention_ratio", 0, 1)
        limits = ratio.child("token_limits")
        if limits is not None:
            limits.integer("post_instructions", 1, _MOST_TOKENS)
    return read


def _include(_: SessionConfig, fields: Fields) -> dict[str, object]:
    given = fields.array("include")
    return {"include": tuple(given) if given else None}


def _transcription(config: SessionConfig, fields: Fields) -> dict[str, object]:
    given = fields.child("transcription")
    if given is None:
        return {"transcription": None}
    for name in ("model", "language", "prompt", "delay"):
        given.text(name)
    for name in ("languages", "keywords"):
        given.array(name)
    whole = {"model": config.defaults.transcription_model, **(config.transcription or {}), **given.values}
    return {"transcription": {name: value for name, value in whole.items() if value is not None}}


def _noise_reduction(_: SessionConfig, fields: Fields) -> dict[str, object]:
    given = fields.child("noise_reduction")
    if given is not None:
        given.choice("type", ("near_field", "far_field"))
    return {"noise_reduction": None if given is None or given.text("type") is None else given.values}


def _function(tool: JsonObject) -> Tool:
    parameters = tool.get("parameters")
    described = tool.get("description")
    return Tool(
        str(tool["name"]),
        described if isinstance(described, str) else "",
        parameters if isinstance(parameters, dict) else {"type": "object", "properties": {}},
    )


_SESSION_FIELDS: dict[str, Reader] = {
    "model": _text("model", lambda config: config.defaults.model),
    "instructions": _text("instructions", lambda _: ""),
    "output_modalities": _modality,
    "tools": _tools,
    "tool_choice": _tool_choice,
    "parallel_tool_calls": _parallel,
    "max_output_tokens": _max_output_tokens,
    "truncation": _truncation,
    "tracing": _object_or("tracing", ("auto",), None),
    "reasoning": _object_or("reasoning", (), None),
    "prompt": _object_or("prompt", (), None),
    "include": _include,
}
_RESPONSE_NAMES = (
    *("instructions", "output_modalities", "tools", "tool_choice", "parallel_tool_calls", "max_output_tokens"),
    *("reasoning", "prompt"),
)
_INPUT_FIELDS: dict[str, Reader] = {
    "format": lambda _, fields: {"input_format": read_format(fields.child("format"))},
    "transcription": _transcription,
    "noise_reduction": _noise_reduction,
    "turn_detection": lambda config, fields: {
        "turn_detection": read_turn_detection(fields.child("turn_detection"), config.turn_detection)
    },
}
_OUTPUT_FIELDS: dict[str, Reader] = {
    "format": lambda _, fields: {"output_format": read_format(fields.child("format"))},
    "voice": _voice,
    "speed": _speed,
}
