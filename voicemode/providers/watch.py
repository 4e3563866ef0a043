"""Look after the endpoints while somebody converses: find services, learn what each endpoint has, see them return.

No request waits for any of it, but for one: the first sentence of a conversation waits up to READY_S for a look at the known
ports when nothing better than the built-in engine is known. When nobody has conversed for a while, everything here stops.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence, Set
from contextlib import asynccontextmanager
from typing import NamedTuple, TypeAlias

from voicemode.core.breaker import Breaker, BreakerState, Failure
from voicemode.core.failover import Origin, Task
from voicemode.core.schedule import Agenda, Pace, Sight
from voicemode.errors import EndpointError
from voicemode.providers.discovery import Discovery, ask
from voicemode.providers.http import HttpPool
from voicemode.providers.known_services import KNOWN_SERVICES, Answers, KnownService, declared_by
from voicemode.providers.registry import Registry
from voicemode.providers.sites import Site

__all__ = ["Watch"]

LINGER_S = 60.0
"""Seconds after the last sign of a conversation until the watch ends: the next one often follows soon."""

READY_S = 0.3
"""Seconds a first sentence may wait for a service to be found. Where none listens it is a few milliseconds."""

FRESH_S = 10.0
"""A look that was no longer ago says enough."""

ROUND_S = 2.0
"""Seconds that ``look_now`` takes at most."""

PROBE_S = 1.5
"""Seconds an endpoint may take to say what it has."""

_log = logging.getLogger(__name__)


class _Named(NamedTuple):
    """An endpoint of the settings, or the cloud."""

    task: Task
    url: str


_Place: TypeAlias = KnownService | _Named


class Watch:
    """One per process; it belongs to the event loop in which it is first touched. Close it."""

    def __init__(
        self,
        registry: Registry,
        pool: HttpPool,
        *,
        known: Sequence[KnownService] = KNOWN_SERVICES,
        pace: Pace | None = None,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Opens and starts nothing. ``chance`` gives numbers from 0 to 1, evenly."""
        self._registry, self._pool = registry, pool
        self._pace, self._clock, self._chance = pace or Pace(), clock, chance
        self._discovery = Discovery(pool, known, clock=clock)
        self._agenda: Agenda[_Place] = Agenda()
        self._looks: dict[_Place, asyncio.Task[None]] = {}
        """Under way."""
        self._looked_at: dict[_Place, float] = {}
        self._pauses: dict[_Place, float] = {}
        """Of those that cannot be reached: the pause before the look that is planned."""
        self._touched_at = -math.inf
        self._talking = 0
        self._tasks: set[Task] = {"tts", "stt"}
        """What is looked after in the background; chat only once somebody has needed it."""
        self._running: asyncio.Task[None] | None = None

    @property
    def active(self) -> bool:
        """Whether the background looks go on."""
        return self._running is not None and not self._running.done()

    def touch(self) -> None:
        """Somebody converses: look after the endpoints from now on, for LINGER_S. Needs a running event loop; costs nothing."""
        self._touched_at = self._clock()
        if not self.active:
            self._running = asyncio.create_task(self._run())
            self._begin_due()  # now and not when the loop comes round to it: the first sentence is about to be spoken

    @asynccontextmanager
    async def conversation(self, first: Task | None = None) -> AsyncIterator[None]:
        """Somebody converses all the while. ``first`` is what is needed at once, as in ``ready``."""
        self._talking += 1
        try:
            self.touch()
            if first is not None:
                await self.ready(first)
            yield
        finally:
            self._talking -= 1
            self._touched_at = self._clock()

    async def ready(self, task: Task) -> None:
        """Return when the services of this machine have been looked for, if that matters for the first request; in READY_S."""
        self._tasks.add(task)
        if self.is_served(task):
            return
        now = self._clock()
        ports = [port for port in self._ports(self._tasks) if task in port.tasks]
        looks = {self._begin(port) for port in ports if now - self._looked_at.get(port, -math.inf) > FRESH_S}
        deadline = asyncio.get_running_loop().time() + READY_S
        # One that is found is enough: another port may belong to something that takes its time.
        while looks and not self.is_served(task):
            left_s = deadline - asyncio.get_running_loop().time()
            done, looks = await asyncio.wait(looks, timeout=max(left_s, 0), return_when=asyncio.FIRST_COMPLETED)
            if not done:
                return

    async def look_now(self) -> None:
        """One look at everything, in ROUND_S at most; whoever asks wants to know how things are. Starts no watch."""
        looks = [self._begin(place) for place in self._places({shelf.task for shelf in self._registry.shelves()})]
        if looks:
            await asyncio.wait(looks, timeout=ROUND_S)

    async def aclose(self) -> None:
        """End everything. Idempotent."""
        tasks = [*self._looks.values(), *([self._running] if self._running is not None else [])]
        self._running = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- who is looked at

    def _ports(self, tasks: Set[Task]) -> list[KnownService]:
        return self._discovery.ports(self._registry.settings, tasks)

    def _sites(self, tasks: Set[Task]) -> Iterator[Site]:
        """Endpoints that are asked themselves: the named ones, and whoever cannot be reached. Who is found, its port shows."""
        for task in tasks:
            for site in self._registry.sites(task):
                if site.origin is Origin.NAMED or (site.origin is Origin.CLOUD and self._down(_Named(site.task, site.url))):
                    yield site

    def _places(self, tasks: Set[Task]) -> list[_Place]:
        return [*self._ports(tasks), *(_Named(site.task, site.url) for site in self._sites(tasks))]

    def is_served(self, task: Task) -> bool:
        """Whether somebody of this machine or of the settings is at hand, who goes before the cloud and the built-in engine."""
        return any(
            entry.origin is Origin.NAMED or (entry.origin is Origin.FOUND and entry.health.breaker.admits(shelf.clock()))
            for shelf in self._registry.shelves()
            for entry in shelf
            if shelf.task == task
        )

    def _breakers(self, place: _Place) -> Iterator[tuple[Breaker, float]]:
        """Those of a place, each with the time of its clock."""
        for shelf in self._registry.shelves():
            if isinstance(place, KnownService) or shelf.task == place.task:
                entry = shelf.get(place.url)
                if entry is not None:
                    yield entry.health.breaker, shelf.clock()

    def _down(self, place: _Place) -> bool:
        return any(
            breaker.state is BreakerState.OPEN and breaker.cause is Failure.UNREACHABLE for breaker, _ in self._breakers(place)
        )

    # -- when

    async def _run(self) -> None:
        while self._talking or self._clock() - self._touched_at < LINGER_S:
            self._begin_due()
            soon = self._agenda.next_at() - self._clock()
            await asyncio.sleep(min(max(soon, 0.01), self._pace.tick_s))

    def _begin_due(self) -> None:
        now, places = self._clock(), self._places(self._tasks)
        self._agenda.keep_only(places)
        for place in places:
            if place not in self._agenda:
                self._agenda.put(place, now)
            elif place not in self._looks and self._down(place) != (place in self._pauses):
                self._plan(place, now)  # it has just become unreachable, or a request has shown that it is well
        for place in self._agenda.take_due(now):
            self._begin(place)

    def _plan(self, place: _Place, now: float, usual_s: float | None = None) -> None:
        """When to look again; ``usual_s`` is the pause if it is not known to be down."""
        site = self._site(place) if isinstance(place, _Named) else None
        remote = site is not None and site.remote
        if self._down(place):
            pause_s = self._pace.while_down(self._pauses.get(place, 0.0), remote=remote, chance=self._chance())
            self._pauses[place] = pause_s
        else:
            self._pauses.pop(place, None)
            known_s = self._pace.after_named(remote=remote, answered=True, chance=self._chance())
            pause_s = known_s if usual_s is None else usual_s
        self._agenda.put(place, now + pause_s)

    # -- looking

    def _begin(self, place: _Place) -> asyncio.Task[None]:
        """The look that is under way, or a new one."""
        if place not in self._looks:
            look = asyncio.create_task(self._look(place))
            self._looks[place] = look
            look.add_done_callback(lambda done: self._ended(place, done))
        return self._looks[place]

    def _ended(self, place: _Place, look: asyncio.Task[None]) -> None:
        del self._looks[place]
        if not look.cancelled() and (error := look.exception()) is not None:
            # A bug here must not end a conversation that goes well.
            _log.warning("looking at %s failed", place.url, exc_info=error)

    async def _look(self, place: _Place) -> None:
        usual_s = self._pace.named_s
        try:
            usual_s = await (self._look_at_port(place) if isinstance(place, KnownService) else self._look_at_site(place))
        finally:
            now = self._clock()
            self._looked_at[place] = now
            if place in self._agenda and place in self._places(self._tasks):
                self._plan(place, now, usual_s)

    async def _look_at_port(self, port: KnownService) -> float:
        sight = await self._discovery.look(port, self._registry.settings)
        if self._discovery.services != self._registry.services and self._registry.settings.discovery:
            self._registry.found(self._discovery.services)
        if sight is Sight.FOUND:
            self._answered(port)
        return self._pace.after_port(sight, self._chance())

    async def _look_at_site(self, place: _Named) -> float:
        site = self._site(place)
        if site is None:  # the settings have changed in the meantime
            return math.inf
        try:
            async with asyncio.timeout(PROBE_S):
                answers = await ask(self._pool, site.url, voices=site.task == "tts", key=site.key)
        except (EndpointError, TimeoutError):
            answered = False
        else:
            answered = True
            self._answered(place)
            if answers != Answers() and site.origin is Origin.NAMED:
                self._registry.declare(site.task, site.url, declared_by(answers, site.task, site.models))
        return self._pace.after_named(remote=site.remote, answered=answered, chance=self._chance())

    def _site(self, place: _Named) -> Site | None:
        return next((site for site in self._registry.sites(place.task) if site.url == place.url), None)

    def _answered(self, place: _Place) -> None:
        for breaker, now in self._breakers(place):
            breaker.reachable(now)
