"""voicemode's own client at the real service: what it declares, what it streams, what it answers."""

from __future__ import annotations

import asyncio
import wave

import numpy as np
import pytest

import voicemode
from tests_services.running import CLIP, Running
from tests_services.whisper.conftest import TEXT
from voicemode.audio import AudioChunk
from voicemode.interfaces import PartialTranscript, StreamRequest, TranscriptionRequest
from voicemode.providers.discovery import ask
from voicemode.providers.http import HttpPool
from voicemode.providers.http_stt import HttpTranscriber
from voicemode.providers.known_services import declared_by
from voicemode.settings import Settings


def test_words_come_while_sound_goes_in_and_at_a_pause_they_are_those_of_an_upload(
    whisper: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by what the service declares, and used a second time after the pause."""
    monkeypatch.setitem(vars(voicemode), "__version__", "0")  # it is not installed where the services are
    with wave.open(str(CLIP)) as clip:
        sound = np.frombuffer(clip.readframes(clip.getnframes()), "<i2").astype(np.int16)

    async def scenario() -> None:
        pool = HttpPool(Settings.model_validate({}))
        url = f"{whisper.url}/v1"
        declared = declared_by(await ask(pool, url), "stt", ("whisper-1",))
        assert declared.live
        transcriber = HttpTranscriber(url, pool, declared=lambda: declared)
        partials: list[PartialTranscript] = []
        stream = transcriber.stream(StreamRequest(partials.append, "en-GB"))
        assert stream is not None
        stream.feed(sound)
        uploaded = await transcriber.transcribe(TranscriptionRequest(AudioChunk(sound, 16_000), "en-GB"))
        assert (await stream.flush()).text == uploaded.text == TEXT
        stream.feed(sound)
        async with asyncio.timeout(30):
            while not partials:
                await asyncio.sleep(0.01)
        assert (await stream.flush()).text == TEXT
        await stream.aclose()
        await pool.aclose()
        assert partials
        assert "Hello" in partials[-1].settled + partials[-1].tail

    asyncio.run(scenario())
    assert whisper.idle()
