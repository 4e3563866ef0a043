"""Frames that no client should send, and some that it should: by chance, and the same for the same seed."""

from __future__ import annotations

import base64
import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["HUGE_BYTES", "frames"]

HUGE_BYTES = 15 * 1024 * 1024
"""The protocol's largest append."""

_ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 10**30, float("1e308"), "", "x", "\ud800", "\x00", "💬" * 50, "a" * 10_000),
    *([], [None], [[]], {}, {"type": "mcp"}, {"type": []}, {"a": {"b": {"c": {}}}}),
)
_FORMATS = ("audio/pcm", "audio/pcmu", "audio/pcma", "audio/opus", 7)
_DETECTION: tuple[Any, ...] = (
    *(None, {"type": "server_vad"}, {"type": "semantic_vad", "eagerness": "high"}, {"type": "none"}),
    {"type": "server_vad", "idle_timeout_ms": 5000, "interrupt_response": False, "create_response": False},
)
_KINDS = (
    *("session.update", "input_audio_buffer.append", "input_audio_buffer.commit", "input_audio_buffer.clear"),
    *("conversation.item.create", "conversation.item.retrieve", "conversation.item.truncate", "conversation.item.delete"),
    *("response.create", "response.cancel", "output_audio_buffer.clear"),
)


def frames(count: int, seed: int, *, huge: int = 2) -> Iterator[str | bytes]:
    """So many, of which ``huge`` are appends of the largest size and beyond."""
    chance = random.Random(seed)
    large = set(chance.sample(range(count), min(huge, count)))
    for number in range(count):
        yield _huge(chance) if number in large else chance.choice(_MAKERS)(chance)


def _huge(chance: random.Random) -> str:
    sound = base64.b64encode(bytes(HUGE_BYTES + chance.choice((-2, -1, 0, 1, 2)))).decode()
    return json.dumps({"type": "input_audio_buffer.append", "audio": sound})


# -- what may be in one


def _noise(chance: random.Random) -> str | bytes:
    """No JSON, or none that is an object."""
    return chance.choice(
        (
            chance.randbytes(chance.randrange(200)),
            chance.randbytes(50).decode("latin-1"),
            json.dumps(chance.choice(_ODD)),
            "[" * chance.choice((10, 5000)),
            '{"type": "session.update", "session": ' * 50,
            json.dumps(_event(chance))[: chance.randrange(1, 60)],
            json.dumps(_event(chance)).encode("utf-16"),
            json.dumps(_event(chance)).encode(),
            '{"type": "response.create", "type": "session.update"}',
            '{"type": NaN}',
            "",
        )
    )


def _unknown(chance: random.Random) -> str:
    return json.dumps({"type": chance.choice((*_ODD, "session.created", "response.done", "Session.Update", "x" * 3000))})


def _valid(chance: random.Random) -> str:
    """An event as it should be, whether or not its time has come."""
    return json.dumps(_event(chance))


def _broken(chance: random.Random) -> str:
    """An event with one field that is something else, or missing, or one too many."""
    event = copy.deepcopy(_event(chance))
    place: Any = event
    while True:
        key = chance.choice(list(place)) if isinstance(place, dict) else chance.randrange(len(place))
        if not isinstance(place[key], dict | list) or not place[key] or chance.random() < 0.3:
            break
        place = place[key]
    if isinstance(place, dict) and chance.random() < 0.2:
        del place[key]
    else:
        place[key] = copy.deepcopy(chance.choice(_ODD))
    if chance.random() < 0.1:
        event[chance.choice(("event_id", "extra", "session", "item"))] = copy.deepcopy(chance.choice(_ODD))
    return json.dumps(event)


def _event(chance: random.Random) -> dict[str, Any]:
    kind = chance.choice(_KINDS)
    event: dict[str, Any] = {"type": kind}
    if chance.random() < 0.3:
        event["event_id"] = f"e{chance.randrange(10)}"
    match kind:
        case "session.update":
            event["session"] = _session(chance)
        case "input_audio_buffer.append":
            event["audio"] = _sound(chance)
        case "conversation.item.create":
            event["item"] = _item(chance)
            event["previous_item_id"] = chance.choice((None, "root", _id(chance)))
        case "conversation.item.retrieve" | "conversation.item.delete":
            event["item_id"] = _id(chance)
        case "conversation.item.truncate":
            event |= {
                "item_id": _id(chance),
                "content_index": chance.choice((0, 0, 1)),
                "audio_end_ms": chance.randrange(-5, 3000),
            }
        case "response.create":
            event["response"] = _response(chance)
        case "response.cancel" if chance.random() < 0.5:
            event["response_id"] = _id(chance)
    return event


def _id(chance: random.Random) -> str:
    """Those that sessions of ``WireClient`` give are counted, so many of these exist."""
    return f"{chance.choice(('item', 'resp', 'mine'))}_{chance.randrange(1, 4000)}"


def _session(chance: random.Random) -> dict[str, Any]:
    audio = {
        "input": {"format": {"type": chance.choice(_FORMATS)}, "turn_detection": chance.choice(_DETECTION)},
        "output": {"format": {"type": chance.choice(_FORMATS)}, "voice": chance.choice(("marin", "nobody", "")), "speed": 1.1},
    }
    session: dict[str, Any] = {"type": "realtime", "audio": audio}
    if chance.random() < 0.3:
        audio["input"]["transcription"] = chance.choice((None, {"model": "whisper-1", "language": "en"}))
    if chance.random() < 0.3:
        session["tools"] = [{"type": "function", "name": f"f{n}", "parameters": {"type": "object"}} for n in range(3)]
    if chance.random() < 0.3:
        session |= {"instructions": "Be brief.", "max_output_tokens": chance.choice((1, 4096, "inf")), "truncation": "disabled"}
    return session


def _sound(chance: random.Random) -> str:
    """Of any length, odd ones included; sometimes no base64."""
    text = base64.b64encode(chance.randbytes(chance.choice((0, 1, 2, 3, 959, 960, 961, 9600)))).decode()
    return chance.choice((text, text, text, text + "=", text[:-1], "!" + text, "ÿ", " "))


def _item(chance: random.Random) -> dict[str, Any]:
    role = chance.choice(("user", "user", "assistant", "system"))
    part = {"type": "output_text" if role == "assistant" else "input_text", "text": "Hello."}
    items: list[dict[str, Any]] = [
        {"type": "message", "role": role, "content": [part]},
        {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": _sound(chance)}]},
        {"type": "function_call", "name": "f", "arguments": "{}", "call_id": f"c{chance.randrange(5)}"},
        {"type": "function_call_output", "call_id": f"c{chance.randrange(5)}", "output": "1"},
    ]
    item = chance.choice(items)
    # Not one that the session will give: those nobody can guess.
    return item | ({"id": f"mine_{chance.randrange(1, 4000)}"} if chance.random() < 0.3 else {})


def _response(chance: random.Random) -> dict[str, Any]:
    response: dict[str, Any] = {"output_modalities": [chance.choice(("audio", "text"))]}
    if chance.random() < 0.3:
        response |= {"conversation": "none", "input": [_item(chance)], "metadata": {"a": "b"}}
    if chance.random() < 0.3:
        response["tool_choice"] = chance.choice(("auto", "none", "required", {"type": "function", "name": "f1"}))
    return response


_MAKERS: tuple[Callable[[random.Random], str | bytes], ...] = (
    _noise,
    _unknown,
    _valid,
    _valid,
    _valid,
    _broken,
    _broken,
    _broken,
)
