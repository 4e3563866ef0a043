"""Agents as values, and what is asked of launchctl. No macOS runs these: what launchd itself does with them is not shown."""

from __future__ import annotations

import plistlib
import stat
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from voicemode.supervise.backend import Backend, Life
from voicemode.supervise.command import Done
from voicemode.supervise.errors import EditedByHandError, NotInstalledError, NotStartedError, ServiceError
from voicemode.supervise.launchd import LaunchdBackend, render, report_of
from voicemode.supervise.logs import LIMIT_BYTES
from voicemode.supervise.service import Launch

NASTY = "$(touch x) `touch x` %h \"'\\ ; <&> ]]> $HOME\n\tümläut"
LABEL = "dev.voicemode.whisper"
RUNNING = """gui/501/dev.voicemode.whisper = {
	active count = 1
	path = /Users/someone/Library/LaunchAgents/dev.voicemode.whisper.plist
	state = running
	environment = {
		pid = 99
	}
	runs = 3
	pid = 4711
	last exit code = (never exited)
}
"""


class Launchctl:
    """Answers like launchctl, as far as an agent is loaded or not."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.loaded = False
        self.ending = 0
        self.said = RUNNING
        self.refuse = ""

    def __call__(self, argv: Sequence[str], timeout_s: float) -> Done:
        assert timeout_s > 0
        self.asked.append(list(argv))
        verb = argv[1]
        if verb == self.refuse:
            return Done(5, err="Bootstrap failed: 5: Input/output error\n")
        if verb == "bootstrap":
            self.loaded = True
        if verb == "bootout":
            self.ending = 3
        if verb == "print" and self.ending:
            self.ending -= 1
            self.loaded = self.ending > 0
        known = self.loaded or argv[-1] == "gui/501"
        return Done(0, self.said) if known or verb != "print" else Done(113, err="Could not find service\n")

    @property
    def orders(self) -> list[list[str]]:
        return [argv[1:] for argv in self.asked if argv[1] != "print"]


@pytest.fixture
def launchctl() -> Launchctl:
    return Launchctl()


@pytest.fixture
def backend(tmp_path: Path, launchctl: Launchctl) -> LaunchdBackend:
    return LaunchdBackend({}, home=tmp_path, base_dir=tmp_path / "base", uid=501, run=launchctl, pause=lambda _: None)


def as_plain_xml(element: ET.Element) -> Any:
    """A property list read without plistlib, as ``plutil`` would: keys and values in turn."""
    match element.tag:
        case "dict":
            children = list(element)
            assert all(key.tag == "key" for key in children[::2])
            return {key.text: as_plain_xml(value) for key, value in zip(children[::2], children[1::2], strict=True)}
        case "array":
            return [as_plain_xml(child) for child in element]
        case "integer":
            return int(element.text or "")
        case "true" | "false":
            return element.tag == "true"
        case _:
            assert element.tag == "string"
            return element.text or ""


def test_the_agent_says_how_it_is_held_in_check(launch: Launch) -> None:
    """Restarted unless it ended well, not too often, not on the slow cores, without core files, for its owner only."""
    agent = plistlib.loads(render(launch).encode())
    assert agent["KeepAlive"] == {"SuccessfulExit": False}
    assert (agent["ThrottleInterval"], agent["ProcessType"], agent["Umask"]) == (5, "Interactive", 0o077)
    assert agent["HardResourceLimits"]["Core"] == agent["SoftResourceLimits"]["Core"] == 0
    assert agent["StandardOutPath"] == agent["StandardErrorPath"] == str(launch.log)
    assert (agent["Label"], agent["WorkingDirectory"]) == (LABEL, str(launch.folder))
    assert "EnableGlobbing" not in agent


def test_values_come_back_from_two_readers(launch: Launch) -> None:
    """plistlib, and a plain reader of XML; neither finds anything but what was put in."""
    launch = replace(launch, command=("/p y/'q'", NASTY), environment={"A": NASTY})
    text = render(launch)
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<!-- voicemode sha256=')
    (root,) = ET.fromstring(text)
    agent = plistlib.loads(text.encode())
    assert as_plain_xml(root) == agent
    assert (agent["ProgramArguments"], agent["EnvironmentVariables"]) == (["/p y/'q'", NASTY], {"A": NASTY})


def test_what_an_agent_cannot_hold_is_an_error_with_a_reason(backend: LaunchdBackend, launch: Launch) -> None:
    """And nothing is written."""
    with pytest.raises(ServiceError, match="control character"):
        backend.install(replace(launch, environment={"A": "\x07"}))
    assert backend.files("whisper") == []


def test_it_is_a_backend(backend: LaunchdBackend) -> None:
    """For mypy as well."""
    same: Backend = backend
    assert same.kind == "launchd"


def test_installing_writes_one_file_that_does_not_start_at_login(
    backend: LaunchdBackend, launchctl: Launchctl, launch: Launch, tmp_path: Path
) -> None:
    """It shows a diff first, asks nothing of launchd, and twice is as good as once."""
    assert f"+\t<string>{LABEL}</string>" in backend.changes(launch)
    (file,) = backend.install(launch)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (backend.changes(launch), launchctl.asked) == ("", [])
    assert list(backend.install(launch)) == [file]
    assert not (tmp_path / "Library").exists()
    assert backend.report("whisper").enabled is False


def test_enabled_it_is_where_launchd_looks_at_login(backend: LaunchdBackend, launch: Launch, tmp_path: Path) -> None:
    """And only there, so that an edit is never in two places; disabled it is back."""
    (resting,) = backend.install(launch)
    backend.enable("whisper")
    backend.enable("whisper")
    assert backend.files("whisper") == [tmp_path / f"Library/LaunchAgents/{LABEL}.plist"]
    assert backend.report("whisper").enabled is True
    assert backend.changes(launch) == ""
    backend.disable("whisper")
    backend.disable("whisper")
    assert backend.files("whisper") == [resting]


def test_an_agent_that_a_person_changed_is_not_overwritten(backend: LaunchdBackend, launch: Launch, tmp_path: Path) -> None:
    """With force it is, and what was there is kept."""
    backend.install(launch)
    backend.enable("whisper")
    (agent,) = backend.files("whisper")
    edited = agent.read_text("utf-8").replace("<integer>5</integer>", "<integer>50</integer>")
    agent.write_text(edited, "utf-8")
    with pytest.raises(EditedByHandError):
        backend.install(launch)
    backend.install(launch, force=True)
    assert agent.with_name(f"{agent.name}.edited").read_text("utf-8") == edited


def test_start_stop_and_restart_in_words_of_launchctl(backend: LaunchdBackend, launchctl: Launchctl, launch: Launch) -> None:
    """Loaded to start, unloaded to stop, since what is only killed comes back; the end is waited for."""
    (agent,) = backend.install(launch)
    backend.start("whisper")
    bootstrap = ["bootstrap", "gui/501", str(agent)]
    assert launchctl.orders == [bootstrap, ["kickstart", f"gui/501/{LABEL}"]]
    backend.start("whisper")
    assert len(launchctl.orders) == 2
    backend.stop("whisper")
    backend.stop("whisper")
    assert launchctl.orders[2:] == [["bootout", f"gui/501/{LABEL}"]]
    assert not launchctl.loaded
    backend.restart("whisper")
    backend.restart("whisper")
    assert [order[0] for order in launchctl.orders[3:]] == ["bootstrap", "kickstart", "bootout", "bootstrap", "kickstart"]


def test_its_log_is_the_owners_alone_and_put_aside_when_it_is_long(backend: LaunchdBackend, launch: Launch) -> None:
    """launchd would make it as it likes, and never rotates."""
    backend.install(launch)
    launch.log.parent.mkdir()
    launch.log.write_bytes(b"old\n" * (LIMIT_BYTES // 4 + 1))
    backend.start("whisper")
    assert launch.log.read_bytes() == b""
    assert stat.S_IMODE(launch.log.stat().st_mode) == 0o600
    assert backend.logs("whisper", 1) == ["old"]


@pytest.mark.parametrize("verb", ["bootstrap", "kickstart"])
def test_what_launchd_refuses_is_told(backend: LaunchdBackend, launchctl: Launchctl, launch: Launch, verb: str) -> None:
    """With its own words."""
    backend.install(launch)
    launchctl.refuse, launchctl.said = verb, "x = {\n\tstate = not running\n}"
    with pytest.raises(NotStartedError, match="Input/output error"):
        backend.start("whisper")


def test_what_does_not_end_is_told(backend: LaunchdBackend, launchctl: Launchctl, launch: Launch) -> None:
    """After a deadline, in pauses, not for ever."""
    backend.install(launch)
    launchctl.loaded, launchctl.refuse = True, "bootout"
    with pytest.raises(ServiceError, match="did not end"):
        backend.stop("whisper")


@pytest.mark.parametrize("verb", ["start", "restart", "enable"])
def test_what_is_not_installed_cannot_be_started(backend: LaunchdBackend, verb: str) -> None:
    """The error says how to install it."""
    with pytest.raises(NotInstalledError, match="install whisper"):
        getattr(backend, verb)("whisper")
    assert backend.report("whisper").life is Life.ABSENT


def test_uninstalling_leaves_nothing(backend: LaunchdBackend, launchctl: Launchctl, launch: Launch, tmp_path: Path) -> None:
    """Unloaded first; agent, secrets and logs go; twice is as good as once."""
    backend.install(replace(launch, secrets={"VOICEMODE_WHISPER_TOKEN": "hush-hush"}))
    backend.enable("whisper")
    backend.start("whisper")
    assert len(backend.files("whisper")) == 3
    backend.uninstall("whisper")
    assert not launchctl.loaded
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert backend.uninstall("whisper") == []


def test_secrets_are_in_a_file_of_their_own(backend: LaunchdBackend, launch: Launch) -> None:
    """Neither in the agent nor in what people are shown."""
    secret = replace(launch, secrets={"VOICEMODE_WHISPER_TOKEN": "hush-hush"})
    shown = backend.changes(secret)
    agent, file = backend.install(secret)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "hush-hush" not in shown + agent.read_text("utf-8")
    assert plistlib.loads(agent.read_bytes())["ProgramArguments"][-4:] == [str(file), *launch.command]


@pytest.mark.parametrize(
    ("said", "life", "pid", "error"),
    [
        (RUNNING, Life.RUNNING, 4711, ""),
        ("x = {\n\tstate = not running\n\truns = 0\n\tlast exit code = (never exited)\n}", Life.STOPPED, None, ""),
        ("x = {\n\tstate = not running\n\tlast exit code = 0\n}", Life.STOPPED, None, ""),
        ("x = {\n\tstate = spawn scheduled\n\tlast exit code = 2\n}", Life.RESTARTING, None, "it ended with status 2"),
        (
            "x = {\n\tstate = spawn scheduled\n\tlast terminating signal = Killed: 9\n}",
            Life.RESTARTING,
            None,
            "it was ended by signal Killed: 9",
        ),
    ],
)
def test_what_launchd_says_is_understood(said: str, life: Life, pid: int | None, error: str) -> None:
    """The outer block only: inner ones have a "pid" of their own."""
    report = report_of(said, enabled=True)
    assert (report.life, report.pid, report.last_error) == (life, pid, error)


def test_without_a_session_it_says_so(backend: LaunchdBackend, launchctl: Launchctl) -> None:
    """Over SSH, nobody may be logged in at the screen."""
    assert backend.available()
    launchctl.refuse = "print"
    assert not backend.available()
    assert "gui/501" in backend.why_not
