"""Several engines as one: who is tried, in which order, and what the result says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from tests.stubs.client import SpeechStub
from voicemode.audio import AudioChunk
from voicemode.errors import EndpointError, EngineError, LanguageError, RequestError, SpeechFailedError, VoicemodeError
from voicemode.interfaces import SpeechRequest, Transcript, TranscriptionRequest
from voicemode.providers.chain import DOWN_S, MAX_DOWN_S, SynthesizerChain, TranscriberChain
from voicemode.providers.http import HttpPool
from voicemode.providers.http_stt import HttpTranscriber
from voicemode.providers.http_tts import HttpSynthesizer

pytestmark = pytest.mark.anyio

HELLO = SpeechRequest("Hello.")
UTTERANCE = TranscriptionRequest(AudioChunk.silence(0.1, 16_000))
CHUNK = AudioChunk(np.ones(480, dtype=np.int16), 24_000)


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Voice:
    """A synthesizer that delivers ``chunks`` and then, if there is one, its ``error``."""

    name: str
    chunks: int = 2
    error: VoicemodeError | None = None
    knows: str | None = None
    asked: list[SpeechRequest] = field(default_factory=list)
    closed: int = 0

    def synthesize(self, request: SpeechRequest) -> Speech:
        return Speech(self, request)

    async def aclose(self) -> None:
        self.closed += 1


@dataclass
class Speech:
    voice: Voice
    request: SpeechRequest
    closed: bool = False

    @property
    def failed(self) -> tuple[str, ...]:
        return ()

    @property
    def engine(self) -> str:
        return self.voice.name

    async def __aiter__(self) -> AsyncGenerator[AudioChunk]:
        self.voice.asked.append(self.request)
        if self.voice.knows and self.request.voice not in (None, self.voice.knows):
            raise RequestError("voice", "is unknown", self.voice.knows)
        for _ in range(self.voice.chunks):
            yield CHUNK
        if self.voice.error is not None:
            raise self.voice.error

    async def aclose(self) -> None:
        self.closed = True


@dataclass
class Ear:
    """A transcriber that hears ``text``, or fails."""

    name: str
    error: VoicemodeError | None = None
    prepared: list[tuple[str, ...]] = field(default_factory=list)
    asked: int = 0

    async def prepare(self, options: Sequence[str] = ()) -> None:
        self.prepared.append(tuple(options))

    async def transcribe(self, request: TranscriptionRequest) -> Transcript:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return Transcript(f"heard by {self.name}", self.name)

    async def aclose(self) -> None: ...


def _down(name: str, status: int | None = 503, retry_after_s: float | None = None) -> EndpointError:
    return EndpointError(name, "is down", status, retry_after_s=retry_after_s)


async def _say(chain: SynthesizerChain, request: SpeechRequest = HELLO) -> tuple[int, str, tuple[VoicemodeError, ...]]:
    synthesis = chain.synthesize(request)
    count = len([chunk async for chunk in synthesis])
    assert synthesis.failed == tuple(error.problem for error in synthesis.attempts)
    return count, synthesis.engine, synthesis.attempts


async def test_the_first_that_works_speaks_and_the_others_are_not_asked() -> None:
    """In the order of the settings."""
    first, second = Voice("a"), Voice("b")
    assert await _say(SynthesizerChain([first, second])) == (2, "a", ())
    assert second.asked == []


async def test_an_engine_that_fails_before_its_first_sound_is_replaced_within_the_request() -> None:
    """The result says who spoke, and why another did not."""
    down = _down("a")
    broken = EngineError("b", "crashed")
    voices = [Voice("a", 0, down), Voice("b", 0, broken), Voice("c")]
    assert await _say(SynthesizerChain(voices)) == (2, "c", (down, broken))


async def test_an_engine_that_fails_after_its_first_sound_ends_the_synthesis_and_is_down() -> None:
    """What was spoken cannot be taken back; asked again, another engine speaks the piece."""
    down = _down("a")
    chain = SynthesizerChain([Voice("a", 1, down), Voice("b")])
    synthesis = chain.synthesize(HELLO)
    chunks = aiter(synthesis)
    await anext(chunks)
    assert synthesis.engine == "a"
    with pytest.raises(EndpointError) as caught:
        await anext(chunks)
    assert caught.value is down
    assert await _say(chain) == (2, "b", ())


async def test_a_failed_engine_is_tried_last_for_a_while() -> None:
    """Then first again, since it is the preferred one; while all are down, it is still tried."""
    clock, flaky, spare = Clock(), Voice("a", 0, _down("a")), Voice("b")
    chain = SynthesizerChain([flaky, spare], clock=clock)
    assert (await _say(chain))[1] == "b"
    clock.now = DOWN_S - 1
    assert (await _say(chain))[1] == "b"
    assert len(flaky.asked) == 1
    spare.error, spare.chunks, flaky.error, flaky.chunks = _down("b"), 0, None, 2
    assert (await _say(chain))[1] == "a"
    clock.now = 3 * DOWN_S
    spare.error, spare.chunks = None, 2
    assert (await _say(chain))[1] == "a"


async def test_an_engine_that_works_again_is_no_longer_down() -> None:
    """Its own success ends the time-out: the preferred one that still fails is not asked before it."""
    first, second = Voice("a", 0, _down("a")), Voice("b", 0, _down("b"))
    chain = SynthesizerChain([first, second], clock=Clock())
    with pytest.raises(SpeechFailedError):
        await _say(chain)
    second.error, second.chunks = None, 2
    assert (await _say(chain))[1] == "b"
    assert len(first.asked) == 2
    assert (await _say(chain))[1] == "b"
    assert len(first.asked) == 2


@pytest.mark.parametrize(("asked_for", "down_for"), [(5.0, 5.0), (100.0, 100.0), (86_400.0, MAX_DOWN_S)])
async def test_an_engine_is_left_alone_as_long_as_it_asks(asked_for: float, down_for: float) -> None:
    """Within reason."""
    clock, flaky = Clock(), Voice("a", 0, _down("a", retry_after_s=asked_for))
    chain = SynthesizerChain([flaky, Voice("b")], clock=clock)
    await _say(chain)
    flaky.error, flaky.chunks = None, 2
    clock.now = down_for - 0.1
    assert (await _say(chain))[1] == "b"
    clock.now = down_for
    assert (await _say(chain))[1] == "a"


async def test_an_engine_that_refuses_a_request_is_not_down() -> None:
    """It is well, and right."""
    picky = Voice("a", 0, EndpointError("a", "does not accept the request", 400, retryable=False))
    chain = SynthesizerChain([picky, Voice("b")])
    await _say(chain)
    await _say(chain)
    assert len(picky.asked) == 2


async def test_all_failed_names_every_engine_with_its_reason() -> None:
    """In one error."""
    first, second = _down("a"), EngineError("b", "crashed")
    with pytest.raises(SpeechFailedError) as caught:
        await _say(SynthesizerChain([Voice("a", 0, first), Voice("b", 0, second)]))
    assert caught.value.task == "text-to-speech"
    assert caught.value.attempts == (first, second)
    assert "a: is down" in str(caught.value)
    assert "crashed" in str(caught.value)


async def test_an_empty_chain_says_that_there_is_nothing() -> None:
    """No endpoint and no built-in engine."""
    with pytest.raises(SpeechFailedError, match="No endpoint is configured"):
        await _say(SynthesizerChain([]))


@pytest.mark.parametrize("error", [RequestError("voice", "is unknown", "af_sky"), LanguageError("tlh", "a")])
async def test_the_only_engines_complaint_about_the_request_is_the_callers(error: VoicemodeError) -> None:
    """It says what to change; being wrapped would hide that."""
    with pytest.raises(type(error)) as caught:
        await _say(SynthesizerChain([Voice("a", 0, error)]))
    assert caught.value is error


async def test_a_replacement_that_does_not_know_the_voice_uses_its_own() -> None:
    """The voice was the failed engine's; any voice is better than none. The preferred engine is not so free."""
    spare = Voice("b", knows="alloy")
    asked = SpeechRequest("Hello.", voice="af_sky")
    assert (await _say(SynthesizerChain([Voice("a", 0, _down("a")), spare]), asked))[1] == "b"
    assert [r.voice for r in spare.asked] == ["af_sky", None]
    with pytest.raises(RequestError):
        await _say(SynthesizerChain([Voice("b", knows="alloy")]), asked)


async def test_a_bug_is_not_hidden_by_the_next_engine() -> None:
    """Only failures that an engine may have are a reason to try another."""

    @dataclass
    class Buggy(Voice):
        def synthesize(self, request: SpeechRequest) -> Speech:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await _say(SynthesizerChain([Buggy("a"), Voice("b")]))


async def test_closing_stops_the_engine_and_the_chain_closes_all() -> None:
    """Idempotent, and without an error for a speech that was never heard."""
    first, second = Voice("a"), Voice("b")
    chain = SynthesizerChain([first, second])
    synthesis = chain.synthesize(HELLO)
    chunks = aiter(synthesis)
    await anext(chunks)
    await synthesis.aclose()
    await synthesis.aclose()
    await chain.synthesize(HELLO).aclose()
    await chain.aclose()
    assert (first.closed, second.closed) == (1, 1)


async def test_the_first_transcriber_that_works_writes_and_the_result_says_who_failed() -> None:
    """Each with its reason."""
    chain = TranscriberChain([Ear("a", _down("a")), Ear("b", EngineError("b", "crashed")), Ear("c")])
    transcript = await chain.transcribe(UTTERANCE)
    assert (transcript.text, transcript.engine) == ("heard by c", "c")
    assert transcript.failed == ("a: is down (HTTP 503).", "b: crashed.")


async def test_a_failed_transcriber_is_tried_last_for_a_while() -> None:
    """As for speaking; preparing follows the same order."""
    clock, flaky, spare = Clock(), Ear("a", _down("a")), Ear("b")
    chain = TranscriberChain([flaky, spare], clock=clock)
    await chain.transcribe(UTTERANCE)
    await chain.prepare(("yes",))
    assert (flaky.prepared, spare.prepared) == ([], [("yes",)])
    await chain.transcribe(UTTERANCE)
    assert flaky.asked == 1
    clock.now = DOWN_S
    flaky.error = None
    assert (await chain.transcribe(UTTERANCE)).engine == "a"


async def test_when_no_transcriber_works_the_error_names_them_all() -> None:
    """The only one's complaint about the request is raised as it is."""
    with pytest.raises(SpeechFailedError) as caught:
        await TranscriberChain([Ear("a", _down("a")), Ear("b", _down("b", None))]).transcribe(UTTERANCE)
    assert caught.value.task == "speech-to-text"
    assert len(caught.value.attempts) == 2
    with pytest.raises(LanguageError):
        await TranscriberChain([Ear("a", LanguageError("de", "a"))]).transcribe(UTTERANCE)


async def test_speaking_fails_over_between_real_endpoints(stub: SpeechStub, pool: HttpPool) -> None:
    """Each kind of failure, within one request, and back to the first when it works again."""
    for order in ({"refuse": True}, {"tts_mode": "503", "retry_after_s": 0}, {"tts_mode": "html"}, {"tts_mode": "empty"}):
        stub.reset()
        stub.configure(**order)
        clock = Clock()
        chain = SynthesizerChain([HttpSynthesizer(url, pool) for url in stub.urls], clock=clock)
        count, engine, attempts = await _say(chain)
        assert count
        assert engine == stub.urls[1]
        assert [a.endpoint for a in attempts if isinstance(a, EndpointError)] == [stub.urls[0]]
        stub.configure(refuse=False, tts_mode="ok")
        clock.now = DOWN_S + 1
        assert (await _say(chain))[1] == stub.urls[0]


async def test_cancelling_passes_through_and_frees_the_connection(stub: SpeechStub, pool: HttpPool) -> None:
    """A cancelled request is no reason to ask the next engine."""
    stub.configure(tts_mode="hang", stt_mode="hang")
    chain = SynthesizerChain([HttpSynthesizer(url, pool) for url in stub.urls])
    ears = TranscriberChain([HttpTranscriber(url, pool) for url in stub.urls])
    for work in (_say(chain), ears.transcribe(UTTERANCE)):
        task = asyncio.ensure_future(work)
        await asyncio.to_thread(stub.wait_for, lambda events: any("at_body" in e and "gone_at" not in e for e in events))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(stub.wait_for, lambda events: all("gone_at" in e for e in events))
    assert stub.events(site=1) == []
