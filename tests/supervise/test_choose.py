"""The backend that works here, and the same one again afterwards."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from voicemode.supervise.choose import backends, choose, why_not


def fake(kind: str, *, works: bool) -> Any:
    return SimpleNamespace(kind=kind, available=lambda: works)


def test_the_machines_own_is_preferred_where_it_works() -> None:
    """Without a bus, as in containers and WSL, a process of ours does it."""
    process = fake("process", works=True)
    assert choose([fake("systemd", works=True), process]).kind == "systemd"
    assert choose([fake("systemd", works=False), process]).kind == "process"


def test_what_was_installed_with_one_stays_with_it() -> None:
    """Also when another one works by now, or it does not answer at the moment."""
    known = [fake("systemd", works=True), fake("process", works=True)]
    assert choose(known, "process").kind == "process"
    assert choose([fake("systemd", works=False), fake("process", works=True)], "systemd").kind == "systemd"
    assert choose(known, "runit").kind == "systemd"


@pytest.mark.parametrize(("platform", "first"), [("linux", "systemd"), ("darwin", "launchd")])
def test_each_platform_has_its_own_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str, first: str) -> None:
    """And the process supervisor last, which works everywhere."""
    monkeypatch.setattr(sys, "platform", platform)
    assert [each.kind for each in backends(tmp_path, {})] == [first, "process"]


def test_people_are_told_why_the_machines_own_was_not_taken() -> None:
    """And nothing where it was."""
    systemd, process = fake("systemd", works=False), fake("process", works=True)
    systemd.why_not = "there is no bus"
    assert why_not([systemd, process], process) == "there is no bus"
    assert why_not([systemd, process], systemd) == ""
