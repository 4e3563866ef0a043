"""What can go wrong with a local service.

::

    ServiceError               a local service cannot be managed (service, problem)
    ├── NotInstalledError      it was never installed, or half of it is gone
    ├── NotAvailableError      this version of voicemode does not have it
    ├── PortTakenError         another program listens where it would (port, holder)
    ├── DiskFullError          there is less space than it takes (folder, needed, free)
    ├── NoRightsError          the operating system refuses (path)
    ├── InstallFailedError     pip or venv failed (step)
    ├── NoNetworkError         packages could not be fetched
    ├── EditedByHandError      a file of it is not as we wrote it (path)
    ├── NoLoginStartError      nothing here starts programs at login
    ├── ServiceBusyError       another command works on it
    └── NotStartedError        it was started and ended, or does not answer
"""

from __future__ import annotations

from pathlib import Path

from voicemode.errors import VoicemodeError

__all__ = [
    "DiskFullError",
    "EditedByHandError",
    "InstallFailedError",
    "NoLoginStartError",
    "NoNetworkError",
    "NoRightsError",
    "NotAvailableError",
    "NotInstalledError",
    "NotStartedError",
    "PortTakenError",
    "ServiceBusyError",
    "ServiceError",
]


class ServiceError(VoicemodeError):
    """A local service cannot be managed; ``service`` is its name, such as "whisper"."""

    code = "service"

    def __init__(self, service: str, problem: str, remedy: str = "") -> None:
        super().__init__(service, problem, remedy)
        self.service, self.detail, self.remedy = service, problem, remedy

    @property
    def problem(self) -> str:
        return f"{self.service}: {self.detail}."


class NotInstalledError(ServiceError):
    code = "not_installed"

    def __init__(self, service: str, problem: str = "it is not installed") -> None:
        super().__init__(service, problem, f"Run: voicemode service install {service}.")


class NotAvailableError(ServiceError):
    code = "not_available"


class PortTakenError(ServiceError):
    """``holder`` names the program that listens there, as far as this user may know it."""

    code = "port_taken"

    def __init__(self, service: str, port: int, holder: str) -> None:
        super().__init__(
            service,
            f"port {port} is taken by {holder}",
            f"Stop that program, or choose another port with VOICEMODE_{service.upper()}_PORT.",
        )
        self.port, self.holder = port, holder


class DiskFullError(ServiceError):
    """``needed`` and ``free`` are bytes; 0 needed when it is not known how much more it would have taken."""

    code = "disk_full"

    def __init__(self, service: str, folder: Path, needed: int, free: int) -> None:
        wanted = f"{needed / 1e6:,.0f} MB are needed, " if needed else ""
        super().__init__(
            service,
            f"the disk of {folder} is full: {wanted}{free / 1e6:,.0f} MB are free",
            "Free some space, or choose another disk with VOICEMODE_BASE_DIR.",
        )
        self.folder, self.needed, self.free = folder, needed, free


class NoRightsError(ServiceError):
    code = "no_rights"

    def __init__(self, service: str, path: Path, problem: str) -> None:
        super().__init__(service, f"{path}: {problem}", "Make it yours, or choose another place with VOICEMODE_BASE_DIR.")
        self.path = path


class InstallFailedError(ServiceError):
    """``step`` is what was being done; ``detail`` ends with what the program that failed said last."""

    code = "install_failed"

    def __init__(self, service: str, step: str, problem: str, remedy: str = "") -> None:
        super().__init__(service, f"{step} failed: {problem}", remedy)
        self.step = step


class NoNetworkError(ServiceError):
    code = "no_network"

    def __init__(self, service: str, problem: str) -> None:
        super().__init__(
            service,
            f"its packages could not be fetched: {problem}",
            "Connect to a network and run it again. HTTPS_PROXY, PIP_INDEX_URL and PIP_FIND_LINKS are heeded.",
        )


class EditedByHandError(ServiceError):
    code = "edited_by_hand"

    def __init__(self, service: str, path: Path) -> None:
        super().__init__(
            service,
            f"{path} is not as voicemode wrote it",
            f"Keep your changes elsewhere, and run 'voicemode service install {service} --force' to have it written anew.",
        )
        self.path = path


class NoLoginStartError(ServiceError):
    code = "no_login_start"


class ServiceBusyError(ServiceError):
    """Another command installs, starts or stops it right now."""

    code = "service_busy"

    def __init__(self, service: str, waited_s: float) -> None:
        super().__init__(service, f"another command works on it (waited {waited_s:.0f} s)", "Run it again when that has ended.")
        self.waited_s = waited_s


class NotStartedError(ServiceError):
    """It was started and ended again, or does not answer."""

    code = "not_started"

    def __init__(self, service: str, problem: str) -> None:
        super().__init__(service, problem, f"See what it wrote: voicemode service logs {service}.")
