"""How a turn's end is looked for follows from what was asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runtime.parts import Stage
from voicemode.core.questions import Asked
from voicemode.runtime.endpointing_for import endpointing_for
from voicemode.runtime.result import TurnRequest


def test_a_fixed_silence_stands_for_every_judgement(tmp_path: Path) -> None:
    """No policy, and 20 ms less than asked for: sound is heard that late."""
    options = endpointing_for(TurnRequest(message="Well?", silence_s=0.7), Stage(tmp_path).parts)
    assert options.policy is None
    assert options.silence_s == pytest.approx(0.68)


def test_else_a_policy_knows_the_question_and_the_patience(tmp_path: Path) -> None:
    """Patient is longer than quick."""
    parts = Stage(tmp_path).parts
    quick = endpointing_for(TurnRequest(message="Shall I merge the branch?", patience="quick"), parts)
    patient = endpointing_for(TurnRequest(message="Shall I merge the branch?", patience="patient"), parts)
    assert quick.policy is not None
    assert patient.policy is not None
    assert quick.policy.factor < patient.policy.factor
    assert quick.question.asked is Asked.YES_NO
    assert quick.partials


def test_a_message_that_tells_no_language_is_in_that_of_the_last_one(tmp_path: Path) -> None:
    """Unless the request says another."""
    parts = Stage(tmp_path).parts
    assert endpointing_for(TurnRequest(message="Hm?"), parts).question.language == ""
    assert endpointing_for(TurnRequest(message="Where should the robot go now?"), parts).question.language == "en"
    assert endpointing_for(TurnRequest(message="Hm?"), parts).question.language == "en"
    assert endpointing_for(TurnRequest(message="Hm?", language="de"), parts).question.language == "de"
    assert endpointing_for(TurnRequest(message="Hm?"), parts).question.language == "de"


def test_a_long_enough_answer_tells_the_language_of_the_session(tmp_path: Path) -> None:
    """A name does not, and a message that tells one has the last word."""
    parts = Stage(tmp_path).parts
    parts.session.understood("Paris")
    parts.session.understood("chez of")
    assert endpointing_for(TurnRequest(message="Hm?"), parts).question.language == ""
    parts.session.understood("ich glaube das ist in der Küche")
    assert endpointing_for(TurnRequest(message="Hm?"), parts).question.language == "de"
    assert endpointing_for(TurnRequest(message="Where should the robot go now?"), parts).question.language == "en"
