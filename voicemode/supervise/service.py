"""The services that ``voicemode service`` knows: data only. Nothing here looks at this machine."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from voicemode.errors import RequestError

__all__ = ["SERVICES", "Launch", "ServiceDefinition", "find_service", "is_secret_name", "service_of_variable"]

_MB = 1_000_000
_LOOPBACK = "127.0.0.1"

COMMON_OPTIONS = frozenset(
    {
        *(
            "ALLOWED_HOSTS",
            "ALLOW_REMOTE",
            "DEVICE",
            "HOST",
            "IDLE_S",
            "LOG_LEVEL",
            "MAX_AUDIO_S",
            "MAX_UPLOAD_MB",
            "MODEL",
            "MODELS_DIR",
        ),
        *("PORT", "PRELOAD", "QUEUE", "STATE_DIR", "THREADS", "TOKEN", "WORKERS"),
    }
)
"""What a person may set of every speech service; a test compares them with the fields of its settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDefinition:
    """One service: what runs, what it takes, and which of a person's settings reach it."""

    name: str
    """What people type, and its folder's name: "whisper"."""
    title: str
    """One line for people."""
    port: int
    module: str
    """Run with ``python -m``."""
    arguments: tuple[str, ...] = ()
    """Of the module."""
    own: bool = False
    """It is voicemode itself: it runs with the Python that installs it, and has no environment and no settings of a service."""
    packages: tuple[str, ...] = ()
    """Our own packages that its environment needs; ``services`` of a clone, or beside ``voicemode`` in an installed one."""
    lock: str = ""
    """File in ``voicemode/supervise/locks`` with the packages of others, each with its hashes; empty: none."""
    model: str = ""
    """The model that install brings, by its name in the catalogue; empty: it needs none."""
    download_bytes: int = 0
    """Of the packages, measured with pip on Linux x86-64 and Python 3.11; other platforms differ by a third."""
    installed_bytes: int = 0
    """Of its environment on disk, measured there as well."""
    memory_max_bytes: int = 0
    """More than it needs with the largest model of the catalogue on the CPU; init systems stop it there. 0: no limit."""
    options: frozenset[str] = frozenset()
    """Its settings: X of VOICEMODE_<NAME>_X."""
    missing: str = ""
    """Why it cannot be installed by this version, for people; empty when it can be."""

    @property
    def prefix(self) -> str:
        """What its variables begin with."""
        return f"VOICEMODE_{self.name.upper()}_"

    @property
    def health_name(self) -> str:
        """What its /health says it is."""
        return "voicemode" if self.own else f"voicemode-{self.name}"

    def owns(self, variable: str) -> bool:
        """Whether it is one of its settings."""
        return variable.startswith(self.prefix) and variable.removeprefix(self.prefix) in self.options

    def port_of(self, given: Mapping[str, str]) -> int:
        """The port it listens on with the variables ``given``. Raises RequestError for what is no port."""
        text = given.get(f"{self.prefix}PORT", "").strip() or str(self.port)
        if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
            raise RequestError(f"{self.prefix}PORT", f"'{text[:40]}' is no port", "1 to 65535")
        return int(text)

    def host_of(self, given: Mapping[str, str]) -> str:
        """Where this machine reaches it: an address for all interfaces is reached through the loopback."""
        host = given.get(f"{self.prefix}HOST", "").strip() or _LOOPBACK
        return {"0.0.0.0": _LOOPBACK, "::": "::1"}.get(host, host)  # noqa: S104  (it is compared, nothing is bound)


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How a service is started; what the unit file, the agent or our own supervisor is made from."""

    name: str
    title: str
    command: tuple[str, ...]
    """Program (absolute) and arguments. No secret, and nothing a shell reads."""
    environment: Mapping[str, str]
    """All it gets besides ``secrets``. Values are a person's: quotes, ``$( )``, %, spaces and newlines in them stay inert."""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """More of its environment, such as its token: only ever written to files that are 0600."""
    folder: Path
    """Working directory: what install made for this service; it is writable, as is ``models``."""
    models: Path
    """Where models are; it only reads them."""
    memory_max_bytes: int = 0
    """0: no limit."""
    writable: Path | None = None
    """What it writes to, if that is more than ``folder``."""

    @property
    def log(self) -> Path:
        """Its log where no journal keeps one; rotated files are beside it."""
        return self.folder / "logs" / f"{self.name}.log"


SERVICES: Mapping[str, ServiceDefinition] = {
    each.name: each
    for each in (
        ServiceDefinition(
            name="whisper",
            title="Whisper, speech to text (faster-whisper)",
            port=2022,
            module="voicemode_whisper",
            packages=("voicemode_service", "voicemode_whisper"),
            lock="whisper.lock",
            model="whisper-base",
            download_bytes=135 * _MB,
            installed_bytes=505 * _MB,
            memory_max_bytes=8_000 * _MB,
            options=COMMON_OPTIONS,
        ),
        ServiceDefinition(
            name="kokoro",
            title="Kokoro, text to speech (kokoro-onnx)",
            port=8880,
            module="voicemode_kokoro",
            packages=("voicemode_service", "voicemode_kokoro"),
            lock="kokoro.lock",
            model="kokoro-v1.0",
            download_bytes=92 * _MB,
            installed_bytes=335 * _MB,
            memory_max_bytes=4_000 * _MB,
            options=COMMON_OPTIONS,
        ),
        ServiceDefinition(
            name="livekit",
            title="LiveKit, rooms with several people",
            port=7880,
            module="voicemode_livekit",
            missing="rooms through LiveKit are not part of this version of voicemode",
        ),
        ServiceDefinition(
            name="voicemode",
            title="voicemode itself, the realtime server",
            port=8765,
            module="voicemode",
            arguments=("serve", "--quiet"),  # its log is read by more than its owner: agents, and groups of the system
            own=True,
        ),
    )
}
"""By name. Ports: Whisper's is VoiceMode's, Kokoro's is kokoro-fastapi's, LiveKit's is its own default."""


def find_service(name: str, known: Mapping[str, ServiceDefinition] = SERVICES) -> ServiceDefinition:
    """The service of that name. Raises RequestError with the nearest one."""
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name[:80], known, n=1, cutoff=0.5)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    raise RequestError("name", f"there is no service '{name[:80]}'{hint}", ", ".join(known))


def service_of_variable(variable: str) -> ServiceDefinition | None:
    """The service that VOICEMODE_WHISPER_PORT and its like are settings of; None for any other variable."""
    return next((each for each in SERVICES.values() if each.owns(variable)), None)


def is_secret_name(variable: str) -> bool:
    """Whether the value of a service's variable must never be shown."""
    return variable.endswith("_TOKEN")
