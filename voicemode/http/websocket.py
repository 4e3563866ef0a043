"""uvicorn's WebSocket connection, as a server of long conversations needs it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

__all__ = ["CONNECTION", "IN_A_ROW", "WebSocketConnection"]

CONNECTION = "voicemode.connection"
"""Key of the ASGI scope's extensions: {"connection": the WebSocketConnection}."""
_FEW_MESSAGES, _SMALL_BYTES = 16, 16 << 10
"""So much of one client waits at most while more is read: 256 KiB, or 0.3 s of a browser's sound."""
IN_A_ROW = 8
"""Messages of one client are taken at once, 1 ms of work with 20 ms of sound each; the others are not to wait for more."""
_QUIET_S = 0.25
"""Without data for so long, a client has read why it is closed: what is still on its way comes within a round trip."""
_FLUSH_S = 2.0
"""How long a client may take to read what was sent before its conversation ended."""


class WebSocketConnection(WebSocketsSansIOProtocol):
    """uvicorn's, with five differences.

    It may hand texts on by itself (``taker``): a task that wakes up for each is a third of the work of receiving it.

    It reads on while only little waits for us. uvicorn stops reading at each message and starts again when that was taken: two
    requests to the system for 20 ms of sound.

    Who sends too much, or no WebSocket, hears the close code. Closing a connection that still brings data resets it, and the
    client reports that instead of 1009. So what comes is thrown away until nothing more comes, ``close_timeout`` at most.

    Who does not read is cut off. Closing a connection waits until all was sent, for ever if nobody reads.

    Before the handshake is answered, the application may take the connection away (``CONNECTION``).
    """

    taker: Callable[[str], bool] | None = None
    """Takes a text at once, without a task that wakes up for it; False: it is to wait for ``receive``, as what follows does."""
    _taken = 0
    """Texts of what came last."""
    _opening = b""
    """What came until the handshake was answered."""
    _failed_at: float | None = None
    """When the client was told; None as long as it keeps to the protocol."""

    def send_receive_event_to_app(self) -> None:
        if self._took_it():
            return
        few = self.queue.qsize() < _FEW_MESSAGES and sum(map(len, self.frames)) < _SMALL_BYTES
        if self.read_paused or not few:
            super().send_receive_event_to_app()
            return
        self.read_paused = True  # uvicorn stops reading unless it has already
        try:
            super().send_receive_event_to_app()
        finally:
            self.read_paused = False

    def _took_it(self) -> bool:
        if self.taker is None or self.curr_msg_data_type != "text" or self._taken >= IN_A_ROW:
            return False
        if self.read_paused or self.close_sent or not self.queue.empty():
            return False
        self._taken += 1
        try:
            if not self.taker(b"".join(self.frames).decode()):
                return False
        except Exception:  # noqa: BLE001  (a fault of ours, or no UTF-8: whoever calls ``receive`` meets it, too, and tells)
            return False
        self.frames = []
        return True

    def handle_parser_exception(self) -> None:
        close = self.conn.close_sent
        assert close is not None  # noqa: S101  (the protocol has just failed, and says so to the client)
        self.queue.put_nowait({"type": "websocket.disconnect", "code": close.code, "reason": close.reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self._failed_at = self.loop.time()
        self._close_when_quiet()

    def data_received(self, data: bytes) -> None:
        if self._failed_at is not None:
            self._close_when_quiet()
            return
        if not self.handshake_complete:
            self._opening += data
        self._taken = 0
        super().data_received(data)

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if not self.handshake_complete:
            # Its task has been made, but has not run.
            self.scope["extensions"][CONNECTION] = {"connection": self}

    @property
    def descriptor(self) -> int:
        """The connection's; it stays this process' until ``release``."""
        number: int = self.transport.get_extra_info("socket").fileno()
        return number

    @property
    def opening(self) -> bytes:
        """Everything that came, from the request line on; its handshake was not answered."""
        return self._opening

    def release(self) -> None:
        """Another process goes on with it: nothing is read or sent any more, and this copy of it is closed."""
        self.handshake_complete = True  # uvicorn answers with 500 what was not answered
        self.transport.abort()

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        super().on_task_complete(task)
        if not self.disconnected:
            self.loop.call_later(_FLUSH_S, self._cut_off)

    def _cut_off(self) -> None:
        if not self.disconnected and self.transport.get_write_buffer_size():
            self.transport.abort()

    def _close_when_quiet(self) -> None:
        if self.close_timer is not None:
            self.close_timer.cancel()
        left_s = (self._failed_at or 0.0) + self.close_timeout - self.loop.time()
        self.close_timer = self.loop.call_later(min(_QUIET_S, max(left_s, 0.0)), self.transport.close)
