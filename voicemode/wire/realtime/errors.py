"""What a client did wrong, as the protocol says it: an error event, after which the session goes on."""

from __future__ import annotations

__all__ = ["ClientError", "missing", "not_supported", "wrong_type", "wrong_value"]

_SHOWN = 80
"""Characters of a client's own value in a sentence to it."""


class ClientError(Exception):
    """One client event cannot be followed; nothing of it was done."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        """``param`` is the path of the field at fault, such as ``session.audio.input.format``."""
        super().__init__(message)
        self.code, self.message, self.param = code, message, param

    kind = "invalid_request_error"


def missing(path: str) -> ClientError:
    return ClientError("missing_required_parameter", f"Missing required parameter: '{path}'.", path)


def wrong_type(path: str, expected: str, value: object) -> ClientError:
    return ClientError("invalid_type", f"Invalid type for '{path}': expected {expected}, but got {_kind(value)} instead.", path)


def wrong_value(path: str, value: object, allowed: str) -> ClientError:
    shown = str(value) if len(str(value)) <= _SHOWN else f"{str(value)[:_SHOWN]}…"
    return ClientError("invalid_value", f"Invalid value for '{path}': '{shown}'. Allowed: {allowed}.", path)


def not_supported(path: str, what: str, instead: str) -> ClientError:
    """A part of the protocol that this server does not have."""
    return ClientError("not_supported", f"This server does not support {what}. {instead}", path)


def _kind(value: object) -> str:
    """The JSON word for it."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"
