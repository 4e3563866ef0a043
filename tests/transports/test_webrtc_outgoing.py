"""The assistant's track by itself."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
from aiortc.mediastreams import MediaStreamError

from voicemode.transports.webrtc_outgoing import PlayoutTrack

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def native_threads() -> int:
    """Those of libraries included."""
    return sum(1 for _ in Path("/proc/self/task").iterdir())


async def test_a_track_that_was_stopped_holds_no_thread() -> None:
    """Its encoder has one per processor, and whoever still knows the track must not keep them: garbage is collected late."""
    gc.collect()
    gc.disable()
    try:
        before = native_threads()
        track = PlayoutTrack("opus")
        await track.recv()
        assert native_threads() > before
        track.stop()
        assert native_threads() == before
        with pytest.raises(MediaStreamError):
            await track.recv()
    finally:
        gc.enable()
