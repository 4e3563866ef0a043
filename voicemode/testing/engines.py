"""Fakes of what speaks, understands and answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

from voicemode.answers import AnswerDelta, AnswerFlow, AnswerRequest, Finished, TextDelta, ToolDelta
from voicemode.audio import AudioChunk
from voicemode.dialogue import ToolCall, Usage
from voicemode.errors import EndpointError, VoicemodeError
from voicemode.interfaces import SpeechRequest, Transcript, TranscriptionRequest
from voicemode.testing.sound import tone

__all__ = ["FakeAnswer", "FakeAnswerer", "FakeScorer", "FakeSynthesis", "FakeSynthesizer", "FakeTranscriber", "texts"]

_ENGINE_RATE = 24_000


class FakeSynthesizer:
    """Speaks a tone of 24 kHz, ``seconds_per_character`` long for each character of the text.

    ``fail_after`` chunks it raises ``error``. ``first_chunk_s`` is how long it thinks before it speaks.
    """

    def __init__(
        self,
        *,
        seconds_per_character: float = 0.06,
        chunk_s: float = 0.1,
        first_chunk_s: float = 0.0,
        fail_after: int | None = None,
        error: VoicemodeError | None = None,
    ) -> None:
        self.seconds_per_character = seconds_per_character
        self.chunk_s = chunk_s
        self.first_chunk_s = first_chunk_s
        self.fail_after = fail_after
        self.error = error or EndpointError("fake", "told to fail")
        self.requests: list[SpeechRequest] = []
        self.syntheses: list[FakeSynthesis] = []
        self.closed = False

    @property
    def name(self) -> str:
        return "fake"

    def synthesize(self, request: SpeechRequest) -> FakeSynthesis:
        self.requests.append(request)
        self.syntheses.append(FakeSynthesis(self, request))
        return self.syntheses[-1]

    async def aclose(self) -> None:
        self.closed = True


class FakeSynthesis:
    """One request to a FakeSynthesizer."""

    def __init__(self, owner: FakeSynthesizer, request: SpeechRequest) -> None:
        self.owner = owner
        self.request = request
        self.given = 0
        """Chunks handed out."""
        self.closed = False

    @property
    def engine(self) -> str:
        return self.owner.name

    @property
    def failed(self) -> tuple[str, ...]:
        return ()

    async def __aiter__(self) -> AsyncIterator[AudioChunk]:
        owner = self.owner
        samples = tone(len(self.request.text) * owner.seconds_per_character, _ENGINE_RATE)
        step = max(1, round(owner.chunk_s * _ENGINE_RATE))
        await asyncio.sleep(owner.first_chunk_s)
        for start in range(0, len(samples), step):
            if self.given == owner.fail_after:
                raise owner.error
            if self.closed:
                return
            self.given += 1
            yield AudioChunk(samples[start : start + step], _ENGINE_RATE)

    async def aclose(self) -> None:
        self.closed = True


class FakeTranscriber:
    """Answers each request with the next of ``answers``: words, or an error to raise; the last one repeats."""

    def __init__(self, answers: Iterable[str | VoicemodeError] = ("hello",), *, delay_s: float = 0.0) -> None:
        self.answers = list(answers)
        self.delay_s = delay_s
        self.requests: list[TranscriptionRequest] = []
        self.prepared: list[tuple[str, ...]] = []
        """The options of each ``prepare``."""
        self.closed = False

    @property
    def name(self) -> str:
        return "fake"

    async def prepare(self, options: Sequence[str] = ()) -> None:
        self.prepared.append(tuple(options))

    async def transcribe(self, request: TranscriptionRequest) -> Transcript:
        self.requests.append(request)
        answer = self.answers[min(len(self.requests), len(self.answers)) - 1]
        await asyncio.sleep(self.delay_s)
        if isinstance(answer, VoicemodeError):
            raise answer
        return Transcript(answer, self.name)

    async def aclose(self) -> None:
        self.closed = True


class FakeAnswerer:
    """Answers each request with ``answer`` in pieces of ``piece_chars``, then ``calls`` in such pieces, then the end.

    Of a request with a partial answer that ``answer`` begins with, it gives the rest; ``repeats`` makes it say all again.
    ``first_piece_s`` is how long it thinks before it speaks. After ``fail_after`` pieces it raises ``error``.
    """

    def __init__(
        self,
        answer: str = "Good morning. How are you?",
        *,
        name: str = "fake",
        calls: Sequence[ToolCall] = (),
        usage: Usage | None = None,
        piece_chars: int = 4,
        first_piece_s: float = 0.0,
        fail_after: int | None = None,
        error: VoicemodeError | None = None,
        repeats: bool = False,
        acts: bool = False,
    ) -> None:
        self.answer_text = answer
        self.calls = tuple(calls)
        self.usage = usage or Usage()
        self.piece_chars = piece_chars
        self.first_piece_s = first_piece_s
        self.fail_after = fail_after
        self.error = error or EndpointError(name, "told to fail")
        self.repeats = repeats
        self.requests: list[AnswerRequest] = []
        self.answers: list[FakeAnswer] = []
        self.left: list[str] = []
        """Sessions that are over."""
        self.closed = False
        self._name, self._acts = name, acts

    @property
    def name(self) -> str:
        return self._name

    @property
    def acts(self) -> bool:
        return self._acts

    def answer(self, request: AnswerRequest) -> FakeAnswer:
        self.requests.append(request)
        self.answers.append(FakeAnswer(self, request))
        return self.answers[-1]

    async def leave(self, session_id: str) -> None:
        self.left.append(session_id)

    async def aclose(self) -> None:
        self.closed = True


class FakeAnswer:
    """One request to a FakeAnswerer."""

    def __init__(self, owner: FakeAnswerer, request: AnswerRequest) -> None:
        self.owner = owner
        self.request = request
        self.given = 0
        """Pieces handed out."""
        self.closed = False

    @property
    def engine(self) -> str:
        return self.owner.name

    @property
    def engines(self) -> tuple[str, ...]:
        return (self.engine,)

    @property
    def failed(self) -> tuple[str, ...]:
        return ()

    async def __aiter__(self) -> AsyncIterator[AnswerDelta]:
        owner = self.owner
        await asyncio.sleep(owner.first_piece_s)
        for piece in self._pieces():
            if self.given == owner.fail_after:
                raise owner.error
            if self.closed:
                return
            self.given += 1
            yield piece
        if self.given == owner.fail_after:
            raise owner.error
        if not self.closed:
            yield Finished("tool_calls" if owner.calls else "stop", owner.usage)

    async def aclose(self) -> None:
        self.closed = True

    def _pieces(self) -> Iterator[TextDelta | ToolDelta]:
        owner, size = self.owner, self.owner.piece_chars
        text = owner.answer_text if owner.repeats else owner.answer_text.removeprefix(self.request.partial)
        for start in range(0, len(text), size):
            yield TextDelta(text[start : start + size])
        for call in owner.calls:
            yield ToolDelta(call.call_id, call.name, "")
            for start in range(0, len(call.arguments), size):
                yield ToolDelta(call.call_id, call.name, call.arguments[start : start + size])


async def texts(flow: AnswerFlow) -> AsyncIterator[str]:
    """The words of an answer, piece by piece."""
    async for delta in flow:
        if isinstance(delta, TextDelta):
            yield delta.text


class FakeScorer:
    """Gives ``scores`` one by one, then the last one for ever, each after ``delay_s``."""

    def __init__(
        self, scores: Iterable[float] = (0.5,), *, delay_s: float = 0.0, used: str = "fake", problem: str = ""
    ) -> None:
        self.scores = list(scores)
        self.delay_s = delay_s
        self.used = used
        self.problem = problem
        self.utterances: list[AudioChunk] = []
        """All that was asked about."""
        self.prepared = 0
        """How often it was."""
        self.closed = False

    @property
    def name(self) -> str:
        return "fake"

    async def prepare(self) -> None:
        self.prepared += 1

    async def score(self, utterance: AudioChunk) -> float:
        self.utterances.append(utterance)
        score = self.scores[min(len(self.utterances), len(self.scores)) - 1]
        await asyncio.sleep(self.delay_s)
        return score

    async def aclose(self) -> None:
        self.closed = True
