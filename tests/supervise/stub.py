"""A person with one service that can be installed in a second: the stub, in an environment of its own without pip."""

from __future__ import annotations

import contextlib
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from voicemode.settings import Settings
from voicemode.supervise.catalogue import Model, ModelFile
from voicemode.supervise.manager import Services
from voicemode.supervise.models import OnProgress, find
from voicemode.supervise.process import ProcessBackend
from voicemode.supervise.service import COMMON_OPTIONS, ServiceDefinition

__all__ = ["STUB", "Person", "ShelfOfOne", "free_port", "person", "tree"]

STUB = ServiceDefinition(
    name="stub",
    title="A stub of a service",
    port=1,
    module="stub_service",
    packages=("stub_service",),
    model="stub-model",
    options=COMMON_OPTIONS | {"BEHAVIOUR"},
)


def free_port() -> int:
    """A port that nobody has at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def tree(folder: Path) -> set[str]:
    """Everything below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


class ShelfOfOne:
    """Models with one fixture that is "downloaded" by writing it."""

    MODEL = Model(
        name="stub-model",
        engine="stub",  # type: ignore[arg-type]  # no engine reads it
        title="Fixture",
        languages="",
        licence="MIT",
        page="",
        hosts=frozenset(),
        files=(ModelFile(name="fixture.bin", url="", size=4, sha256=""),),
    )

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fails: Exception | None = None

    def find(self, name: str) -> Model:
        return find(name, [self.MODEL, replace(self.MODEL, name="other-model", engine="kokoro")])

    def is_installed(self, name: str) -> bool:
        return (self.folder / name).is_dir()

    async def pull(self, name: str, progress: OnProgress = lambda _: None) -> Path:
        if self.fails is not None:
            raise self.fails
        (self.folder / name).mkdir(parents=True)
        (self.folder / name / "fixture.bin").write_bytes(b"stub")
        return self.folder / name

    def remove(self, name: str) -> int:
        shutil.rmtree(self.folder / name)
        with contextlib.suppress(OSError):
            self.folder.rmdir()
        return 4


@dataclass
class Person:
    """Somebody's machine without systemd and launchd."""

    home: Path
    package: Path
    """The folder of the voicemode that is installed, beside which its services lie."""
    given: dict[str, str] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=lambda: {"PATH": "/usr/bin:/bin", "SECRET_OF_THE_CLIENT": "hush"})
    definition: ServiceDefinition = STUB

    @property
    def base_dir(self) -> Path:
        return self.home / ".voicemode"

    @property
    def backend(self) -> ProcessBackend:
        return ProcessBackend(self.base_dir, self.environ)

    @property
    def shelf(self) -> ShelfOfOne:
        return ShelfOfOne(self.base_dir / "models")

    @property
    def port(self) -> int:
        return int(self.given["VOICEMODE_STUB_PORT"])

    def services(self, shelf: ShelfOfOne | None = None) -> Services:
        """As a new command has it."""
        return Services(
            Settings(base_dir=self.base_dir),
            self.given,
            self.environ,
            known={"stub": self.definition},
            models=shelf or self.shelf,
            kept_by=[self.backend],
            package=self.package,
        )

    def install(self, model: str = "") -> Services:
        services = self.services()
        services.install(services.plan("stub", model))
        return services


@contextlib.contextmanager
def person(home: Path) -> Iterator[Person]:
    """With the stub's package beside an empty "voicemode"; whatever still runs in the end is ended."""
    site = home / "site"
    (site / "voicemode").mkdir(parents=True)
    stub = site / "stub_service"
    stub.mkdir()
    (stub / "__init__.py").write_text('"""The stub."""\n')
    shutil.copy(Path(__file__).parents[1] / "stubs" / "stub_service.py", stub / "__main__.py")
    someone = Person(home, site / "voicemode", given={"VOICEMODE_STUB_PORT": str(free_port())})
    try:
        yield someone
    finally:
        someone.backend.uninstall("stub")
