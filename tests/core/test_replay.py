"""The turn engine decides alike whenever it is told alike: scripted conversations, replayed."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from bench.replay import run_process
from bench.scripted import PEOPLE, Answer, Conversation, Stretch, Turn, conversation, digest, replay
from voicemode.core.questions import NO_QUESTION
from voicemode.core.turn_policy import TurnPolicy

ROOM = -65.0
VOICE = -25.0


def quiet(seconds: float, far_end_dbfs: float = -96.0) -> Stretch:
    return Stretch(round(seconds * 100), ROOM, 0.05, far_end_dbfs)


def speech(seconds: float, far_end_dbfs: float = -96.0) -> Stretch:
    return Stretch(round(seconds * 100), VOICE, 0.95, far_end_dbfs)


def scripted(turn: Turn) -> Conversation:
    return Conversation(person="somebody", noise_dbfs=ROOM, question=NO_QUESTION, policy=TurnPolicy(), turns=(turn,))


def answering(*listening: Stretch, score: float, text: str, late_s: float = 0.1) -> Conversation:
    """A person who says something after a message that was not interrupted."""
    return scripted(
        Turn(
            playback=(quiet(0.5, -20.0),),
            listening=listening,
            scores=(Answer(late_s, score),),
            partials=(Answer(late_s, text=text),),
            snippets=(Answer(late_s, text=""),),
        )
    )


def interrupting(said: str | None, seconds: float) -> Conversation:
    """A person who says something while the assistant speaks, after the 2.5 s in which the room is learnt."""
    return scripted(
        Turn(
            playback=(quiet(3.0, -20.0), speech(seconds, -20.0), quiet(1.5, -20.0)),
            listening=(quiet(4.0),),
            scores=(Answer(0.1, 0.5),),
            partials=(Answer(0.1, text=""),),
            snippets=(Answer(0.1, text=said),),
        )
    )


def kinds(script: Conversation) -> list[str]:
    return [decision.split()[0] for decision in replay(script)]


def ended_at(script: Conversation) -> float:
    (ended,) = [decision for decision in replay(script) if decision.startswith("TurnEnded")]
    return float(ended.split(" at=")[1].split()[0])


def test_fifty_runs_in_any_order_decide_alike() -> None:
    """Nothing is carried over from one conversation to another."""
    scripts = [conversation(seed) for seed in range(12)]
    runs = set()
    for order in range(50):
        random.Random(order).shuffle(scripts)
        runs.add(digest(map(replay, scripts)))
    assert len(runs) == 1


def test_processes_with_other_hashes_decide_alike() -> None:
    """No decision hangs on the order in which a set gives its members."""
    assert {run_process(12, number)["digest"] for number in (0, 1, 4711)} == {
        digest(replay(conversation(seed)) for seed in range(12))
    }


def test_the_digest_notices_a_millisecond() -> None:
    """Otherwise equal digests would say nothing."""
    script = answering(quiet(0.5), speech(1.0), quiet(4.0), score=0.9, text="yes")
    (turn,) = script.turns
    later = replace(turn, listening=(quiet(0.51), *turn.listening[1:]))
    assert digest([replay(script)]) != digest([replay(replace(script, turns=(later,)))])


def test_the_made_up_people_lead_to_every_decision() -> None:
    """What is replayed goes through the whole engine."""
    scripts = [conversation(seed) for seed in range(150)]
    assert {script.person for script in scripts} == set(PEOPLE)
    found = {kind for script in scripts for kind in kinds(script)}
    endpointing = {"SpeechBegan", "PauseBegan", "ScoreWanted", "SpeechResumed", "TurnEnded", "NobodySpoke"}
    assert endpointing | {"Duck", "Unduck", "Pause", "WordsWanted", "Resume", "Stop"} <= found


def test_the_same_seed_is_the_same_conversation() -> None:
    """And another one is not."""
    assert conversation(7) == conversation(7)
    assert conversation(7) != conversation(8)


def test_a_search_for_a_word_is_not_the_end() -> None:
    """Words that cannot end a sentence, and a scorer in doubt, outlast a pause of 0.7 s."""
    script = answering(
        quiet(0.5), speech(1.0), quiet(0.7), speech(0.5), quiet(4.0), score=0.3, text="I would like to go to"
    )  # fmt: skip
    assert ended_at(script) > 2.7
    assert kinds(script).count("SpeechResumed") == 1


def test_the_better_the_score_the_sooner_the_end() -> None:
    """Evidence that comes in audio time moves the end."""
    ends = [ended_at(answering(quiet(0.5), speech(1.0), quiet(4.0), score=score, text="yes")) for score in (0.05, 0.5, 0.95)]
    assert ends == sorted(ends, reverse=True)
    assert ends[0] - ends[-1] > 0.1


def test_an_answer_to_an_earlier_pause_changes_nothing() -> None:
    """It comes while the person is silent again, and is about a silence that is over."""
    ends = set()
    for probability in (0.0, 1.0):
        script = answering(quiet(0.5), speech(1.0), quiet(0.28), speech(1.0), quiet(4.0), score=0.5, text="yes")
        (turn,) = script.turns
        late = replace(turn, scores=(Answer(1.35, probability), *turn.scores))
        ends.add(ended_at(replace(script, turns=(late,))))
    assert len(ends) == 1


@pytest.mark.parametrize(
    ("said", "seconds", "interrupted"),
    [("mhm", 0.3, False), ("wait that is wrong", 0.6, True), (None, 0.3, False), ("", 1.4, True)],
)
def test_words_and_length_decide_who_interrupts(said: str | None, seconds: float, interrupted: bool) -> None:
    """A backchannel lets the assistant go on; words, or long speech, stop it."""
    assert f"interrupted {interrupted}" in replay(interrupting(said, seconds))
