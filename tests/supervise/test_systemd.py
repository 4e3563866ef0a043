"""Units as values, and what is asked of systemctl; a real systemd is asked in test_systemd_live.py."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.supervise.unit_syntax import settings, specifiers, words
from voicemode.supervise.backend import Backend, Life
from voicemode.supervise.command import Done, runner
from voicemode.supervise.errors import EditedByHandError, NotInstalledError, NotStartedError, ServiceError
from voicemode.supervise.service import Launch
from voicemode.supervise.systemd import SystemdBackend, render, report_of, user_environment

HARDENING = {
    "NoNewPrivileges": "yes",
    "LimitCORE": "0",
    "UMask": "0077",
    "Restart": "on-failure",
    "RestrictAddressFamilies": "AF_UNIX AF_INET AF_INET6",
    "SystemCallFilter": "@system-service",
    "MemoryMax": "8000000000",
    "CPUWeight": "80",
    "StandardOutput": "journal",
}
FILES = {"PrivateUsers": "yes", "PrivateTmp": "yes", "ProtectSystem": "strict"}
NASTY = "$(touch x) `touch x` %h \"'\\ ; $HOME"


class Systemctl:
    """Answers like systemctl and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.answers: dict[str, Done] = {
            "--version": Done(0, "systemd 252 (252.38)\n"),
            "is-system-running": Done(1, "degraded\n"),
        }

    def __call__(self, argv: Sequence[str], timeout_s: float) -> Done:
        assert timeout_s > 0
        self.asked.append(list(argv))
        return next((answer for word, answer in self.answers.items() if word in argv), Done(0))

    @property
    def verbs(self) -> list[str]:
        return [argv[2] for argv in self.asked if argv[:2] == ["systemctl", "--user"]]


@pytest.fixture
def systemctl() -> Systemctl:
    return Systemctl()


@pytest.fixture
def backend(tmp_path: Path, systemctl: Systemctl) -> SystemdBackend:
    return SystemdBackend({}, home=tmp_path, base_dir=tmp_path / "base", uid=1234, run=systemctl)


def unit_of(home: Path) -> Path:
    return home / ".config/systemd/user/voicemode-whisper.service"


def test_the_unit_says_how_it_is_held_in_check(launch: Launch) -> None:
    """Rights, memory, restarts and logs; the file system too where this user may make namespaces."""
    launch = replace(launch, folder=Path("/opt/a b/%n"), models=Path("/opt/m"))
    plain, sandboxed = dict(settings(render(launch))), dict(settings(render(launch, sandbox=True)))
    assert plain.items() >= HARDENING.items()
    assert sandboxed.items() >= {**HARDENING, **FILES}.items()
    assert not FILES.keys() & plain.keys()
    assert [specifiers(word) for word in words(sandboxed["ReadWritePaths"], c_escapes=False)] == [str(launch.folder)]


def test_what_is_in_tmp_can_be_seen(launch: Launch) -> None:
    """A private /tmp would hide the service's own folder, or its program."""
    elsewhere = replace(launch, folder=Path("/opt/s"), models=Path("/opt/m"))
    assert dict(settings(render(elsewhere, sandbox=True)))["PrivateTmp"] == "yes"
    for inside in ({"folder": Path("/tmp/s")}, {"models": Path("/var/tmp/m")}, {"command": ("/tmp/python",)}):
        assert "PrivateTmp" not in dict(settings(render(replace(elsewhere, **inside), sandbox=True)))


def test_pauses_grow_where_systemd_can_do_that(launch: Launch) -> None:
    """An older one would complain about words it does not know."""
    assert "RestartSteps" not in render(launch, version=253)
    assert dict(settings(render(launch, version=254)))["RestartMaxDelaySec"] == "60"


def test_values_of_people_stay_values(launch: Launch) -> None:
    """The command and each variable come back; nothing of them becomes a setting."""
    unit = render(replace(launch, environment={"A": NASTY, "B": "x\nExecStartPre=/bin/false"}, command=("/p y", NASTY)))
    lines = settings(unit)
    assert "ExecStartPre" not in dict(lines)
    assert [specifiers(word) for word in words(dict(lines)["ExecStart"].removeprefix(":"))] == ["/p y", NASTY]
    assert [specifiers(words(value)[0]) for name, value in lines if name == "Environment"] == [
        f"A={NASTY}",
        "B=x\nExecStartPre=/bin/false",
    ]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("sandbox", [False, True])
def test_systemd_finds_nothing_wrong_with_the_unit(launch: Launch, tmp_path: Path, sandbox: bool) -> None:
    """``systemd-analyze verify`` reads it, knows each word, and finds its program."""
    launch = replace(launch, command=("/bin/sh", NASTY), environment={"A": NASTY})
    path = tmp_path / "voicemode-whisper.service"
    path.write_text(render(launch, sandbox=sandbox, version=252), "utf-8")
    verify = ["systemd-analyze", "--user", "verify", "--man=no"]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    done = subprocess.run([*verify, path], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    path.write_text(path.read_text("utf-8").replace("NoNewPrivileges=yes", "NoNewPrivilege=yes"), "utf-8")
    done = subprocess.run([*verify, path], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert "NoNewPrivilege" in done.stderr


def test_it_is_a_backend(backend: SystemdBackend) -> None:
    """For mypy as well."""
    same: Backend = backend
    assert same.kind == "systemd"


def test_installing_shows_a_diff_writes_once_and_starts_nothing(
    backend: SystemdBackend, systemctl: Systemctl, launch: Launch, tmp_path: Path
) -> None:
    """A second install changes nothing and asks nothing."""
    assert f"+++ {unit_of(tmp_path)}" in backend.changes(launch)
    assert backend.install(launch) == [unit_of(tmp_path)]
    assert systemctl.verbs == ["daemon-reload"]
    assert backend.changes(launch) == ""
    assert backend.install(launch) == [unit_of(tmp_path)]
    assert systemctl.verbs == ["daemon-reload"]
    assert stat.S_IMODE(unit_of(tmp_path).stat().st_mode) == 0o600
    changed = backend.changes(replace(launch, environment={"VOICEMODE_WHISPER_PORT": "2023"}))
    assert '+Environment="VOICEMODE_WHISPER_PORT=2023"' in changed


@pytest.mark.parametrize("edit", [lambda text: text + "Nice=5\n", lambda _: "[Service]\nExecStart=/bin/true\n"])
def test_a_unit_that_a_person_changed_is_not_overwritten(
    backend: SystemdBackend, launch: Launch, tmp_path: Path, edit: Callable[[str], str]
) -> None:
    """Nor one that somebody else wrote; with force it is, and what was there is kept."""
    backend.install(launch)
    unit = unit_of(tmp_path)
    edited = edit(unit.read_text("utf-8"))
    unit.write_text(edited, "utf-8")
    with pytest.raises(EditedByHandError):
        backend.install(launch)
    assert unit.read_text("utf-8") == edited
    backend.install(launch, force=True)
    assert unit.read_text("utf-8") != edited
    assert unit.with_name(f"{unit.name}.edited").read_text("utf-8") == edited


def test_a_unit_of_an_earlier_version_is_replaced(backend: SystemdBackend, launch: Launch, tmp_path: Path) -> None:
    """It was not edited: its stamp is right, though its text is another one."""
    backend.install(replace(launch, title="Whisper of old"))
    backend.install(launch)
    assert "of old" not in unit_of(tmp_path).read_text("utf-8")


def test_uninstalling_leaves_nothing(backend: SystemdBackend, systemctl: Systemctl, launch: Launch, tmp_path: Path) -> None:
    """It is stopped and disabled first; twice is as good as once."""
    backend.install(replace(launch, secrets={"VOICEMODE_WHISPER_TOKEN": "hush"}))
    removed = backend.uninstall("whisper")
    assert len(removed) == 2
    assert [argv[2:4] for argv in systemctl.asked if "disable" in argv] == [["disable", "--now"]]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert backend.uninstall("whisper") == []


def test_uninstalling_keeps_what_a_person_wrote(backend: SystemdBackend, launch: Launch, tmp_path: Path) -> None:
    """Beside it, where systemd does not look."""
    backend.install(launch)
    unit_of(tmp_path).write_text("[Service]\nExecStart=/bin/true\n", "utf-8")
    backend.uninstall("whisper")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["voicemode-whisper.service.edited"]


def test_secrets_are_in_a_file_of_their_own(backend: SystemdBackend, launch: Launch, tmp_path: Path) -> None:
    """0600; neither in the unit nor in what people are shown; it goes when there is no secret any more."""
    secret = replace(launch, secrets={"VOICEMODE_WHISPER_TOKEN": "hush-hush"})
    shown = backend.changes(secret)
    _, file = backend.install(secret)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "hush-hush" in file.read_text("utf-8")
    assert "hush-hush" not in shown + unit_of(tmp_path).read_text("utf-8")
    assert "VOICEMODE_WHISPER_TOKEN=***" in shown
    assert backend.install(launch) == [unit_of(tmp_path)]


def test_a_process_gets_its_secrets(backend: SystemdBackend, launch: Launch) -> None:
    """The command in the unit, run as it is, sees them, and its own arguments unchanged."""
    code = "import json,os,sys;print(json.dumps([os.environ['VOICEMODE_WHISPER_TOKEN'],os.environ['A'],sys.argv[1:]]))"
    secret = replace(launch, secrets={"VOICEMODE_WHISPER_TOKEN": NASTY}, command=(sys.executable, "-c", code, NASTY))
    unit, _ = backend.install(secret)
    (value,) = [value for name, value in settings(unit.read_text("utf-8")) if name == "ExecStart"]
    argv = [specifiers(word) for word in words(value.removeprefix(":"))]
    done = subprocess.run(argv, env={"A": "b"}, capture_output=True, timeout=60, check=True)
    assert json.loads(done.stdout) == [NASTY, "b", [NASTY]]


def test_what_no_unit_can_hold_is_an_error_with_a_reason(backend: SystemdBackend, launch: Launch) -> None:
    """And nothing is written."""
    with pytest.raises(ServiceError, match="quotes"):
        backend.install(replace(launch, command=("/home/someone's/python",)))
    assert backend.files("whisper") == []


def test_starting_forgets_earlier_failures_first(backend: SystemdBackend, systemctl: Systemctl, launch: Launch) -> None:
    """A service that ended too often would be refused otherwise."""
    backend.install(launch)
    systemctl.asked.clear()
    backend.start("whisper")
    assert systemctl.verbs == ["reset-failed", "start"]
    backend.restart("whisper")
    backend.stop("whisper")
    backend.enable("whisper")
    backend.disable("whisper")
    assert systemctl.verbs[3:] == ["restart", "stop", "enable", "disable"]
    assert {argv[3] for argv in systemctl.asked} == {"voicemode-whisper.service"}


def test_what_cannot_be_started_is_told_with_its_last_words(
    backend: SystemdBackend, systemctl: Systemctl, launch: Launch
) -> None:
    """From the journal, where the service wrote them."""
    backend.install(launch)
    systemctl.answers |= {"start": Done(1, err="Job failed."), "journalctl": Done(0, "cannot listen on 127.0.0.1:2022\n")}
    with pytest.raises(NotStartedError, match="cannot listen"):
        backend.start("whisper")


@pytest.mark.parametrize("verb", ["start", "restart", "enable"])
def test_what_is_not_installed_cannot_be_started(backend: SystemdBackend, verb: str) -> None:
    """The error says how to install it."""
    with pytest.raises(NotInstalledError, match="install whisper"):
        getattr(backend, verb)("whisper")


def test_stopping_and_disabling_what_is_not_there_is_fine(backend: SystemdBackend, systemctl: Systemctl) -> None:
    """Both are idempotent."""
    backend.stop("whisper")
    backend.disable("whisper")
    assert systemctl.asked == []


@pytest.mark.parametrize(
    ("said", "life", "pid", "error"),
    [
        ("LoadState=not-found\nActiveState=inactive", Life.ABSENT, None, ""),
        ("LoadState=loaded\nActiveState=inactive\nSubState=dead\nMainPID=0\nResult=success", Life.STOPPED, None, ""),
        ("LoadState=loaded\nActiveState=active\nSubState=running\nMainPID=7\nResult=success", Life.RUNNING, 7, ""),
        (
            "LoadState=loaded\nActiveState=activating\nSubState=auto-restart\nMainPID=0\nResult=signal\nExecMainStatus=9",
            Life.RESTARTING,
            None,
            "it was ended by signal 9",
        ),
        (
            "LoadState=loaded\nActiveState=failed\nSubState=failed\nMainPID=0\nResult=exit-code\nExecMainStatus=2",
            Life.FAILED,
            None,
            "it ended with status 2",
        ),
        (
            "LoadState=loaded\nActiveState=failed\nSubState=failed\nMainPID=0\nResult=oom-kill",
            Life.FAILED,
            None,
            "it was killed because it took too much memory",
        ),
        (
            "LoadState=loaded\nActiveState=failed\nMainPID=0\nResult=exit-code\nExecMainStatus=226",
            Life.FAILED,
            None,
            "systemd could not shield files from it (226/NAMESPACE)",
        ),
        ("LoadState=bad-setting\nActiveState=inactive", Life.STOPPED, None, "systemd does not take its unit (bad-setting)"),
        ("", Life.ABSENT, None, ""),
    ],
)
def test_what_systemd_says_is_understood(said: str, life: Life, pid: int | None, error: str) -> None:
    """From the properties alone."""
    report = report_of(said, wall=1000.0, monotonic=50.0)
    assert (report.life, report.pid, report.last_error) == (life, pid, error)


def test_the_start_is_told_in_the_time_of_calendars() -> None:
    """systemd counts microseconds since the machine was started."""
    said = "LoadState=loaded\nActiveState=active\nMainPID=7\nExecMainStartTimestampMonotonic=40000000\nNRestarts=3\n"
    report = report_of(said + "UnitFileState=enabled", wall=1000.0, monotonic=50.0)
    assert (report.since, report.restarts, report.enabled) == (990.0, 3, True)


def test_without_a_bus_it_says_so_and_asks_nobody(backend: SystemdBackend, systemctl: Systemctl) -> None:
    """Containers, and WSL without systemd."""
    assert not backend.available()
    assert "no bus in /run/user/1234" in backend.why_not
    assert systemctl.asked == []


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ({}, ""),
        ({"is-system-running": Done(1, "offline\n")}, "offline"),
        ({"is-system-running": Done(1, err="Failed to connect to bus: No such file\n")}, "Failed to connect"),
        ({"is-system-running": Done(124, err="systemctl did not answer within 2 s")}, "did not answer"),
        ({"--version": Done(0, "systemd 239 (239)\n")}, "older than 244"),
        ({"--property=UnitPath": Done(0, "UnitPath=/somewhere/else\n")}, "does not read units in"),
    ],
)
def test_a_systemd_that_takes_orders_is_told_from_one_that_does_not(
    tmp_path: Path, systemctl: Systemctl, answers: dict[str, Done], why: str
) -> None:
    """Degraded is fine: some unit of somebody failed."""
    (tmp_path / "bus").touch()
    backend = SystemdBackend({"XDG_RUNTIME_DIR": str(tmp_path)}, home=tmp_path, base_dir=tmp_path, uid=1, run=systemctl)
    systemctl.answers |= {"--property=UnitPath": Done(0, f"UnitPath={tmp_path}/.config/systemd/user /etc\n")} | answers
    assert backend.available() is (why == "")
    assert why in backend.why_not


def test_files_are_shielded_only_where_a_trial_of_all_of_it_succeeds(
    backend: SystemdBackend, systemctl: Systemctl, launch: Launch, tmp_path: Path
) -> None:
    """One refused option would keep the service from starting; the trial is made once, with what units have."""
    systemctl.answers["systemd-run"] = Done(226)
    backend.install(launch)
    backend.changes(launch)
    assert not FILES.keys() & dict(settings(unit_of(tmp_path).read_text("utf-8"))).keys()
    (trial,) = [argv for argv in systemctl.asked if argv[0] == "systemd-run"]
    tried = {option.removeprefix("--property=").partition("=")[0] for option in trial if "--property" in option}
    with_it, without = (dict(settings(render(launch, sandbox=sandbox))) for sandbox in (True, False))
    assert with_it.keys() - without.keys() <= tried
    assert FILES.keys() <= tried


def test_systemctl_gets_what_it_needs_and_no_more() -> None:
    """The runtime folder also where nobody logged in; no key of the client."""
    given = {"PATH": "/bin", "HOME": "/h", "OPENAI_API_KEY": "hush"}
    environment = user_environment(given, 1000)
    assert environment["XDG_RUNTIME_DIR"] == "/run/user/1000"
    assert "hush" not in environment.values()


def test_a_program_that_is_missing_or_late_is_an_answer() -> None:
    """No exception leaves the runner."""
    assert runner({"PATH": "/nowhere"})(["systemctl", "--version"], 2.0).status == 127
    assert runner({"PATH": "/usr/bin:/bin"})(["sleep", "5"], 0.05).status == 124


def test_logs_are_the_units_own(backend: SystemdBackend, systemctl: Systemctl) -> None:
    """By unit, whichever journal has them; headings of journalctl are no lines of the service."""
    systemctl.answers["journalctl"] = Done(0, "-- No entries --\none\ntwo\n")
    assert backend.logs("whisper", 2) == ["one", "two"]
    assert systemctl.asked[-1][:2] == ["journalctl", "--user-unit=voicemode-whisper.service"]
    assert "--lines=2" in systemctl.asked[-1]
    systemctl.answers["journalctl"] = Done(1, err="No journal files were opened due to insufficient permissions.")
    with pytest.raises(ServiceError, match="permissions"):
        backend.logs("whisper", 2)
