"""What a WebSocket carried, from the bytes of its two directions (RFC 6455, with the compression of RFC 7692)."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Carried", "Piece", "messages"]

_TEXT, _CONTINUATION = 0x1, 0x0
_FINAL, _COMPRESSED, _OPCODE = 0x80, 0x40, 0x0F
_MASKED, _LENGTH = 0x80, 0x7F
_HEAD_END = b"\r\n\r\n"
_FLUSHED = b"\x00\x00\xff\xff"
"""What RFC 7692 takes off the end of each message."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes as they came from a socket, and when."""

    at_s: float
    data: bytes


@dataclass(frozen=True, slots=True)
class Carried:
    """One event, and when its last byte came."""

    at_s: float
    event: dict[str, Any]


def messages(pieces: Sequence[Piece]) -> list[Carried]:
    """The events of one direction, in order; [] where the connection became no WebSocket. An unfinished message is left out."""
    data = b"".join(piece.data for piece in pieces)
    head, found, _ = data.partition(_HEAD_END)
    if not found or b"upgrade: websocket" not in head.lower():
        return []
    start = len(head) + len(_HEAD_END)
    return [Carried(_at(pieces, end), json.loads(text)) for text, end in _texts(data, start, kept=_keeps_window(head))]


def _keeps_window(head: bytes) -> bool:
    return b"no_context_takeover" not in head


def _at(pieces: Sequence[Piece], offset: int) -> float:
    """When the byte before ``offset`` came."""
    seen = 0
    for piece in pieces:
        seen += len(piece.data)
        if seen >= offset:
            return piece.at_s
    raise ValueError(f"no byte {offset} among {seen}")


def _texts(data: bytes, at: int, *, kept: bool) -> Iterator[tuple[bytes, int]]:
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    whole, compressed, is_text = b"", False, False
    while (frame := _frame(data, at)) is not None:
        first, payload, at = frame
        opcode = first & _OPCODE
        if opcode not in (_TEXT, _CONTINUATION):
            if opcode < 0x8:
                whole, is_text = b"", False
            continue
        if opcode == _TEXT:
            whole, compressed, is_text = b"", bool(first & _COMPRESSED), True
        whole += payload
        if first & _FINAL and is_text:
            if compressed:
                inflate = inflate if kept else zlib.decompressobj(-zlib.MAX_WBITS)
                whole = inflate.decompress(whole + _FLUSHED)
            yield whole, at


def _frame(data: bytes, at: int) -> tuple[int, bytes, int] | None:
    """The first byte of a frame, its payload, and where it ends; None where it is not all there."""
    if len(data) < at + 2:
        return None
    first, length, begins = data[at], data[at + 1] & _LENGTH, at + 2
    masked = bool(data[at + 1] & _MASKED)
    if length >= 126:
        size = 2 if length == 126 else 8
        length, begins = int.from_bytes(data[begins : begins + size], "big"), begins + size
    mask = data[begins : begins + 4] if masked else b""
    begins += len(mask)
    end = begins + length
    if len(data) < end:
        return None
    payload = data[begins:end]
    if masked:
        key = (mask * (length // 4 + 1))[:length]
        payload = (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(length, "big")
    return first, payload, end
