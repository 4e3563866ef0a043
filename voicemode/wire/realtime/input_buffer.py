"""The client's input audio buffer as the protocol sees it: how long it is, and its sound for a later retrieve.

The engine has the sound to listen to; what is kept here is bounded, and only to be given back.
"""

from __future__ import annotations

from voicemode.wire.realtime.formats import WireFormat

__all__ = ["InputBuffer"]

_LOOKBACK_MS = 3_000
"""While nobody speaks: so far back may the beginning of an utterance lie when it is reported, prefix included."""


class InputBuffer:
    """What was appended since the last turn."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._kept = bytearray()
        self._format = WireFormat.PCM
        self.position_ms = 0.0
        """How much was ever appended."""
        self.since_turn_ms = 0.0
        """How much was appended since the last turn or clear."""

    def append(self, data: bytes, wire_format: WireFormat, *, speaking: bool) -> None:
        """``speaking``: an utterance is under way, or the client itself will say when one is over."""
        if wire_format is not self._format:
            self._kept, self._format = bytearray(), wire_format
        self._kept += data
        length_ms = len(data) / wire_format.bytes_per_ms
        self.position_ms += length_ms
        self.since_turn_ms += length_ms
        most = self._most if speaking else min(self._most, _LOOKBACK_MS * wire_format.bytes_per_ms)
        if len(self._kept) > most:
            del self._kept[: self._whole(len(self._kept) - most + wire_format.sample_bytes - 1)]

    def take(self, start_ms: float, end_ms: float) -> bytes | None:
        """The sound of an utterance as it travelled, and forget all before its end; None where its beginning is not kept."""
        first_ms = self.position_ms - len(self._kept) / self._format.bytes_per_ms
        begin = self._whole(round((start_ms - first_ms) * self._format.bytes_per_ms))
        end = self._whole(round((min(end_ms, self.position_ms) - first_ms) * self._format.bytes_per_ms))
        sound = bytes(self._kept[begin:end]) if 0 <= begin < end else None
        del self._kept[: max(end, 0)]
        self.since_turn_ms = max(self.position_ms - end_ms, 0.0)
        return sound

    def clear(self) -> None:
        self._kept.clear()
        self.since_turn_ms = 0.0

    def _whole(self, size: int) -> int:
        return size - size % self._format.sample_bytes
