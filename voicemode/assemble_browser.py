"""Builds conversations through a page in a browser: the way to ``voicemode serve``, and its page as a sound card."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from voicemode.core.failover import Task
from voicemode.engines.devices import find_input, find_output, refresh
from voicemode.engines.portaudio import in_sound_thread
from voicemode.errors import SettingsError, SoundError
from voicemode.events import (
    Interrupted,
    ListeningStarted,
    SpeakingStarted,
    SpeechEnded,
    SpeechStarted,
    TurnEvent,
    Understood,
    WaitingForFloor,
)
from voicemode.http.tokens import install_token
from voicemode.load_config import LoadedSettings
from voicemode.record import Entry, Standing
from voicemode.runtime.parts import Session, TurnParts
from voicemode.settings import Settings
from voicemode.supervise.on_demand import Starter
from voicemode.supervise.serve_start import LOG, start_serve
from voicemode.transports.browser import BrowserEchoCanceller, BrowserSpeaker
from voicemode.transports.browser_microphone import BrowserMicrophone
from voicemode.transports.errors import PageLineError
from voicemode.transports.page_line import NotAttached, PageLine
from voicemode.wire.control import ControlAction
from voicemode.wire.page_line import Said, State, Words

__all__ = ["Browser", "NeedsBrowser", "Transport", "address_of", "link_to"]

Transport: TypeAlias = Literal["auto", "local", "browser"]

_START_S = 20.0
"""Until a server that was started listens: three seconds, and more on a busy machine with a cold disk."""
_POLL_S = 0.1
_RING_S = 20.0
"""How long a call waits for somebody to press the page's button."""
_FIND_S = 5.0
_log = logging.getLogger(__name__)
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104  (what such a host listens on is reached there)


@dataclass(frozen=True, slots=True)
class NeedsBrowser:
    """Somebody must open a page first, or press its button."""

    link: str
    """Opens one, once; empty where one is open."""
    tunnel: str = ""
    """The command that makes the link work on the machine in front of the person; empty where they are at this one."""


class Browser:
    """One per process."""

    def __init__(
        self, loaded: LoadedSettings, environ: Mapping[str, str], agent: str, services: Callable[[LoadedSettings], Starter]
    ) -> None:
        """``environ`` is this process's own, for a server that is started."""
        self.loaded = loaded
        """The settings in force; may be changed."""
        self._environ, self._agent, self._services = environ, _title(agent), services
        self._line: PageLine | None = None
        self._session = Session()
        self._acting: set[asyncio.Task[object]] = set()
        self.control: Callable[[ControlAction], Coroutine[Any, Any, object]] | None = None
        """Does what the person pressed in the page; None: nobody does."""

    async def wanted(self, transport: Transport | None, *, speaks: bool, listens: bool) -> bool:
        """Is it the page that a call with these needs is to use? Raises nothing: what is missing is told by who needs it."""
        settings, far = self.loaded.settings, bool(self.loaded.ssh_server)
        chosen = transport or settings.transport
        if chosen != "auto":
            return chosen == "browser"
        try:
            return await in_sound_thread(
                lambda: _lacks_device(settings, speaks=speaks or far, listens=listens or far), deadline_s=_FIND_S
            )
        except SoundError:
            return True

    @contextlib.asynccontextmanager
    async def held(self, budget_s: float, on_wait: Callable[[str], None]) -> AsyncIterator[NeedsBrowser | None]:
        """Have the page for the length of the block; what must happen first where there is none.

        Raises PageLineError when ``voicemode serve`` cannot be reached, FloorTakenError.
        """
        until = time.monotonic() + budget_s
        loaded = self.loaded
        line = await self._reached(loaded)
        refused = await self._take(line, loaded, until, on_wait)
        if refused is not None:
            yield _needs(loaded, refused)
            return
        try:
            yield None
        finally:
            line.give()

    def using(self, parts: TurnParts, messages: Sequence[str] = ()) -> TurnParts:
        """The same, with the page's devices. Only within ``held``. ``messages``: what is to be said, for captions."""
        line = self._line
        assert line is not None  # noqa: S101 - it is held
        shared, own = parts.session, self._session
        # What is learnt about engines and the person is the same everywhere; the room is another one.
        own.pace, own.stream_trust, own.pauses, own.letter_s = (
            shared.pace,
            shared.stream_trust,
            shared.pauses,
            shared.letter_s,
        )

        def put(entry: Entry) -> None:
            parts.put(entry)
            # Who keeps it is told what was heard, the page what is being said.
            text = _message_of(entry, messages) if entry.standing is Standing.IN_FLIGHT else entry.text
            line.tell(Said(entry.key, entry.role.value, text, entry.standing.value))

        return replace(
            parts,
            make_microphone=lambda: BrowserMicrophone(line),
            make_speaker=lambda: BrowserSpeaker(line),
            make_canceller=BrowserEchoCanceller,
            session=own,
            presence=lambda first: self._presence(line, parts.presence, first),
            put=put,
            watch=lambda event: _show(line, event),
        )

    async def aclose(self) -> None:
        """Idempotent."""
        line, self._line = self._line, None
        for task in self._acting:
            task.cancel()
        await asyncio.gather(*self._acting, return_exceptions=True)
        if line is not None:
            await line.aclose()

    # --

    @contextlib.asynccontextmanager
    async def _presence(
        self, line: PageLine, usual: Callable[[Task | None], AbstractAsyncContextManager[None]], first: Task | None
    ) -> AsyncIterator[None]:
        """A conversation outlives its call, and so does its hold of the page."""
        line.hold_on()
        try:
            async with usual(first):
                yield
        finally:
            line.give()

    async def _reached(self, loaded: LoadedSettings) -> PageLine:
        settings = loaded.settings
        address = address_of(settings)
        if self._line is None or self._line.address != address:
            await self.aclose()
            token = install_token(settings.base_dir, settings.serve_token)
            self._line = PageLine(address, token, self._agent, certificate=settings.serve_tls_cert)
            self._line.on_act = self._acted
        return self._line

    async def _take(
        self, line: PageLine, loaded: LoadedSettings, until: float, on_wait: Callable[[str], None]
    ) -> NotAttached | None:
        started = False
        start_until = time.monotonic() + _START_S
        while True:
            left_s = max(until - time.monotonic(), 1.0)
            try:
                return await line.take(
                    wait_s=min(loaded.settings.floor_wait_s, left_s), ring_s=min(_RING_S, left_s / 2), on_wait=on_wait
                )
            except OSError as error:
                if not started:
                    await self._start(loaded, line.address)
                    started = True
                elif time.monotonic() > start_until:
                    log = loaded.settings.base_dir / "run" / LOG
                    raise PageLineError(line.address, "it was started and does not answer", f"Look at {log}.") from error
                await asyncio.sleep(_POLL_S)

    async def _start(self, loaded: LoadedSettings, address: str) -> None:
        settings = loaded.settings
        if not settings.serve_start:
            raise PageLineError(address, "it does not run, and VOICEMODE_SERVE_START is false", "Run 'voicemode serve'.")
        if not settings.serve_port:
            raise PageLineError(address, "VOICEMODE_SERVE_PORT is 0, so nobody knows where it is", "Give it a port.")
        options = {"VOICEMODE_BASE_DIR": str(settings.base_dir)}
        try:
            await asyncio.to_thread(start_serve, settings.base_dir, self._environ, lambda: self._services(loaded), options)
        except (OSError, SettingsError) as error:
            raise PageLineError(address, f"it cannot be started ({error})", "Run 'voicemode serve'.") from error

    def _acted(self, action: str) -> None:
        if self.control is None or action not in ControlAction.__members__.values():
            return
        task: asyncio.Task[object] = asyncio.create_task(self.control(ControlAction(action)))
        self._acting.add(task)
        task.add_done_callback(self._acted_upon)

    def _acted_upon(self, task: asyncio.Task[object]) -> None:
        self._acting.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.info("what was pressed in the page was not done: %s", error)


def _title(program: str) -> str:
    """What people call it: "Claude Code" for "claude-code (pid 4711)"."""
    name = program.partition(" (pid ")[0].replace("-", " ")
    return name.title() if name.islower() else name


def _message_of(entry: Entry, messages: Sequence[str]) -> str:
    """By the key of ``turn_record``: conversation, number of the turn, what it is."""
    number = entry.key.split(".")[1:2]
    index = int(number[0]) if number and number[0].isdecimal() else len(messages)
    return messages[index] if index < len(messages) else ""


def address_of(settings: Settings) -> str:
    """Where ``voicemode serve`` listens under these settings, as this machine reaches it."""
    host = _ANY.get(settings.serve_host, settings.serve_host)
    return f"[{host}]:{settings.serve_port}" if ":" in host else f"{host}:{settings.serve_port}"


def link_to(settings: Settings, key: str) -> str:
    """The link of a key that works once."""
    scheme = "https" if settings.serve_tls_cert else "http"
    return f"{settings.public_url.rstrip('/') or f'{scheme}://{address_of(settings)}'}/#key={key}"


def _needs(loaded: LoadedSettings, refused: NotAttached) -> NeedsBrowser:
    settings = loaded.settings
    link = link_to(settings, refused.key) if refused.key else ""
    far = loaded.ssh_server if link and not settings.public_url else ""
    return NeedsBrowser(link, f"ssh -N -L {settings.serve_port}:{address_of(settings)} {far}" if far else "")


def _lacks_device(settings: Settings, *, speaks: bool, listens: bool) -> bool:
    """Blocks. Devices that were plugged in a moment ago are looked for before it is said that there is none."""

    def there() -> bool:
        if listens:
            find_input(settings.input_device)
        if speaks:
            find_output(settings.output_device)
        return True

    with contextlib.suppress(SoundError):
        return not there()
    try:
        refresh()
        return not there()
    except SoundError:
        return True


_STATES: Mapping[type[TurnEvent], str] = {
    WaitingForFloor: "waiting",
    SpeakingStarted: "speaking",
    ListeningStarted: "listening",
    SpeechStarted: "hearing",
    SpeechEnded: "thinking",
    Interrupted: "interrupted",
}


def _show(line: PageLine, event: TurnEvent) -> None:
    state = _STATES.get(type(event))
    if state is not None:
        line.tell(State(state))
    elif isinstance(event, Understood):
        line.tell(Words(event.text))
