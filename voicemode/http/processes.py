"""Further processes that hold conversations, so that one server uses more than one core.

This process listens, lets people in and does everything else. A conversation over WebSocket goes, once it was let in, to the
process that has the fewest: with its connection, so that nothing of it comes by here again.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import logging
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from voicemode.http.channel import Channel, Message, send_connection, socket_pairs
from voicemode.http.sessions import SessionWish
from voicemode.http.websocket import WebSocketConnection

__all__ = ["SERVER_ENDS", "Processes", "can_hand_over"]

SERVER_ENDS = "the server ends"
"""Why conversations are ended that would go on."""

_MODULE = "voicemode.serve_process"
_START_S = 60.0
"""A slow disk takes long over the libraries."""
_ANSWER_S = 1.0
"""How long whoever scrapes the figures waits for those of another process."""
_LOOK_S, _HUNG_S = 10.0, 10.0
"""Between two looks whether a process still answers, and how long it may take for that."""
_END_S = 1.0
"""So long a process may take to free everything once its channel is closed."""
_AGAIN_S, _AGAIN_MOST_S = 1.0, 60.0
"""Between the end of a process and its next start; twice as long each time, until one lived for the longer of the two."""

_log = logging.getLogger(__name__)


def can_hand_over() -> bool:
    """Windows cannot, as Python knows it."""
    return hasattr(socket, "send_fds") and hasattr(socket, "AF_UNIX")


class _Process:
    """One of them, while it lives."""

    def __init__(self, channel: Channel, connections: Any) -> None:
        self.channel, self._connections = channel, connections
        self._numbers = itertools.count(1)
        self.held: dict[int, asyncio.Future[None]] = {}
        """Conversations, by number."""
        self._asked: dict[int, asyncio.Future[str]] = {}

    def take(self, connection: WebSocketConnection, wish: SessionWish, address: str) -> asyncio.Future[None]:
        """Let it go on with the connection; done when that is over. Raises OSError, and then it stays with us."""
        send_connection(self._connections, connection.descriptor)
        number = next(self._numbers)
        opening = base64.b64encode(connection.opening).decode()
        self.channel.send({"take": number, "opening": opening, "wish": asdict(wish), "address": address})
        connection.release()
        self.held[number] = over = asyncio.get_running_loop().create_future()
        return over

    async def metrics(self, within_s: float = _ANSWER_S) -> str:
        """Its figures in Prometheus' text format. Raises TimeoutError."""
        number = next(self._numbers)
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        self.channel.send({"metrics": number})
        try:
            async with asyncio.timeout(within_s):
                return await answer
        finally:
            del self._asked[number]

    def told(self, message: Message) -> None:
        """By it."""
        if (over := self.held.pop(message.get("over", 0), None)) is not None and not over.done():
            over.set_result(None)
        if (answer := self._asked.get(message.get("metrics", 0))) is not None and not answer.done():
            answer.set_result(message["text"])

    def gone(self) -> None:
        """Nothing of it comes any more."""
        for over in self.held.values():
            if not over.done():
                over.set_result(None)
        self.held.clear()
        self._connections.close()
        self.channel.close()


class Processes:
    """All but this one. Those that die are started again; what they held is lost, and their clients see a broken connection."""

    def __init__(
        self, count: int, first_words: Message, on_taken: Callable[[], None] = lambda: None, *, hung_s: float = _HUNG_S
    ) -> None:
        """``count`` of them, each told ``first_words``, fit for JSON. ``on_taken`` is told of each conversation.

        One that does not answer for ``hung_s`` is killed: those who talk to it would wait for ever.
        """
        self._count, self._first, self._on_taken, self._hung_s = count, first_words, on_taken, hung_s
        self._alive: list[_Process] = []
        self._keeping: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Returns at once: until they are there, all conversations are held here."""
        self._keeping = [asyncio.create_task(self._keep()) for _ in range(self._count)]

    @property
    def ready(self) -> int:
        """How many are there."""
        return len(self._alive)

    @property
    def conversations(self) -> int:
        """How many they hold."""
        return sum(len(each.held) for each in self._alive)

    def take(self, connection: WebSocketConnection, wish: SessionWish, address: str, here: int) -> asyncio.Future[None] | None:
        """Hand the conversation to one that has no more than the ``here`` of this process, if there is one.

        The future is done when the conversation is over. None: it is to be held here.
        """
        process = min(self._alive, key=lambda each: len(each.held), default=None)
        if process is None or len(process.held) > here:
            return None
        try:
            over = process.take(connection, wish, address)
        except OSError as error:
            _log.warning("a conversation stays in this process: %s", error)
            return None
        self._on_taken()
        return over

    async def metrics(self) -> Sequence[str]:
        """The figures of each that answers."""
        answers = await asyncio.gather(*(each.metrics() for each in self._alive), return_exceptions=True)
        return [answer for answer in answers if isinstance(answer, str)]

    def end_all(self, reason: str) -> None:
        """End their conversations, in order."""
        for each in self._alive:
            each.channel.send({"end": reason})

    def end_thread(self, identity: str, thread: str, reason: str) -> None:
        """End the calls of a thread that they hold, in order."""
        for each in self._alive:
            each.channel.send({"end_thread": [identity, thread, reason]})

    async def aclose(self) -> None:
        """End them. Idempotent."""
        for task in self._keeping:
            task.cancel()
        await asyncio.gather(*self._keeping, return_exceptions=True)

    async def _keep(self) -> None:
        """One that lives, whatever happens to it."""
        loop, pause_s = asyncio.get_running_loop(), _AGAIN_S
        while True:
            began = loop.time()
            try:
                await self._live()
                ended = "has ended"
            except OSError as error:  # no memory, or no descriptors
                ended = f"does not start ({error})"
            if loop.time() - began > _AGAIN_MOST_S:
                pause_s = _AGAIN_S
            _log.error("a process that is to hold conversations %s; the next one starts in %g s", ended, pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _AGAIN_MOST_S)

    async def _live(self) -> None:
        lines, connections = socket_pairs()
        theirs = (lines[1], connections[1])
        process = _Process(await Channel.over(lines[0]), connections[0])
        try:
            child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", _MODULE, *(str(end.fileno()) for end in theirs)),
                pass_fds=[end.fileno() for end in theirs],
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for this process, which gives them the time of the drain
            )
        except OSError:
            process.gone()
            raise
        finally:
            for end in theirs:
                end.close()
        watching = asyncio.create_task(self._watch(process, child))
        try:
            process.channel.send(self._first)
            await self._listen(process)
        finally:
            watching.cancel()
            process.gone()
            with contextlib.suppress(ValueError):
                self._alive.remove(process)
            await _ended(child)

    async def _listen(self, process: _Process) -> None:
        messages = process.channel.messages()
        with contextlib.suppress(TimeoutError, StopAsyncIteration):
            async with asyncio.timeout(_START_S):
                await anext(messages)  # it is ready
            self._alive.append(process)
            async for message in messages:
                process.told(message)

    async def _watch(self, process: _Process, child: asyncio.subprocess.Process) -> None:
        while True:
            await asyncio.sleep(min(_LOOK_S, self._hung_s))
            if process not in self._alive:
                continue  # it is about to start, which has a deadline of its own
            try:
                await process.metrics(self._hung_s)
            except TimeoutError:
                _log.error("a process that holds conversations has not answered for %g s: it is killed", self._hung_s)
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
                return


async def _ended(child: asyncio.subprocess.Process) -> None:
    try:
        async with asyncio.timeout(_END_S):
            await child.wait()
    except (TimeoutError, asyncio.CancelledError) as error:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()
        if isinstance(error, asyncio.CancelledError):
            raise
