"""A model appears whole or not at all, goes without a trace, and is only ever what it must be."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.supervise.mirror import FILES, MODELS, Mirror
from voicemode.errors import DownloadError, ModelError, ModelInUseError, RequestError, SettingsError
from voicemode.settings import Settings
from voicemode.supervise.models import Models, Progress, State, find

NAME = MODELS[0].name
SIZE = MODELS[0].size


def models(base: Path, url: str = "", **settings: Any) -> Models:
    return Models(Settings(base_dir=base, models_url=url, **settings), MODELS)


def pull(kept: Models, name: str = NAME, **options: Any) -> list[Progress]:
    told: list[Progress] = []
    asyncio.run(kept.pull(name, told.append, **options))
    return told


def problems(kept: Models) -> list[str]:
    return asyncio.run(kept.verify(NAME))


def installed_files(base: Path) -> set[str]:
    return {str(path.relative_to(base)) for path in base.rglob("*") if path.is_file() and path.suffix != ".lock"}


def test_a_model_is_pulled_into_its_folder(tmp_path: Path, mirror: Mirror) -> None:
    """With all its files, for its owner alone, and without leftovers."""
    kept = models(tmp_path, mirror.url())
    assert kept.state(NAME) is State.ABSENT
    pull(kept)
    assert kept.state(NAME) is State.INSTALLED
    assert installed_files(tmp_path) == {f"models/{NAME}/{file}" for file in FILES}
    assert kept.path_of(NAME) == tmp_path / "models" / NAME
    assert all(path.stat().st_mode & 0o077 == 0 for path in [kept.path_of(NAME), *kept.path_of(NAME).iterdir()])
    assert problems(kept) == []


def test_progress_rises_to_the_end(tmp_path: Path, mirror: Mirror) -> None:
    """Over all files of the model together."""
    told = pull(models(tmp_path, mirror.url("slow")))
    done = [progress.done for progress in told if progress.state == "downloading"]
    assert done == sorted(done)
    assert (done[-1], told[-1].total) == (SIZE, SIZE)


def test_a_model_that_is_there_is_checked_and_not_downloaded_again(tmp_path: Path, mirror: Mirror) -> None:
    """Calling twice does no harm."""
    pull(models(tmp_path, mirror.url()))
    requests = len(mirror.log())
    pull(models(tmp_path, mirror.url()))
    assert len(mirror.log()) == requests


def test_only_the_changed_file_of_a_model_is_downloaded_again(tmp_path: Path, mirror: Mirror) -> None:
    """Same size, other bytes: the sum tells."""
    kept = models(tmp_path, mirror.url())
    pull(kept)
    (kept.path_of(NAME) / "config.json").write_bytes(b"x" * len(FILES["config.json"]))
    assert kept.state(NAME) is State.INSTALLED
    assert ["config.json" in problem for problem in problems(kept)] == [True]
    requests = len(mirror.log())
    pull(kept)
    assert [request["path"] for request in mirror.log()[requests:]] == [f"{NAME}/config.json"]
    assert problems(kept) == []


@pytest.mark.parametrize("how", ["missing", "short"])
def test_a_damaged_model_is_seen_and_mended(tmp_path: Path, mirror: Mirror, how: str) -> None:
    """Without reading it: a file that is gone or of another size."""
    kept = models(tmp_path, mirror.url())
    pull(kept)
    file = kept.path_of(NAME) / "model.bin"
    if how == "missing":
        file.unlink()
    else:
        file.write_bytes(b"short")
    assert kept.state(NAME) is State.BROKEN
    assert not kept.is_installed(NAME)
    assert len(problems(kept)) == 1
    pull(kept)
    assert problems(kept) == []


def test_an_interrupted_download_goes_on_where_it_was(tmp_path: Path, mirror: Mirror) -> None:
    """And says how much is there already."""
    slow = models(tmp_path, mirror.url("slow"))

    async def interrupt() -> None:
        begun = asyncio.Event()
        task = asyncio.create_task(slow.pull(NAME, lambda told: begun.set() if told.done > 1 << 16 else None))
        await asyncio.wait_for(begun.wait(), 10)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(interrupt())
    assert slow.state(NAME) is State.PARTIAL
    kept = slow.kept_bytes(NAME)
    assert 1 << 16 < kept < SIZE
    requests = len(mirror.log())
    pull(models(tmp_path, mirror.url()))
    again = mirror.log()[requests:]
    assert [request["Range"] for request in again] == [f"bytes={kept - len(FILES['config.json'])}-"]
    assert problems(slow) == []


@pytest.mark.parametrize("fault", ["wrong-bytes", "404", "redirect-away", "too-long", "another-size"])
def test_a_wrong_server_leaves_no_model(tmp_path: Path, mirror: Mirror, fault: str) -> None:
    """The error names the model and says what to do. (SECURITY 28)"""
    kept = models(tmp_path, mirror.url(fault))
    with pytest.raises(DownloadError, match=NAME) as raised:
        pull(kept)
    assert raised.value.remedy
    assert raised.value.kept_bytes == 0
    assert kept.state(NAME) is State.ABSENT
    assert installed_files(tmp_path) == set()


def test_a_disk_without_room_is_said_before_the_first_byte(
    tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rather than after an hour."""
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=SIZE - 1))
    requests = len(mirror.log())
    with pytest.raises(DownloadError, match=f"{SIZE:,} are needed"):
        pull(models(tmp_path, mirror.url()))
    assert len(mirror.log()) == requests


def test_two_pulls_at_once_download_once(tmp_path: Path, mirror: Mirror) -> None:
    """The second waits, says so, and finds the model there."""
    slow = models(tmp_path, mirror.url("slow"))
    states: list[str] = []

    async def both() -> None:
        await asyncio.gather(slow.pull(NAME), models(tmp_path, mirror.url()).pull(NAME, lambda told: states.append(told.state)))

    requests = len(mirror.log("model.bin"))
    asyncio.run(both())
    assert states[0] == "waiting"
    assert len(mirror.log("model.bin")) - requests == 1


def test_whoever_does_not_want_to_wait_is_told_and_nothing_is_deleted_meanwhile(tmp_path: Path, mirror: Mirror) -> None:
    """Neither a second pull nor a removal disturbs one that is under way."""
    slow = models(tmp_path, mirror.url("slow"))

    async def disturb() -> None:
        begun = asyncio.Event()
        task = asyncio.create_task(slow.pull(NAME, lambda _: begun.set()))
        await asyncio.wait_for(begun.wait(), 10)
        with pytest.raises(ModelInUseError):
            await slow.pull(NAME, wait_s=0)
        with pytest.raises(ModelInUseError):
            slow.remove(NAME)
        await task

    asyncio.run(disturb())
    assert problems(slow) == []


def test_a_removed_model_is_gone_with_its_parts(tmp_path: Path, mirror: Mirror) -> None:
    """The bytes it took are told; what is not there takes none; other models stay."""
    kept = models(tmp_path, mirror.url())
    pull(kept)
    pull(kept, MODELS[1].name)
    part = tmp_path / "models" / ".partial" / NAME / "model.bin.part"
    part.parent.mkdir()
    part.write_bytes(b"half")
    assert kept.remove(NAME) == SIZE + 4
    assert kept.remove(NAME) == 0
    assert kept.state(NAME) is State.ABSENT
    assert kept.is_installed(MODELS[1].name)
    kept.remove(MODELS[1].name)
    assert list(tmp_path.iterdir()) == []


def test_a_linked_folder_is_not_followed_when_it_is_removed(tmp_path: Path) -> None:
    """Somebody keeps models elsewhere: the link goes, their files stay. (SECURITY 25)"""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine").write_bytes(b"mine")
    base = tmp_path / "base"
    (base / "models").mkdir(parents=True)
    (base / "models" / NAME).symlink_to(elsewhere)
    assert models(base).remove(NAME) == 0
    assert (elsewhere / "mine").read_bytes() == b"mine"
    assert not (base / "models" / NAME).is_symlink()


@pytest.mark.parametrize(
    "name", ["../whisper-fixture", "/etc", "..", "whisper-fixture/..", "whisper-fixture\0", "", ".partial"]
)
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    """Only names of the catalogue are names. (SECURITY 25)"""
    kept = models(tmp_path)
    for ask in (kept.path_of, kept.state, kept.remove, kept.is_installed):
        with pytest.raises(RequestError):
            ask(name)
    with pytest.raises(RequestError):
        pull(kept, name)


def test_a_misspelt_name_is_answered_with_the_near_one() -> None:
    """And Whisper's sizes are names by themselves."""
    with pytest.raises(RequestError, match="did you mean 'whisper-base'"):
        find("wisper-base")
    assert find("large-v3-turbo").name == "whisper-large-v3-turbo"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://mirror.example/models", "encrypted"),
        ("http://10.0.0.1/models", "encrypted"),
        ("ftp://mirror.example", "ftp"),
        ("file:///srv/models", "file"),
        ("https://user:word@mirror.example", "password"),
        ("https://169.254.169.254/models", "link-local"),
    ],
)
def test_a_mirror_is_encrypted_or_on_this_machine(tmp_path: Path, url: str, says: str) -> None:
    """And is no cloud's metadata service. (SECURITY 28, 30)"""
    with pytest.raises(SettingsError, match=says) as raised:
        pull(models(tmp_path, url))
    assert raised.value.key == "VOICEMODE_MODELS_URL"
    assert installed_files(tmp_path) == set()


@pytest.mark.parametrize("url", ["https://mirror.example/models/", "https://mirror.example/models"])
def test_a_mirror_is_laid_out_like_the_folder(tmp_path: Path, url: str) -> None:
    """Its path is taken as it is, so that any web server will do."""
    kept = models(tmp_path, url)
    assert kept._wanted(MODELS[0], MODELS[0].files[0]).url == f"https://mirror.example/models/{NAME}/config.json"
    assert kept.source_of(NAME) == "mirror.example"


def test_nothing_is_downloaded_where_only_this_machine_may_be_asked(tmp_path: Path, mirror: Mirror) -> None:
    """But a mirror on it may."""
    with pytest.raises(ModelError, match="VOICEMODE_LOCAL_ONLY"):
        pull(models(tmp_path, local_only=True))
    with pytest.raises(SettingsError, match="VOICEMODE_LOCAL_ONLY"):
        pull(models(tmp_path, "https://mirror.example", local_only=True))
    pull(models(tmp_path, mirror.url(), local_only=True))


def test_only_what_is_installed_can_be_verified(tmp_path: Path) -> None:
    """The error says how to get it."""
    with pytest.raises(ModelError, match="voicemode models pull"):
        problems(models(tmp_path))


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """As when the disk is mounted read-only."""
    (tmp_path / "models").write_text("a file")
    with pytest.raises(ModelError, match="models"):
        pull(models(tmp_path, "http://127.0.0.1:9"))
