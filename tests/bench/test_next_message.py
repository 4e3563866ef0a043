"""What the figures about the beginnings of messages say, and what they leave out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bench.echo_room import draw_path
from bench.interruption import LEVELS_DB, Trial
from bench.interruption_trial import Said
from bench.next_message import Conversation, Heard, summary


def conversation(level_db: float | None) -> Conversation:
    """Two messages, in the second of which somebody speaks; six without anybody where there is no level."""
    sound = np.ones(1_600, np.float32)
    said = Said(kind="nobody") if level_db is None else Said(kind="interruption", text="no", sound=sound, level_db=level_db)
    return Conversation(Trial(draw_path(1), 0, 0.0, said), (0,) * (6 if level_db is None else 2))


def test_who_was_not_heard_is_missed_and_later_than_everybody() -> None:
    """Half of them: the median is that of who was heard, the tenth is none."""
    planned = [conversation(level) for level in LEVELS_DB for _ in range(2)]
    heard = [each for level in LEVELS_DB for each in (Heard(level, yield_s=0.05, pause_s=0.1, stop_s=1.0), Heard(level))]
    for level in summary(planned, heard)["interruptions"].values():
        assert level["n"] == 2
        assert level["missed"] == 1
        assert level["duck_or_stop"] == {"median": 50, "p90": None}


def test_what_happened_before_anybody_spoke_counts_as_nobody() -> None:
    """In the messages of people who spoke later too; minutes are those without people."""
    planned = [conversation(0.0), conversation(None)]
    heard = [Heard(0.0, stop_s=1.0, ducks=1), replace(Heard(0.0), ducks=2, pauses=1, stops=1)]
    nobody = summary(planned, heard)["nobody"]
    assert nobody == {"minutes": 0.8, "stops": 1, "pauses": 1, "ducks": 3}
