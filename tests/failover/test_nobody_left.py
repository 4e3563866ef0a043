"""Every endpoint has the same fault and nothing is built in: one error with every reason, and what was said is kept."""

from __future__ import annotations

import asyncio
import stat
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.failover.endpoints import connected, say, transcriber
from tests.failover.kinds import FOR_STT, FOR_TTS, UNREACHABLE
from tests.runtime.parts import Stage
from tests.stubs.client import SpeechStub
from tests.stubs.fault_client import FaultProxy
from voicemode.errors import SpeechFailedError
from voicemode.runtime.conversation import Conversations
from voicemode.runtime.result import Status, TurnRequest

pytestmark = pytest.mark.anyio

HASTY = {"connect_timeout_s": 1.0, "first_byte_timeout_s": 0.5, "stall_timeout_s": 0.3}
TTS_KINDS = {**FOR_TTS, "cannot be reached": UNREACHABLE}


def _lists_each_once(error: SpeechFailedError, urls: Sequence[str]) -> None:
    for url in urls:
        reasons = [attempt.problem for attempt in error.attempts if url in attempt.problem]
        assert len(reasons) == 1, (url, error)
        assert len(reasons[0]) > len(url) + 10, "no reason is given"
        assert reasons[0] in str(error)


async def _message(faults: FaultProxy, stub: SpeechStub, fault: str, after: int) -> None:
    urls = [faults.open(fault, stub.urls[0], after=after) for _ in range(2)]
    try:
        async with connected(urls, **HASTY) as registry:
            with pytest.raises(SpeechFailedError) as caught:
                await say(registry, 3)
        _lists_each_once(caught.value, urls)
    except BaseException as error:
        error.add_note(f"the cell: '{fault}' after {after} sentences")
        raise


@pytest.mark.parametrize("kind", TTS_KINDS)
async def test_a_message_nobody_speaks_ends_with_every_reason(faults: FaultProxy, stub: SpeechStub, kind: str) -> None:
    """From the first sentence on, and from the second: each endpoint is named once, with what was wrong."""
    afters = (0,) if kind == "cannot be reached" else (0, 1)
    await asyncio.gather(*(_message(faults, stub, fault, after) for fault in TTS_KINDS[kind] for after in afters))


async def _turn(faults: FaultProxy, stub: SpeechStub, fault: str, folder: Path) -> None:
    """A person answers, nobody can write it down, and later somebody can."""
    urls = [faults.open(fault, stub.urls[0]) for _ in range(2)]
    try:
        async with connected(urls, **HASTY) as registry:
            stage = Stage(folder, transcriber=transcriber(registry))
            talk = Conversations(stage.parts, None)
            asked = [TurnRequest(message="")]
            outcome = await talk.converse(asked, stage.events.append, called_at=time.monotonic(), budget_s=None)
            error = outcome.error
            assert isinstance(error, SpeechFailedError)
            _lists_each_once(error, urls)
            assert error.recording is not None
            assert error.recording == stage.recordings[0]
            assert error.recording.parent == folder / "pending"
            assert stat.S_IMODE(error.recording.stat().st_mode) == 0o600
            assert str(error.recording) in str(error)

            healthy = registry.settings.model_copy(update={"stt_base_urls": (stub.urls[1],)})
            registry.configure(healthy)
            later = await talk.resume(error.recording.stem, stage.events.append, budget_s=None)
            assert [(answer.status, answer.text) for answer in later.answers] == [(Status.ANSWERED, "what is the weather like")]
            talk.hand_over(later)
            assert stage.recordings == []
            await talk.aclose()
    except BaseException as error:
        error.add_note(f"the cell: '{fault}'")
        raise


@pytest.mark.parametrize("kind", FOR_STT)
async def test_what_nobody_transcribes_is_kept_and_transcribed_later(
    faults: FaultProxy, stub: SpeechStub, tmp_path: Path, kind: str
) -> None:
    """The recording is on disk for its owner alone; the error names it; resume brings its words, and it is gone."""
    await asyncio.gather(*(_turn(faults, stub, fault, tmp_path / fault) for fault in FOR_STT[kind]))
