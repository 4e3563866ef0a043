"""Answers by a command of the person's, such as an agent's: text in, text out, one session of its own per conversation.

There are two kinds. With ``{text}`` in the command line, each turn is a process, whose end is the end of the answer. Without,
one process per conversation is told each turn as a line, and an answer ends with a marker line or with a quiet time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping

from voicemode.answers import AnswerDelta, AnswerRequest, Finished, TextDelta
from voicemode.engines.child_env import child_environment
from voicemode.engines.command_error import CommandError
from voicemode.engines.command_line import asked_text, session_uuid
from voicemode.engines.command_options import CommandOptions
from voicemode.engines.command_output import WokenError, answer_text
from voicemode.engines.command_process import CommandProcess
from voicemode.engines.command_session import CommandSession

__all__ = ["CommandAnswer", "CommandAnswerer"]

ANSWER_LIMIT = 1 << 18
"""Characters of an answer: five hours of talking."""

_PLAIN = {"NO_COLOR": "1", "TERM": "dumb", "PYTHONUNBUFFERED": "1"}
"""Output that need not be cleaned, and from Python as it is made: it holds it back where there is no terminal."""


class CommandAnswerer:
    """One command for all conversations. ``aclose`` it; no process of it is left then."""

    def __init__(self, options: CommandOptions, environ: Mapping[str, str]) -> None:
        """Starts nothing. ``environ`` is this process's own."""
        self.options = options
        named = {name: environ[name] for name in options.names if name in environ}
        self._environ = child_environment(environ) | _PLAIN | named
        self._sessions: dict[str, CommandSession] = {}

    @property
    def name(self) -> str:
        return f"command {self.options.first.name}"

    @property
    def acts(self) -> bool:
        return True

    def answer(self, request: AnswerRequest) -> CommandAnswer:
        return CommandAnswer(self, request)

    def session(self, session_id: str) -> CommandSession:
        """What is kept for a conversation."""
        if session_id not in self._sessions:
            self._sessions[session_id] = CommandSession(self.name, self.options)
        return self._sessions[session_id]

    async def start(self, request: AnswerRequest, text: str) -> CommandProcess:
        """A process for a conversation, or for a turn of it. Raises CommandError."""
        uuid, options = session_uuid(request.session_id), self.options
        resumes = options.later is not None and options.per_turn and self.session(request.session_id).begun
        line = options.later if options.later is not None and resumes else options.first
        argv = line.filled(text=text, instructions=request.instructions, session=uuid, thread=request.conversation)
        environ = self._environ | {"VOICE_SESSION": uuid}
        return await CommandProcess.start(self.name, argv, environ, stdin=not options.per_turn)

    async def leave(self, session_id: str) -> None:
        session = self._sessions.pop(session_id, None)
        if session is not None:
            await session.aclose()

    async def aclose(self) -> None:
        await asyncio.gather(*(self.leave(session_id) for session_id in list(self._sessions)))


class CommandAnswer:
    """One answer on its way. To be iterated once, and closed."""

    def __init__(self, owner: CommandAnswerer, request: AnswerRequest) -> None:
        self._owner, self._request = owner, request
        self._text = asked_text(request)
        self._private = (self._text, request.instructions)
        """What no error may repeat."""
        self._session: CommandSession | None = None
        """As long as it is this answer's turn."""
        self._process: CommandProcess | None = None
        """As long as it works on this answer."""
        self._waiting: asyncio.Future[None] | None = None
        """For its turn."""
        self._closed = asyncio.Event()
        self._said = 0

    @property
    def engine(self) -> str:
        return self._owner.name

    @property
    def engines(self) -> tuple[str, ...]:
        return (self.engine,)

    @property
    def failed(self) -> tuple[str, ...]:
        return ()

    async def __aiter__(self) -> AsyncGenerator[AnswerDelta]:
        """Raises CommandError, after all the words that arrived."""
        if not self._text.strip():
            raise CommandError(self.engine, "there is nothing to be answered")
        try:
            if await self._begin_turn():
                with contextlib.suppress(WokenError):
                    async with contextlib.aclosing(self._words()) as words:
                        async for text in words:
                            if self._closed.is_set():
                                break
                            yield TextDelta(text)
            closed = self._closed.is_set()
        finally:
            self._let_go()
        if not closed:
            yield Finished()

    async def aclose(self) -> None:
        """The process is told at once; the next turn of this conversation waits until it has heeded that."""
        self._closed.set()
        if self._waiting is not None:
            self._waiting.cancel()
        self._let_go()

    def _let_go(self) -> None:
        process, self._process = self._process, None
        session, self._session = self._session, None
        if session is not None:
            if process is not None:
                session.begun = session.begun or self._said > 0
                process.wake()
                session.interrupt(process)
            session.end_turn()

    async def _begin_turn(self) -> bool:
        """False when it was closed meanwhile."""
        if self._closed.is_set():
            return False
        session = self._owner.session(self._request.session_id)
        waiting = self._waiting = asyncio.ensure_future(session.begin_turn())
        try:
            await asyncio.wait({waiting})
        except asyncio.CancelledError:
            waiting.cancel()
            await asyncio.wait({waiting})
            if not waiting.cancelled() and waiting.exception() is None:
                session.end_turn()
            raise
        finally:
            self._waiting = None
        if waiting.cancelled():
            return False
        waiting.result()
        if self._closed.is_set():
            session.end_turn()
            return False
        self._session = session
        return True

    async def _words(self) -> AsyncGenerator[str]:
        """The answer, with errors that say how the process failed. Raises WokenError when it was closed."""
        process = await self._at_work()
        try:
            async with contextlib.aclosing(answer_text(process, self._owner.options)) as pieces:
                async for piece in pieces:
                    text = piece if self._said else piece.lstrip()
                    self._said += len(text)
                    if self._said > ANSWER_LIMIT:
                        raise process.error(f"said more than {ANSWER_LIMIT} characters", self._private)
                    if text:
                        yield text
        except TimeoutError:
            raise process.error(f"said nothing for {self._owner.options.silence_s:g} s", self._private) from None
        self._has_ended(process)

    async def _at_work(self) -> CommandProcess:
        """A process that was told the turn. Raises WokenError when the answer was closed meanwhile, and CommandError."""
        options, session = self._owner.options, self._session
        assert session is not None  # noqa: S101 - it is this answer's turn
        process = session.resident or await self._owner.start(self._request, self._text)
        if session.closed:  # while it was started: nobody else would end it
            await process.stop(0.0)
            raise CommandError(self.engine, "the conversation is over")
        if self._closed.is_set():
            session.interrupt(process)
            raise WokenError
        self._process = process
        if not options.per_turn:
            session.resident = process
            process.forget_output()
            process.write(" ".join(self._text.split()).encode("utf-8", "replace") + b"\n")
        return process

    def _has_ended(self, process: CommandProcess) -> None:
        """The answer has. Raises CommandError when that was not its regular end."""
        session = self._session
        if session is None:
            raise WokenError
        if process.status is not None:
            self._process = None
            session.resident = None
            process.release()
        if process.status:
            raise process.ended(self._private)
        if not self._said:
            raise process.error("said nothing", self._private)
        self._process = None
        session.begun = True
