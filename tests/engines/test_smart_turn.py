"""smart-turn in its worker process: the score of the model, and prosody's where the model has trouble."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np
import psutil
import pytest

from tests.engines.tiny_onnx import tiny_model
from voicemode.audio import CAPTURE_RATE, AudioChunk
from voicemode.core.log_mel import log_mel
from voicemode.engines import smart_turn
from voicemode.engines.prosody import ProsodyScorer
from voicemode.engines.smart_turn import SmartTurnScorer
from voicemode.interfaces import TurnScorer

Result = TypeVar("Result")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(tiny_model())
    return path


def utterance(seconds: float = 3.0) -> AudioChunk:
    """A voice-like tone that falls and fades, and 0.3 s of a quiet room."""
    t = np.arange(round(seconds * CAPTURE_RATE)) / CAPTURE_RATE
    phase = 2 * np.pi * np.cumsum(180 - 60 * t / seconds) / CAPTURE_RATE
    voice = sum(np.sin(k * phase) / k for k in range(1, 6)) * (1 + np.sin(2 * np.pi * 4 * t)) * (1 - 0.7 * t / seconds)
    room = np.random.default_rng(3).normal(0, 6, round(0.3 * CAPTURE_RATE))
    return AudioChunk(np.rint(np.concatenate([2_000 * voice, room])).astype(np.int16), CAPTURE_RATE)


def with_scorer(
    use: Callable[[SmartTurnScorer], Awaitable[Result]], model: Path, environ: Mapping[str, str] = os.environ, **options: str
) -> Result:
    """Run ``use`` on a scorer, and see that no process is left."""

    async def run() -> Result:
        scorer = SmartTurnScorer(model, environ, **options)  # type: ignore[arg-type]
        try:
            return await use(scorer)
        finally:
            pid = scorer.pid
            await scorer.aclose()
            assert pid is None or not psutil.pid_exists(pid)

    return asyncio.run(run())


def by_prosody(chunk: AudioChunk) -> float:
    return asyncio.run(ProsodyScorer().score(chunk))


def test_it_keeps_the_interface_and_starts_nothing(model: Path) -> None:
    """Whoever has no conversation has no worker."""
    scorer: TurnScorer = SmartTurnScorer(model, os.environ)
    assert (scorer.name, scorer.used, scorer.problem) == ("smart-turn-v3", "smart-turn-v3", "")
    assert SmartTurnScorer(model, os.environ).pid is None


def test_the_score_is_the_models_and_the_model_sees_the_last_eight_seconds(model: Path) -> None:
    """The fixture gives the logistic of the mean of what it sees, which is computed here again; more than 8 s are not sent."""
    sound = np.concatenate([np.full(100_000, 20_000, np.int16), *[utterance(2.7).samples] * 3])
    expected = 1 / (1 + np.exp(-log_mel(sound[-8 * CAPTURE_RATE :]).mean()))

    async def use(scorer: SmartTurnScorer) -> float:
        await scorer.prepare()
        pid = scorer.pid
        score = await scorer.score(AudioChunk(sound, CAPTURE_RATE))
        assert (scorer.pid, scorer.used, scorer.problem) == (pid, "smart-turn-v3", "")
        return score

    assert with_scorer(use, model) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be loaded"),
        (b"", "cannot be loaded"),
        (tiny_model()[:-40], "cannot be loaded"),
        (tiny_model(shape=(1, 80, 3000)), "no model of smart-turn v3"),
        (tiny_model(given="audio"), "no model of smart-turn v3"),
    ],
)
def test_a_model_that_is_none_leaves_the_turn_to_prosody(content: bytes | None, words: str, tmp_path: Path) -> None:
    """Missing, empty, cut short, or another model: prepare and score raise nothing, and it is told who scored and why."""
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    sound = utterance()

    async def use(scorer: SmartTurnScorer) -> float:
        await scorer.prepare()
        assert words in scorer.problem
        score = await scorer.score(sound)
        assert (scorer.name, scorer.used) == ("smart-turn-v3", "prosody")
        return score

    assert with_scorer(use, path) == by_prosody(sound)


def test_a_model_that_answers_with_no_probability_is_not_believed(tmp_path: Path) -> None:
    """This one answers 3."""
    path = tmp_path / "model.onnx"
    path.write_bytes(tiny_model(last="Exp"))
    noise = AudioChunk(np.random.default_rng(0).normal(0, 3_000, 130_000).astype(np.int16), CAPTURE_RATE)

    async def use(scorer: SmartTurnScorer) -> float:
        score = await scorer.score(noise)
        assert "the model answered 3." in scorer.problem
        return score

    assert with_scorer(use, path) == by_prosody(noise)


def test_a_killed_worker_costs_the_turn_its_model_and_the_next_turn_nothing(model: Path) -> None:
    """Prosody scores the rest of the turn, also after the worker could start again; the next prepare starts it."""
    sound = utterance()

    async def use(scorer: SmartTurnScorer) -> list[float]:
        good = await scorer.score(sound)
        assert scorer.pid is not None
        os.kill(scorer.pid, signal.SIGSTOP)  # it gets the request and dies on it
        pending = asyncio.create_task(scorer.score(sound))
        await asyncio.sleep(0)
        os.kill(scorer.pid, signal.SIGKILL)
        rest = [await pending, await scorer.score(sound)]
        assert scorer.used == "prosody"
        assert "process ended" in scorer.problem
        await scorer.prepare()
        assert (scorer.used, scorer.problem) == ("smart-turn-v3", "")
        assert await scorer.score(sound) == good
        return rest

    assert with_scorer(use, model) == [by_prosody(sound)] * 2


def test_a_slow_worker_is_not_waited_for(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stopped process never answers: prosody does, after the deadline."""
    sound = utterance()

    async def use(scorer: SmartTurnScorer) -> float:
        await scorer.prepare()
        assert scorer.pid is not None
        monkeypatch.setattr(smart_turn, "_SLOW_S", 0.05)
        os.kill(scorer.pid, signal.SIGSTOP)
        score = await scorer.score(sound)
        assert scorer.problem == "it did not answer within 0.05 s"
        return score

    assert with_scorer(use, model) == by_prosody(sound)


def test_a_model_that_never_works_is_not_started_for_ever(tmp_path: Path) -> None:
    """Three chances; after that nothing is started any more, although the file is there by then."""
    path = tmp_path / "model.onnx"

    async def use(scorer: SmartTurnScorer) -> None:
        for _ in range(3):
            await scorer.prepare()
        path.write_bytes(tiny_model())
        await scorer.prepare()
        assert scorer.used == "prosody"

    with_scorer(use, path)


def test_a_success_gives_back_all_chances(model: Path) -> None:
    """A day of conversations may have more than three moments of trouble."""
    sound = utterance(1.0)

    async def use(scorer: SmartTurnScorer) -> None:
        for _ in range(4):
            await scorer.prepare()
            await scorer.score(sound)
            assert scorer.used == "smart-turn-v3"
            assert scorer.pid is not None
            os.kill(scorer.pid, signal.SIGSTOP)
            pending = asyncio.create_task(scorer.score(sound))
            await asyncio.sleep(0)
            os.kill(scorer.pid, signal.SIGKILL)
            await pending
            assert scorer.used == "prosody"

    with_scorer(use, model)


def test_another_rate_is_the_callers_mistake(model: Path) -> None:
    """A resampled score would be wrong without a word."""

    async def use(scorer: SmartTurnScorer) -> None:
        with pytest.raises(ValueError, match="16000 Hz, not 8000"):
            await scorer.score(AudioChunk(np.zeros(8_000, np.int16), 8_000))

    with_scorer(use, model)


def test_scores_may_be_cancelled_at_any_time(model: Path) -> None:
    """The person goes on while it thinks: the score is dropped, which is no trouble of the model's."""
    sound = utterance(1.0)

    async def use(scorer: SmartTurnScorer) -> None:
        await scorer.prepare()
        for number in range(20):
            task = asyncio.create_task(scorer.score(sound))
            await asyncio.sleep(0.002 * (number % 5))
            task.cancel()
            await asyncio.wait({task})
        await scorer.score(sound)
        assert (scorer.used, scorer.problem) == ("smart-turn-v3", "")

    with_scorer(use, model)


def test_onnxruntime_keeps_no_identity_of_this_machine(model: Path, tmp_path: Path) -> None:
    """It writes one, and a queue of reports, as soon as it is imported, unless it is told not to before."""
    home = tmp_path / "home"
    home.mkdir()
    environ = {**os.environ, "HOME": str(home)}
    environ.pop("ORT_DISABLE_TELEMETRY", None)

    async def use(scorer: SmartTurnScorer) -> None:
        await scorer.prepare()
        assert scorer.problem == ""

    with_scorer(use, model, environ)
    assert [path for path in home.rglob("*") if path.is_file()] == []
