"""Every endpoint this process knows, by task. It asks nobody anything: others tell it what they saw."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from voicemode.answers import Answerer
from voicemode.core.failover import UNDECLARED, Declared, Origin, Task
from voicemode.interfaces import Synthesizer, Transcriber
from voicemode.providers.http import HttpPool
from voicemode.providers.http_chat import HttpAnswerer
from voicemode.providers.http_stt import HttpTranscriber
from voicemode.providers.http_tts import HttpSynthesizer
from voicemode.providers.shelf import E, Entry, Shelf
from voicemode.providers.sites import Service, Site, sites
from voicemode.settings import Settings

__all__ = ["Builtin", "Registry"]


@dataclass(frozen=True, slots=True)
class Builtin:
    """The engines of last resort; None where one is not installed."""

    tts: Synthesizer | None = None
    stt: Transcriber | None = None
    tts_declared: Declared = UNDECLARED
    stt_declared: Declared = UNDECLARED


class Registry:
    """The shelves, kept in accordance with the settings and with the services of this machine."""

    def __init__(self, settings: Settings, pool: HttpPool, builtin: Builtin) -> None:
        """Opens nothing. Raises SettingsError for an address that cannot be used."""
        self._pool, self._builtin = pool, builtin
        self._settings = settings
        self._services: tuple[Service, ...] = ()
        self._sites: Mapping[Task, Sequence[Site]] = {}
        self.tts: Shelf[Synthesizer] = Shelf("tts")
        self.stt: Shelf[Transcriber] = Shelf("stt")
        self.chat: Shelf[Answerer] = Shelf("chat")
        self.configure(settings)

    def shelves(self) -> Iterator[Shelf[Any]]:
        """Every task's."""
        yield self.tts
        yield self.stt
        yield self.chat

    @property
    def settings(self) -> Settings:
        """Those in force."""
        return self._settings

    @property
    def services(self) -> tuple[Service, ...]:
        """Those that were found on this machine."""
        return self._services

    def sites(self, task: Task) -> Sequence[Site]:
        """Every endpoint of a task in order of preference, without the built-in engines."""
        return self._sites.get(task, ())

    def declare(self, task: Task, name: str, declared: Declared) -> None:
        """An endpoint said what it can do; one that has left meanwhile is ignored."""
        for shelf in self.shelves():
            if shelf.task == task:
                shelf.declare(name, declared)

    def configure(self, settings: Settings, services: Iterable[Service] | None = None) -> None:
        """Put the endpoints of these settings, and of these services, on the shelves.

        The health of an endpoint outlives it as long as its address and key stay the same. Raises SettingsError for an
        address that cannot be used, and then changes nothing.
        """
        services = self._services if services is None else tuple(services)
        known = {shelf.task: sites(settings, shelf.task, services) for shelf in self.shelves()}
        self._settings, self._services, self._sites = settings, services, known
        builtin = self._builtin if settings.builtin else Builtin()
        _fill(self.tts, known["tts"], self._synthesizer, builtin.tts, builtin.tts_declared)
        _fill(self.stt, known["stt"], self._transcriber, builtin.stt, builtin.stt_declared)
        _fill(self.chat, known["chat"], self._answerer, None, UNDECLARED)

    def found(self, services: Iterable[Service]) -> None:
        """Exactly these services are there on this machine."""
        self.configure(self._settings, services)

    def _synthesizer(self, site: Site) -> Synthesizer:
        declared = _declared(self.tts, site.url)
        return HttpSynthesizer(site.url, self._pool, models=site.models, voices=site.voices, key=site.key, declared=declared)

    def _transcriber(self, site: Site) -> Transcriber:
        declared = _declared(self.stt, site.url)
        return HttpTranscriber(site.url, self._pool, models=site.models, key=site.key, declared=declared)

    def _answerer(self, site: Site) -> Answerer:
        declared = _declared(self.chat, site.url)
        return HttpAnswerer(site.url, self._pool, models=site.models, key=site.key, declared=declared)


def _declared(shelf: Shelf[E], name: str) -> Callable[[], Declared]:
    def declared() -> Declared:
        entry = shelf.get(name)
        return UNDECLARED if entry is None else entry.declared

    return declared


def _fill(
    shelf: Shelf[E], wanted: Sequence[Site], make: Callable[[Site], E], builtin: E | None, builtin_declared: Declared
) -> None:
    entries = [_entry(shelf, site, make) for site in wanted]
    if builtin is not None:
        health = shelf.new_health()
        entries.append(Entry(engine=builtin, origin=Origin.BUILTIN, declared=builtin_declared, health=health))
    shelf.keep_only(entry.name for entry in entries)
    for entry in entries:
        shelf.put(entry)


def _entry(shelf: Shelf[E], site: Site, make: Callable[[Site], E]) -> Entry[E]:
    made_of = _made_of(site)
    known = shelf.get(site.url)
    return Entry(
        engine=known.engine if known is not None and known.made_of == made_of else make(site),
        origin=site.origin,
        rank=site.rank,
        remote=site.remote,
        declared=site.declared,
        health=shelf.new_health(),
        variant=f"{','.join(site.models)} {','.join(site.voices)}",
        made_of=made_of,
    )


def _made_of(site: Site) -> tuple[object, ...]:
    return site.key.get_secret_value() if site.key is not None else None, site.models, site.voices
