"""Speech to text by an OpenAI-compatible endpoint."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pydantic import SecretStr

from voicemode.core.failover import UNDECLARED, Declared
from voicemode.errors import EndpointError
from voicemode.interfaces import StreamRequest, Transcript, TranscriptionRequest
from voicemode.providers.endpoint import Endpoint
from voicemode.providers.http import HttpPool
from voicemode.providers.http_stream import HttpStream
from voicemode.providers.leaving import leaving
from voicemode.wire.openai_audio import (
    SILENT_LOG_PROBABILITY,
    TRANSCRIPTIONS_PATH,
    AnswerError,
    parse_transcription,
    transcription_fields,
)
from voicemode.wire.wav import encode_wav

__all__ = ["HttpTranscriber"]


class HttpTranscriber:
    """One endpoint. Shared by all sessions; keeps nothing of what was said."""

    def __init__(
        self,
        base_url: str,
        pool: HttpPool,
        *,
        models: Sequence[str] = ("whisper-1",),
        key: SecretStr | None = None,
        declared: Callable[[], Declared] = lambda: UNDECLARED,
    ) -> None:
        """Opens nothing. Raises SettingsError for an unusable address."""
        self._endpoint = Endpoint(base_url, pool, "stt", models=models, key=key, declared=declared)

    @property
    def name(self) -> str:
        return self._endpoint.name

    async def prepare(self, options: Sequence[str] = ()) -> None:  # noqa: ARG002 (a hint travels with the request)
        """Have a connection open when the person has finished. Sends no sound, never raises."""
        await self._endpoint.warm()

    async def transcribe(self, request: TranscriptionRequest) -> Transcript:
        """Upload the utterance as a WAV. Raises EndpointError.

        The answer may take as long as the utterance lasted, on top of the deadline of the first byte: the upload is
        part of it, and an engine that is slower than speech is of no use in a conversation.
        """
        with leaving(self.name, request.on_remote):
            answer = await self._endpoint.post(
                TRANSCRIPTIONS_PATH,
                form=transcription_fields(request, model=self._endpoint.model),
                upload=("speech.wav", encode_wav(request.audio), "audio/wav"),
                private=request.options,
                first_byte_s=self._endpoint.pool.first_byte_s + request.audio.seconds,
            )
        try:
            written = parse_transcription(answer.content_type, await answer.read())
        except AnswerError as error:
            raise EndpointError(self.name, str(error), answer.status, retryable=False) from error
        finally:
            await answer.aclose()
        doubtful = written.log_probability is not None and written.log_probability < SILENT_LOG_PROBABILITY
        return Transcript(written.text, self.name, "low" if doubtful else "unknown")

    def stream(self, request: StreamRequest) -> HttpStream | None:
        """As ``StreamingTranscriber.stream``: where the endpoint has declared that it takes one."""
        return HttpStream(self._endpoint, request) if self._endpoint.live else None

    async def aclose(self) -> None:
        """Nothing to free: the connections are the pool's."""
