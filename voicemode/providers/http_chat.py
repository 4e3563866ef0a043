"""Answers by an OpenAI-compatible chat endpoint, streamed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

from pydantic import SecretStr

from voicemode.core.failover import UNDECLARED, Declared
from voicemode.errors import EndpointError
from voicemode.interfaces import ChatRequest
from voicemode.providers.endpoint import Endpoint
from voicemode.providers.http import Answer, HttpPool
from voicemode.wire.openai_audio import AnswerError
from voicemode.wire.openai_chat import CHAT_PATH, AnswerReader, RefusalError, chat_body

__all__ = ["HttpAnswer", "HttpResponder"]

LINGER_S = 0.2
"""Seconds that the rest of a complete answer may take; with it the connection can be kept for the next request."""

_PARTIAL_REFUSED = frozenset({400, 422})
"""How endpoints answer when the assistant's message may not be the last one."""


class HttpResponder:
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

    @property
    def name(self) -> str:
        return self._endpoint.name

    def respond(self, request: ChatRequest) -> HttpAnswer:
        return HttpAnswer(self._endpoint, request)

    async def aclose(self) -> None:
        """Nothing to free: the connections are the pool's."""


class HttpAnswer:
    """One answer on its way. To be iterated once, and closed."""

    def __init__(self, endpoint: Endpoint, request: ChatRequest) -> None:
        self._endpoint, self._request = endpoint, request
        self._private = (*(message.content for message in request.messages), request.partial)
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

    @property
    def finish_reason(self) -> str:
        return self._reader.finish_reason if self._reader is not None else ""

    async def __aiter__(self) -> AsyncGenerator[str]:
        """Raises EndpointError, after all the words that arrived.

        The first word has the deadline of the first byte, each later one that of a pause: keep-alive comments are no words.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._endpoint.pool.first_byte_s
        async with contextlib.aclosing(self._words()) as words:
            try:
                while True:
                    async with asyncio.timeout_at(deadline):
                        word = await anext(words, None)
                    if word is None:
                        return
                    yield word  # the time the consumer takes is not the endpoint's
                    deadline = loop.time() + self._endpoint.pool.stall_s
            except TimeoutError:
                raise EndpointError(self.engine, self._lateness()) from None
            except EndpointError:
                if not self._closed:  # a connection that was closed from here is no failure of theirs
                    raise
            finally:
                await self.aclose()

    async def aclose(self) -> None:
        self._closed = True
        if self._answer is not None:
            await self._answer.aclose()

    async def _words(self) -> AsyncGenerator[str]:
        """The text as it arrives, with errors that name the endpoint."""
        answer = self._answer = await self._ask()
        if self._closed:
            await answer.aclose()
            return
        said = False
        try:
            reader = self._reader = AnswerReader(answer.content_type)
            async with contextlib.aclosing(_read(answer, reader)) as words:
                async for word in words:
                    said = True
                    yield word
        except RefusalError as error:
            raise self._refusal(error, answer.status) from error
        except AnswerError as error:
            raise EndpointError(self.engine, str(error), answer.status) from error
        if not said and not self._request.partial:
            why = f" ({reader.finish_reason})" if reader.finish_reason else ""
            raise EndpointError(self.engine, f"answered without any words{why}", answer.status)

    async def _ask(self) -> Answer:
        try:
            return await self._post(ask_to_go_on=False)
        except EndpointError as error:
            if not self._request.partial or error.status not in _PARTIAL_REFUSED:
                raise
        return await self._post(ask_to_go_on=True)

    async def _post(self, *, ask_to_go_on: bool) -> Answer:
        body = chat_body(self._request, model=self._endpoint.model, ask_to_go_on=ask_to_go_on)
        return await self._endpoint.post(CHAT_PATH, content=body, private=self._private)

    def _refusal(self, error: RefusalError, status: int) -> EndpointError:
        reason = self._endpoint.reason("application/json", error.body, self._private).rstrip(".")
        return EndpointError(self.engine, f"answered an error: {reason}".removesuffix(": "), error.status or status)

    def _lateness(self) -> str:
        pool = self._endpoint.pool
        if self._reader is None or not self._reader.begun:
            return f"sent no word within {pool.first_byte_s:g} s"
        return f"paused for more than {pool.stall_s:g} s in mid-answer"


async def _read(answer: Answer, reader: AnswerReader) -> AsyncGenerator[str]:
    """Every piece of text. Raises AnswerError, and EndpointError when the connection broke before the end."""
    chunks = answer.chunks()
    while not reader.ended and (data := await anext(chunks, None)) is not None:
        for text in reader.feed(data):
            yield text
    for text in reader.close():
        yield text
    await _drain(chunks)


async def _drain(chunks: AsyncIterator[bytes]) -> None:
    """Take what follows the last word, so that the connection is free for the next request."""
    with contextlib.suppress(TimeoutError, EndpointError):
        async with asyncio.timeout(LINGER_S):
            async for _ in chunks:
                pass
