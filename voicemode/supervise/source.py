"""Where what a service runs comes from: the same place as the voicemode that runs, a clone or an installed package."""

from __future__ import annotations

import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import voicemode
from voicemode.supervise.errors import NotAvailableError
from voicemode.supervise.service import ServiceDefinition

__all__ = ["Source", "find_source"]

_PACKAGE = Path(voicemode.__file__).parent
_PINNED = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*==", re.MULTILINE)
"""One locked package; its hashes are on lines of their own."""


@dataclass(frozen=True, slots=True)
class Source:
    """What goes into the environment of a service. The files are read when it is used, not kept open."""

    service: str
    lock: Path | None
    """Packages of others, each with its hashes; None when it needs none."""
    packages: tuple[Path, ...]
    """Folders of our own packages."""
    version: str
    """Of the voicemode they belong to."""
    own: bool = False
    """Nothing goes in: it is voicemode itself."""

    @property
    def digest(self) -> str:
        """Changes whenever anything that is installed does: the lock, or a line of our own code."""
        found = hashlib.sha256()
        files = [path for folder in self.packages for path in _code(folder)]
        for path in ([self.lock] if self.lock is not None else []) + files:
            found.update(f"{path.name}\0".encode())
            found.update(path.read_bytes())
        return found.hexdigest()

    @property
    def locked(self) -> int:
        """How many packages of others there are at most; some are for other systems only."""
        return len(_PINNED.findall(self.lock.read_text("utf-8"))) if self.lock is not None else 0

    def copy_packages(self, into: Path) -> None:
        """Our own packages, without what Python left beside them, and which version of voicemode they are of."""
        for folder in self.packages:
            shutil.copytree(folder, into / folder.name, ignore=shutil.ignore_patterns("__pycache__", ".*", "*.pyc"))
        facts = into / f"voicemode-{self.version}.dist-info"  # where importlib.metadata looks for a version
        facts.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: voicemode\nVersion: {self.version}\n"
        (facts / "METADATA").write_text(metadata, encoding="utf-8")


def find_source(definition: ServiceDefinition, package: Path = _PACKAGE) -> Source:
    """What this voicemode brings for a service; ``package`` is its own folder. Raises NotAvailableError."""
    if definition.missing:
        raise NotAvailableError(definition.name, definition.missing)
    folders = tuple(_package(definition, package, name) for name in definition.packages)
    lock = package / "supervise" / "locks" / definition.lock if definition.lock else None
    if lock is not None and not lock.is_file():
        raise NotAvailableError(definition.name, f"this installation of voicemode lacks the list of its packages ({lock})")
    return Source(definition.name, lock, folders, voicemode.__version__, definition.own)


def _package(definition: ServiceDefinition, package: Path, name: str) -> Path:
    # A clone has them in "services"; a wheel puts them beside voicemode.
    for place in (package.parent / "services" / name, package.parent / name):
        if (place / "__init__.py").is_file():
            return place
    raise NotAvailableError(
        definition.name,
        f"this installation of voicemode lacks the package {name}",
        "Install voicemode anew, from a release or from a clone.",
    )


def _code(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
