"""One turn of a conversation: what the agent says, until there is an answer for it.

Mostly that is one exchange. A spoken command makes it more: "repeat that" says the message again, and "louder" says it again,
louder.
"""

from __future__ import annotations

from dataclasses import replace

from voicemode.core.commands import Command, effect_of
from voicemode.core.timeline_builder import Outcome
from voicemode.errors import VoicemodeError
from voicemode.events import EventSink, TurnEvent
from voicemode.runtime.exchange import Exchange
from voicemode.runtime.parts import TurnParts
from voicemode.runtime.result import Status, TurnRequest, TurnResult
from voicemode.runtime.turn_log import TurnLog
from voicemode.wire.control import ControlAction, ControlAnswer

__all__ = ["Turn"]


class Turn:
    """One turn under way. ``run`` may be called once."""

    def __init__(self, parts: TurnParts, request: TurnRequest, on_event: EventSink, called_at: float) -> None:
        """``called_at`` is when the caller asked, in seconds of ``time.monotonic()``; all timings count from there."""
        self._parts, self._request = parts, request
        self._log = TurnLog(_both(on_event, parts.watch), called_at)
        self._exchange: Exchange | None = None
        """The one under way; None before the first."""

    async def run(self) -> TurnResult:
        """Speak and listen until there is an answer. Raises any VoicemodeError; frees both devices in every case."""
        status = "cancelled"
        result: TurnResult | None = None
        try:
            result = await self._until_answered()
            status = result.status.value
        except VoicemodeError as error:
            status = error.code
            raise
        else:
            return result
        finally:
            self._keep(status, result)

    def finish_listening(self) -> None:
        """Take what was heard so far as the utterance; harmless at any other time."""
        if self._exchange is not None:
            self._exchange.finish_listening()

    async def control(self, action: ControlAction) -> ControlAnswer:
        """As ``Controllable.control``. Raises DeviceLostError."""
        exchange = self._exchange
        if exchange is None:
            return ControlAnswer(ok=action is ControlAction.STATUS, detail="it has only just begun")
        return await exchange.control(action)

    async def _until_answered(self) -> TurnResult:
        while True:
            exchange = self._exchange = Exchange(self._parts, self._request, self._log)
            result = await exchange.run()
            match exchange.command:
                case None | Command.WAIT:
                    return result
                case Command.STOP:
                    return replace(result, status=Status.CANCELLED)
                case command:
                    self._parts.journal.unkeep(result.audio)
                    session = self._parts.session
                    session.adjustments = effect_of(command, session.adjustments)
                    if not self._request.message.strip():
                        return result  # the agent spoke in another call, and only it can say that again
                    self._log.again()

    def _keep(self, status: str, result: TurnResult | None) -> None:
        outcome = Outcome(status=status)
        if result is not None:
            engines = {"tts": result.tts, "stt": result.stt, "vad": result.vad, "scorer": result.scorer}
            outcome = Outcome(
                status=status,
                ended_by=result.ended_by,
                text=result.text,
                heard=result.heard,
                unheard=result.unheard,
                timings_ms=result.timings_ms,
                engines=engines,
                settings={"patience": self._patience()},
            )
        self._parts.keep_timeline(self._log.timeline.finish(outcome, at=self._log.now()))

    def _patience(self) -> str:
        silence_s = self._request.silence_s
        return self._request.patience if silence_s is None else f"{round(silence_s * 1000)} ms"


def _both(first: EventSink, second: EventSink) -> EventSink:
    def tell(event: TurnEvent) -> None:
        first(event)
        second(event)

    return tell
