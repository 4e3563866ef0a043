"""Services as agents of the person's launchd on macOS: launchctl(1), launchd.plist(5).

An agent that starts at login is in ~/Library/LaunchAgents, where launchd looks; one that does not is in the service's folder.
``launchctl disable`` is not used: its list outlives what was uninstalled.
"""

from __future__ import annotations

import plistlib
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from voicemode.supervise.backend import Life, Report
from voicemode.supervise.command import Done, Run, runner
from voicemode.supervise.errors import NoRightsError, NotInstalledError, NotStartedError, ServiceError
from voicemode.supervise.layout import Layout
from voicemode.supervise.logs import RotatedLog, follow, tail
from voicemode.supervise.processes import ProcessId
from voicemode.supervise.quoting import QuotingError, plist_environment, plist_text
from voicemode.supervise.service import Launch
from voicemode.supervise.templates import template
from voicemode.supervise.unit_file import UnitFile, secret_command, stamped

__all__ = ["LaunchdBackend", "label_of", "render", "report_of"]

_XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
_QUICK_S = 2.0
_SLOW_S = 30.0
"""More than ExitTimeOut, after which launchd kills what does not end."""
_POLL_S = 0.1


def label_of(name: str) -> str:
    """What launchd knows the service by."""
    return f"dev.voicemode.{name}"


def render(launch: Launch, *, secrets: Path | None = None) -> str:
    """The agent as XML. Raises QuotingError. launchd expands nothing in it: EnableGlobbing is off.

    ``secrets`` is the file that its process reads first.
    """
    command: Sequence[str] = launch.command
    if secrets is not None:
        python = command[0] if Path(command[0]).name.startswith("python") else sys.executable
        command = secret_command(python, secrets, command)
    agent = plistlib.loads(template("launchd", "voicemode-service.plist.in").encode())
    log = plist_text(str(launch.log), "the log's path")
    agent |= {
        "Label": label_of(launch.name),
        "ProgramArguments": [plist_text(each, "an argument") for each in command],
        "EnvironmentVariables": plist_environment(launch.environment),
        "WorkingDirectory": plist_text(str(launch.folder), "the folder"),
        "StandardOutPath": log,
        "StandardErrorPath": log,
    }
    return stamped(plistlib.dumps(agent).decode(), _XML, "<!-- {} -->")


def report_of(said: str, *, enabled: bool) -> Report:
    """What ``launchctl print`` of a loaded agent means. Only lines of the outer block count, which have one tab."""
    facts = dict(re.findall(r"^\t([^\t=]+?) = (.*)$", said, flags=re.MULTILINE))
    pid = int(facts["pid"]) if facts.get("pid", "").isdigit() else None
    runs = int(facts["runs"]) if facts.get("runs", "").isdigit() else 0
    if pid is not None:
        life = Life.RUNNING
    else:
        # KeepAlive: what ended badly is started again after ThrottleInterval.
        life = Life.STOPPED if facts.get("last exit code", "").startswith(("0", "(never")) else Life.RESTARTING
    return Report(life=life, pid=pid, restarts=max(runs - 1, 0), last_error=_error(facts), enabled=enabled)


def _error(facts: Mapping[str, str]) -> str:
    signal, status = facts.get("last terminating signal", ""), facts.get("last exit code", "")
    if signal:
        return f"it was ended by signal {signal}"
    return f"it ended with status {status}" if re.match(r"[1-9]", status) else ""


class LaunchdBackend:
    """Backend over ``launchctl``. Nothing runs until it is asked."""

    kind = "launchd"

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        home: Path,
        base_dir: Path,
        uid: int,
        run: Run | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """``run`` runs the system's programs, ``pause`` waits so many seconds; None: for real."""
        self._run = run or runner({"HOME": str(home), "PATH": environ.get("PATH", "/usr/bin:/bin")})
        self._pause = pause
        self._agents = home / "Library" / "LaunchAgents"
        self._base_dir = base_dir
        self._domain = f"gui/{uid}"
        self.why_not = ""
        """After ``available`` said no: the reason, for people."""

    def available(self) -> bool:
        """Whether launchd takes agents of this person: they are logged in at the screen."""
        done = self._run(["launchctl", "print", self._domain], _QUICK_S)
        self.why_not = "" if done.status == 0 else f"launchd has no session of this user ({self._domain})"
        return done.status == 0

    def changes(self, launch: Launch) -> str:
        """See Backend."""
        changes = [self._agent(launch.name).diff(self._render(launch))]
        secrets = self._secrets(launch.name)
        if secrets.differs(launch.secrets):
            changes += [f"{secrets.path} (0600): {', '.join(f'{name}=***' for name in launch.secrets) or 'removed'}"]
        return "\n".join(filter(None, changes))

    def install(self, launch: Launch, *, force: bool = False) -> Sequence[Path]:
        """See Backend. A running service goes on with the old agent until it is restarted."""
        self._agent(launch.name).write(self._render(launch), force=force)
        self._secrets(launch.name).write_secrets(launch.secrets)
        return self.files(launch.name)

    def uninstall(self, name: str) -> Sequence[Path]:
        """See Backend. What a person wrote into the agent stays beside it, as ``.edited``."""
        files = self.files(name)
        self.stop(name)
        self._agent(name).remove()
        self._secrets(name).discard()
        for path in files:
            UnitFile(name, path).discard()
        return files

    def files(self, name: str) -> Sequence[Path]:
        """The agent, the file of its secrets, and its logs."""
        log = self._log(name)
        own = [self._agent(name).path, self._secrets(name).path, *sorted(log.parent.glob(f"{log.name}*"))]
        return [path for path in own if path.exists()]

    def start(self, name: str) -> None:
        """See Backend. RunAtLoad starts it; what is loaded and does not run is loaded anew, as it may have changed."""
        agent = self._agent(name)
        if agent.read() is None:
            raise NotInstalledError(name)
        if self.report(name).life is Life.RUNNING:
            return
        self.stop(name)
        self._prepare_log(name)
        done = self._run(["launchctl", "bootstrap", self._domain, str(agent.path)], _SLOW_S)
        if done.status != 0:
            raise NotStartedError(name, f"launchd does not take its agent: {done.last_words}")
        done = self._run(["launchctl", "kickstart", self._target(name)], _SLOW_S)
        if done.status != 0 and self.report(name).life is not Life.RUNNING:  # RunAtLoad may have been sooner
            raise NotStartedError(name, f"launchd could not start it: {done.last_words}")

    def stop(self, name: str) -> None:
        """See Backend. It is unloaded: killed, it would be started again."""
        if self._print(name).status != 0:
            return
        done = self._run(["launchctl", "bootout", self._target(name)], _SLOW_S)
        # It returns before the process has ended, and a new bootstrap would be refused until then.
        for _ in range(int(_SLOW_S / _POLL_S)):
            if self._print(name).status != 0:
                return
            self._pause(_POLL_S)
        raise ServiceError(name, f"launchd did not end it: {done.last_words}")

    def restart(self, name: str) -> None:
        """See Backend."""
        if self._agent(name).read() is None:
            raise NotInstalledError(name)
        self.stop(name)
        self.start(name)

    def enable(self, name: str) -> None:
        """See Backend."""
        self._move(name, self._resting(name), self._at_login(name))

    def disable(self, name: str) -> None:
        """See Backend."""
        if self._at_login(name).path.exists():
            self._move(name, self._at_login(name), self._resting(name))

    def report(self, name: str) -> Report:
        """See Backend."""
        agent = self._agent(name)
        enabled = agent.path == self._at_login(name).path
        done = self._print(name)
        if done.status == 0:
            report = report_of(done.out, enabled=enabled)
            process = ProcessId.of(report.pid) if report.pid is not None else None
            return replace(report, since=process.began) if process is not None else report
        return Report(life=Life.STOPPED if agent.path.exists() else Life.ABSENT, enabled=enabled)

    def logs(self, name: str, lines: int) -> list[str]:
        """See Backend."""
        return tail(self._log(name), lines)

    def follow(self, name: str) -> Iterator[str]:
        """See Backend."""
        return follow(self._log(name), self._pause)

    def _move(self, name: str, source: UnitFile, target: UnitFile) -> None:
        text = source.read()
        if text is None:
            if target.read() is None:
                raise NotInstalledError(name)
            return
        target.write(text, force=True)
        try:
            source.path.unlink(missing_ok=True)
        except OSError as error:
            raise NoRightsError(name, source.path, error.strerror or "it cannot be removed") from error

    def _prepare_log(self, name: str) -> None:
        """0600 before launchd opens it, and put aside when it is long: launchd never does."""
        log = RotatedLog(self._log(name))
        try:
            log.write(b"")
        except OSError as error:
            raise NoRightsError(name, self._log(name), error.strerror or "it cannot be written") from error
        finally:
            log.close()

    def _render(self, launch: Launch) -> str:
        try:
            return render(launch, secrets=self._secrets(launch.name).path if launch.secrets else None)
        except QuotingError as error:
            raise ServiceError(
                launch.name, f"its agent cannot be written: {error}", "Change that setting or folder."
            ) from error

    def _print(self, name: str) -> Done:
        return self._run(["launchctl", "print", self._target(name)], _QUICK_S)

    def _target(self, name: str) -> str:
        return f"{self._domain}/{label_of(name)}"

    def _agent(self, name: str) -> UnitFile:
        at_login = self._at_login(name)
        return at_login if at_login.path.exists() else self._resting(name)

    def _at_login(self, name: str) -> UnitFile:
        return UnitFile(name, self._agents / f"{label_of(name)}.plist")

    def _resting(self, name: str) -> UnitFile:
        return UnitFile(name, Layout(self._base_dir, name).folder / f"{label_of(name)}.plist")

    def _secrets(self, name: str) -> UnitFile:
        return UnitFile(name, Layout(self._base_dir, name).folder / "secrets.json")

    def _log(self, name: str) -> Path:
        return Layout(self._base_dir, name).folder / "logs" / f"{name}.log"
