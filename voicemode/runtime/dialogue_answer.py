"""One answer: words come from whoever answers, go clause by clause to the voice, and are reported as they will be heard."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Literal

from voicemode.answers import AnswerRequest, Finished, FinishReason, TextDelta, ToolDelta
from voicemode.audio import Samples, WordOnset
from voicemode.core.spoken_stream import SpokenStream
from voicemode.dialogue import (
    AnswerAudio,
    AnswerDone,
    AnswerFailed,
    AnswerText,
    Message,
    Respond,
    ToolCall,
    ToolCallBegan,
    ToolCallDone,
    ToolCallGrew,
    ToolResult,
    Usage,
    UserTurn,
)
from voicemode.errors import VoicemodeError
from voicemode.interfaces import SpeechRequest
from voicemode.runtime.dialogue_parts import DialogueParts
from voicemode.runtime.dialogue_speech import Speech
from voicemode.runtime.dialogue_words import NoWordsError, TurnWords, fault_of

__all__ = ["Answer", "AnswerReport", "asked_by"]

AnswerReport = AnswerText | AnswerAudio | ToolCallBegan | ToolCallGrew | ToolCallDone | AnswerDone | AnswerFailed

_HURRY_S = 0.25
"""How long a short first sentence waits for another one, to be spoken together with it."""
_MOST_PIECES = 64
"""Of text that waits for the voice; whoever answers is not read faster."""
_APOLOGY_S = 2.0
"""A failure is to be known after 3 s; within this it is spoken, or only shown."""
_CHARS_PER_TOKEN = 4
"""OpenAI's rule of thumb for English, where nobody counted."""
_SLOWEST, _FASTEST = 0.25, 4.0
_INCOMPLETE: Mapping[FinishReason, Literal["max_output_tokens", "content_filter"]] = MappingProxyType(
    {"length": "max_output_tokens", "content_filter": "content_filter"}
)


def asked_by(request: Respond, parts: DialogueParts, history: tuple[Message | ToolCall | ToolResult, ...]) -> AnswerRequest:
    """What whoever answers is asked."""
    return AnswerRequest(
        history,
        instructions=request.instructions,
        tools=request.tools,
        tool_choice=request.tool_choice,
        parallel_tool_calls=request.parallel_tool_calls,
        max_tokens=request.max_tokens,
        model=request.model,
        session_id=parts.session_id,
        conversation=parts.conversation,
    )


class Answer:
    """One answer under way, in a task of its own; ``begin`` it once."""

    def __init__(
        self,
        parts: DialogueParts,
        request: Respond,
        tell: Callable[[AnswerReport], None],
        *,
        words: TurnWords,
        ahead_s: Callable[[Answer], float],
        most_ahead_s: float,
        asked: AnswerRequest | None = None,
    ) -> None:
        """``ahead_s`` says how much of it the person has still to hear, of which there is never more than ``most_ahead_s``.

        With ``asked`` it is one that was begun early: nothing of it is reported before ``open``.
        """
        self._parts, self._request, self._report, self._words = parts, request, tell, words
        self.asked = asked
        """What was asked; None before it is known."""
        self._held: list[AnswerReport] | None = None if asked is None else []
        """What waits for ``open``; None when nothing waits."""
        self._over = False
        """Is nothing more of it told?"""
        self._stream = SpokenStream(parts.language or "en")
        self._pieces: asyncio.Queue[str | None] = asyncio.Queue(_MOST_PIECES)
        """None after the last one."""
        self._unsaid: deque[str] = deque()
        """Pieces whose sound has not begun."""
        self._hurry: asyncio.TimerHandle | None = None
        self._calls: dict[str, str] = {}
        """The functions that were called, by call."""
        self._finished = Finished()
        self._broken: BaseException | None = None
        """Why the words broke off."""
        self._speech = Speech(
            parts.synthesizer,
            SpeechRequest(
                "-",
                voice=parts.voice(request.voice),
                speed=min(max(request.speed, _SLOWEST), _FASTEST),
                language=parts.language,
                on_remote=parts.on_remote,
            ),
            self._sound,
            ahead_s=lambda: ahead_s(self),
            most_ahead_s=most_ahead_s,
        )
        self.text = ""
        """What was told of its words."""
        self.task: asyncio.Task[None] | None = None

    @property
    def response_id(self) -> str:
        return self._request.response_id

    @property
    def request(self) -> Respond:
        return self._request

    @property
    def is_held(self) -> bool:
        """Does it wait for ``open``?"""
        return self._held is not None

    @property
    def emitted_s(self) -> float:
        """Seconds of sound that were made."""
        return self._speech.emitted_s

    def begin(self) -> None:
        self.task = asyncio.create_task(self._run())

    def open(self, request: Respond) -> None:
        """This is what was asked in the end: tell what was held back, and from now on whatever comes."""
        self._request = request
        held, self._held = self._held or [], None
        self.text = ""
        for report in held:
            self._tell(replace(report, response_id=request.response_id))

    def cancel(self) -> None:
        """Say no more of it: nothing is reported from now on; connections are freed as its task ends. Idempotent."""
        self._over = True
        self._held = None
        if self.task is not None:
            self.task.cancel()

    # -- the way of the words

    async def _run(self) -> None:
        try:
            await self._answer()
        except NoWordsError as error:
            self._tell(AnswerFailed(self.response_id, error.code, error.message))
        except Exception as error:  # noqa: BLE001 - one answer's fault must not end the session
            code, message = fault_of(error)
            self._tell(AnswerFailed(self.response_id, code, message))

    async def _answer(self) -> None:
        if self.asked is None:
            history = await self._history()
            if history is None:
                self._tell(AnswerDone(self.response_id))
                return
            self.asked = asked_by(self._request, self._parts, history)
        tasks = [asyncio.create_task(self._read(self.asked))]
        if self._request.audio:
            tasks.append(asyncio.create_task(self._speak()))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in tasks:
                if task.done():
                    task.result()
        except VoicemodeError:
            self._show_unsaid()
            raise
        finally:
            if self._hurry is not None:
                self._hurry.cancel()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        self._end(self.asked)

    async def _history(self) -> tuple[Message | ToolCall | ToolResult, ...] | None:
        """The dialogue in words; None where the last turn has none, so that there is nothing to answer. Raises NoWordsError."""
        entries = self._request.history
        known: list[Message | ToolCall | ToolResult] = []
        for at, entry in enumerate(entries):
            if not isinstance(entry, UserTurn):
                known.append(entry)
                continue
            is_last = at == len(entries) - 1
            try:
                text = await self._words.of(entry.item_id)
            except NoWordsError:
                if is_last:
                    raise
                continue  # it was told when it happened
            if text:
                known.append(Message("user", text, entry.item_id))
            elif is_last:
                return None
        return tuple(known)

    async def _read(self, asked: AnswerRequest) -> None:
        """Take the words as they come, until they end or break off."""
        try:
            if self._request.script:
                await self._take(self._request.script)
            else:
                await self._ask(asked)
        except Exception as error:  # noqa: BLE001 - what came is still said, and then why it is not more
            self._broken = error
        if self._request.audio:
            for piece in self._stream.flush():
                await self._put(piece)
            await self._pieces.put(None)

    async def _ask(self, asked: AnswerRequest) -> None:
        flow = self._parts.answerer.answer(asked)
        async with contextlib.aclosing(flow):
            async for delta in flow:
                match delta:
                    case TextDelta():
                        await self._take(delta.text)
                    case ToolDelta():
                        self._call(delta)
                    case Finished():
                        self._finished = delta
        for call_id in self._calls:
            self._tell(ToolCallDone(self.response_id, call_id))

    async def _take(self, text: str) -> None:
        if not self._request.audio:
            self._tell(AnswerText(self.response_id, text))
            return
        for piece in self._stream.push(text):
            await self._put(piece)
        if self._hurry is None:
            self._hurry = asyncio.get_running_loop().call_later(_HURRY_S, self._hurry_up)

    def _hurry_up(self) -> None:
        self._hurry = None
        for piece in self._stream.hurry():
            self._unsaid.append(piece)
            self._pieces.put_nowait(piece)  # the first one: there is room

    async def _put(self, piece: str) -> None:
        self._unsaid.append(piece)
        await self._pieces.put(piece)

    def _call(self, delta: ToolDelta) -> None:
        if delta.call_id not in self._calls:
            self._calls[delta.call_id] = delta.name
            self._tell(ToolCallBegan(self.response_id, delta.call_id, delta.name))
        if delta.arguments:
            self._tell(ToolCallGrew(self.response_id, delta.call_id, delta.arguments))

    # -- the way of the sound

    async def _speak(self) -> None:
        while (piece := await self._pieces.get()) is not None:
            await self._speech.say(piece)
        if self._broken is not None:
            self._unsaid.append(self._parts.apology)
            with contextlib.suppress(VoicemodeError, TimeoutError):
                async with asyncio.timeout(_APOLOGY_S):
                    await self._speech.say(self._parts.apology)

    def _sound(self, samples: Samples, words: str, onsets: tuple[WordOnset, ...]) -> None:
        if words:
            self._unsaid.popleft()
            self._show(words)
        self._tell(AnswerAudio(self.response_id, samples, words, onsets))

    def _show(self, words: str) -> None:
        self._tell(AnswerText(self.response_id, f" {words}" if self.text else words))

    def _show_unsaid(self) -> None:
        """Nobody can speak it: what came of it is read, at least."""
        self._unsaid.extend(self._stream.flush())
        while self._unsaid:
            self._show(self._unsaid.popleft())

    def _end(self, asked: AnswerRequest) -> None:
        if self._broken is not None:
            code, message = fault_of(self._broken)
            self._tell(AnswerFailed(self.response_id, code, message))
            return
        incomplete = _INCOMPLETE.get(self._finished.reason)
        self._tell(AnswerDone(self.response_id, self._usage(asked), incomplete))

    def _usage(self, asked: AnswerRequest) -> Usage:
        usage = self._finished.usage
        if usage.input_tokens or usage.output_tokens:
            return usage
        read = sum(len(entry.text) for entry in asked.history if isinstance(entry, Message)) + len(asked.instructions)
        return Usage(math.ceil(read / _CHARS_PER_TOKEN), math.ceil(len(self.text) / _CHARS_PER_TOKEN))

    def _tell(self, report: AnswerReport) -> None:
        if self._over:
            return
        if isinstance(report, AnswerText):
            self.text += report.delta
        if self._held is not None:
            self._held.append(report)
            return
        if isinstance(report, AnswerDone | AnswerFailed):
            self._over = True
        self._report(report)
