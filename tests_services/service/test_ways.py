"""How an engine is run is measured at its first load, kept in the service's folder, and not measured again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import onnxruntime  # type: ignore[import-untyped]
import pytest
from voicemode_kokoro import choose
from voicemode_kokoro.files import find as find_voice
from voicemode_kokoro.speech import Pace
from voicemode_service.serve import parse
from voicemode_service.settings import ServiceSettings
from voicemode_service.tune import TUNING, Candidate, ways
from voicemode_whisper import models

from tests_services.fixtures.kokoro_model import tone_fixture
from tests_services.fixtures.whisper_model import make_whisper_fixture

DEFAULTS = ServiceSettings(name="stub", port=2022)


@pytest.fixture
def two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many this machine has: with one there is nothing to choose."""
    for module in ("voicemode_service.tune", "voicemode_whisper.models", "voicemode_kokoro.choose"):
        monkeypatch.setattr(f"{module}.processors", lambda: 2)


def whisper_threads(model: Path, state: Path, *, threads: int = 0) -> int:
    """Load it and tell how many threads it runs with."""
    settings = ServiceSettings(name="whisper", port=2022, model=str(model), state_dir=state, device="cpu", threads=threads)
    found = models.load(settings).facts()["threads"]
    assert isinstance(found, int)
    return found


def kokoro_threads(model: Path, state: Path, *, threads: int = 0) -> int:
    """As whisper_threads; onnxruntime tells what it was given."""
    settings = ServiceSettings(name="kokoro", port=8880, model=str(model), state_dir=state, device="cpu", threads=threads)
    given: list[int] = []
    session = onnxruntime.InferenceSession

    def noting(path: str, options: onnxruntime.SessionOptions, **others: object) -> onnxruntime.InferenceSession:
        given.append(options.intra_op_num_threads)
        return session(path, options, **others)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnxruntime, "InferenceSession", noting)
        choose.load(find_voice(settings), settings, Pace())
    return given[-1]


@pytest.fixture(params=["whisper", "kokoro"])
def threads_of(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., int]:
    """Loads a fixture of each engine with a state folder."""
    if request.param == "whisper":
        whisper = make_whisper_fixture(tmp_path / "toy-fixture")
        return lambda state, **others: whisper_threads(whisper, state, **others)
    kokoro = tone_fixture(tmp_path)
    return lambda state, **others: kokoro_threads(kokoro, state, **others)


@pytest.mark.usefixtures("two_processors")
def test_the_number_of_threads_is_measured_and_kept(threads_of: Callable[..., int], tmp_path: Path) -> None:
    """The second load takes what the first one wrote, even if it would now choose otherwise."""
    chosen = threads_of(tmp_path / "state")
    kept = json.loads((tmp_path / "state" / TUNING).read_text())
    (entry,) = kept["chosen"].values()
    assert entry == {"device": "cpu", "threads": chosen}
    entry["threads"] = 3 - chosen
    (tmp_path / "state" / TUNING).write_text(json.dumps(kept))
    assert threads_of(tmp_path / "state") == 3 - chosen


@pytest.mark.usefixtures("two_processors")
def test_a_number_that_was_asked_for_is_taken_unmeasured(threads_of: Callable[..., int], tmp_path: Path) -> None:
    """Nothing is written either."""
    assert threads_of(tmp_path / "state", threads=3) == 3
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--device", "cpu", "--threads", "6"], [Candidate("cpu", 6)]),
        (["--device", "cuda"], [Candidate("cuda", 1)]),
        (["--threads", "6"], [Candidate("cpu", 6), Candidate("cuda", 1)]),
    ],
)
def test_only_what_the_settings_leave_open_is_tried(arguments: list[str], expected: list[Candidate]) -> None:
    """On a machine with a GPU, "auto" compares it with the processors."""
    assert ways(parse(DEFAULTS, arguments, {}), cuda=True) == expected


def test_what_a_service_keeps_is_where_voicemode_removes_it(tmp_path: Path) -> None:
    """In the folder that uninstall takes away, wherever the person moved everything to."""
    settings = parse(DEFAULTS, [], {"VOICEMODE_BASE_DIR": str(tmp_path)})
    assert (settings.models_dir, settings.state_dir) == (tmp_path / "models", tmp_path / "services" / "stub")
    assert parse(DEFAULTS, ["--state-dir", "/elsewhere"], {"VOICEMODE_BASE_DIR": str(tmp_path)}).state_dir == Path("/elsewhere")
