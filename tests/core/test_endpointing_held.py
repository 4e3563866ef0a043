"""Push-to-talk: while a key is held, it says that somebody speaks."""

from __future__ import annotations

import pytest

from tests.core.test_endpointing import FLOOR, OPTIONS, SILENCE, about, frames
from voicemode.core.endpointing import (
    Endpointer,
    EndpointEvent,
    EndReason,
    FrameFacts,
    NobodySpoke,
    SpeechBegan,
    TurnEnded,
)

WHISPER = FrameFacts(level_dbfs=FLOOR + 12, noise_floor_dbfs=FLOOR, gate_open=False, probability=0.1)


@pytest.mark.parametrize(("held", "sound_s", "heard"), [(True, 0.6, True), (True, 0.1, False), (False, 0.6, False)])
def test_sound_behind_a_held_key_is_speech(held: bool, sound_s: float, heard: bool) -> None:
    """Where the detector takes it for none; the click of the key is shorter."""
    endpointer, told = Endpointer(OPTIONS), list[EndpointEvent]()
    endpointer.held = held
    for facts in frames([(1.5, SILENCE), (sound_s, WHISPER), (0.3, SILENCE)]):
        told += endpointer.push(facts)
    told += endpointer.finish(EndReason.RELEASED)
    spoken = [SpeechBegan(about(1.5)), TurnEnded(about(1.5), about(1.5 + sound_s), about(1.8 + sound_s), EndReason.RELEASED)]
    assert told == (spoken if heard else [NobodySpoke(about(1.8 + sound_s))])


def test_what_is_left_of_the_message_is_no_speech() -> None:
    """The key that stopped it was pressed half a second after the utterance may begin; rooms go on for as long."""
    endpointer = Endpointer(OPTIONS)
    endpointer.held = True
    told = [event for facts in frames([(1.0, WHISPER), (0.5, SILENCE)]) for event in endpointer.push(facts)]
    assert [*told, *endpointer.finish(EndReason.RELEASED)] == [NobodySpoke(about(1.5))]
