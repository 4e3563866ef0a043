"""How long sound that is there already is kept back, so that it can still be exchanged for another engine's.

While the loudspeaker has enough to play, what an engine delivers is not queued yet. Should the engine break off, what it
delivered was never heard, and another one speaks the piece instead.
"""

from __future__ import annotations

__all__ = ["MARGIN_S", "hold_s"]

MARGIN_S = 0.3
"""Seconds of sound in the loudspeaker's queue at which nothing is held back any more: several times what a busy machine
takes to run this program again, and little enough that a piece is mostly complete by then."""


def hold_s(queued_s: float, held_s: float, *, repeats: bool = False) -> float:
    """For how many seconds from now what is held back may stay so; 0 when it is to be queued at once.

    ``queued_s`` is what the loudspeaker still has to play, ``held_s`` what is held back. ``repeats``: the listener has
    heard a part of this piece from an engine that broke off, and what is queued is more of that, which the repetition
    takes the place of as soon as there is enough of it to go on without a gap.
    """
    if repeats and held_s >= MARGIN_S:
        return 0.0
    return max(queued_s - MARGIN_S, 0.0)
