"""Ask an address of a service what it has, and find those that answer on the known ports of this machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from pydantic import SecretStr

from voicemode.core.failover import Task
from voicemode.core.schedule import Sight
from voicemode.errors import EndpointError
from voicemode.providers.address import Address, check_address
from voicemode.providers.http import Call, HttpPool
from voicemode.providers.known_services import KNOWN_SERVICES, Answers, KnownService, identified
from voicemode.providers.sites import Service, named_ports
from voicemode.settings import Settings
from voicemode.wire.catalog import VOICES_PATH, parse_models, parse_voices
from voicemode.wire.openai_audio import MODELS_PATH, TRANSCRIPTIONS_PATH, is_web_page

__all__ = ["Discovery", "ask"]

LOOK_S = 1.0
"""Seconds a service of this machine may take to say what it has; it knows by heart."""

FORGET_S = 600.0
"""A service that is gone is kept for so long, with its health: it may just be restarting."""

WHISPER_CPP = "whisper.cpp"
"""What whisper.cpp's server calls itself in the header Server (examples/server/server.cpp)."""


async def ask(pool: HttpPool, url: str, *, voices: bool = False, key: SecretStr | None = None) -> Answers:
    """What an address has, by questions that change nothing. ``key`` must be the one that is meant for this address.

    Returns when somebody answered, whatever it was. Raises EndpointError when nobody did or it is in trouble (a 5xx), and
    SettingsError for an address that cannot be used.
    """
    address = check_address(url, local_only=pool.local_only)
    headers = {} if key is None else {"Authorization": f"Bearer {key.get_secret_value()}"}
    listed = await _request(pool, address, MODELS_PATH, headers)
    if listed.status >= 500:
        raise EndpointError(url, "is in trouble", listed.status)
    models = parse_models(listed.body) if listed.status == 200 else None
    if models is None and listed.server == WHISPER_CPP:
        # It answers OPTIONS at the one path it transcribes at, which by default is not that of the API.
        allowed = await _request(pool, address, TRANSCRIPTIONS_PATH, headers, method="OPTIONS")
        return Answers(whisper_cpp=allowed.status < 300)
    if not voices or (models is None and listed.is_web_page):
        return Answers(models)
    spoken = await _request(pool, address, VOICES_PATH, headers)
    return Answers(models, parse_voices(spoken.body) if spoken.status == 200 else None)


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    server: str
    body: bytes
    is_web_page: bool


async def _request(pool: HttpPool, address: Address, path: str, headers: dict[str, str], method: str = "GET") -> _Reply:
    answer = await pool.open(Call(address, address.base_url, path, method=method, headers=headers))
    try:
        body = await answer.read()
        return _Reply(answer.status, answer.header("server"), body, is_web_page(answer.content_type, body))
    finally:
        await answer.aclose()


@dataclass(frozen=True, slots=True)
class _Seen:
    service: Service
    at: float


class Discovery:
    """The services that were found on this machine. A look at a port tells it; nothing is looked at by itself."""

    def __init__(
        self, pool: HttpPool, known: Sequence[KnownService] = KNOWN_SERVICES, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pool, self._known, self._clock = pool, tuple(known), clock
        self._seen: dict[KnownService, _Seen] = {}

    @property
    def services(self) -> tuple[Service, ...]:
        """In the order of the known ones; also one that was there some minutes ago."""
        return tuple(self._seen[known].service for known in self._known if known in self._seen)

    def ports(self, settings: Settings, tasks: Collection[Task]) -> list[KnownService]:
        """Where to look for these tasks: nowhere without VOICEMODE_DISCOVERY, and not where everything is named already."""
        if not settings.discovery:
            return []
        named = {task: named_ports(settings, task) for task in tasks}
        return [known for known in self._known if any(known.port not in named[t] for t in known.tasks if t in named)]

    def forget_all(self) -> None:
        """Nothing was found."""
        self._seen.clear()

    async def look(self, known: KnownService, settings: Settings, deadline_s: float = LOOK_S) -> Sight:
        """See what is at a port now, and know it from then on. Never raises."""
        try:
            async with asyncio.timeout(deadline_s):
                answers = await ask(self._pool, known.url, voices="tts" in known.tasks)
        except TimeoutError:
            return Sight.SILENT
        except EndpointError as error:
            if error.reached:
                return Sight.SILENT
            self._miss(known)
            return Sight.ABSENT
        can = {task: identified(answers, task, getattr(settings, f"{task}_models")) for task in known.tasks}
        declared = {task: what for task, what in can.items() if what is not None}
        if not declared:
            self._seen.pop(known, None)
            return Sight.STRANGER
        self._seen[known] = _Seen(Service(known.url, declared), self._clock())
        return Sight.FOUND

    def _miss(self, known: KnownService) -> None:
        if known in self._seen and self._clock() - self._seen[known].at > FORGET_S:
            del self._seen[known]
