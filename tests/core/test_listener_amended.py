"""What is known only later of a person's words takes the place of what was heard, and decides nothing."""

from __future__ import annotations

import pytest

from tests.core.test_listener import OPTIONS, ScriptedDetector, at, hear, room
from voicemode.audio import Samples
from voicemode.core.endpointing import EndpointEvent, SpeechBegan, TurnEnded
from voicemode.core.level import rms_dbfs
from voicemode.core.listener import Listener

SPEECH = (3.0, 4.0)
SOUND = room(5.0, SPEECH)
WORD = room(0.6, (0.0, 0.6), level_dbfs=-30.0)
"""Said from 2.0 s on, which nobody knew until 2.6 s."""


def heard(*, amended: float | None = 2.6, begin: float = 3.0, is_speech: bool = True) -> tuple[Listener, list[EndpointEvent]]:
    """``WORD`` becomes known at second ``amended``; at 4 s it is known that somebody speaks since ``begin``."""
    listener = Listener(ScriptedDetector(SPEECH), OPTIONS)
    told: list[EndpointEvent] = []
    for start in range(0, len(SOUND), 320):
        if amended is not None and start == at(amended):
            listener.amend(WORD, at(0.6))
        if start == at(4.0):
            told += listener.begin(at(begin), is_speech=is_speech)
        told += listener.push(SOUND[start : start + 320])
    return listener, told


def as_amended(begins: float) -> Samples:
    sound = SOUND.copy()
    sound[at(2.0) : at(2.6)] = WORD
    return sound[at(begins) : at(4.5)]


def test_an_interruption_begins_with_the_word_that_became_known_later() -> None:
    """It is in the utterance, though it lies before the pre-roll."""
    listener, _ = heard()
    assert listener.utterance().samples.tolist() == as_amended(2.0).tolist()


def test_nothing_is_decided_by_it() -> None:
    """The events are the same."""
    assert heard()[1] == heard(amended=None)[1]


def test_without_it_an_interruption_begins_with_its_pre_roll() -> None:
    """Half a second before the speech that is known, wherever the detector finds it."""
    listener, _ = heard(amended=None, begin=2.7)
    assert listener.utterance().samples.tolist() == SOUND[at(2.2) : at(4.5)].tolist()


def test_another_utterance_reaches_no_further_back() -> None:
    """It may be somebody else's."""
    listener, _ = heard(is_speech=False)
    assert listener.utterance().seconds == pytest.approx(2.0, abs=0.05)


def test_another_utterance_is_not_found_in_it() -> None:
    """Nor is speech there an answer."""
    listener = Listener(ScriptedDetector((2.1, 2.5)), OPTIONS)
    sound = room(5.0, (2.1, 2.5))
    hear(listener, sound[: at(2.6)], begin=None)
    listener.amend(WORD, at(0.6))
    hear(listener, sound[at(2.6) : at(3.5)], begin=None)
    assert listener.begin(at(3.3)) == []


def test_what_was_said_long_before_is_another_matter() -> None:
    """More than a second."""
    listener, _ = heard(begin=3.7)
    assert listener.utterance().samples.tolist() == SOUND[at(3.2) : at(4.5)].tolist()


def test_the_snippet_of_who_speaks_now_has_the_word_too() -> None:
    """Its words decide whether it is an interruption."""
    listener = Listener(ScriptedDetector(SPEECH), OPTIONS)
    hear(listener, SOUND[: at(2.6)], begin=None)
    listener.amend(WORD, at(0.6))
    hear(listener, SOUND[at(2.6) : at(3.5)], begin=None)
    assert listener.speech_since(3.0).samples.tolist() == as_amended(2.0)[: at(1.5)].tolist()
    assert listener.speech_since(0.1).samples.tolist() == SOUND[: at(2.0)].tolist() + as_amended(2.0)[: at(1.5)].tolist()


def test_what_an_earlier_utterance_had_is_not_heard_again() -> None:
    """However early the word began."""
    listener = Listener(ScriptedDetector((0.5, 1.5), SPEECH), OPTIONS)
    ended = hear(listener, SOUND[: at(2.6)])[-1]
    before = listener.utterance().samples.tolist()
    listener.amend(WORD, at(0.9))
    assert listener.utterance().samples.tolist() == before
    assert (
        listener.speech_since(2.5).samples.tolist()
        == WORD[at(ended.at) - at(1.7) :].tolist() + SOUND[at(2.3) : at(2.6)].tolist()
    )


def test_an_utterance_that_is_looked_for_is_not_changed() -> None:
    """Part of it may have been transcribed already."""
    listener = Listener(ScriptedDetector(SPEECH), OPTIONS)
    hear(listener, SOUND[: at(3.5)], begin=2.0)
    before = listener.utterance().samples.tolist()
    assert before
    listener.amend(WORD, at(0.6))
    assert listener.utterance().samples.tolist() == before


def test_after_a_drop_nothing_is_left_of_it() -> None:
    """Like everything else that was heard."""
    listener = Listener(ScriptedDetector(SPEECH), OPTIONS)
    hear(listener, SOUND[: at(2.6)], begin=None)
    listener.amend(WORD, at(0.6))
    listener.drop()
    hear(listener, SOUND[at(2.6) : at(3.5)], begin=None)
    assert listener.speech_since(3.0).seconds == pytest.approx(0.9)


def test_who_is_known_to_have_spoken_has_spoken_whatever_the_detector_says() -> None:
    """A soft word stopped the message, by its words: it is the utterance, and is not waited for once more."""
    listener = Listener(ScriptedDetector(), OPTIONS)
    listener.push(room(3.0, (1.0, 1.25)))
    told = listener.begin(at(1.0), is_speech=True)
    assert told[0] == SpeechBegan(1.0)
    assert isinstance(told[-1], TurnEnded)
    assert rms_dbfs(listener.utterance().samples[-at(0.5) :][: at(0.25)]) > -25
