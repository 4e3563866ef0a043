"""Engines are killed, hung and reset at random moments; conversations go on. More of it: ``python -m bench.realtime_chaos``."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.realtime_chaos.conversations import hold, struck_server
from tests.realtime_chaos.storm import ANSWER, HEARD, Strike
from tests.realtime_chaos.talk import Turn, problems, well

_COUNT = 8
_DONE = "conversation.item.input_audio_transcription"


@pytest.mark.parametrize("spare", [False, True], ids=["one of each", "another one of each"])
def test_no_session_dies_and_nothing_is_lost_in_silence(tmp_path: Path, spare: bool) -> None:
    """Every utterance ends in words or is kept on disk, every answer is whole or says why not, and all is well afterwards."""
    with struck_server(tmp_path, spare=spare) as (server, endpoints):
        report = asyncio.run(hold(server, endpoints, _COUNT, seed=1))
    assert report.problems == []
    assert report.conversations == _COUNT
    assert len(report.strikes) >= _COUNT // 2
    if spare:
        assert (report.failed_words, report.failed_answers) == (0, 0), "somebody else could have done it"


def turn(*changes: dict[str, Any], over: bool = True) -> Turn:
    """One that went well, an event a second from 10 s on; each change replaces the event of its type."""
    events: list[dict[str, Any]] = [
        {"type": "input_audio_buffer.committed", "item_id": "item_1"},
        {"type": "response.created", "response": {"id": "resp_1"}},
        {"type": f"{_DONE}.completed", "item_id": "item_1", "transcript": HEARD},
        {"type": "response.output_audio_transcript.delta", "response_id": "resp_1", "delta": ANSWER},
        {"type": "response.output_audio.delta", "response_id": "resp_1", "seconds": 60.0},
        {"type": "response.done", "response": {"id": "resp_1", "status": "completed"}},
    ]
    for change in changes:
        place = next(
            at for at, event in enumerate(events) if event["type"].rpartition(".")[0] == change["type"].rpartition(".")[0]
        )
        place = next((at for at, event in enumerate(events) if event["type"] == change["type"]), place)
        events[place] = change
    return Turn(9.0, [(10.0 + at, event) for at, event in enumerate(events)], over)


def failed(message: str) -> dict[str, Any]:
    return {"type": f"{_DONE}.failed", "item_id": "item_1", "error": {"code": "x", "message": message}}


def ended(status: str, code: str = "x") -> dict[str, Any]:
    details = {"error": {"code": code}}
    return {"type": "response.done", "response": {"id": "resp_1", "status": status, "status_details": details}}


def test_a_turn_in_which_all_went_well_has_no_problem(tmp_path: Path) -> None:
    """Neither in the storm nor after it."""
    assert turn().is_over
    assert problems(turn(), [], tmp_path) == []
    assert well(turn()) == []


def test_a_turn_without_an_end_and_one_with_half_an_answer_are_problems(tmp_path: Path) -> None:
    """The same words with too little sound as well."""
    assert "not over" in problems(turn(over=False), [], tmp_path)[0]
    half = {"type": "response.output_audio_transcript.delta", "response_id": "resp_1", "delta": ANSWER[:30]}
    assert "lost words" in problems(turn(half), [], tmp_path)[0]
    mute = {"type": "response.output_audio.delta", "response_id": "resp_1", "seconds": 0.2}
    assert "spoken for" in problems(turn(mute), [], tmp_path)[0]
    assert "cancelled" in problems(turn(ended("cancelled")), [], tmp_path)[0]


def test_an_utterance_without_words_is_on_disk(tmp_path: Path) -> None:
    """The failure names a recording, and the recording is there."""
    strikes = [Strike("stt", "kill", 11.0)]
    lost = turn(failed("It broke. What was said is kept as utt-1: run it."), ended("failed"))
    assert "not kept" in problems(lost, strikes, tmp_path)[0]
    (tmp_path / "utt-1.wav").touch()
    assert problems(lost, strikes, tmp_path) == []
    assert "not kept" in problems(turn(failed("It broke."), ended("failed")), strikes, tmp_path)[0]


def test_a_failure_has_a_reason_and_comes_in_time(tmp_path: Path) -> None:
    """Three seconds after the strike, or after what met it."""
    (tmp_path / "utt-1.wav").touch()
    assert "without a reason" in problems(turn(ended("failed", "")), [], tmp_path)[0]
    late = turn(failed("kept as utt-1: run it"), ended("failed"))
    late.events = [(at * (2 if "failed" in event["type"] else 1), event) for at, event in late.events]
    assert "transcription was told after" in problems(late, [Strike("stt", "hang", 9.5)], tmp_path)[0]
