"""Transcription where nobody waits: the built-in engine only when every endpoint has failed."""

from __future__ import annotations

import asyncio

import pytest

from voicemode.audio import AudioChunk
from voicemode.core.breaker import Failure
from voicemode.core.failover import Origin
from voicemode.errors import EndpointError, SpeechFailedError, VoicemodeError
from voicemode.interfaces import Transcriber, TranscriptionRequest
from voicemode.providers import shelf as module
from voicemode.providers.patient_stt import PatientTranscriber, endpoints_ready
from voicemode.providers.shelf import Entry, Shelf
from voicemode.testing import FakeTranscriber

REQUEST = TranscriptionRequest(AudioChunk.silence(0.1, 16_000))


class Named(FakeTranscriber):
    def __init__(self, name: str, *answers: str | VoicemodeError, delay_s: float = 0.0) -> None:
        super().__init__(answers, delay_s=delay_s)
        self._name = name

    @property
    def name(self) -> str:
        return self._name


def shelf_of(endpoint: FakeTranscriber | None, builtin: FakeTranscriber | None) -> Shelf[Transcriber]:
    shelf: Shelf[Transcriber] = Shelf("stt")
    if endpoint is not None:
        shelf.put(Entry(engine=endpoint, origin=Origin.NAMED, health=shelf.new_health()))
    if builtin is not None:
        shelf.put(Entry(engine=builtin, origin=Origin.BUILTIN, health=shelf.new_health()))
    return shelf


def test_a_slow_endpoint_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a conversation the built-in engine would have stepped in by then."""
    monkeypatch.setattr(module, "LOST_S", 0.02)
    monkeypatch.setitem(module.RESORT_S, "stt", 0.02)
    monkeypatch.setitem(module.LATE_S, "stt", 0.01)
    builtin = Named("builtin", "poor words")
    shelf = shelf_of(Named("http://slow", "good words", delay_s=0.2), builtin)
    assert asyncio.run(PatientTranscriber(shelf).transcribe(REQUEST)).text == "good words"
    assert builtin.requests == []


def test_when_every_endpoint_has_failed_the_built_in_engine_does_it() -> None:
    """And the result says why."""
    shelf = shelf_of(Named("http://down", EndpointError("http://down", "refused")), Named("builtin", "poor words"))
    transcript = asyncio.run(PatientTranscriber(shelf).transcribe(REQUEST))
    assert transcript.text == "poor words"
    assert any("refused" in reason for reason in transcript.failed)


def test_when_all_fail_every_reason_is_told() -> None:
    """The built-in engine's too."""
    shelf = shelf_of(
        Named("http://down", EndpointError("http://down", "refused")), Named("builtin", EndpointError("builtin", "broke"))
    )
    with pytest.raises(SpeechFailedError) as raised:
        asyncio.run(PatientTranscriber(shelf).transcribe(REQUEST))
    assert [error.problem.split(":")[0] for error in raised.value.attempts] == ["http", "builtin"]


def test_only_endpoints_that_are_well_are_ready() -> None:
    """What is to be tried again by itself is neither sent to the built-in engine nor to one that is left alone."""
    shelf = shelf_of(Named("http://down", "words"), Named("builtin", "poor words"))
    assert endpoints_ready(shelf) is not None
    health = shelf["http://down"].health
    health.failed(health.begin(shelf.clock()), shelf.clock(), Failure.UNREACHABLE, "refused")
    assert endpoints_ready(shelf) is None


def test_a_transcript_of_a_part_of_the_shelf_counts_for_all() -> None:
    """There is one health of an endpoint."""
    shelf = shelf_of(Named("http://up", "words"), None)
    ready = endpoints_ready(shelf)
    assert ready is not None
    asyncio.run(ready.transcribe(REQUEST))
    assert shelf["http://up"].health.tally.last_used > 0
