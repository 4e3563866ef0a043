"""A timeline as one JSON object, and back. The form is ``Timeline`` itself, field by field, with ``"version": 1`` in front."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import types
import typing
from collections.abc import Hashable, Mapping, Sequence
from enum import Enum
from typing import Any, cast

from voicemode.core.timeline import FINEST_GRAIN_S, MOST_BINS, Timeline

__all__ = ["VERSION", "TimelineFormatError", "as_json", "decode", "encode"]

VERSION = 1
_MOST_ENTRIES = MOST_BINS
"""Of any list: no list is longer than a lane."""


class TimelineFormatError(ValueError):
    """What was read is no timeline of ours. ``version`` is the file's where it is another one than ours, else None."""

    def __init__(self, where: str, problem: str, *, version: int | None = None) -> None:
        super().__init__(where, problem)
        self.where, self.problem, self.version = where, problem, version

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}" if self.where else self.problem


def as_json(timeline: Timeline) -> dict[str, Any]:
    """For ``json.dumps``: times in milliseconds' precision."""
    return {"version": VERSION, **_plain(timeline)}


def encode(timeline: Timeline) -> str:
    """One line of JSON without spaces."""
    return json.dumps(as_json(timeline), ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def decode(text: str | bytes) -> Timeline:
    """Raises TimelineFormatError for anything that ``encode`` of this version would not write.

    Unknown names are ignored: what a later release adds without changing what is there keeps the version.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):  # not JSON, not UTF-8, numbers without end
        raise TimelineFormatError("", "it is not JSON") from None
    if not isinstance(data, dict):
        raise TimelineFormatError("", "it is no object")
    version = data.get("version")
    if type(version) is not int:
        raise TimelineFormatError("version", "it is not a whole number")
    if version != VERSION:
        raise TimelineFormatError("version", f"it is {version}, and this release reads {VERSION}", version=version)
    timeline = _object(Timeline, data, "")
    octaves = math.log2(timeline.grain_s / FINEST_GRAIN_S) if timeline.grain_s > 0 else -1.0
    if octaves < 0 or not octaves.is_integer():
        raise TimelineFormatError("grain_s", "it is not 0.02 times a power of two")
    return timeline


def _plain(value: object) -> Any:
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    match value:
        case Enum():
            return value.value
        case bool() | int() | str() | None:
            return value
        case float():
            return round(value, 3)
        case Mapping():
            return {str(name): _plain(each) for name, each in value.items()}
        case tuple():
            return list(value) if _is_lane(value) else [_plain(each) for each in value]
        case _:
            raise TypeError(f"a timeline holds no {type(value).__name__}")


@functools.cache
def _hints(kind: Hashable) -> dict[str, Any]:
    return typing.get_type_hints(kind)


_Kind = typing.TypeVar("_Kind")


def _object(kind: type[_Kind], value: object, where: str) -> _Kind:
    if not isinstance(value, dict):
        raise TimelineFormatError(where, "it is no object")
    hints = _hints(cast("Hashable", kind))
    given = {name: _read(hint, value[name], f"{where}.{name}".lstrip(".")) for name, hint in hints.items() if name in value}
    try:
        return kind(**given)
    except TypeError:  # a field without a default is not there
        raise TimelineFormatError(where, "something is missing") from None


def _read(hint: Any, value: object, where: str) -> object:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        return _either(arguments, value, where)
    if origin is tuple:
        return _many(arguments[0], value, where)
    if origin is Mapping or getattr(origin, "__name__", "") == "Mapping":
        if not isinstance(value, dict) or len(value) > _MOST_ENTRIES:
            raise TimelineFormatError(where, "it is no object")
        return {name: _read(arguments[1], each, f"{where}.{name}") for name, each in value.items()}
    if dataclasses.is_dataclass(hint):
        return _object(cast("type[Any]", hint), value, where)
    if isinstance(hint, type) and issubclass(hint, Enum):
        try:
            return hint(value)
        except ValueError:
            raise TimelineFormatError(where, "it is not a known word") from None
    return _scalar(hint, value, where)


def _either(hints: tuple[Any, ...], value: object, where: str) -> object:
    for hint in hints:
        if (hint is type(None) and value is None) or (hint is not type(None) and _fits(hint, value)):
            return None if value is None else _scalar(hint, value, where)
    raise TimelineFormatError(where, "it is of the wrong kind")


def _many(hint: Any, value: object, where: str) -> tuple[object, ...]:
    if not isinstance(value, list) or len(value) > _MOST_ENTRIES:
        raise TimelineFormatError(where, "it is no list, or too long")
    if hint == int | None and _is_lane(value) and all(each is None or -128 <= each <= 127 for each in value):
        return tuple(value)
    return tuple(_read(hint, each, f"{where}[{index}]") for index, each in enumerate(value))


def _is_lane(values: Sequence[object]) -> bool:
    # Tens of thousands of numbers: one by one they would take a second.
    return {type(each) for each in values} <= {int, types.NoneType}


def _scalar(hint: Any, value: object, where: str) -> object:
    if not _fits(hint, value):
        raise TimelineFormatError(where, "it is of the wrong kind")
    if hint is float:
        return float(cast("float", value))
    return value


def _fits(hint: Any, value: object) -> bool:
    if hint is float:
        return type(value) in (int, float) and abs(cast("float", value)) < 1e9  # NaN and Infinity are not less
    if hint is int:
        return type(value) is int and abs(value) < 1e9
    return type(value) is hint
