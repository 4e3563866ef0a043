"""Answers by an OpenAI-compatible chat endpoint, streamed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence

from pydantic import SecretStr

from voicemode.answers import AnswerDelta, AnswerRequest, TextDelta, ToolDelta
from voicemode.core.failover import UNDECLARED, Declared
from voicemode.dialogue import Message, ToolCall, ToolResult
from voicemode.errors import EndpointError
from voicemode.providers.endpoint import Endpoint
from voicemode.providers.http import Answer, HttpPool
from voicemode.wire.openai_audio import AnswerError
from voicemode.wire.openai_chat import AnswerReader, RefusalError
from voicemode.wire.openai_chat_request import CHAT_PATH, DIALECTS, Dialect, chat_body

__all__ = ["HttpAnswer", "HttpAnswerer"]

LINGER_S = 0.2
"""Seconds that the rest of a complete answer may take: it tells the usage, and the connection is kept for the next request."""

_REFUSED = frozenset({400, 422})
"""How endpoints answer when they do not know a field, or when the assistant's message may not be the last one."""


class HttpAnswerer:
    """One endpoint. Shared by all sessions; keeps nothing of what was said."""

    def __init__(
        self,
        base_url: str,
        pool: HttpPool,
        *,
        models: Sequence[str] = (),
        key: SecretStr | None = None,
        declared: Callable[[], Declared] = lambda: UNDECLARED,
    ) -> None:
        """Opens nothing. Raises SettingsError for an unusable address."""
        self._endpoint = Endpoint(base_url, pool, "chat", models=models, key=key, declared=declared)
        self._declared = declared
        self._dialect: Dialect | None = None
        """The one it understood; None as long as it was never asked."""

    @property
    def name(self) -> str:
        return self._endpoint.name

    @property
    def acts(self) -> bool:
        return False

    def answer(self, request: AnswerRequest) -> HttpAnswer:
        return HttpAnswer(self, self._endpoint, request)

    async def leave(self, session_id: str) -> None:
        """Nothing is kept for a session."""

    async def aclose(self) -> None:
        """Nothing to free: the connections are the pool's."""

    def model(self, wanted: str) -> str:
        """The one that was asked for if the endpoint has it: clients of the realtime API name models that nobody else has."""
        return wanted if wanted in (self._declared().models or ()) else self._endpoint.model

    async def relay(self, body: Mapping[str, object], private: Sequence[str] = ()) -> Answer:
        """Hand on a client's request as it is, but for the model, which is one of the endpoint's; the caller closes the answer.

        Raises EndpointError, which repeats nothing of ``private``.
        """
        wanted = body.get("model")
        model = self.model(wanted if isinstance(wanted, str) else "")
        handed_on = {**body, "model": model} if model else {name: value for name, value in body.items() if name != "model"}
        content = json.dumps(handed_on, ensure_ascii=False).encode("utf-8", "replace")
        return await self._endpoint.post(CHAT_PATH, content=content, private=private)

    async def post(self, request: AnswerRequest, private: Sequence[str]) -> Answer:
        """Ask. What it refuses as a bad request is asked in another way: once for each way that may be the one it takes.

        Raises EndpointError: what it said to the first.
        """
        refused: EndpointError | None = None
        for dialect, ask_to_go_on in self._ways(request):
            body = chat_body(request, model=self.model(request.model), dialect=dialect, ask_to_go_on=ask_to_go_on)
            try:
                answer = await self._endpoint.post(CHAT_PATH, content=body, private=private)
            except EndpointError as error:
                if error.status not in _REFUSED:
                    raise
                refused = refused or error
            else:
                self._dialect = dialect
                return answer
        assert refused is not None  # noqa: S101 - there is at least one way
        raise refused

    def _ways(self, request: AnswerRequest) -> Iterator[tuple[Dialect, bool]]:
        dialects = (self._dialect,) if self._dialect is not None else DIALECTS
        for dialect in dialects:
            if request.max_tokens is not None or dialect.limit == DIALECTS[0].limit or len(dialects) == 1:
                yield dialect, False
                if request.partial:
                    yield dialect, True


class HttpAnswer:
    """One answer on its way. To be iterated once, and closed."""

    def __init__(self, owner: HttpAnswerer, endpoint: Endpoint, request: AnswerRequest) -> None:
        self._owner, self._endpoint, self._request = owner, endpoint, request
        self._private = tuple(_words(request))
        """What no error may repeat."""
        self._answer: Answer | None = None
        self._reader: AnswerReader | None = None
        self._closed = False

    @property
    def engine(self) -> str:
        return self._endpoint.name

    @property
    def engines(self) -> tuple[str, ...]:
        return (self.engine,)

    @property
    def failed(self) -> tuple[str, ...]:
        return ()

    async def __aiter__(self) -> AsyncGenerator[AnswerDelta]:
        """Raises EndpointError, after all the deltas that arrived.

        The first one has the deadline of the first byte, each later one that of a pause: keep-alive comments are no words.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._endpoint.pool.first_byte_s
        async with contextlib.aclosing(self._deltas()) as deltas:
            try:
                while True:
                    async with asyncio.timeout_at(deadline):
                        delta = await anext(deltas, None)
                    if delta is None:
                        break
                    yield delta  # the time the consumer takes is not the endpoint's
                    deadline = loop.time() + self._endpoint.pool.stall_s
            except TimeoutError:
                raise EndpointError(self.engine, self._lateness()) from None
            except EndpointError:
                if not self._closed:  # a connection that was closed from here is no failure of theirs
                    raise
            finally:
                closed, self._closed = self._closed, True
                await self._free()
        if not closed and self._reader is not None:
            yield self._reader.finished

    async def aclose(self) -> None:
        self._closed = True
        await self._free()

    async def _free(self) -> None:
        if self._answer is not None:
            await self._answer.aclose()

    async def _deltas(self) -> AsyncGenerator[TextDelta | ToolDelta]:
        """What arrives, with errors that name the endpoint."""
        answer = self._answer = await self._owner.post(self._request, self._private)
        if self._closed:
            await answer.aclose()
            return
        try:
            reader = self._reader = AnswerReader(answer.content_type, _new_id)
            async with contextlib.aclosing(_read(answer, reader)) as deltas:
                async for delta in deltas:
                    yield delta
        except RefusalError as error:
            raise self._refusal(error, answer.status) from error
        except AnswerError as error:
            raise EndpointError(self.engine, str(error), answer.status) from error
        if not reader.begun and not self._may_be_empty():
            why = f" ({reader.finish_reason})" if reader.finish_reason else ""
            raise EndpointError(self.engine, f"answered without any words{why}", answer.status)

    def _may_be_empty(self) -> bool:
        """After a partial answer, and where a function did what was wanted, there may be nothing more to say."""
        return bool(self._request.partial) or isinstance(next(reversed(self._request.history), None), ToolResult)

    def _refusal(self, error: RefusalError, status: int) -> EndpointError:
        reason = self._endpoint.reason("application/json", error.body, self._private).rstrip(".")
        return EndpointError(self.engine, f"answered an error: {reason}".removesuffix(": "), error.status or status)

    def _lateness(self) -> str:
        pool = self._endpoint.pool
        if self._reader is None or not self._reader.begun:
            return f"sent no word within {pool.first_byte_s:g} s"
        return f"paused for more than {pool.stall_s:g} s in mid-answer"


async def _read(answer: Answer, reader: AnswerReader) -> AsyncGenerator[TextDelta | ToolDelta]:
    """Every delta. Raises AnswerError, and EndpointError when the connection broke before the end."""
    chunks = answer.chunks()
    while not reader.ended and (data := await anext(chunks, None)) is not None:
        for delta in reader.feed(data):
            yield delta
    for delta in reader.close():
        yield delta
    await _drain(chunks, reader)


async def _drain(chunks: AsyncIterator[bytes], reader: AnswerReader) -> None:
    """Take what follows the last word: the usage, and the end, with which the connection is free for the next request."""
    with contextlib.suppress(TimeoutError, EndpointError, AnswerError):
        async with asyncio.timeout(LINGER_S):
            async for data in chunks:
                for _ in reader.feed(data):
                    pass


def _words(request: AnswerRequest) -> Iterator[str]:
    """All that was said, and what was done about it."""
    yield request.instructions
    yield request.partial
    for turn in request.history:
        match turn:
            case Message(text=text):
                yield text
            case ToolCall(arguments=arguments):
                yield arguments
            case ToolResult(output=output):
                yield output


def _new_id() -> str:
    return f"call_{uuid.uuid4().hex[:24]}"
