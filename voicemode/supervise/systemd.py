"""Services as units of the person's own systemd: systemctl(1), journalctl(1), systemd.unit(5)."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from voicemode.supervise.backend import Life, Report
from voicemode.supervise.command import Done, Run, runner
from voicemode.supervise.errors import NotInstalledError, NotStartedError, ServiceError
from voicemode.supervise.layout import Layout
from voicemode.supervise.quoting import (
    QuotingError,
    systemd_command,
    systemd_environment,
    systemd_path,
    systemd_text,
)
from voicemode.supervise.service import Launch
from voicemode.supervise.templates import fill, template
from voicemode.supervise.unit_file import UnitFile, secret_command, stamped

__all__ = ["SystemdBackend", "render", "report_of", "user_environment"]

_OLDEST = 244
"""The first with the prefix ":" of ExecStart=, without which ``$`` in an argument is expanded."""
_BACK_OFF_SINCE = 254
"""RestartSteps= and RestartMaxDelaySec=."""
_BACK_OFF = "RestartSteps=6\nRestartMaxDelaySec=60"
_WORKING = frozenset({"initializing", "starting", "running", "degraded", "maintenance"})
"""What ``is-system-running`` says of a systemd that takes orders; "degraded" is any machine with one failed unit."""
_NEEDS_ROUTES = frozenset({"livekit", "voicemode"})
"""WebRTC looks at the network interfaces, which is done through netlink."""

_QUICK_S = 2.0
_PROBE_S = 10.0
_SLOW_S = 30.0
"""More than TimeoutStopSec, after which systemd kills what does not end."""

_PROPERTIES = (
    *("LoadState", "ActiveState", "SubState", "MainPID", "NRestarts", "Result", "ExecMainCode", "ExecMainStatus"),
    *("ExecMainStartTimestampMonotonic", "UnitFileState"),
)
_RESULTS = {
    "oom-kill": "it was killed because it took too much memory",
    "start-limit-hit": "it ended too often in a short time",
    "timeout": "it did not start or end in time",
    "watchdog": "it did not answer in time",
    "resources": "systemd could not set it up",
}
_SET_UP = {
    "200": "its folder cannot be entered (200/CHDIR)",
    "203": "its program cannot be run (203/EXEC)",
    "218": "systemd could not take rights from it (218/CAPABILITIES)",
    "226": "systemd could not shield files from it (226/NAMESPACE)",
    "228": "systemd could not limit its system calls (228/SECCOMP)",
}
"""Statuses that systemd itself ends with before the program begins: systemd.exec(5), "Process Exit Codes"."""


def user_environment(environ: Mapping[str, str], uid: int) -> dict[str, str]:
    """What systemctl needs to find the person's systemd. Without a login (cron, ``ssh host command``) the folder is known."""
    names = ("HOME", "PATH", "LANG", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DBUS_SESSION_BUS_ADDRESS")
    found = {name: environ[name] for name in names if environ.get(name)}
    return {"XDG_RUNTIME_DIR": f"/run/user/{uid}", **found, "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": ""}


def render(launch: Launch, *, secrets: Path | None = None, version: int = _OLDEST, sandbox: bool = False) -> str:
    """The text of the unit. Raises QuotingError.

    ``secrets`` is the file that its process reads first; ``version`` that of systemd; ``sandbox`` whether this user may make
    namespaces.
    """
    command: Sequence[str] = launch.command
    if secrets is not None:
        python = command[0] if Path(command[0]).name.startswith("python") else sys.executable
        command = secret_command(python, secrets, command)
    families = ["AF_UNIX", "AF_INET", "AF_INET6", *(["AF_NETLINK"] if launch.name in _NEEDS_ROUTES else [])]
    words = {
        "UNIT": f"voicemode-{launch.name}.service",
        "NAME": launch.name,
        "DESCRIPTION": systemd_text(launch.title, "the title"),
        "COMMAND": systemd_command(command),
        "ENVIRONMENT": systemd_environment(launch.environment),
        "FOLDER": systemd_text(str(launch.folder), "the folder"),
        "BACK_OFF": _BACK_OFF if version >= _BACK_OFF_SINCE else "",
        "MEMORY_MAX": str(launch.memory_max_bytes or "infinity"),
        "ADDRESS_FAMILIES": " ".join(families),
        "FILES": "",
    }
    if sandbox:
        files = {
            "WRITABLE": systemd_path(str(launch.writable or launch.folder)),
            "PRIVATE_TMP": "" if _in_tmp(launch) else "PrivateTmp=yes",
        }
        words["FILES"] = fill(template("systemd", "private-files.in"), files).strip()
    return stamped(fill(template("systemd", "voicemode-service.service.in"), words), "", "# {}")


def _in_tmp(launch: Launch) -> bool:
    """Something it needs is where it would see an empty folder."""
    needed = (Path(launch.command[0]), launch.folder, launch.models)
    return any(path.is_relative_to(tmp) for path in needed for tmp in ("/tmp", "/var/tmp"))  # noqa: S108  (compared only)


def report_of(said: str, *, wall: float, monotonic: float) -> Report:
    """What ``systemctl show`` means. Both clocks are read at the same moment, in seconds; systemd tells the second one."""
    facts = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    if facts.get("LoadState") in (None, "not-found"):
        return Report(life=Life.ABSENT)
    pid = int(facts.get("MainPID") or 0) or None
    began = int(facts.get("ExecMainStartTimestampMonotonic") or 0) / 1e6
    return Report(
        life=_life(facts, pid),
        pid=pid,
        since=wall - (monotonic - began) if pid and began else None,
        restarts=int(facts.get("NRestarts") or 0),
        last_error=_error(facts),
        enabled=facts.get("UnitFileState") in ("enabled", "enabled-runtime", "linked"),
    )


def _life(facts: Mapping[str, str], pid: int | None) -> Life:
    match facts.get("ActiveState"), facts.get("SubState"):
        case _, "auto-restart" | "auto-restart-queued":
            return Life.RESTARTING
        case "failed", _:
            return Life.FAILED
        case _:
            return Life.RUNNING if pid is not None else Life.STOPPED


def _error(facts: Mapping[str, str]) -> str:
    result, status = facts.get("Result", "success"), facts.get("ExecMainStatus", "")
    if facts.get("LoadState") in ("bad-setting", "error", "masked"):
        return f"systemd does not take its unit ({facts['LoadState']})"
    match result:
        case "success":
            return ""
        case "exit-code":
            return _SET_UP.get(status, f"it ended with status {status}")
        case "signal" | "core-dump":
            return f"it was ended by signal {status}"
        case _:
            return _RESULTS.get(result, f"systemd says: {result}")


class SystemdBackend:
    """Backend over ``systemctl --user``. Nothing runs until it is asked."""

    kind = "systemd"

    def __init__(self, environ: Mapping[str, str], *, home: Path, base_dir: Path, uid: int, run: Run | None = None) -> None:
        """``run`` runs the system's programs; None: for real."""
        self._environment = user_environment({"HOME": str(home), **environ}, uid)
        self._run = run or runner(self._environment)
        self._base_dir = base_dir
        config = environ.get("XDG_CONFIG_HOME", "")
        # https://specifications.freedesktop.org/basedir-spec: a relative one counts as none.
        self._units = (Path(config) if config.startswith("/") else home / ".config") / "systemd" / "user"
        self._facts: tuple[int, bool] | None = None
        self.why_not = ""
        """After ``available`` said no: the reason, for people."""

    def available(self) -> bool:
        """Whether the person's systemd answers."""
        bus = Path(self._environment["XDG_RUNTIME_DIR"])
        if not (
            (bus / "bus").exists() or (bus / "systemd" / "private").exists() or "DBUS_SESSION_BUS_ADDRESS" in self._environment
        ):
            self.why_not = f"there is no systemd of this user (no bus in {bus})"
            return False
        state = self._run(["systemctl", "--user", "is-system-running"], _QUICK_S)
        if state.out.strip() not in _WORKING:
            self.why_not = f"the systemd of this user does not answer: {state.last_words}"
            return False
        if self._version() < _OLDEST:
            self.why_not = f"systemd {self._version()} is older than {_OLDEST}"
            return False
        # Where a session has another HOME or XDG_CONFIG_HOME than the one that systemd was started with.
        paths = self._run(["systemctl", "--user", "show", "--property=UnitPath"], _QUICK_S).out
        if str(self._units) not in paths:
            self.why_not = f"the systemd of this user does not read units in {self._units}"
            return False
        self.why_not = ""
        return True

    def changes(self, launch: Launch) -> str:
        """What ``install`` would write; see Backend."""
        changes = [self._unit(launch.name).diff(self._render(launch))]
        secrets = self._secrets(launch.name)
        if secrets.differs(launch.secrets):
            changes += [f"{secrets.path} (0600): {', '.join(f'{name}=***' for name in launch.secrets) or 'removed'}"]
        return "\n".join(filter(None, changes))

    def install(self, launch: Launch, *, force: bool = False) -> Sequence[Path]:
        """Write the unit; see Backend. A running service goes on with the old one until it is restarted."""
        changed = self._unit(launch.name).write(self._render(launch), force=force)
        self._secrets(launch.name).write_secrets(launch.secrets)
        if changed:
            self._ask(launch.name, "daemon-reload")
        return self.files(launch.name)

    def uninstall(self, name: str) -> Sequence[Path]:
        """Stop, disable and remove; see Backend. What a person wrote into the unit stays beside it, as ``.edited``."""
        files = self.files(name)
        unit = self._unit(name)
        if unit.read() is not None:
            self._ask(name, "disable", "--now", unit.path.name)
        removed = unit.remove()
        self._secrets(name).discard()
        if removed:
            self._ask(name, "daemon-reload")
            self._call("reset-failed", unit.path.name)  # it says no where nothing had failed
        return files

    def files(self, name: str) -> Sequence[Path]:
        """The unit, the link that starts it at login, and the file of its secrets."""
        unit = self._unit(name).path
        link = self._units / "default.target.wants" / unit.name
        return [path for path in (unit, link, self._secrets(name).path) if path.exists() or path.is_symlink()]

    def start(self, name: str) -> None:
        """See Backend. Type=exec: systemctl returns when the program has begun."""
        self._begin(name, "start")

    def stop(self, name: str) -> None:
        """See Backend."""
        if self._unit(name).read() is not None:
            self._ask(name, "stop", self._unit(name).path.name)

    def restart(self, name: str) -> None:
        """See Backend."""
        self._begin(name, "restart")

    def enable(self, name: str) -> None:
        """See Backend. Login, not boot: for that the person runs ``loginctl enable-linger`` as well."""
        self._ask(name, "enable", self._installed(name))

    def disable(self, name: str) -> None:
        """See Backend."""
        if self._unit(name).read() is not None:
            self._ask(name, "disable", self._unit(name).path.name)

    def report(self, name: str) -> Report:
        """See Backend."""
        unit = self._unit(name).path.name
        shown = self._ask(name, "show", unit, f"--property={','.join(_PROPERTIES)}", timeout_s=_QUICK_S)
        return report_of(shown.out, wall=time.time(), monotonic=time.monotonic())

    def logs(self, name: str, lines: int) -> list[str]:
        """See Backend."""
        done = self._run([*self._journal(name), f"--lines={lines}"], _SLOW_S)
        if done.status != 0:
            raise ServiceError(name, f"the journal cannot be read: {done.last_words}")
        # Without rights on the journal it says so, in a line of its own, with status 0.
        return [line for line in done.out.splitlines() if not line.startswith("-- ")]

    def follow(self, name: str) -> Iterator[str]:
        """See Backend."""
        argv = [*self._journal(name), "--lines=0", "--follow"]
        try:
            process = subprocess.Popen(  # noqa: S603  (a list, no shell; name and options are ours)
                argv, env=self._environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        except OSError as error:
            raise ServiceError(name, f"the journal cannot be read: {error.strerror}") from error
        assert process.stdout is not None  # noqa: S101  (it was asked for)
        with contextlib.closing(process.stdout) as out:
            try:
                for line in out:
                    yield line.decode(errors="replace").rstrip("\n")
            finally:
                process.terminate()
                process.wait(_QUICK_S)

    def _begin(self, name: str, verb: str) -> None:
        unit = self._installed(name)
        self._call("reset-failed", unit)  # or one that ended too often would be refused; it says no where nothing had failed
        done = self._call(verb, unit)
        if done.status != 0:
            why = self.report(name).last_error or done.last_words
            raise NotStartedError(name, f"systemd could not start it: {'; '.join([why, *self.logs(name, 1)])}")

    def _installed(self, name: str) -> str:
        unit = self._unit(name)
        if unit.read() is None:
            raise NotInstalledError(name)
        return unit.path.name

    def _unit(self, name: str) -> UnitFile:
        return UnitFile(name, self._units / f"voicemode-{name}.service")

    def _secrets(self, name: str) -> UnitFile:
        return UnitFile(name, Layout(self._base_dir, name).folder / "secrets.json")

    def _render(self, launch: Launch) -> str:
        version, sandbox = self._abilities()
        try:
            secrets = self._secrets(launch.name).path if launch.secrets else None
            return render(launch, secrets=secrets, version=version, sandbox=sandbox)
        except QuotingError as error:
            raise ServiceError(launch.name, f"its unit cannot be written: {error}", "Change that setting or folder.") from error

    def _abilities(self) -> tuple[int, bool]:
        """The version, and whether this user may make namespaces; asked once."""
        if self._facts is None:
            # All that a unit would have, as one of them alone may be refused, for instance in a container.
            lines = fill(template("systemd", "private-files.in"), {"PRIVATE_TMP": "PrivateTmp=yes", "WRITABLE": '"/"'})
            options = [f"--property={line}" for line in lines.splitlines() if "=" in line and not line.startswith("#")]
            probe = ["systemd-run", "--user", "--wait", "--quiet", "--collect", *options, "/bin/true"]
            self._facts = self._version(), self._run(probe, _PROBE_S).status == 0
        return self._facts

    def _version(self) -> int:
        found = re.match(r"systemd (\d+)", self._run(["systemctl", "--version"], _QUICK_S).out)
        return int(found[1]) if found else 0

    @staticmethod
    def _journal(name: str) -> list[str]:
        # Not --user with -u: where logs are not kept on disk, a person has no journal of their own.
        return ["journalctl", f"--user-unit=voicemode-{name}.service", "--no-pager", "--quiet", "--output=cat"]

    def _call(self, *words: str, timeout_s: float = _SLOW_S) -> Done:
        return self._run(["systemctl", "--user", *words], timeout_s)

    def _ask(self, name: str, *words: str, timeout_s: float = _SLOW_S) -> Done:
        done = self._call(*words, timeout_s=timeout_s)
        if done.status != 0:
            raise ServiceError(name, f"systemctl {words[0]} failed: {done.last_words}", "Run: systemctl --user status.")
        return done
