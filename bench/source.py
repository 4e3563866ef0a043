"""Which version was measured: figures of a product that was edited meanwhile belong to no version."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

__all__ = ["commit", "fingerprint"]


def fingerprint(package: Path) -> str:
    """Ten digits that change with the name or the content of any Python file below ``package``."""
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(package).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:10]


def commit(root: Path) -> str:
    """The checked out commit, with "+" when tracked files differ from it; empty outside of a repository."""
    words = ["git", "-C", str(root), "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        found = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return found.stdout.strip()
