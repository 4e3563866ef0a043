"""An agent's end of the line to the page: one connection to ``voicemode serve`` for each process, opened when it is needed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pydantic import SecretStr

from voicemode.core.remote_playout import RemoteClock
from voicemode.errors import FloorTakenError, PageLostError
from voicemode.transports.errors import PageLineError
from voicemode.transports.known_server import make_sure
from voicemode.wire.page_line import (
    MOST_BYTES,
    Act,
    Failed,
    Give,
    Granted,
    Kind,
    LineError,
    Message,
    MicrophoneOpened,
    NoPage,
    PageLeft,
    Played,
    Ringing,
    SoundFrame,
    SpeakerOpened,
    Take,
    Waiting,
    WasCut,
    decode,
    decode_sound,
    encode,
    encode_sound,
)

if TYPE_CHECKING:  # loaded when somebody connects
    from websockets.asyncio.client import ClientConnection

__all__ = ["Device", "Hearing", "NotAttached", "PageLine"]

_CONNECT_S = 5.0
GRACE_S = 20.0
"""How long a turn waits for its page to come back: loading it again takes three seconds, leaving a tunnel longer."""
_ANSWER_S = 5.0
"""The server answers at once who has the page."""
_RUNS = 1 << 16
_GOOD_BYE_S = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NotAttached:
    """No page can be used now."""

    key: str = ""
    """For a link that opens one; empty where one is open, and its button was not pressed."""


class Device(Protocol):
    """What the page is for this process, while it is open."""

    def message(self, message: Message, at: float) -> None:
        """Something about it was told, which came at that time of ``time.monotonic()``."""

    def left(self) -> None:
        """The page is gone; it may come back."""

    def back(self) -> None:
        """It is there again, or another one, which knows nothing."""


class Hearing(Device, Protocol):
    """A microphone."""

    def heard(self, sound: SoundFrame, at: float) -> None:
        """A piece of sound came."""


class PageLine:
    """One per process. Whoever takes the page gives it back."""

    def __init__(self, address: str, token: SecretStr, agent: str, *, certificate: str = "", grace_s: float = GRACE_S) -> None:
        """``address``: host and port of ``voicemode serve``; ``agent`` is what the page calls this process.

        ``certificate``: the file of the one that it has, where it speaks TLS.
        """
        self.address, self._token, self._agent, self._grace_s = address, token, agent, grace_s
        self._certificate = certificate
        self._socket: ClientConnection | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._out: asyncio.Queue[str | bytes] = asyncio.Queue()
        self._answers: asyncio.Queue[Message] = asyncio.Queue()
        self._present = asyncio.Event()
        self._gone_at: float | None = None
        self._run = 0
        self._holds = 0
        self._taking = asyncio.Lock()
        self.speaker: Device | None = None
        self.microphone: Hearing | None = None
        self.on_act: Callable[[str], None] = lambda _: None
        """Told what the person pressed in the page."""
        self.clock = RemoteClock()
        """The page's."""
        self.page = ""

    @property
    def present(self) -> bool:
        """Is the page there, and ours?"""
        return self._present.is_set()

    # -- who may use it

    async def take(
        self, *, wait_s: float, ring_s: float, on_wait: Callable[[str], None] = lambda _: None
    ) -> NotAttached | None:
        """Get the page, or once more; None when it is ours, until ``give`` was called as often.

        It waits ``wait_s`` for another agent, and ``ring_s`` for somebody to press the page's button. Raises PageLineError,
        FloorTakenError, and OSError when nobody listens there.
        """
        async with self._taking:
            if self._holds == 0 or not self._connected:
                refused = await self._ask(wait_s, ring_s, on_wait)
                if refused is not None:
                    return refused
            self._holds += 1
            return None

    def hold_on(self) -> None:
        """Whoever has the page already needs it once more; ``give`` is owed for it."""
        self._holds += 1

    def give(self) -> None:
        """Idle processes leave the page to others."""
        self._holds = max(self._holds - 1, 0)
        if not self._holds:
            self._present.clear()
            self.tell(Give())

    async def _ask(self, wait_s: float, ring_s: float, on_wait: Callable[[str], None]) -> NotAttached | None:
        await self._connect()
        self._answers = asyncio.Queue()
        self.tell(Take(self._agent))
        began, limit_s = time.monotonic(), _ANSWER_S
        holder, ringing, granted = "", False, False
        try:
            while True:
                try:
                    async with asyncio.timeout(limit_s - (time.monotonic() - began)):
                        answer = await self._answers.get()
                except TimeoutError:
                    waited = time.monotonic() - began
                    if holder:
                        raise FloorTakenError(holder, waited) from None
                    if ringing:
                        return NotAttached()
                    raise self._error("it does not answer", "Start it again.") from None
                match answer:
                    case Granted():
                        granted = True
                        return None
                    case NoPage(key=key):
                        return NotAttached(key)
                    case Ringing():
                        holder, ringing, limit_s = "", True, ring_s
                    case Waiting(holder=holder):
                        limit_s = wait_s
                        on_wait(holder)
                    case _:
                        raise self._error("it ended", "Start it again.")
        finally:
            if not granted:
                self.tell(Give())

    # -- for devices

    def when(self, message: Played | WasCut, at: float) -> float:
        """What it tells the time of, in terms of ``time.monotonic()``; it came ``at``."""
        self.clock.learn(message.now_ms / 1000, at)
        return self.clock.ours(message.at_ms / 1000)

    def new_run(self) -> int:
        self._run = (self._run + 1) % _RUNS
        return self._run

    def tell(self, message: Message) -> None:
        """Returns at once; what is told to nobody is forgotten."""
        if self._connected:
            self._out.put_nowait(encode(message))

    def play(self, frame: SoundFrame) -> None:
        if self._connected:
            self._out.put_nowait(encode_sound(frame))

    async def wait_present(self) -> None:
        """Return while the page is there. Raises PageLostError when it does not come back in time."""
        while not self._present.is_set():
            left_s = self._grace_s - (time.monotonic() - (self._gone_at or time.monotonic()))
            if not self._connected or left_s <= 0:
                raise PageLostError(self.page)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left_s, 1.0)):
                    await self._present.wait()

    # -- the connection

    @property
    def _connected(self) -> bool:
        return self._socket is not None

    async def _connect(self) -> None:
        if self._connected:
            return
        from websockets.asyncio.client import connect
        from websockets.exceptions import InvalidHandshake, InvalidStatus

        if not self._certificate:
            await make_sure(self.address, self._token, within_s=_CONNECT_S)
        try:
            socket = await connect(
                f"{'wss' if self._certificate else 'ws'}://{self.address}/api/page/line",
                ssl=self._trusted(),
                additional_headers={"Authorization": f"Bearer {self._token.get_secret_value()}"},
                proxy=None,
                compression=None,
                open_timeout=_CONNECT_S,
                max_size=MOST_BYTES,
                close_timeout=_GOOD_BYE_S,
            )
        except InvalidStatus as error:
            status = error.response.status_code
            if status == 401:
                remedy = "Both must have the same VOICEMODE_BASE_DIR, or the same VOICEMODE_SERVE_TOKEN."
                raise self._error("it has another token than this process", remedy) from error
            remedy = "Name another port with VOICEMODE_SERVE_PORT, or start it again if it is an older one."
            raise self._error(f"what answers there does not know the line (HTTP {status})", remedy) from error
        except ssl.SSLError as error:
            raise self._error("its certificate is not that of VOICEMODE_SERVE_TLS_CERT", "Start it again.") from error
        except (InvalidHandshake, TimeoutError) as error:
            raise self._error("what answers there is no voicemode", "Name another port with VOICEMODE_SERVE_PORT.") from error
        self._socket, self._out, self.clock = socket, asyncio.Queue(), RemoteClock()
        self._tasks = [asyncio.create_task(self._read(socket)), asyncio.create_task(self._write(socket, self._out))]

    async def _read(self, socket: ClientConnection) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            while True:
                self._received(await socket.recv(), time.monotonic())
        except ConnectionClosed:
            pass
        except LineError as error:
            _log.warning("the line to the page is closed: %s", error)
            await socket.close()
        finally:
            self._disconnected(socket)

    async def _write(self, socket: ClientConnection, out: asyncio.Queue[str | bytes]) -> None:
        from websockets.exceptions import ConnectionClosed

        with contextlib.suppress(ConnectionClosed):
            while True:
                await socket.send(await out.get())

    def _disconnected(self, socket: ClientConnection) -> None:
        if self._socket is socket:
            self._socket = None
            self._answers.put_nowait(PageLeft())
            self._left()

    def _received(self, frame: str | bytes, at: float) -> None:
        if isinstance(frame, bytes):
            sound = decode_sound(frame)
            if sound.kind is Kind.CAPTURED and self.microphone is not None:
                self.microphone.heard(sound, at)
            return
        message = decode(frame)
        match message:
            case Granted(page=page):
                self.page = page
                self._answers.put_nowait(message)
                self._back()
            case NoPage() | Waiting() | Ringing():
                self._answers.put_nowait(message)
            case PageLeft():
                self._left()
            case SpeakerOpened() | Played() | WasCut() | Failed(device="speaker"):
                if self.speaker is not None:
                    self.speaker.message(message, at)
            case MicrophoneOpened() | Failed(device="microphone"):
                if self.microphone is not None:
                    self.microphone.message(message, at)
            case Act(action=action):
                self.on_act(action)
            case _:
                pass

    def _left(self) -> None:
        if self._present.is_set():
            self._present.clear()
            self._gone_at = time.monotonic()
        for device in (self.speaker, self.microphone):
            if device is not None:
                device.left()

    def _back(self) -> None:
        returns = self._gone_at is not None
        self._gone_at = None
        self.clock = RemoteClock()  # of another page, or of the same one that was loaded again
        self._present.set()
        for device in (self.speaker, self.microphone) if returns else ():
            if device is not None:
                device.back()

    def _trusted(self) -> ssl.SSLContext | None:
        """The server's own certificate and no other, under whatever name it was made for: we call it by its address."""
        if not self._certificate:
            return None
        context = ssl.create_default_context(cafile=self._certificate)
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        return context

    def _error(self, problem: str, remedy: str) -> PageLineError:
        return PageLineError(self.address, problem, remedy)

    async def aclose(self) -> None:
        """Idempotent."""
        socket, self._socket = self._socket, None
        self._left()
        if socket is not None:
            await socket.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
