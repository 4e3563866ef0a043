"""Which version the benchmark measured."""

from __future__ import annotations

from pathlib import Path

from bench.source import commit, fingerprint


def test_an_edit_is_noticed(tmp_path: Path) -> None:
    """Content and names count, in folders too; equal files give equal fingerprints."""
    (tmp_path / "core").mkdir()
    module = tmp_path / "core" / "ring.py"
    module.write_text("size = 1\n", encoding="utf-8")
    before = fingerprint(tmp_path)
    assert fingerprint(tmp_path) == before
    module.write_text("size = 2\n", encoding="utf-8")
    edited = fingerprint(tmp_path)
    module.rename(tmp_path / "core" / "loop.py")
    assert len({before, edited, fingerprint(tmp_path)}) == 3


def test_what_python_writes_is_no_edit(tmp_path: Path) -> None:
    """Running the product compiles it; that is no other version."""
    (tmp_path / "ring.py").write_text("size = 1\n", encoding="utf-8")
    before = fingerprint(tmp_path)
    (tmp_path / "ring.cpython-311.pyc").write_bytes(b"\0")
    assert fingerprint(tmp_path) == before


def test_no_repository_is_no_commit(tmp_path: Path) -> None:
    """A released archive can be measured as well."""
    assert commit(tmp_path) == ""
