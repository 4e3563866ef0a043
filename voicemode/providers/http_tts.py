"""Text to speech by an OpenAI-compatible endpoint, streamed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from pydantic import SecretStr

from voicemode.audio import AudioChunk
from voicemode.core.failover import UNDECLARED, Declared
from voicemode.errors import EndpointError
from voicemode.interfaces import SpeechRequest
from voicemode.providers.decode import NotAudioError, decode
from voicemode.providers.endpoint import Endpoint
from voicemode.providers.http import Answer, HttpPool
from voicemode.providers.leaving import leaving
from voicemode.wire.openai_audio import SPEECH_PATH, AudioCoding, Container, audio_coding, is_web_page, speech_body

__all__ = ["HttpSynthesis", "HttpSynthesizer"]

DEFAULT_VOICE = "alloy"
"""The API wants a voice; this is the first in its reference, and most services map it to one of theirs."""

_WANTED: tuple[Container, ...] = ("pcm", "wav", "mp3")
"""What is asked for, in this order: raw samples need no decoder, and everyone offers mp3."""

_LONGEST_S, _LONGEST_PER_CHAR_S = 10.0, 1.0
"""No text is spoken for longer than the one, and the other for each of its characters: a digit may be a word, and a word
takes a third of a second. Sound that goes on and on would else hold the conversation up for ever."""

_FORMAT_REFUSED = frozenset({400, 415, 422})
"""How endpoints answer to a response_format they do not offer."""


class HttpSynthesizer:
    """One endpoint. Shared by all sessions; remembers only which audio format the endpoint offers."""

    def __init__(
        self,
        base_url: str,
        pool: HttpPool,
        *,
        models: Sequence[str] = ("tts-1",),
        voices: Sequence[str] = (),
        key: SecretStr | None = None,
        declared: Callable[[], Declared] = lambda: UNDECLARED,
    ) -> None:
        """``voices`` are in order of preference. Opens nothing. Raises SettingsError for an unusable address."""
        self._endpoint = Endpoint(base_url, pool, "tts", models=models, key=key, declared=declared)
        self._voices = tuple(voices)
        self._format: Container | None = None

    @property
    def name(self) -> str:
        return self._endpoint.name

    def synthesize(self, request: SpeechRequest) -> HttpSynthesis:
        return HttpSynthesis(self, request)

    async def aclose(self) -> None:
        """Nothing to free: the connections are the pool's."""

    async def begin(self, request: SpeechRequest) -> tuple[Answer, AudioCoding]:
        """Ask until the endpoint offers sound that can be decoded. The caller closes the answer. Raises EndpointError."""
        refusals: list[EndpointError] = []
        for wanted in (self._format,) if self._format is not None else _WANTED:
            try:
                answer = await self._ask(request, wanted)
            except EndpointError as error:
                if error.status not in _FORMAT_REFUSED:
                    raise
                # It may be the voice or the text that was refused; then the other formats are refused as well, and
                # the first reason is the one to tell.
                refusals.append(error)
                continue
            coding = audio_coding(answer.content_type, wanted)
            if coding is not None:
                self._format = wanted
                return answer, coding
            await answer.aclose()
            refusals.append(self._not_sound(answer))
            if not answer.content_type.startswith("audio/"):
                break
        raise refusals[0]

    def _not_sound(self, answer: Answer) -> EndpointError:
        label = "".join(c for c in answer.content_type if c.isprintable())[:60]
        what = "a web page" if is_web_page(answer.content_type) else f"'{label}'"
        return EndpointError(self.name, f"answered {what} instead of sound", answer.status, retryable=False)

    async def _ask(self, request: SpeechRequest, wanted: Container) -> Answer:
        body = speech_body(
            request,
            model=self._endpoint.model,
            voice=request.voice or self._endpoint.voice(self._voices, request.language) or DEFAULT_VOICE,
            response_format=wanted,
        )
        with leaving(self.name, request.on_remote):
            return await self._endpoint.post(SPEECH_PATH, content=body, private=(request.text,))


class HttpSynthesis:
    """One piece of text on its way to sound. To be iterated once, and closed."""

    def __init__(self, synthesizer: HttpSynthesizer, request: SpeechRequest) -> None:
        self._synthesizer, self._request = synthesizer, request
        self._answer: Answer | None = None
        self._closed = False

    @property
    def engine(self) -> str:
        return self._synthesizer.name

    @property
    def failed(self) -> tuple[str, ...]:
        return ()

    async def __aiter__(self) -> AsyncGenerator[AudioChunk]:
        """Raises EndpointError, after all the sound that arrived."""
        try:
            self._answer, coding = await self._synthesizer.begin(self._request)
            if self._closed:
                return
            async with aclosing(self._decoded(self._answer, coding)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except EndpointError:
            if not self._closed:  # a connection that was closed from here is no failure of theirs
                raise
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        self._closed = True
        if self._answer is not None:
            await self._answer.aclose()

    def _check_length(self, heard_s: float) -> None:
        length = len(self._request.text)
        if heard_s > (_LONGEST_S + _LONGEST_PER_CHAR_S * length) / self._request.speed:
            raise NotAudioError(f"does not stop: {heard_s:.0f} s of sound for {length} characters")

    async def _decoded(self, answer: Answer, coding: AudioCoding) -> AsyncGenerator[AudioChunk]:
        heard_s = 0.0
        try:
            async with aclosing(decode(answer.chunks(), coding, delimited=answer.delimited)) as chunks:
                async for chunk in chunks:
                    heard_s += chunk.seconds
                    self._check_length(heard_s)
                    yield chunk
        except NotAudioError as error:
            raise EndpointError(self.engine, str(error), answer.status) from error
        if not heard_s:
            raise EndpointError(self.engine, "answered without any sound", answer.status)
