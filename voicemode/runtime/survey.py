"""A fresh look at every endpoint: whether it answers now, how it stood before, and where it stands in the order.

No request of this kind is told to anybody's health: what is learnt here is for the eyes of whoever asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from voicemode.core.failover import Choice, Need, Origin, Task
from voicemode.engines.builtin import POCKETSPHINX
from voicemode.errors import EndpointError
from voicemode.providers.address import check_address
from voicemode.providers.http import Answer, Call, HttpPool
from voicemode.providers.registry import Registry
from voicemode.providers.shelf import Shelf
from voicemode.providers.sites import Site
from voicemode.runtime.checks import DEADLINE_S
from voicemode.runtime.endpoint_report import EndpointReport, report_from
from voicemode.settings import Settings
from voicemode.wire.openai_audio import MODELS_PATH, is_web_page

__all__ = ["Look", "LookNow", "Seen", "need_of", "survey"]

LookNow: TypeAlias = Callable[[], Awaitable[object]]
"""Finds the services of this machine and puts them on the shelves."""


@dataclass(frozen=True, slots=True)
class Look:
    """What an endpoint did when it was asked a moment ago."""

    works: bool
    words: str
    """A phrase without a full stop: "answers in 3 ms"."""
    remedy: str = ""
    """What to do, in the imperative; empty when there is nothing to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One endpoint of one task."""

    report: EndpointReport
    """With the figures of this process."""
    look: Look
    place: int | None
    """From 1, in the order in which they would be asked now; None for one that is passed over."""
    reasons: tuple[str, ...]
    """Why it stands there; each a phrase without a full stop."""
    voice: str | None = None
    """The voice it would be asked for; None lets it choose."""

    @property
    def usable(self) -> bool:
        """Whether a request sent now would probably be served."""
        return self.look.works and self.place is not None


def need_of(task: Task, settings: Settings, *, voice: str | None = None, language: str | None = None) -> Need:
    """What a turn asks for, as far as it is known before there is one. What is None comes from the settings."""
    language = language or settings.language
    match task:
        case "tts":
            wanted = voice or next(iter(settings.voices), None)
            return Need(task=task, language=language, voice=wanted, format="pcm", streaming=True)
        case "stt":
            return Need(task=task, language=language)
        case "chat":
            return Need(task=task, streaming=True)


async def survey(
    registry: Registry,
    look_now: LookNow,
    installed: Mapping[str, str],
    needs: Mapping[Task, Need] | None = None,
) -> list[Seen]:
    """Look at the endpoints of every task, in the order in which they would be asked, those passed over last.

    It takes at most twice the deadline of a check. ``installed`` are the built-in engines that are, each with its version;
    ``needs`` says what to ask for by task.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DEADLINE_S):
            await look_now()
    shelves = list(registry.shelves())
    wanted = [site for shelf in shelves for site in registry.sites(shelf.task)]
    looks = await _look_at_all(wanted, registry.settings)
    found: list[Seen] = []
    for shelf in shelves:
        need = (needs or {}).get(shelf.task) or need_of(shelf.task, registry.settings)
        found += _seen(shelf, need, looks, installed)
    return found


def _seen(shelf: Shelf[Any], need: Need, looks: Mapping[tuple[Task, str], Look], installed: Mapping[str, str]) -> list[Seen]:
    decision, now = shelf.decide(need), shelf.clock()

    def see(choice: Choice, place: int | None) -> Seen:
        entry = shelf[choice.name]
        asked = looks.get((shelf.task, entry.name), _JUST_FOUND)
        look = _look_inside(entry.name, installed, need) if entry.origin is Origin.BUILTIN else asked
        return Seen(
            report=report_from(entry, shelf.task, now), look=look, place=place, reasons=choice.reasons, voice=choice.voice
        )

    return [
        *(see(choice, place) for place, choice in enumerate(decision.order, 1)),
        *(see(choice, None) for choice in decision.passed_over),
    ]


_JUST_FOUND = Look(works=True, words="was found a moment ago")
"""Of an endpoint that came while the others were looked at."""


def _look_inside(engine: str, installed: Mapping[str, str], need: Need) -> Look:
    if engine not in installed:
        return Look(works=False, words="is not installed", remedy="Run: pip install 'voicemode[builtin]'.")
    if engine == POCKETSPHINX and not (need.language or "en").lower().startswith("en"):
        return Look(works=False, words=f"understands English only, not '{need.language}'")
    return Look(works=True, words=f"is installed ({installed[engine]})")


# -- over HTTP


async def _look_at_all(wanted: Sequence[Site], settings: Settings) -> dict[tuple[Task, str], Look]:
    # A client of its own: a connection that was kept would hide that no new one can be made.
    pool = HttpPool(settings)
    if wanted:
        pool.warm()  # its first use loads libraries, which is no fault of the endpoint that is measured
    try:
        looks = await asyncio.gather(*(_look_at(site, pool) for site in wanted))
    finally:
        await pool.aclose()
    return {(site.task, site.url): look for site, look in zip(wanted, looks, strict=True)}


async def _look_at(site: Site, pool: HttpPool) -> Look:
    address = check_address(site.url, local_only=pool.local_only, key=_setting(site, "BASE_URLS"))
    headers = {} if site.key is None else {"Authorization": f"Bearer {site.key.get_secret_value()}"}
    began = time.monotonic()
    try:
        async with asyncio.timeout(DEADLINE_S):
            answer = await pool.open(Call(address, site.url, MODELS_PATH, method="GET", headers=headers))
    except TimeoutError:
        return _unreachable(site, f"no answer within {DEADLINE_S:g} s")
    except EndpointError as error:
        return _unreachable(site, error.detail)
    took_ms = round((time.monotonic() - began) * 1000)
    await answer.aclose()
    return _judge(answer, site, took_ms)


def _unreachable(site: Site, words: str) -> Look:
    if site.origin is Origin.NAMED:
        return Look(False, words, f"Start it, or change {_setting(site, 'BASE_URLS')}.")
    return Look(False, words, "Start it again." if site.origin is Origin.FOUND else "Check the way to the internet.")


def _judge(answer: Answer, site: Site, took_ms: int) -> Look:
    """What an answer to ``GET /models`` tells; many good speech servers do not know that path, and say so with 404."""
    wrong = f"Check {_setting(site, 'BASE_URLS')}: it should end before /audio, usually in /v1."
    if answer.status in (401, 403):
        what = "wants a key" if site.key is None else "refuses the key"
        remedy = f"Run: voicemode config set {_key_setting(site)}, with a key it accepts."
        return Look(False, f"{what} (HTTP {answer.status})", remedy)
    if answer.status >= 500:
        return Look(False, f"is in trouble (HTTP {answer.status})", "Look at its logs.")
    if 300 <= answer.status < 400:
        return Look(False, f"redirects elsewhere (HTTP {answer.status})", wrong)
    if answer.status < 300 and is_web_page(answer.content_type):
        return Look(False, "answers with a web page, not as a speech endpoint", wrong)
    return Look(True, f"answers in {took_ms} ms")


def _setting(site: Site, name: str) -> str:
    return f"VOICEMODE_{site.task.upper()}_{name}"


def _key_setting(site: Site) -> str:
    return "VOICEMODE_OPENAI_API_KEY" if site.origin is Origin.CLOUD else _setting(site, "API_KEY")
