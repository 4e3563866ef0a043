"""How many threads, and which device: chosen by measuring on this machine, once per model, and remembered."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from voicemode_service.settings import ServiceSettings

__all__ = ["TUNING", "Candidate", "Memory", "best", "candidates", "processors", "ways"]

TUNING = "tuning.json"
"""The file in a service's folder for what it measured."""
_WORTH = 0.95
"""A candidate that takes more processors must take less than this part of the time: what it does not need, others do."""
_HOPELESS = 1.5
"""Where adding threads makes it this much slower, more of them are not tried."""
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to run an engine."""

    device: str
    """ "cpu" or "cuda"."""
    threads: int
    """Of one worker; on a device that is no processor, 1."""


def processors() -> int:
    """How many this process may use, which in a container or under taskset are fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def candidates(available: int, *, workers: int = 1, most: int = 8, devices: Iterable[str] = ("cpu",)) -> list[Candidate]:
    """What is worth measuring: powers of two up to a worker's share of the processors, and that share. Cheapest first."""
    share = max(1, min(most, available // workers))
    counts = sorted({share, *(1 << power for power in range(share.bit_length()) if 1 << power <= share)})
    found = [Candidate(device, 1) for device in devices if device != "cpu"]
    return [*(Candidate("cpu", count) for count in counts), *found] if "cpu" in devices else found


def ways(settings: ServiceSettings, *, cuda: bool) -> list[Candidate]:
    """What the settings leave to be chosen; just one where they say it all. ``cuda``: whether the engine sees such a device."""
    devices = {"auto": ("cpu", "cuda") if cuda else ("cpu",)}.get(settings.device, (settings.device,))
    found = candidates(processors(), workers=settings.workers, devices=devices)
    if settings.threads:
        found = [*dict.fromkeys(Candidate(each.device, settings.threads if each.device == "cpu" else 1) for each in found)]
    return found


def best(measure: Callable[[Candidate], float], wanted: Iterable[Candidate]) -> Candidate:
    """The fastest, and among those about as fast the one that comes first. ``measure`` gives seconds, and may raise: what
    cannot run is not chosen. Raises the last exception when nothing can run, and ValueError when nothing was given."""
    chosen: tuple[Candidate, float] | None = None
    failure: Exception = ValueError("nothing to choose from")
    hopeless: set[str] = set()
    for candidate in wanted:
        if candidate.device in hopeless:
            continue
        try:
            seconds = measure(candidate)
        except Exception as error:  # noqa: BLE001  (engines raise whatever they like about a device they lack)
            failure = error
            continue
        if chosen is None or seconds < chosen[1] * _WORTH:
            chosen = candidate, seconds
        elif chosen[0].device == candidate.device and seconds > chosen[1] * _HOPELESS:
            hopeless.add(candidate.device)
    if chosen is None:
        raise failure
    return chosen[0]


class Memory:
    """What was chosen, in one file per service. It holds for a machine, a number of processors, an engine and a model."""

    def __init__(self, path: Path | None) -> None:
        """``path`` need not exist; its folder is made when something is to be remembered. A file that is none is no memory;
        None remembers nothing."""
        self._path = path

    @classmethod
    def of(cls, settings: ServiceSettings) -> Memory:
        """The service's own."""
        return cls(None if settings.state_dir is None else settings.state_dir / TUNING)

    def choose(
        self, measure: Callable[[Candidate], float], wanted: Iterable[Candidate], *, model: Path, engine: str, available: int
    ) -> Candidate:
        """What was chosen before, or what ``best`` chooses now. It blocks as long as ``measure`` does."""
        wanted = list(wanted)
        if len(wanted) == 1:
            return wanted[0]
        known = self.recall(model=model, engine=engine, available=available)
        if known in wanted:
            return known
        choice = best(measure, wanted)
        self.remember(choice, model=model, engine=engine, available=available)
        return choice

    def recall(self, *, model: Path, engine: str, available: int) -> Candidate | None:
        """The choice for exactly this, if it was made before. ``engine`` names it with its version."""
        found: Any = self._read().get(_key(model, engine, available))
        try:
            return Candidate(str(found["device"]), int(found["threads"]))
        except (KeyError, TypeError, ValueError):
            return None

    def remember(self, choice: Candidate, *, model: Path, engine: str, available: int) -> None:
        """Keep it, readable for this user only. A folder that cannot be written is no failure: it is measured again."""
        if self._path is None:
            return
        chosen = self._read() | {_key(model, engine, available): asdict(choice)}
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")  # 0600
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    json.dump({"format": _FORMAT, "chosen": chosen}, file, indent=1)
                Path(name).replace(self._path)
            except OSError:
                Path(name).unlink(missing_ok=True)
                raise

    def _read(self) -> dict[str, Any]:
        if self._path is None:
            return {}
        try:
            content = json.loads(self._path.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        if not isinstance(content, dict) or content.get("format") != _FORMAT or not isinstance(content.get("chosen"), dict):
            return {}
        chosen: dict[str, Any] = content["chosen"]
        return chosen


def _key(model: Path, engine: str, available: int) -> str:
    """Changes with whatever would change the choice. A digest: the file says nothing about where a person keeps things."""
    size = sum(file.stat().st_size for file in ([model] if model.is_file() else model.glob("*")) if file.is_file())
    facts = [platform.machine(), platform.processor(), platform.node(), str(available), engine, str(model.resolve()), str(size)]
    return hashlib.sha256("\0".join(facts).encode()).hexdigest()[:32]
