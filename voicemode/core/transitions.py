"""State machines as tables, from a state and a signal to the next state: what is not in the table cannot happen."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

__all__ = ["IllegalTransitionError", "follow"]

_State = TypeVar("_State", bound=Enum)
_Signal = TypeVar("_Signal", bound=Enum)


class IllegalTransitionError(RuntimeError):
    """A defect of the caller, such as frames after the end; nothing was changed."""

    def __init__(self, state: Enum, what: str) -> None:
        super().__init__(state, what)
        self.state, self.what = state, what

    def __str__(self) -> str:
        return f"{self.what} is impossible while {self.state.name}"


def follow(table: Mapping[tuple[_State, _Signal], _State], state: _State, signal: _Signal) -> _State:
    """Where the signal leads. Raises IllegalTransitionError."""
    try:
        return table[state, signal]
    except KeyError:
        raise IllegalTransitionError(state, signal.name) from None
