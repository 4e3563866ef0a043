"""``POST /v1/audio/speech``: a text becomes sound, by the first engine that can, streamed as it is made.

https://platform.openai.com/docs/api-reference/audio/createSpeech
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import StreamingResponse

from voicemode.audio import Samples
from voicemode.errors import VoicemodeError
from voicemode.http.bodies import json_object, number_of, text_of
from voicemode.http.errors import HttpError, of_voicemode
from voicemode.http.speech_stream import spoken
from voicemode.interfaces import Synthesizer
from voicemode.wire.openai_audio import PCM_RATE

__all__ = ["speech"]

_MOST_CHARS = 4096
"""As the API's reference has it for ``input``."""
_FORMATS = ("mp3", "opus", "aac", "flac", "wav", "pcm")


@dataclass(frozen=True, slots=True)
class _Wanted:
    text: str
    voice: str | None
    format: str
    speed: float
    events: bool
    """Server-sent events in the place of bytes."""


async def speech(request: Request, synthesizer: Synthesizer) -> StreamingResponse:
    """Answer it. Raises HttpError while nothing was sent; what breaks off later breaks the answer off."""
    wanted = _read(await json_object(request))
    sound = spoken(synthesizer, wanted.text, voice=wanted.voice, speed=wanted.speed)
    try:
        first = await anext(sound, None)
    except VoicemodeError as error:
        raise of_voicemode(error) from error
    encoded = _encoded(wanted.format, _after(first, sound))
    if wanted.events:
        return StreamingResponse(_events(encoded), media_type="text/event-stream", headers={"cache-control": "no-store"})
    # Here and not above: PyAV is for those who want sound.
    from voicemode.engines.encode import MEDIA_TYPES

    rate = f"; rate={PCM_RATE}; channels=1" if wanted.format == "pcm" else ""
    return StreamingResponse(encoded, media_type=MEDIA_TYPES[wanted.format] + rate)


def _read(body: Mapping[str, Any]) -> _Wanted:
    voice = body.get("voice")
    if isinstance(voice, Mapping):  # a custom voice of OpenAI
        voice = voice.get("id")
    if voice is not None and not isinstance(voice, str):
        raise HttpError(400, "invalid_type", "It is a text.", param="voice")
    wanted = body.get("response_format") or "mp3"
    if wanted not in _FORMATS:
        raise HttpError(400, "invalid_value", f"It is one of {', '.join(_FORMATS)}.", param="response_format")
    stream = body.get("stream_format") or "audio"
    if stream not in ("audio", "sse"):
        raise HttpError(400, "invalid_value", "It is 'audio' or 'sse'.", param="stream_format")
    return _Wanted(
        text=text_of(body, "input", most=_MOST_CHARS),
        voice=voice or None,
        format=wanted,
        speed=number_of(body, "speed", 0.25, 4.0, 1.0),
        events=stream == "sse",
    )


async def _after(first: Samples | None, rest: AsyncGenerator[Samples]) -> AsyncGenerator[Samples]:
    async with aclosing(rest):
        if first is not None:
            yield first
            async for samples in rest:
                yield samples


async def _encoded(wanted: str, sound: AsyncGenerator[Samples]) -> AsyncGenerator[bytes]:
    from voicemode.engines.encode import encoder  # as above

    coder = encoder(wanted, PCM_RATE)
    try:
        async with aclosing(sound):
            async for samples in sound:
                data = coder.feed(np.ascontiguousarray(samples))
                if data:
                    yield data
        rest = coder.finish()
        if rest:
            yield rest
    finally:
        coder.close()


async def _events(encoded: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    async for data in encoded:
        yield _event({"type": "speech.audio.delta", "audio": base64.b64encode(data).decode()})
    usage = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
    yield _event({"type": "speech.audio.done", "usage": usage})


def _event(value: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"
