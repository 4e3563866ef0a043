"""Where speech and chat may be had, as the settings and this machine say: a list in order, decided without asking anybody.

In a list of addresses a comma means "and if that fails", a bar means "or, whichever is faster":
``http://a/v1|http://b/v1, http://c/v1`` asks a and b as equals, and c when neither serves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pydantic import SecretStr

from voicemode.core.failover import UNDECLARED, Declared, Origin, Task
from voicemode.providers.address import check_address
from voicemode.settings import Settings

__all__ = ["OPENAI_URL", "Service", "Site", "named_ports", "sites"]

OPENAI_URL = "https://api.openai.com/v1"
"""Used only where VOICEMODE_OPENAI_API_KEY is set, which is the consent to it, and VOICEMODE_LOCAL_ONLY is not."""

OPENAI_MODELS: Mapping[Task, tuple[str, ...]] = {
    "tts": ("gpt-4o-mini-tts", "tts-1"),
    "stt": ("gpt-4o-mini-transcribe", "whisper-1"),
    "chat": ("gpt-4o-mini",),
}
"""https://platform.openai.com/docs/models; the first one that is offered."""

OPENAI_DECLARED: Mapping[Task, Declared] = {
    "tts": Declared(
        models=OPENAI_MODELS["tts"],
        voices=(
            "alloy",
            "ash",
            "ballad",
            "coral",
            "echo",
            "fable",
            "nova",
            "onyx",
            "sage",
            "shimmer",
            "verse",
            "marin",
            "cedar",
        ),
        formats=("mp3", "opus", "aac", "flac", "wav", "pcm"),
        streams=True,
    ),
    "stt": Declared(models=OPENAI_MODELS["stt"]),
    "chat": Declared(models=OPENAI_MODELS["chat"], streams=True),
}
"""https://platform.openai.com/docs/guides/text-to-speech; written down, so that nobody asks the cloud who does not use it."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service that answers on this machine."""

    url: str
    """Base address, "http://127.0.0.1:8880/v1"."""
    declared: Mapping[Task, Declared]
    """What it can do; a task that is missing is none of its."""


@dataclass(frozen=True, slots=True)
class Site:
    """One endpoint of one task, as it is to be used."""

    task: Task
    url: str
    """Base address without a trailing slash; its name everywhere."""
    origin: Origin
    rank: int = 0
    """As ``core.failover.Candidate.rank``."""
    remote: bool = False
    """What is sent to it leaves this machine."""
    key: SecretStr | None = field(default=None, repr=False)
    models: tuple[str, ...] = ()
    """In order of preference; the first one that the endpoint has."""
    voices: tuple[str, ...] = ()
    """In order of preference."""
    declared: Declared = UNDECLARED


def sites(settings: Settings, task: Task, services: Iterable[Service] = ()) -> list[Site]:
    """Every endpoint of a task in order of preference, each address once. The built-in engines are not among them.

    Raises SettingsError for an address that cannot be used.
    """
    known: dict[str, Site] = {}
    for site in (*_named(settings, task), *_found(settings, task, services), *_cloud(settings, task)):
        known.setdefault(_where(site), site)
    return list(known.values())


def named_ports(settings: Settings, task: Task) -> frozenset[int]:
    """The ports of this machine that the person named for a task; what is there needs no finding.

    Raises SettingsError for an address that cannot be used.
    """
    return frozenset(urlsplit(site.url).port or 0 for site in _named(settings, task) if not site.remote)


def _where(site: Site) -> str:
    """The same for every way of writing one address of this machine."""
    parts = urlsplit(site.url)
    return site.url if site.remote else f"{parts.scheme}://localhost:{parts.port}{parts.path}"


def _named(settings: Settings, task: Task) -> Iterator[Site]:
    urls: tuple[str, ...] = getattr(settings, f"{task}_base_urls")
    for rank, group in enumerate(urls):
        for url in filter(None, (part.strip() for part in group.split("|"))):
            address = check_address(url, local_only=settings.local_only, key=f"VOICEMODE_{task.upper()}_BASE_URLS")
            yield Site(
                task,
                address.base_url,
                Origin.NAMED,
                rank,
                remote=not address.loopback,
                key=getattr(settings, f"{task}_api_key"),
                models=getattr(settings, f"{task}_models"),
                voices=settings.voices,
            )


def _found(settings: Settings, task: Task, services: Iterable[Service]) -> Iterator[Site]:
    for service in services if settings.discovery else ():
        if task in service.declared:
            models = getattr(settings, f"{task}_models")
            yield Site(task, service.url, Origin.FOUND, models=models, voices=settings.voices, declared=service.declared[task])


def _cloud(settings: Settings, task: Task) -> Iterator[Site]:
    if settings.openai_api_key is not None and not settings.local_only:
        yield Site(
            task,
            OPENAI_URL,
            Origin.CLOUD,
            remote=True,
            key=settings.openai_api_key,
            models=OPENAI_MODELS[task],
            voices=settings.voices,
            declared=OPENAI_DECLARED[task],
        )
