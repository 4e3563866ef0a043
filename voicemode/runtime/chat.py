"""Typed turns of a conversation: the person's words go into its record, and whoever answers is told all of it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from voicemode.answers import Answerer, AnswerRequest, TextDelta
from voicemode.core.recorded import turns_of
from voicemode.errors import VoicemodeError
from voicemode.record import Entry, Record, RecordError, Role, Standing

__all__ = ["Chat", "Reply"]

_NOTE_S = 0.5
"""How often what was answered so far is put down: so much is lost when the process is killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What was answered."""

    text: str
    engine: str
    failed: tuple[str, ...] = ()
    """Who was tried before, each with the reason."""
    standing: Standing = Standing.WHOLE
    seconds: float = field(default=0.0)
    """From the question to the end of the answer."""


class Chat:
    """One conversation by keyboard. Its record is the caller's, who closes it."""

    def __init__(self, record: Record, answerer: Answerer, clock: Callable[[], float] = time.monotonic) -> None:
        self._record, self._answerer, self._clock = record, answerer, clock
        self._unread: list[Entry] = []
        """What was said here, for when the record cannot be read."""

    async def say(self, text: str, on_text: Callable[[str], None] = lambda _: None) -> Reply:
        """Say something, and hear the answer as it comes. Cancelled, the answer is put down as far as it came.

        Raises any VoicemodeError of who answers; what came before is put down then, too.
        """
        began, key = self._clock(), secrets.token_hex(8)
        self._put(Entry(f"chat_{key}.user", Role.USER, text))
        history = turns_of(await self._entries())
        request = AnswerRequest(history, session_id=self._record.session, conversation=self._record.thread)
        flow = self._answerer.answer(request)
        said, noted = "", self._clock()
        standing = Standing.FAILED
        try:
            async for delta in flow:
                if not isinstance(delta, TextDelta):
                    continue
                said += delta.text
                on_text(delta.text)
                if self._clock() - noted >= _NOTE_S or said == delta.text:
                    noted = self._clock()
                    self._record.put(self._answer(key, said, Standing.IN_FLIGHT))
            standing = Standing.WHOLE
        except VoicemodeError:
            raise
        except BaseException:
            standing = Standing.INTERRUPTED
            raise
        finally:
            seconds = self._clock() - began
            self._put(self._answer(key, said, standing, seconds))
            await flow.aclose()
        return Reply(text=said, engine=flow.engine, failed=flow.failed, seconds=seconds)

    def _put(self, entry: Entry) -> None:
        self._unread.append(entry)
        self._record.put(entry)

    async def _entries(self) -> tuple[Entry, ...]:
        try:
            return await self._record.history()
        except RecordError:
            return tuple(self._unread)

    @staticmethod
    def _answer(key: str, text: str, standing: Standing, seconds: float | None = None) -> Entry:
        timings = {} if seconds is None else {"answer": seconds}
        return Entry(f"chat_{key}.assistant", Role.ASSISTANT, text, standing, timings=timings)
