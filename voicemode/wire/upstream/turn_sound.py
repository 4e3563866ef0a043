"""The person's sound that the upstream was sent: kept until it cannot be wanted again, should the connection break."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np

from voicemode.audio import Samples
from voicemode.wire.upstream.client_events import RATE

__all__ = ["TurnSound"]

_OPEN_S = 130.0
"""Of what is not a turn yet: the longest utterance, and some more."""
_LISTENING_S = 6.0
"""Of it while nobody is known to speak."""
_TURNS_S = 130.0
"""Of all turns together whose words are not known: 6 MB."""


class TurnSound:
    """Of one session; 24 kHz."""

    def __init__(self) -> None:
        self._open: list[Samples] = []
        self._open_samples = 0
        self._turns: OrderedDict[str, Samples] = OrderedDict()
        self._turn_samples = 0

    @property
    def open_seconds(self) -> float:
        return self._open_samples / RATE

    def add(self, samples: Samples, *, speaking: bool) -> None:
        self._open.append(samples)
        self._open_samples += len(samples)
        most = (_OPEN_S if speaking else _LISTENING_S) * RATE
        while self._open_samples > most and len(self._open) > 1:
            self._open_samples -= len(self._open.pop(0))

    def whole(self) -> Samples:
        """All that is not a turn yet."""
        joined: Samples = np.concatenate([np.zeros(0, np.int16), *self._open])
        return joined

    def commit(self, item_id: str) -> None:
        """What there is was a turn."""
        self._turns[item_id] = self.whole()
        self._turn_samples += self._open_samples
        self.clear()
        while self._turn_samples > _TURNS_S * RATE and len(self._turns) > 1:
            self.forget(next(iter(self._turns)))

    def clear(self) -> None:
        self._open, self._open_samples = [], 0

    def of(self, item_id: str) -> Samples | None:
        return self._turns.get(item_id)

    def forget(self, item_id: str) -> None:
        """Its words are known."""
        sound = self._turns.pop(item_id, None)
        if sound is not None:
            self._turn_samples -= len(sound)
