"""How far the answers were heard: by the transport that plays them, or by the clock where the client plays them itself."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from voicemode.audio import Samples
from voicemode.dialogue import IdleTimedOut, PlayoutCleared, PlayoutStarted, PlayoutStopped, Report
from voicemode.playout import PlayoutSink
from voicemode.runtime.dialogue_kinds import AnswerLike

__all__ = ["Playing"]

_SERVER_AHEAD_S = 30.0
"""1.4 MB of sound."""
_CLIENT_AHEAD_S = 60.0
"""A client may want more than it plays, as for a file; its messages are 4 MB then."""


class Playing:
    """The sound of one session's answers. As a PlayoutListener it is told by the transport."""

    def __init__(self, sink: PlayoutSink | None, tell: Callable[[Report], None], position_s: Callable[[], float]) -> None:
        """``position_s``: where the person's sound stands, which is the time that an idle person is waited for in."""
        self._sink, self._tell, self._position_s = sink, tell, position_s
        self._queued: list[str] = []
        """Answers whose sound the transport has and has not played to its end."""
        self._began: tuple[AnswerLike, float, float] | None = None
        """Where the client plays: the answer that sounds, when it began by the clock, and by the person's sound."""
        self._idle_from: float | None = None
        """Where the last answer had been heard to its end, by the person's sound; None while nobody is waited for."""
        if sink is not None:
            sink.listen(self)

    @property
    def most_ahead_s(self) -> float:
        """How much sound may wait to be heard."""
        return _CLIENT_AHEAD_S if self._sink is None else _SERVER_AHEAD_S

    def ahead_s(self, answer: AnswerLike) -> float:
        """How much of it waits to be heard: seconds."""
        if answer.is_held:
            return answer.emitted_s
        if self._sink is not None:
            return self._sink.queued_s
        if self._began is None or self._began[0] is not answer:
            return 0.0
        return max(answer.emitted_s - (asyncio.get_running_loop().time() - self._began[1]), 0.0)

    def sound(self, answer: AnswerLike, samples: Samples) -> None:
        """More of it is on its way to the person."""
        if self._sink is None:
            if self._began is None or self._began[0] is not answer:
                self._began = (answer, asyncio.get_running_loop().time(), self._position_s())
            return
        if answer.response_id not in self._queued:
            self._queued.append(answer.response_id)
        self._sink.write(answer.response_id, samples)

    def ended(self, answer: AnswerLike) -> None:
        """No more of it comes."""
        if self._sink is not None and answer.response_id in self._queued:
            self._sink.finish(answer.response_id)
            return
        position_s = self._position_s()
        if self._began is not None and self._began[0] is answer:
            position_s = max(position_s, self._began[2] + answer.emitted_s)
            self._began = None
        self._idle_from = position_s

    def flush(self) -> None:
        """Be silent now, where the transport plays."""
        if self._sink is None:
            return
        heard_ms = self._sink.flush()
        queued, self._queued = self._queued, []
        for response_id in queued:
            self._tell(PlayoutCleared(response_id, heard_ms))
            heard_ms = 0  # those behind it had not begun

    def nobody_idles(self) -> None:
        """Somebody speaks, or will."""
        self._idle_from = None

    def look(self, timeout_ms: int | None, *, speaking: bool) -> None:
        """Tell when the person has been silent for as long as was agreed."""
        if timeout_ms is None or self._idle_from is None or speaking or self._queued:
            return
        now_s = self._position_s()
        if now_s >= self._idle_from + timeout_ms / 1000:
            began_s, self._idle_from = self._idle_from, None
            self._tell(IdleTimedOut(round(began_s * 1000), round(now_s * 1000)))

    def close(self) -> None:
        """Nothing is told any more."""
        if self._sink is not None:
            self._sink.listen(None)

    # -- as PlayoutListener

    def playout_started(self, response_id: str) -> None:
        self._tell(PlayoutStarted(response_id))

    def playout_stopped(self, response_id: str) -> None:
        with contextlib.suppress(ValueError):  # it was flushed
            self._queued.remove(response_id)
        self._idle_from = self._position_s()
        self._tell(PlayoutStopped(response_id))
