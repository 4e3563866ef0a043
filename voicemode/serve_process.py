"""A process that holds conversations which ``voicemode serve`` let in: ``python -m voicemode.serve_process LINES CONNECTIONS``.

Both are descriptors that the server made. It listens nowhere, and ends when the server does.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import logging
import os
import signal
import socket
import sys

from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from voicemode.assemble_server import Conversations, build_conversations
from voicemode.http.channel import Channel, Message, receive_connection
from voicemode.http.faults import log_without_words
from voicemode.http.guard import refusing
from voicemode.http.logs import log_to_stderr
from voicemode.http.processes import SERVER_ENDS
from voicemode.http.realtime_ws import converse
from voicemode.http.server import Server, server_config
from voicemode.http.sessions import SessionWish
from voicemode.http.websocket import WebSocketConnection
from voicemode.load_config import LoadedSettings
from voicemode.settings import Settings

__all__ = ["main"]

_log = logging.getLogger(__name__)


class _Holder:
    """Goes on with the connections that it is handed."""

    def __init__(self, conversations: Conversations, channel: Channel, connections: socket.socket) -> None:
        self._conversations, self._channel, self._connections = conversations, channel, connections
        self._server = Server(server_config(_nothing))

    async def run(self) -> None:
        """Until the server is gone or has ended."""
        # It listens to nothing: it keeps the time of the headers, and ends connections in good order.
        serving = asyncio.create_task(self._server.serve(sockets=[]))
        self._conversations.engines.watch.touch()
        self._channel.send({"ready": True})
        async for message in self._channel.messages():
            await self._told(message)
        self._conversations.calls.end_all(SERVER_ENDS)
        self._server.should_exit = True
        await serving
        await self._conversations.aclose()

    async def _told(self, message: Message) -> None:
        if "take" in message:
            await self._take(message)
        elif "metrics" in message:
            text = self._conversations.metrics.text().decode()
            self._channel.send({"metrics": message["metrics"], "text": text})
        elif "end_thread" in message:
            self._conversations.calls.end_thread(*message["end_thread"])
        elif "end" in message:
            self._conversations.calls.end_all(message["end"])

    async def _take(self, message: Message) -> None:
        try:
            connection = receive_connection(self._connections)
        except OSError as error:
            _log.error("a conversation was lost: %s", error)
            self._over(message)
            return
        protocol = WebSocketConnection(self._server.config, self._server.server_state, {})
        protocol.app = self._application(message)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: protocol, connection)
        except OSError:  # the client went
            connection.close()
            self._over(message)
            return
        protocol.data_received(base64.b64decode(message["opening"]))

    def _application(self, message: Message) -> ASGIApp:
        async def converse_once(scope: Scope, receive: Receive, send: Send) -> None:
            client = WebSocket(scope, receive, send)
            try:
                await converse(client, self._conversations.calls, SessionWish(**message["wish"]), message["address"])
            finally:
                self._over(message)

        return functools.partial(refusing, converse_once, self._conversations.metrics.count_refused)

    def _over(self, message: Message) -> None:
        self._channel.send({"over": message["take"]})


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """Each connection has an application of its own."""


async def _run(lines: socket.socket, connections: socket.socket) -> None:
    asyncio.get_running_loop().set_exception_handler(log_without_words)
    channel = await Channel.over(lines)
    first = await anext(channel.messages())
    settings = Settings.model_validate(first["settings"])
    log_to_stderr(settings.log_level, as_json=first["json_logs"])
    await _Holder(build_conversations(LoadedSettings(settings, {}), os.environ), channel, connections).run()


def main() -> int:
    """Exit status: 0."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server hears it, and ends this process in good order
    lines, connections = (socket.socket(fileno=int(each)) for each in sys.argv[1:3])
    for end in (lines, connections):
        end.setblocking(False)
    with contextlib.suppress(StopAsyncIteration):  # the server ended meanwhile
        asyncio.run(_run(lines, connections))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
