"""What an upstream's errors mean for us."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

__all__ = ["Kind", "Trouble", "kind_of"]

Kind = Literal["expired", "model", "key", "quota"]


@dataclass(frozen=True, slots=True)
class Trouble:
    """The connection is of no use any more."""

    kind: Kind
    """``expired``: connect again. ``model``: with another one. ``key`` and ``quota``: not at all."""
    code: str
    """The upstream's own."""


_KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "session_expired": "expired",
        "model_not_found": "model",
        "invalid_model": "model",
        "unsupported_model": "model",
        "invalid_api_key": "key",
        "authentication_error": "key",
        "account_deactivated": "key",
        "insufficient_quota": "quota",
        "billing_hard_limit_reached": "quota",
        "billing_not_active": "quota",
        "rate_limit_exceeded_daily": "quota",
    }
)
"""Those that published clients give up at, and what servers say of a model."""


def kind_of(code: str) -> Kind | None:
    """None: the connection goes on."""
    return _KINDS.get(code)
