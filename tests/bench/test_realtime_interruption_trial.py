"""How an interruption of a realtime answer is judged."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bench.heard import reference
from bench.realtime_interruption_trial import Happened, Player, context_words, judged, late_events
from bench.realtime_sounds import WIRE_RATE
from voicemode.audio import AudioChunk

PIECES = ["Seven of clubs.", "Go forward ten meters, then stop."]


def done(status: str = "cancelled") -> dict[str, Any]:
    return {"type": "response.done", "response": {"id": "resp_1", "status": status}}


def messages(heard: str) -> list[dict[str, Any]]:
    return [
        {"role": "system", "content": "trial"},
        {"role": "user", "content": "Hello."},
        {"role": "assistant", "content": heard},
        {"role": "user", "content": "Stop."},
    ]


def happened(heard: str, **more: Any) -> Happened:
    """Three words of the second piece were played when the person was noticed, at 20 s."""
    _, words = reference(PIECES)
    seen = Happened(
        offset_s=1.0,
        spoke_at=19.8,
        noticed_at=20.0,
        events=[(20.001, done())],
        pieces=PIECES,
        old_id="resp_1",
        last_sound_at=19.9,
        played_s=words[5].end_s,
        context=messages(heard),
    )
    return replace(seen, **more)


HEARD = "Seven of clubs. Go forward ten"


def test_a_record_of_what_was_played_is_kept() -> None:
    """Six words, the last byte before the decision."""
    trial = judged("x", happened(HEARD))
    assert (trial.played, trial.told, trial.status) == (6, 6, "cancelled")
    assert trial.last_ms == pytest.approx(-100)
    assert trial.noticed_ms == pytest.approx(200)
    assert trial.kept


@pytest.mark.parametrize(("heard", "error"), [("Seven of clubs. Go forward ten meters,", 1), ("Seven of clubs. Go", -2)])
def test_words_too_many_and_too_few_are_counted(heard: str, error: int) -> None:
    """One is allowed, two are not."""
    trial = judged("x", happened(heard))
    assert trial.error == error
    assert trial.kept == (abs(error) <= 1)


def test_a_late_byte_and_a_late_event_are_not_kept() -> None:
    """60 ms after the decision; a delta behind the end."""
    assert not judged("x", happened(HEARD, last_sound_at=20.06)).kept
    late = [(20.0, done()), (20.1, {"type": "response.output_audio.delta", "response_id": "resp_1"})]
    assert not judged("x", happened(HEARD, events=late)).kept


def test_other_words_in_the_record_are_a_problem() -> None:
    """As many as there should be, and not the ones."""
    assert judged("x", happened("Seven of hearts. Go forward ten")).problem
    assert judged("x", happened("", context=[])).problem == "the chat endpoint was not asked again"


def test_an_interruption_that_nobody_noticed_is_a_problem() -> None:
    """So is an answer without an end."""
    assert judged("x", happened(HEARD, noticed_at=None)).problem == "nobody noticed"
    assert judged("x", happened(HEARD, events=[])).problem == "the old answer has no end"


def test_what_the_server_played_is_read_from_the_recording() -> None:
    """The sound of the pieces up to the sixth word, behind a silence."""
    sound, words = reference(PIECES)
    heard = sound.samples[: round(words[5].end_s * WIRE_RATE)]
    recording = AudioChunk(np.concatenate((np.zeros(4800, np.int16), heard, np.zeros(9600, np.int16))), WIRE_RATE)
    trial = judged("x", happened(HEARD, played_s=None, recording=recording))
    assert (trial.played, trial.problem) == (6, "")
    nothing = AudioChunk(np.zeros(24_000, np.int16), WIRE_RATE)
    assert judged("x", happened(HEARD, played_s=None, recording=nothing)).problem.startswith("the recording")


def test_events_after_the_end_are_late_but_for_those_of_the_playing() -> None:
    """Those before it, and those of other answers, are not."""
    events = [
        (0.0, {"type": "response.output_audio.delta", "response_id": "resp_1"}),
        (1.0, done()),
        (2.0, {"type": "output_audio_buffer.cleared", "response_id": "resp_1"}),
        (3.0, {"type": "response.output_audio.delta", "response_id": "resp_2"}),
    ]
    assert late_events(events, "resp_1") == 0
    assert (
        late_events([*events, (4.0, {"type": "response.output_audio_transcript.delta", "response_id": "resp_1"})], "resp_1")
        == 1
    )


def test_a_player_that_runs_dry_goes_on_where_it_was() -> None:
    """A second came at 10 s and another one at 12 s: at 12.5 s one and a half were audible."""
    player = Player()
    player.add(1.0, 10.0)
    assert player.played_s(10.25) == pytest.approx(0.25)
    assert player.played_s(11.5) == pytest.approx(1.0)
    player.add(1.0, 12.0)
    assert player.played_s(12.5) == pytest.approx(1.5)


def test_only_the_assistants_words_are_the_record() -> None:
    """Also where a message has none."""
    assert context_words([*messages("One two"), {"role": "assistant", "content": None}]) == ["One", "two"]
