"""The bytes between voicemode and a worker: frames of a JSON header and a binary payload, sans I/O.

::

    frame   = "VMW1"  header length (u32)  payload length (u32)  header (UTF-8 JSON object)  payload     (big endian)

    to the worker     {"id": 7, "op": "synthesize", ...} + payload      one at a time
                      {"cancel": 7}                                     at any time; too late is harmless
    from the worker   {"id": 7, ...} + payload                          as many as the request makes
                      {"id": 7, "end": "done" | "cancelled", ...}       exactly one ends it
                      {"id": 7, "end": "error", "problem": "..."}
"""

from __future__ import annotations

import json
import struct
from typing import Any, NamedTuple

__all__ = ["MAX_HEADER", "MAX_PAYLOAD", "Message", "PipeError", "PipeReader", "encode"]

_MAGIC = b"VMW1"
_PREFIX = struct.Struct(">4sII")
MAX_HEADER = 1 << 20
"""Bytes. The longest is espeak-ng's table of voices, 12 kB."""
MAX_PAYLOAD = 64 << 20
"""Bytes. The longest is the longest utterance: 600 s of 16 kHz PCM is 19 MB."""


class PipeError(Exception):
    """What came is not the protocol; what follows cannot be trusted either."""


class Message(NamedTuple):
    """One frame."""

    header: dict[str, Any]
    payload: bytes


def encode(header: dict[str, Any], payload: bytes = b"") -> bytes:
    """The frame as bytes. Raises PipeError when it is over a limit."""
    packed = json.dumps(header, separators=(",", ":")).encode()
    if len(packed) > MAX_HEADER or len(payload) > MAX_PAYLOAD:
        raise PipeError(f"a frame of {len(packed)} + {len(payload)} bytes is too large")
    return _PREFIX.pack(_MAGIC, len(packed), len(payload)) + packed + payload


class PipeReader:
    """Cuts a stream of bytes into messages."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """The messages that ``data`` completes. Raises PipeError at the first byte that cannot be right."""
        self._pending += data
        messages = []
        while (message := self._next()) is not None:
            messages.append(message)
        return messages

    def _next(self) -> Message | None:
        pending = self._pending
        if not _MAGIC.startswith(bytes(pending[: len(_MAGIC)])):
            raise PipeError(f"a frame begins with {bytes(pending[:16])!r}")
        if len(pending) < _PREFIX.size:
            return None
        _, header_size, payload_size = _PREFIX.unpack_from(pending)
        if header_size > MAX_HEADER or payload_size > MAX_PAYLOAD:
            raise PipeError(f"a frame claims {header_size} + {payload_size} bytes")
        end = _PREFIX.size + header_size + payload_size
        if len(pending) < end:
            return None
        try:
            header = json.loads(pending[_PREFIX.size : _PREFIX.size + header_size])
        except ValueError as error:
            raise PipeError(f"a header is not JSON ({error})") from error
        if not isinstance(header, dict):
            raise PipeError(f"a header is a {type(header).__name__}")
        payload = bytes(pending[_PREFIX.size + header_size : end])
        del pending[:end]
        return Message(header, payload)
