"""Threads and device are chosen by measuring, and a choice is kept."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voicemode_service.tune import Candidate, Memory, best, candidates, processors

CPU1, CPU2, CPU4, CUDA = Candidate("cpu", 1), Candidate("cpu", 2), Candidate("cpu", 4), Candidate("cuda", 1)


def taking(times: dict[Candidate, float], tried: list[Candidate] | None = None) -> Callable[[Candidate], float]:
    """An engine that takes so long; it cannot run at all what is not named."""

    def measure(candidate: Candidate) -> float:
        if tried is not None:
            tried.append(candidate)
        if candidate not in times:
            raise RuntimeError(f"no {candidate.device}")
        return times[candidate]

    return measure


def test_the_fastest_is_chosen() -> None:
    """Whatever it needs."""
    assert best(taking({CPU1: 4.0, CPU2: 2.2, CPU4: 1.3, CUDA: 0.1}), [CPU1, CPU2, CPU4, CUDA]) == CUDA


def test_more_processors_must_be_worth_it() -> None:
    """Three percent are not: others need them."""
    assert best(taking({CPU1: 4.0, CPU2: 2.0, CPU4: 1.94}), [CPU1, CPU2, CPU4]) == CPU2


def test_what_cannot_run_is_not_chosen() -> None:
    """A machine without CUDA says so only when it is asked to use it."""
    assert best(taking({CPU1: 4.0}), [CPU1, CUDA]) == CPU1


def test_when_nothing_runs_the_reason_is_told() -> None:
    """It is the engine's."""
    with pytest.raises(RuntimeError, match="no cuda"):
        best(taking({}), [CPU1, CUDA])
    with pytest.raises(ValueError, match="nothing"):
        best(taking({}), [])


def test_what_got_much_slower_is_not_pursued() -> None:
    """Too many threads on a busy machine may take minutes; other devices are still tried."""
    tried: list[Candidate] = []
    assert best(taking({CPU1: 1.0, CPU2: 1.6, CPU4: 9.0, CUDA: 0.5}, tried), [CPU1, CPU2, CPU4, CUDA]) == CUDA
    assert tried == [CPU1, CPU2, CUDA]


@given(st.integers(1, 256), st.integers(1, 64), st.integers(1, 16))
def test_candidates_are_within_a_workers_share(available: int, workers: int, most: int) -> None:
    """At least one thread, never more than the share, cheapest first."""
    counts = [candidate.threads for candidate in candidates(available, workers=workers, most=most)]
    share = max(1, min(most, available // workers))
    assert counts == sorted(set(counts))
    assert (counts[0], counts[-1]) == (1, share)


def test_other_devices_come_after_processors() -> None:
    """So that a device must be faster to be taken; without processors it stands alone."""
    assert candidates(6, devices=("cpu", "cuda")) == [CPU1, CPU2, CPU4, Candidate("cpu", 6), CUDA]
    assert candidates(6, devices=("cuda",)) == [CUDA]
    assert processors() >= 1


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.bin").write_bytes(b"fixture")
    return folder


def test_a_choice_is_kept_for_this_machine_engine_and_model(tmp_path: Path, model: Path) -> None:
    """Another model, engine or number of processors is measured anew; so is a model whose file was exchanged."""
    path = tmp_path / "state" / "tune.json"
    Memory(path).remember(CPU2, model=model, engine="e 1", available=4)
    Memory(path).remember(CUDA, model=model, engine="e 2", available=4)
    assert Memory(path).recall(model=model, engine="e 1", available=4) == CPU2
    assert Memory(path).recall(model=model, engine="e 2", available=4) == CUDA
    assert Memory(path).recall(model=model, engine="e 1", available=2) is None
    assert Memory(path).recall(model=tmp_path / "other", engine="e 1", available=4) is None
    (model / "model.bin").write_bytes(b"another fixture")
    assert Memory(path).recall(model=model, engine="e 1", available=4) is None


def test_it_is_measured_once(tmp_path: Path, model: Path) -> None:
    """Also by the next process; a choice that cannot be made any more is not recalled."""
    tried: list[Candidate] = []
    measure = taking({CPU1: 2.0, CPU2: 1.0}, tried)
    for _ in range(3):
        memory = Memory(tmp_path / "tune.json")
        assert memory.choose(measure, [CPU1, CPU2], model=model, engine="e", available=2) == CPU2
    assert tried == [CPU1, CPU2]
    assert memory.choose(measure, [CPU1], model=model, engine="e", available=2) == CPU1


def test_only_this_user_can_read_it_and_it_names_no_path(tmp_path: Path, model: Path) -> None:
    """0600 in 0700, with nothing half-written beside it."""
    path = tmp_path / "state" / "tune.json"
    Memory(path).remember(CPU2, model=model, engine="e", available=4)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [each.name for each in path.parent.iterdir()] == ["tune.json"]
    assert str(tmp_path) not in path.read_text()


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '{"format": 9, "chosen": {}}', '{"format": 1, "chosen": []}', '{"format": 1, "chosen": {"x": 1}}'],
)
def test_a_file_that_is_no_memory_is_none(tmp_path: Path, model: Path, content: str) -> None:
    """It is measured again, and written anew."""
    path = tmp_path / "tune.json"
    path.write_text(content)
    assert Memory(path).recall(model=model, engine="e", available=4) is None
    Memory(path).remember(CPU4, model=model, engine="e", available=4)
    assert Memory(path).recall(model=model, engine="e", available=4) == CPU4


def test_a_place_that_cannot_be_written_is_no_failure(tmp_path: Path, model: Path) -> None:
    """The service works without a memory."""
    (tmp_path / "file").write_text("")
    memory = Memory(tmp_path / "file" / "tune.json")
    memory.remember(CPU1, model=model, engine="e", available=1)
    assert memory.recall(model=model, engine="e", available=1) is None
