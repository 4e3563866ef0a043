"""Put the packets of an RTP stream in order and on one line of time, for somebody who listens and does not play.

A player delays everything so that late packets are still in time. A listener need not: packets in order are passed on as they
come, and only a missing one is waited for. What never came, or was never sent (Opus DTX, a muted track), becomes silence, so
that a second of what comes out is a second of the person's time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["JitterBuffer", "Piece", "Silence", "opus_duration"]

WAIT_S = 0.06
"""How long a missing packet is waited for: three packets of 20 ms. Paths that reorder do it by less (RFC 4737, appendix)."""

QUIET_S = 0.2
"""After so long without any packet silence is made up: ten packets, more than the jitter of a home's wireless network.

Browsers send silence like sound unless a page asks for DTX, so as a rule this is a muted track, and there is no hurry.
"""

AHEAD_S = 0.5
"""So far may silence, after a jump of the timestamps, run ahead of the clock."""

MAX_WAITING = 64
"""Packets; more are never kept. With 20 ms each it is 20 times what ``WAIT_S`` lets wait."""

MAX_DROPOUT = 3000
"""A larger jump of the sequence numbers, either way, is a new stream (RFC 3550, A.1)."""


@dataclass(frozen=True, slots=True)
class Silence:
    """So many samples of nothing, at the stream's clock rate."""

    samples: int


Piece: TypeAlias = bytes | Silence
"""A payload to be decoded, or silence."""


def opus_duration(payload: bytes) -> int:
    """Samples at 48 kHz in an Opus packet, read in its first bytes (RFC 6716, 3.1 and 3.2.5); 0 where there are none."""
    if not payload:
        return 0
    configuration, code = payload[0] >> 3, payload[0] & 3
    if configuration < 12:
        frame = (480, 960, 1920, 2880)[configuration & 3]
    elif configuration < 16:
        frame = (480, 960)[configuration & 1]
    else:
        frame = (120, 240, 480, 960)[configuration & 3]
    if code < 3:
        return frame * (1, 2, 2)[code]
    return frame * (payload[1] & 0x3F) if len(payload) > 1 else 0


@dataclass(frozen=True, slots=True)
class _Packet:
    timestamp: int
    payload: bytes
    arrived: float


class JitterBuffer:
    """One stream. Instants are seconds of any clock that does not go back; positions are samples since it was made."""

    def __init__(self, clock_rate: int, duration: Callable[[bytes], int], now: float) -> None:
        """``clock_rate`` in hertz, and how many samples at it a payload stands for. Time counts from ``now``."""
        self._rate, self._duration = clock_rate, duration
        self._began = now
        self._waiting: dict[int, _Packet] = {}
        self._next: int | None = None
        """Sequence number, unwrapped, of the packet that is due; None before the first."""
        self._timestamp: int | None = None
        """Of the last packet, unwrapped; None before the first."""
        self._offset = 0
        """Position less timestamp: where on our line the stream's time lies. Means nothing before the first packet."""
        self._position = 0
        self._excess = 0
        """Samples of silence that were made up although their sound came later after all."""
        self._quiet_from = now
        """When what was passed on last, but for silence made up since, had been said."""
        self._made_up = 0
        """Samples of silence since ``_quiet_from``."""
        self.lost = 0
        """Packets that were given up."""

    @property
    def position(self) -> int:
        """How many samples were passed on."""
        return self._position

    def restart(self) -> None:
        """The next packet belongs to another stream, whose numbers mean something else; what waited is dropped."""
        self._waiting.clear()
        self._next = self._timestamp = None

    def push(self, sequence: int, timestamp: int, payload: bytes, now: float) -> list[Piece]:
        """A packet came: what can be passed on now. 16 and 32 bits, as RTP has them. Copies and latecomers are dropped."""
        number = sequence if self._next is None else _unwrap(sequence, self._next, 16)
        if self._next is None or abs(number - self._next) > MAX_DROPOUT:
            self.restart()
            self._next = number = sequence
        if number < self._next or number in self._waiting:
            return []
        self._waiting[number] = _Packet(timestamp, payload, now)
        return self._drain(now)

    def advance(self, now: float) -> list[Piece]:
        """Time has passed: what can be passed on now. To be called every 20 to 40 ms."""
        pieces = self._drain(now)
        if not self._waiting:
            due = int((now - self._quiet_from - QUIET_S) * self._rate) - self._made_up
            if due > 0:
                self._made_up += due
                self._silence(due, pieces)
        return pieces

    def _drain(self, now: float) -> list[Piece]:
        pieces: list[Piece] = []
        while self._waiting and self._next is not None:
            packet = self._waiting.pop(self._next, None)
            if packet is not None:
                self._pass_on(packet, now, pieces)
                self._next += 1
                continue
            waited = now - min(each.arrived for each in self._waiting.values())
            if waited < WAIT_S and len(self._waiting) < MAX_WAITING:
                break
            following = min(self._waiting)
            self.lost += following - self._next
            self._next = following
        return pieces

    def _pass_on(self, packet: _Packet, now: float, pieces: list[Piece]) -> None:
        length = self._duration(packet.payload)
        if self._timestamp is None:
            self._timestamp = packet.timestamp
            self._offset = self._position - packet.timestamp
        else:
            self._timestamp = _unwrap(packet.timestamp, self._timestamp, 32)
        self._silence(self._gap(self._timestamp + self._offset, now), pieces)
        self._position += length
        pieces.append(packet.payload)
        self._quiet_from, self._made_up = now + length / self._rate, 0

    def _gap(self, due: int, now: float) -> int:
        """How much silence belongs before a packet that is due at this position; moves the stream's time where it must."""
        gap = due - self._position
        if gap < 0:
            # It came after silence had been made up in its place: from now on everything is so much later.
            self._excess -= gap
            self._offset -= gap
            return 0
        caught_up = min(gap, self._excess)
        allowed = max(0, int((now - self._began + AHEAD_S) * self._rate) - self._position)
        filled = min(gap - caught_up, allowed)
        self._excess -= caught_up
        self._offset -= gap - filled
        return filled

    def _silence(self, samples: int, pieces: list[Piece]) -> None:
        if samples > 0:
            self._position += samples
            pieces.append(Silence(samples))


def _unwrap(value: int, near: int, bits: int) -> int:
    """The number nearest to ``near`` of which ``value`` is the lowest bits."""
    span = 1 << bits
    difference = (value - near) % span
    return near + (difference if difference < span // 2 else difference - span)
