"""The models on this machine: which there are, where they live, and how they come and go.

A model is a folder ``<base_dir>/models/<name>`` that appears in one step when all of it is there and checked. Until then its
files are in ``<base_dir>/models/.partial/<name>``, where an interrupted download is found again.
"""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import httpx2
from filelock import FileLock, Timeout

from voicemode.errors import DownloadError, ModelError, ModelInUseError, RequestError, SettingsError
from voicemode.providers.address import check_address
from voicemode.settings import Settings
from voicemode.supervise.catalogue import CATALOGUE, Model, ModelFile
from voicemode.supervise.download import FetchError, Wanted, digest, fetch, make_client

__all__ = ["Models", "OnProgress", "Progress", "State", "catalogue", "find"]

_MIRROR = "VOICEMODE_MODELS_URL"
_WAIT_S = 6 * 3600.0
"""For another download of the same model: long enough for the largest one on a slow line."""
_POLL_S = 0.2
_TELL_S = 0.1


class State(StrEnum):
    """What is on disk of a model."""

    ABSENT = "absent"
    PARTIAL = "partial"
    """A download was interrupted; ``pull`` goes on with it."""
    BROKEN = "broken"
    """A file is missing or has the wrong size; ``verify`` also finds changed bytes."""
    INSTALLED = "installed"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a download or a check is."""

    model: str
    file: str
    done: int
    """Bytes of the whole model that are on disk, or checked."""
    total: int
    """Bytes of the whole model."""
    state: str = "downloading"
    """Either "waiting" (for another download of the same model), "downloading" or "checking"."""


OnProgress = Callable[[Progress], None]


def catalogue() -> Sequence[Model]:
    """Every model that can be downloaded."""
    return CATALOGUE


def find(name: str, known: Sequence[Model] | None = None) -> Model:
    """The entry of that name; "base" is also "whisper-base". Raises RequestError with the nearest one."""
    names = {model.name: model for model in (CATALOGUE if known is None else known)}
    model = names.get(name) or names.get(f"whisper-{name}")
    if model is not None:
        return model
    near = difflib.get_close_matches(name[:80], names, n=1, cutoff=0.5)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    raise RequestError("name", f"there is no model '{name[:80]}'{hint}", "the names of 'voicemode models list'")


class Models:
    """The models of one person. Several processes may use them at once."""

    def __init__(self, settings: Settings, known: Sequence[Model] | None = None) -> None:
        """``known`` are the models there are: the catalogue's, unless somebody has other ones."""
        self.known = catalogue() if known is None else known
        self.folder = settings.base_dir / "models"
        self._partial = self.folder / ".partial"
        self._mirror, self._local_only = settings.models_url.strip(), settings.local_only

    def path_of(self, name: str) -> Path:
        """The folder its files are in, whether they are there or not; this is what a service is given. Raises RequestError."""
        return self.folder / self.find(name).name

    def find(self, name: str) -> Model:
        """The entry of that name. Raises RequestError."""
        return find(name, self.known)

    def state(self, name: str) -> State:
        """What is on disk, told from names and sizes. Raises RequestError."""
        model = self.find(name)
        folder = self.folder / model.name
        if folder.is_dir():
            return State.INSTALLED if all(_size(folder / f.name) == f.size for f in model.files) else State.BROKEN
        return State.PARTIAL if self.kept_bytes(name) else State.ABSENT

    def is_installed(self, name: str) -> bool:
        """Every file is there in its size. Raises RequestError."""
        return self.state(name) is State.INSTALLED

    def kept_bytes(self, name: str) -> int:
        """Bytes that an interrupted download left, and that need not be downloaded again. Raises RequestError."""
        model = self.find(name)
        return sum(self._arrived(model, file) for file in model.files)

    def source_of(self, name: str) -> str:
        """The host it would be downloaded from. Raises RequestError; SettingsError for a mirror that cannot be used."""
        model = self.find(name)
        return httpx2.URL(self._wanted(model, model.files[0]).url).host

    async def pull(self, name: str, progress: OnProgress = lambda _: None, *, wait_s: float = _WAIT_S) -> Path:
        """Download what is missing, check all of it and return its folder. What is there already is not downloaded again.

        ``progress`` is called about ten times a second at most. ``wait_s`` is how long another download of the same model is
        waited for. Cancelled or failed, it keeps what came and goes on from there the next time.

        Raises RequestError (unknown name), SettingsError (the mirror), DownloadError, ModelInUseError, ModelError.
        """
        model = self.find(name)
        wanted = [self._wanted(model, file) for file in model.files]
        teller = _Teller(model, progress)
        folder = self.folder / model.name
        async with self._held(model, teller, wait_s):
            if not await self._whole(model, teller):
                try:
                    await self._download(model, wanted, teller)
                except FetchError as error:
                    kept = self.kept_bytes(model.name)
                    raise DownloadError(model.name, error.problem, error.remedy, kept_bytes=kept) from error
        return folder

    def remove(self, name: str) -> int:
        """Delete it, and what an interrupted download left; the bytes that were freed.

        Whether a service uses it is the caller's to ask. Raises RequestError; ModelInUseError while it is downloaded.
        """
        model = self.find(name)
        places = [self.folder / model.name, self._partial / model.name]
        if not any(place.exists() or place.is_symlink() for place in places):
            return 0
        lock = self._lock(model)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise ModelInUseError(model.name, "a download", "Wait until it has ended, or end it.") from None
        try:
            freed = sum(_bytes_in(place) for place in places)
            for place in places:
                _delete(place)
            self._tidy(lock)
        except OSError as error:
            raise ModelError(model.name, f"it cannot be deleted: {error.strerror}", "Mend that, and call again.") from error
        finally:
            lock.release()
        return freed

    async def verify(self, name: str, progress: OnProgress = lambda _: None) -> list[str]:
        """Read every byte and compare; one sentence for each file that is wrong. Raises RequestError, ModelError."""
        model = self.find(name)
        folder = self.folder / model.name
        if not folder.is_dir():
            raise ModelError(model.name, "it is not installed", f"Run 'voicemode models pull {model.name}'.")
        teller = _Teller(model, progress)
        return [f"{file} {problem}" async for file, problem in _wrong(model, folder, teller)]

    # -- one download

    def _wanted(self, model: Model, file: ModelFile) -> Wanted:
        """Raises SettingsError; ModelError when the settings allow no address of it."""
        target = self._partial / model.name / file.name
        if not self._mirror:
            if self._local_only:
                problem = "it would come from another machine, and VOICEMODE_LOCAL_ONLY is on"
                remedy = f"Run 'VOICEMODE_LOCAL_ONLY=false voicemode models pull {model.name}', or set {_MIRROR}."
                raise ModelError(model.name, problem, remedy)
            return Wanted(url=file.url, hosts=model.hosts, target=target, size=file.size, sha256=file.sha256)
        mirror = check_address(self._mirror, local_only=self._local_only, key=_MIRROR, speech=False)
        if not (mirror.loopback or mirror.base_url.startswith("https:")):
            raise SettingsError(_MIRROR, "a mirror on another machine must be encrypted", "https://…, or http://127.0.0.1:…")
        url = mirror.url(f"/{model.name}/{file.name}")
        return Wanted(url=url, hosts=frozenset(), target=target, size=file.size, sha256=file.sha256)

    @contextlib.asynccontextmanager
    async def _held(self, model: Model, teller: _Teller, wait_s: float) -> AsyncIterator[None]:
        """Nobody else downloads or deletes it meanwhile."""
        lock, until = self._lock(model), time.monotonic() + wait_s
        while True:
            try:
                lock.acquire(blocking=False)
                break
            except Timeout:
                if time.monotonic() >= until:
                    raise ModelInUseError(model.name, "another download", "Call again when it has ended.") from None
            teller.tell("", 0, "waiting")
            await asyncio.sleep(_POLL_S)
        try:
            yield
        finally:
            lock.release()

    def _lock(self, model: Model) -> FileLock:
        try:
            for folder in (self.folder.parent, self.folder, self._partial):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ModelError(
                model.name, f"{error.filename}: {error.strerror}", "Mend that, or set VOICEMODE_BASE_DIR."
            ) from error
        # The system frees it when its holder dies. One of its own per use: two tasks of a process exclude each other too.
        return FileLock(self._partial / f"{model.name}.lock", mode=0o600, thread_local=False, is_singleton=False)

    async def _whole(self, model: Model, teller: _Teller) -> bool:
        """Whether all of it is there and right. If not, what is right of it is put where a download goes on."""
        folder = self.folder / model.name
        if not folder.is_dir():
            return False
        wrong = [file async for file, _ in _wrong(model, folder, teller)]
        if not wrong:
            return True
        staging = self._partial / model.name
        _delete(staging)
        folder.rename(staging)
        for name in wrong:
            _delete(staging / name)
        return False

    async def _download(self, model: Model, wanted: Sequence[Wanted], teller: _Teller) -> None:
        """Raises FetchError."""
        staging = self._partial / model.name
        staging.mkdir(mode=0o700, exist_ok=True)
        self._check_space(model)
        before = 0
        async with make_client(local_only=self._local_only) as client:
            for want in wanted:
                if _size(want.target) != want.size:
                    _delete(want.target)
                    on_bytes, on_check = (teller.of(want.target.name, before, state) for state in ("downloading", "checking"))
                    await fetch(client, want, on_bytes, on_check)
                before += want.size
        for stray in set(staging.iterdir()) - {want.target for want in wanted}:
            _delete(stray)
        staging.rename(self.folder / model.name)
        teller.finished()

    def _tidy(self, lock: FileLock) -> None:
        """Leave nothing of a model that has gone. Whoever waits for the lock makes it anew."""
        with contextlib.suppress(OSError):  # Windows lets nobody delete an open file; others' models may be there
            Path(lock.lock_file).unlink()
            self._partial.rmdir()
            self.folder.rmdir()

    def _check_space(self, model: Model) -> None:
        missing = model.size - self.kept_bytes(model.name)
        free = shutil.disk_usage(self._partial).free
        if free < missing:
            problem = f"the disk has {free:,} bytes left where {missing:,} are needed"
            raise FetchError(problem, f"Free that much in {self.folder}, or set VOICEMODE_BASE_DIR.")

    def _arrived(self, model: Model, file: ModelFile) -> int:
        target = self._partial / model.name / file.name
        whole, part = _size(target), _size(target.with_name(f"{target.name}.part"))
        return file.size if whole == file.size else min(max(part, 0), file.size)


class _Teller:
    """Tells how far the whole model is, not too often, and never back."""

    def __init__(self, model: Model, progress: OnProgress) -> None:
        self._model, self._progress = model, progress
        self._next = 0.0

    def of(self, file: str, before: int, state: str) -> Callable[[int], None]:
        """What to call with the bytes of one file, of which ``before`` bytes of others are in front."""
        return lambda done: self.tell(file, before + done, state)

    def tell(self, file: str, done: int, state: str) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _TELL_S
            self._progress(Progress(self._model.name, file, done, self._model.size, state))

    def finished(self) -> None:
        self._progress(Progress(self._model.name, "", self._model.size, self._model.size, "downloading"))


async def _wrong(model: Model, folder: Path, teller: _Teller) -> AsyncIterator[tuple[str, str]]:
    """Each file that is not as it must be, and how."""
    before = 0
    for file in model.files:
        size = _size(folder / file.name)
        if size != file.size:
            yield file.name, "is missing" if size < 0 else f"has {size} bytes where {file.size} are right"
        else:
            try:
                found = await digest(folder / file.name, teller.of(file.name, before, "checking"))
            except OSError as error:
                yield file.name, f"cannot be read: {error.strerror}"
            else:
                if found != file.sha256:
                    yield file.name, f"was changed: its SHA-256 is {found[:12]}… where {file.sha256[:12]}… is right"
        before += file.size


def _size(path: Path) -> int:
    """Bytes of a regular file; -1 for anything else."""
    try:
        return path.stat().st_size if path.is_file() else -1
    except OSError:
        return -1


def _bytes_in(place: Path) -> int:
    return sum(max(_size(path), 0) for path in _files(place))


def _files(place: Path) -> Iterator[Path]:
    if place.is_dir() and not place.is_symlink():
        yield from (path for path in place.rglob("*") if not path.is_symlink())


def _delete(place: Path) -> None:
    """A link goes, not what it leads to."""
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    elif os.path.lexists(place):
        place.unlink()
