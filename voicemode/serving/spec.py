"""What a tool file declares, and what the server gives to a tool."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["ToolSpec"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """A tool. Each file of this package, and each entry point of the group ``voicemode.tools``, offers one as ``TOOL``."""

    function: Callable[..., Awaitable[Any]]
    """Asynchronous; its parameters become the arguments, its docstring the description."""
    title: str
    """What a person reads in the client's list."""
    read_only: bool = False
    """It changes nothing."""
    destructive: bool = False
    """It may stop or remove something."""
    open_world: bool = False
    """It deals with people or machines outside."""

    @property
    def name(self) -> str:
        return str(getattr(self.function, "__name__", ""))
