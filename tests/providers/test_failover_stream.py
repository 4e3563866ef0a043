"""Who is streamed to, and when nobody is."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.providers.engines import Ear, loop_time, put, refused, shelf_of
from tests.virtual_time import VIRTUAL_TIME
from voicemode.audio import Samples
from voicemode.core.breaker import BASE_S, LATE_STRIKES, Failure
from voicemode.core.failover import Need
from voicemode.errors import EndpointError
from voicemode.interfaces import StreamRequest, Transcript, TranscriptStream
from voicemode.providers.failover_stream import FailoverStreams
from voicemode.providers.shelf import Shelf

pytestmark = pytest.mark.anyio

REQUEST = StreamRequest(lambda _: None)


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL_TIME


class LiveEar(Ear):
    """One that can listen while somebody speaks, and fails at a flush with ``trouble``."""

    trouble: EndpointError | None = None
    streams = 0

    def stream(self, request: StreamRequest) -> _Stream:
        self.streams += 1
        return _Stream(self)


class _Stream:
    def __init__(self, owner: LiveEar) -> None:
        self._owner, self.name, self.closed = owner, owner.name, False

    def feed(self, samples: Samples) -> None:
        """It hears its name, whatever was said."""

    def flush(self) -> asyncio.Future[Transcript]:
        words = asyncio.get_running_loop().create_future()
        if self._owner.trouble is not None:
            words.set_exception(self._owner.trouble)
        else:
            words.set_result(Transcript(self.name, self.name))
        return words

    def outrun(self) -> None:
        """It is told of elsewhere."""

    async def aclose(self) -> None:
        self.closed = True


def streams_of(shelf: Shelf[Any]) -> FailoverStreams:
    return FailoverStreams(shelf, chance=lambda: 0.0)


async def flushed(stream: TranscriptStream | None) -> str:
    assert stream is not None
    stream.feed(np.zeros(100, np.int16))
    try:
        return (await stream.flush()).text
    finally:
        await stream.aclose()


async def test_whoever_would_be_asked_first_is_streamed_to() -> None:
    """And nobody else, whatever they can: nobody gets a voice for the sake of speed."""
    shelf = shelf_of("stt", LiveEar("a"), LiveEar("b"))
    assert await flushed(streams_of(shelf).stream(REQUEST)) == "a"
    mixed: Shelf[Ear] = shelf_of("stt", Ear("a"))
    put(mixed, LiveEar("b"), rank=1)
    assert streams_of(mixed).stream(REQUEST) is None
    assert streams_of(shelf_of("stt")).stream(REQUEST) is None


async def test_an_endpoint_that_is_not_well_is_not_streamed_to() -> None:
    """The one that takes its place may be; one that is being tried again is tried by an upload."""
    shelf = shelf_of("stt", LiveEar("a"), LiveEar("b"))
    entry = shelf["a"]
    entry.health.failed(entry.health.begin(loop_time()), loop_time(), Failure.BROKEN, "broke")
    streams = streams_of(shelf)
    assert await flushed(streams.stream(REQUEST)) == "b"
    alone = shelf_of("stt", LiveEar("a"))
    alone["a"].health.failed(alone["a"].health.begin(loop_time()), loop_time(), Failure.BROKEN, "broke")
    await asyncio.sleep(BASE_S)
    assert streams_of(alone).stream(REQUEST) is None


async def test_a_stream_that_fails_is_left_alone_for_a_while_and_uploads_go_on() -> None:
    """Its breaker is its own."""
    ear = LiveEar("a")
    shelf = shelf_of("stt", ear)
    streams = streams_of(shelf)
    ear.trouble = refused("a")
    with pytest.raises(EndpointError):
        await flushed(streams.stream(REQUEST))
    ear.trouble = None
    assert streams.stream(REQUEST) is None
    assert [choice.name for choice in shelf.decide(Need(task="stt")).order] == ["a"]
    await asyncio.sleep(BASE_S)
    assert await flushed(streams.stream(REQUEST)) == "a"
    assert await flushed(streams.stream(REQUEST)) == "a"


async def test_a_stream_that_is_slower_than_uploads_is_given_up_for_a_while() -> None:
    """Once is an accident; in a row it is a state."""
    shelf = shelf_of("stt", LiveEar("a"))
    streams = streams_of(shelf)
    for _ in range(LATE_STRIKES):
        stream = streams.stream(REQUEST)
        assert stream is not None
        stream.outrun()
        await stream.aclose()
    assert streams.stream(REQUEST) is None


async def test_other_settings_are_tried_at_once() -> None:
    """Whatever was wrong may have been mended."""
    ear = LiveEar("a")
    shelf = shelf_of("stt", ear)
    streams = streams_of(shelf)
    ear.trouble = EndpointError("a", "wants a key", 401)
    with pytest.raises(EndpointError):
        await flushed(streams.stream(REQUEST))
    await asyncio.sleep(3600)
    assert streams.stream(REQUEST) is None
    entry = put(shelf, ear)
    shelf.put(replace(entry, made_of="another key"))
    ear.trouble = None
    assert await flushed(streams.stream(REQUEST)) == "a"
