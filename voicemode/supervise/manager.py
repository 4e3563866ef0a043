"""The verbs of ``voicemode service``, for the command line and for tools. Everything blocks, with deadlines."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

import voicemode
from voicemode.settings import Settings
from voicemode.supervise.backend import Backend, Life, Report
from voicemode.supervise.choose import backends, choose, why_not
from voicemode.supervise.environment import OnStep, refused
from voicemode.supervise.errors import NotAvailableError, NotInstalledError, NotStartedError, PortTakenError, ServiceBusyError
from voicemode.supervise.health import Answer, Health, ask
from voicemode.supervise.installer import Installer, ModelStore
from voicemode.supervise.layout import Layout
from voicemode.supervise.models import Models
from voicemode.supervise.plan import Plan
from voicemode.supervise.private import make_folder
from voicemode.supervise.processes import Holder, listener, related, usage
from voicemode.supervise.record import Record, read_record
from voicemode.supervise.service import SERVICES, ServiceDefinition, find_service
from voicemode.supervise.status import Seen, State, Status, status_of

__all__ = ["Services"]

_LOCK_S = 15.0
"""A stop takes 12 s at most; an installation takes longer, and is told."""
READY_S = 60.0
"""Until a started service must answer; it imports its engine, from a cold disk at first."""
_POLL_S = 0.05


class Services:
    """The services of one person."""

    def __init__(
        self,
        settings: Settings,
        given: Mapping[str, str],
        environ: Mapping[str, str],
        *,
        known: Mapping[str, ServiceDefinition] = SERVICES,
        models: ModelStore | None = None,
        kept_by: Sequence[Backend] | None = None,
        package: Path = Path(voicemode.__file__).parent,
    ) -> None:
        """``given`` are the person's settings of services (``LoadedSettings.services``), ``environ`` is this process's own.

        The rest is for tests: other services, models, backends, and another place where packages are looked for.
        """
        self._base_dir, self._environ, self.known = settings.base_dir, environ, known
        own = {each.prefix for each in known.values() if each.own}
        self._given = {**given, **{f"{prefix}PORT": str(settings.serve_port) for prefix in own}}
        self._models = models if models is not None else Models(settings)
        self._backends = kept_by if kept_by is not None else backends(settings.base_dir, environ)
        self._package = package

    # -- install and remove

    def plan(self, name: str, model: str = "") -> Plan:
        """What ``install`` would do; changes nothing. Raises RequestError and ServiceError."""
        return self._installer(name).plan(model)

    def install(self, plan: Plan, on_step: OnStep = lambda *_: None, *, force: bool = False) -> None:
        """Do what ``plan`` says. Raises ServiceError, and what the download of a model raises."""
        if plan.missing:
            raise NotAvailableError(plan.service, plan.missing)
        with self._held(plan.service) as made:
            self._installer(plan.service).install(plan, on_step, force=force, made=made)

    def uninstall(self, name: str) -> list[str]:
        """Stop it and remove all that install made; one sentence for each thing, none when nothing was there."""
        definition, layout = self._find(name)
        if not layout.folder.exists() and self._backend(name).report(name).life is Life.ABSENT:
            return []
        with self._held(definition.name):
            return self._installer(name).uninstall()

    # -- run

    def start(self, name: str, *, wait_s: float = READY_S) -> Status:
        """Have it run with the settings of now, and wait until it answers; ``wait_s`` 0: until its process has begun.

        Idempotent. Raises NotInstalledError, PortTakenError, NotStartedError.
        """
        with self._held(name):
            self._begin(name)
        return self._ready(name, wait_s)

    def restart(self, name: str, *, wait_s: float = READY_S) -> Status:
        """End it, and have it run with the settings of now."""
        with self._held(name):
            self._installed(name)
            self._backend(name).stop(name)
            self._begin(name)
        return self._ready(name, wait_s)

    def stop(self, name: str) -> None:
        """End it, and all its processes. Idempotent. Raises NotInstalledError."""
        with self._held(name):
            self._installed(name)
            self._backend(name).stop(name)

    def enable(self, name: str) -> None:
        """Have it start at login. Raises NotInstalledError, NoLoginStartError."""
        with self._held(name):
            self._installed(name)
            self._backend(name).enable(name)

    def disable(self, name: str) -> None:
        """No longer start it at login. Raises NotInstalledError."""
        with self._held(name):
            self._installed(name)
            self._backend(name).disable(name)

    # -- look

    def status(self, name: str) -> Status:
        """How it is. Takes up to 2 s when it does not answer; never waits for other commands."""
        definition, layout = self._find(name)
        backend, record = self._backend(name), read_record(layout)
        report = backend.report(name)
        if record is None and report.life in (Life.STOPPED, Life.FAILED):
            report = replace(report, life=Life.ABSENT)
        port = definition.port_of(self._given)
        asked = self._ask(definition) if report.life is Life.RUNNING else Health(Answer.NOBODY)
        seen = Seen(
            report=report,
            health=asked,
            usage=usage(report.pid) if report.pid is not None else None,
            holder=self._stranger(port, report),
        )
        return status_of(
            definition.name,
            definition.title,
            port,
            seen,
            version=record.version if record is not None else "",
            model=record.model if record is not None else "",
            backend=backend.kind if record is not None else "",
            remark=self._remark(definition, record),
        )

    def health(self, name: str) -> Health:
        """What it answers to GET /health, whoever started it."""
        return self._ask(self._find(name)[0])

    def logs(self, name: str, lines: int) -> list[str]:
        """The last lines it wrote. Raises NotInstalledError."""
        self._installed(name)
        return self._backend(name).logs(name, lines)

    def follow(self, name: str) -> Iterator[str]:
        """The lines it writes from now on. Raises NotInstalledError."""
        self._installed(name)
        return self._backend(name).follow(name)

    # -- within

    def _find(self, name: str) -> tuple[ServiceDefinition, Layout]:
        definition = find_service(name, self.known)
        return definition, Layout(self._base_dir, definition.name)

    def _backend(self, name: str) -> Backend:
        record = read_record(self._find(name)[1])
        return choose(self._backends, record.backend if record is not None else "")

    def _installer(self, name: str) -> Installer:
        definition, layout = self._find(name)
        backend = self._backend(name)
        return Installer(
            definition=definition,
            layout=layout,
            backend=backend,
            models=self._models,
            given=self._given,
            environ=self._environ,
            package=self._package,
            fallback=why_not(self._backends, backend),
        )

    def _installed(self, name: str) -> Record:
        definition, layout = self._find(name)
        record = read_record(layout)
        if record is None:
            if definition.missing:
                raise NotAvailableError(name, definition.missing)
            raise NotInstalledError(name)
        return record

    def _begin(self, name: str) -> None:
        record, backend = self._installed(name), self._backend(name)
        report = backend.report(name)
        if report.life is Life.RUNNING:
            backend.start(name)  # it may run without anybody who would start it again
            return
        port = self._find(name)[0].port_of(self._given)
        holder = self._stranger(port, report)
        if holder is not None:
            raise PortTakenError(name, port, str(holder))
        backend.install(self._installer(name).launch(record.model))
        backend.start(name)

    def _ready(self, name: str, wait_s: float) -> Status:
        """Wait until it answers. Raises NotStartedError."""
        definition, _ = self._find(name)
        backend = self._backend(name)
        _until(lambda: self._settled(definition, backend), wait_s)
        status = self.status(name)
        if status.state is State.CRASHED:
            raise NotStartedError(name, status.last_error or "it ended again")
        if wait_s and status.state in (State.UNHEALTHY, State.STOPPED):
            raise NotStartedError(name, status.last_error or f"it does not answer on port {status.port}")
        return status

    def _settled(self, definition: ServiceDefinition, backend: Backend) -> bool:
        """It answers, or will not."""
        if backend.report(definition.name).life is not Life.RUNNING:
            return True
        return self._ask(definition).answer not in (Answer.NOBODY, Answer.LATE)

    def _ask(self, definition: ServiceDefinition) -> Health:
        token = self._given.get(f"{definition.prefix}TOKEN", "")
        return ask(definition.host_of(self._given), definition.port_of(self._given), definition.health_name, token)

    @staticmethod
    def _stranger(port: int, report: Report) -> Holder | None:
        """Who listens on the port and is not the service."""
        holder = listener(port)
        if holder is None or (report.pid is not None and holder.pid is not None and related(holder.pid, report.pid)):
            return None
        return holder

    def _remark(self, definition: ServiceDefinition, record: Record | None) -> str:
        if definition.missing:
            return definition.missing
        if record is None or record.version == voicemode.__version__:
            return ""
        again = f"run 'voicemode service install {definition.name}' to renew it"
        return f"installed by voicemode {record.version}, this is {voicemode.__version__}: {again}"

    @contextlib.contextmanager
    def _held(self, name: str) -> Iterator[Sequence[Path]]:
        """Nobody else changes the service meanwhile; gives the folders that were made for its lock.

        Raises ServiceBusyError, NoRightsError; RequestError for no service.
        """
        definition, layout = self._find(name)
        try:
            made = make_folder(layout.services)
            lock = FileLock(layout.lock, mode=0o600, thread_local=False, is_singleton=False)
            lock.acquire(timeout=_LOCK_S)
        except Timeout:
            raise ServiceBusyError(definition.name, _LOCK_S) from None
        except OSError as error:
            raise refused(definition.name, layout.services, error) from error
        try:
            yield made
        finally:
            lock.release()
            if read_record(layout) is None:
                _tidy(layout, made)


def _tidy(layout: Layout, made: Sequence[Path]) -> None:
    """Leave no trace of having looked at a service that is not installed."""
    layout.lock.unlink(missing_ok=True)
    for folder in reversed(made):
        with contextlib.suppress(OSError):
            folder.rmdir()


def _until(holds: Callable[[], bool], deadline_s: float) -> None:
    until = time.monotonic() + deadline_s
    while time.monotonic() < until and not holds():
        time.sleep(_POLL_S)
