"""Calls of functions in an answer of the chat completions API, as their pieces arrive.

The reference numbers the calls of an answer with ``index``, and gives id and name with a call's first piece. Some servers
number all of them 0, or none; some send a call whole; some leave out the id, or repeat the name in each piece.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from voicemode.answers import ToolDelta
from voicemode.wire.openai_audio import AnswerError

__all__ = ["CALLS_LIMIT", "CallsReader"]

CALLS_LIMIT = 128
"""Calls in one answer: as many as OpenAI's API takes functions in a request."""

ID_LIMIT = 64
"""Characters of an id, and of a name: as OpenAI's API allows names."""


@dataclass(slots=True)
class _Call:
    """One call so far."""

    call_id: str
    given_id: str
    """As the server named it; empty where it did not."""
    name: str = ""
    held: str = ""
    """Arguments that came before the name."""


class CallsReader:
    """Pieces go in, deltas come out as soon as the call has a name."""

    def __init__(self, new_id: Callable[[], str]) -> None:
        self._new_id = new_id
        self._calls: list[_Call] = []
        self._at: dict[int, _Call] = {}
        """The latest call of each number."""

    @property
    def begun(self) -> bool:
        """Some call was named."""
        return any(call.name for call in self._calls)

    def feed(self, pieces: object) -> Iterator[ToolDelta]:
        """What the value of ``tool_calls`` adds. Raises AnswerError."""
        for position, piece in enumerate(pieces if isinstance(pieces, list) else ()):
            if isinstance(piece, dict):
                number = piece.get("index")
                yield from self._piece(number if isinstance(number, int) else position, piece)

    def close(self) -> None:
        """Raises AnswerError for a call that nobody could make."""
        if any(not call.name for call in self._calls):
            raise AnswerError("wants a function called without naming it")

    def _piece(self, number: int, piece: dict[str, object]) -> Iterator[ToolDelta]:
        function = piece.get("function")
        fields = function if isinstance(function, dict) else {}
        call = self._call(number, _sane(piece.get("id")))
        begun = bool(call.name)
        call.name = call.name or _sane(fields.get("name"))
        arguments = call.held + _arguments(fields.get("arguments"))
        call.held = "" if call.name else arguments
        if call.name and (arguments or not begun):
            yield ToolDelta(call.call_id, call.name, arguments)

    def _call(self, number: int, given_id: str) -> _Call:
        """The one that a piece belongs to; perhaps it begins with it."""
        known = self._at.get(number)
        if known is not None and (not given_id or given_id == known.given_id):
            return known
        if len(self._calls) >= CALLS_LIMIT:
            raise AnswerError(f"wants more than {CALLS_LIMIT} functions called")
        taken = {call.call_id for call in self._calls}
        call = _Call(given_id if given_id and given_id not in taken else self._new_id(), given_id)
        self._calls.append(call)
        self._at[number] = call
        return call


def _sane(value: object) -> str:
    """An id or name that can be one; else nothing."""
    usable = isinstance(value, str) and len(value) <= ID_LIMIT and value.isascii() and value.isprintable()
    return str(value) if usable else ""


def _arguments(value: object) -> str:
    """JSON in a string, as the reference has it; the value itself of those who forget to write it as one."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
