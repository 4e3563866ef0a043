"""Writing down while somebody speaks, over real sockets, by the protocol of voicemode's own service."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import numpy as np
import pytest
from pydantic import SecretStr

from tests.stubs.client import SpeechStub
from voicemode.audio import Samples
from voicemode.core.failover import UNDECLARED, Declared
from voicemode.errors import EndpointError
from voicemode.interfaces import PartialTranscript, StreamRequest
from voicemode.providers.http import HttpPool
from voicemode.providers.http_stream import HttpStream
from voicemode.providers.http_stt import HttpTranscriber
from voicemode.settings import Settings

pytestmark = pytest.mark.anyio

LIVE = Declared(models=("whisper-1",), live=True)
SECOND: Samples = (1000 * np.sin(np.arange(16_000) / 5)).astype(np.int16)
WORDS = [[0.1, "go"], [0.6, "forward"], [1.2, "ten"], [1.7, "meters"]]


class Listener:
    """Who wants the words."""

    def __init__(self) -> None:
        self.partials: list[PartialTranscript] = []
        self.remote: list[str] = []

    def request(self, language: str | None = None) -> StreamRequest:
        return StreamRequest(self.partials.append, language, self.remote.append)


@asynccontextmanager
async def streaming(
    stub: SpeechStub, pool: HttpPool, *, key: str | None = None, url: str = "", language: str | None = None
) -> AsyncIterator[tuple[HttpStream, Listener]]:
    listener = Listener()
    secret = None if key is None else SecretStr(key)
    transcriber = HttpTranscriber(url or stub.url, pool, models=("whisper-1",), key=secret, declared=lambda: LIVE)
    stream = transcriber.stream(listener.request(language))
    assert stream is not None
    try:
        yield stream, listener
    finally:
        await stream.aclose()


async def fails(stream: HttpStream) -> EndpointError:
    with pytest.raises(EndpointError) as caught:
        await stream.flush()
    assert caught.value.endpoint == stream.name
    return caught.value


async def test_words_come_while_sound_goes_in_and_a_flush_has_all_of_them(stub: SpeechStub, pool: HttpPool) -> None:
    """Sample by sample, over one connection; what is settled only grows."""
    stub.configure(stt_words=WORDS)
    async with streaming(stub, pool, language="pt-BR") as (stream, listener):
        for at in range(0, 16_000, 1600):
            stream.feed(SECOND[at : at + 1600])
        first = await stream.flush()
        assert (first.text, first.engine, first.confidence) == ("go forward", stub.url, "unknown")
        stream.feed(SECOND)
        assert (await stream.flush()).text == "go forward ten meters"
    texts = [partial.settled + partial.tail for partial in listener.partials]
    assert texts[0] == " go"
    assert texts[-1] == "go forward ten meters"
    settled = [partial.settled for partial in listener.partials]
    assert all(later.startswith(earlier) for earlier, later in pairwise(settled))
    await asyncio.to_thread(stub.wait_for, lambda events: any("gone_at" in event for event in events))
    (event,) = stub.events("stream")
    assert event["query"] == {"model": "whisper-1", "language": "pt"}
    assert [flush["seconds"] for flush in event["flushes"]] == [1.0, 2.0]
    assert stub._ask("GET", f"/uploads/{event['id']}") == np.concatenate([SECOND, SECOND]).tobytes()


async def test_who_does_not_declare_it_is_asked_nothing(stub: SpeechStub, pool: HttpPool) -> None:
    """Not even whether it could."""
    for declared in (UNDECLARED, Declared(models=("whisper-1",))):
        transcriber = HttpTranscriber(stub.url, pool, declared=lambda declared=declared: declared)  # type: ignore[misc]
        assert transcriber.stream(Listener().request()) is None
    assert stub.events() == []


async def test_the_key_goes_along_and_no_redirect_is_followed(stub: SpeechStub, pool: HttpPool) -> None:
    """A key and a voice go where the person said, and nowhere else."""
    stub.configure(key="sesame")
    async with streaming(stub, pool, key="sesame") as (stream, _):
        stream.feed(SECOND)
        assert (await stream.flush()).text
    async with streaming(stub, pool, key="wrong") as (stream, _):
        assert (await fails(stream)).status == 401
    stub.configure(key=None, stream_mode="307", redirect_to=f"{stub.urls[1]}/audio/stream".replace("http", "ws"))
    async with streaming(stub, pool, key="sesame") as (stream, _):
        assert (await fails(stream)).status == 307
    assert stub.events(site=1) == []


@pytest.mark.parametrize("mode", ["403", "404", "hang", "mute", "garbage", "cut", "busy"])
async def test_a_stream_that_goes_wrong_says_so_at_the_flush(stub: SpeechStub, hasty_pool: HttpPool, mode: str) -> None:
    """In time; until then, and after it, feeding does nothing."""
    stub.configure(stream_mode=mode, stt_text="a secret", error_text="busy {key}")
    began = time.monotonic()
    async with streaming(stub, hasty_pool, key="sesame") as (stream, _):
        stream.feed(SECOND)
        error = await fails(stream)
        stream.feed(SECOND)
        assert await fails(stream) is error
    assert time.monotonic() - began < 3
    assert "sesame" not in str(error)
    assert error.status == {"403": 403, "404": 404, "busy": 429}.get(mode)


async def test_nobody_there_is_no_connection(stub: SpeechStub, pool: HttpPool) -> None:
    """And nothing has left."""
    stub.configure(refuse=True)
    async with streaming(stub, pool) as (stream, _):
        assert (await fails(stream)).reached is False


async def test_words_that_nobody_wants_any_more_do_no_harm(stub: SpeechStub, pool: HttpPool) -> None:
    """The person went on: the next flush has its own answer."""
    stub.configure(stt_words=WORDS)
    async with streaming(stub, pool) as (stream, _):
        stream.feed(SECOND)
        stream.flush().cancel()
        stream.feed(SECOND)
        assert (await stream.flush()).text == "go forward ten meters"


async def test_nothing_leaves_the_machine_where_that_is_forbidden(stub: SpeechStub) -> None:
    """Also when it was forbidden after the endpoint was chosen; and who got a voice elsewhere is named."""
    pool = HttpPool(Settings.model_validate({"connect_timeout_s": 0.3}))
    async with streaming(stub, pool, url="http://192.0.2.1:9/v1") as (stream, listener):
        pool.local_only = True
        assert "VOICEMODE_LOCAL_ONLY" in str(await fails(stream))
        assert listener.remote == []
    await pool.aclose()


async def test_no_log_holds_a_word_or_a_key(stub: SpeechStub, pool: HttpPool, caplog: pytest.LogCaptureFixture) -> None:
    """At no level, though the library would (SECURITY 19)."""
    stub.configure(stt_text="a secret", key="sesame")
    with caplog.at_level(logging.DEBUG):
        async with streaming(stub, pool, key="sesame") as (stream, _):
            stream.feed(SECOND)
            assert (await stream.flush()).text == "a secret"
    assert "secret" not in caplog.text
    assert "sesame" not in caplog.text
