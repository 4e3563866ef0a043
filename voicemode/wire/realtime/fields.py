"""Read a client's JSON: malformed text, missing and wrong-typed fields become the error that names them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import NoReturn

from voicemode.wire.realtime.errors import ClientError, missing, wrong_type, wrong_value

__all__ = ["Fields", "appended_base64", "parse_event"]

_DEEPEST = 100
"""Levels of nesting; a JSON schema of a tool has some ten. Python's own encoder gives up at about a thousand."""
_LONGEST_NAME = 512
"""Characters of an id that a client chooses; OpenAI has the same limit for event_id."""


def parse_event(message: str | bytes) -> dict[str, object]:
    """One client event, a JSON object. Raises ClientError."""
    try:
        text = message if isinstance(message, str) else message.decode(json.detect_encoding(message))
        event = _JSON.decode(text)
    except (ValueError, RecursionError):
        raise ClientError("invalid_json", "We could not parse the JSON body of your event.") from None
    if not isinstance(event, dict):
        raise wrong_type("event", "an object", event)
    _check_depth(event)
    return event


_APPEND = re.compile(r'\{(?:"event_id": ?"[^"\\\x00-\x1f]*", ?)?"type": ?"input_audio_buffer\.append", ?"audio": ?"')
"""As Python's and JavaScript's encoders begin it."""
_APPEND_END = '"}'


def appended_base64(message: str | bytes) -> str | None:
    """What an append event carries, if it has the usual form and if this is base64; None: only JSON can tell.

    Fifty messages a second of each client are of this kind, and to read them as JSON takes three times as long.
    """
    if not isinstance(message, str) or not message.endswith(_APPEND_END):
        return None
    head = _APPEND.match(message)
    return None if head is None else message[head.end() : -len(_APPEND_END)]


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def _finite(text: str) -> float:
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        raise ValueError(text)
    return number


_JSON = json.JSONDecoder(parse_constant=_no_number, parse_float=_finite)
"""json.loads would make one for each event, which takes as long as reading it."""


def _check_depth(event: dict[str, object]) -> None:
    level: list[object] = [event]
    for _ in range(_DEEPEST):
        level = [child for value in level for child in _children(value)]
        if not level:
            return
    raise ClientError("invalid_json", f"Your event is nested deeper than {_DEEPEST} levels.")


def _children(value: object) -> list[object]:
    match value:
        case dict():
            return list(value.values())
        case list():
            return value
        case _:
            return []


class Fields:
    """An object of a client, with its path. Each reader gives None where the field is absent or null."""

    def __init__(self, values: Mapping[str, object], path: str = "") -> None:
        self.values, self.path = values, path

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def path_of(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def text(self, name: str) -> str | None:
        value = self.values.get(name)
        if value is not None and not isinstance(value, str):
            raise wrong_type(self.path_of(name), "a string", value)
        return value

    def need_text(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise missing(self.path_of(name))
        return value

    def name(self, name: str) -> str | None:
        """An id, which is no longer than ids are."""
        value = self.text(name)
        if value is not None and not 0 < len(value) <= _LONGEST_NAME:
            raise wrong_value(self.path_of(name), value, f"1 to {_LONGEST_NAME} characters")
        return value

    def choice(self, name: str, allowed: tuple[str, ...]) -> str | None:
        value = self.text(name)
        if value is not None and value not in allowed:
            raise wrong_value(self.path_of(name), value, ", ".join(allowed))
        return value

    def integer(self, name: str, least: int, most: int) -> int | None:
        value = self.values.get(name)
        if value is None:
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong_type(self.path_of(name), "an integer", value)
        if not least <= value <= most:
            raise wrong_value(self.path_of(name), value, f"{least} to {most}")
        return value

    def need_integer(self, name: str, least: int, most: int) -> int:
        value = self.integer(name, least, most)
        if value is None:
            raise missing(self.path_of(name))
        return value

    def number(self, name: str, least: float, most: float) -> float | None:
        value = self.values.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise wrong_type(self.path_of(name), "a number", value)
        if not least <= value <= most:
            raise wrong_value(self.path_of(name), value, f"{least:g} to {most:g}")
        return float(value)

    def flag(self, name: str) -> bool | None:
        value = self.values.get(name)
        if value is not None and not isinstance(value, bool):
            raise wrong_type(self.path_of(name), "a boolean", value)
        return value

    def child(self, name: str) -> Fields | None:
        value = self.values.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise wrong_type(self.path_of(name), "an object", value)
        return Fields(value, self.path_of(name))

    def need_child(self, name: str) -> Fields:
        value = self.child(name)
        if value is None:
            raise missing(self.path_of(name))
        return value

    def array(self, name: str) -> list[object] | None:
        value = self.values.get(name)
        if value is not None and not isinstance(value, list):
            raise wrong_type(self.path_of(name), "an array", value)
        return value

    def objects(self, name: str) -> Iterator[Fields]:
        """The objects of an array; none where it is absent."""
        for number, value in enumerate(self.array(name) or []):
            path = f"{self.path_of(name)}[{number}]"
            if not isinstance(value, dict):
                raise wrong_type(path, "an object", value)
            yield Fields(value, path)
