"""What is known of each upstream: its address, its models in order, its voices, and which dialect it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["GROK", "OPENAI", "Dialect", "Profile"]

Dialect = Literal["openai", "xai"]


@dataclass(frozen=True, slots=True)
class Profile:
    """One upstream."""

    name: str
    """As people know it."""
    url: str
    """Of its WebSocket, without a query."""
    dialect: Dialect = "openai"
    """How it wants to be told; what it tells is understood in either."""
    models: tuple[str, ...] = ()
    """The first one that it has; none: it is not named."""
    voices: frozenset[str] = frozenset()
    """Those that a client may ask for by name."""
    transcription: str = ""
    """Its model that writes down what the person said; empty: it is not asked to."""


OPENAI = Profile(
    "OpenAI",
    "wss://api.openai.com/v1/realtime",
    models=("gpt-realtime-2.1", "gpt-realtime-2", "gpt-realtime"),
    voices=frozenset({"alloy", "ash", "ballad", "cedar", "coral", "echo", "marin", "sage", "shimmer", "verse"}),
    transcription="gpt-4o-mini-transcribe",
)
"""https://platform.openai.com/docs/guides/realtime; the models are those that published clients ask for."""

GROK = Profile(
    "xAI",
    "wss://api.x.ai/v1/realtime",
    dialect="xai",
    models=("grok-voice-think-fast-1.0", "grok-voice-latest"),
    voices=frozenset({"ara", "eve", "leo", "rex", "sal"}),
)
"""https://docs.x.ai/docs/guides/voice/agent"""
