"""The only place that builds the object graph. Everything else is given what it needs."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from voicemode.engines.builtin_stt import BuiltinTranscriber
from voicemode.engines.builtin_tts import BuiltinSynthesizer
from voicemode.engines.choose_vad import choose_detector
from voicemode.engines.file_audio import FileMicrophone, FileSpeaker
from voicemode.engines.microphone import SoundDeviceMicrophone
from voicemode.engines.speaker import SoundDeviceSpeaker
from voicemode.interfaces import Microphone, Speaker, Synthesizer, Transcriber
from voicemode.load_config import LoadedSettings
from voicemode.providers.chain import SynthesizerChain, TranscriberChain
from voicemode.providers.http import HttpPool
from voicemode.providers.http_stt import HttpTranscriber
from voicemode.providers.http_tts import HttpSynthesizer
from voicemode.runtime.conversation import Conversations
from voicemode.runtime.floor import Floor
from voicemode.runtime.journal import Journal
from voicemode.runtime.turn import TurnParts
from voicemode.settings import Settings

__all__ = ["Voice", "build_file_voice", "build_voice"]


@dataclass(frozen=True, slots=True)
class Voice:
    """The assembled product; one per process. Close it."""

    settings: Settings
    conversations: Conversations
    pool: HttpPool

    async def aclose(self) -> None:
        """End conversations, then free engines and connections. Idempotent."""
        await self.conversations.aclose()
        await self.pool.aclose()


def build_voice(loaded: LoadedSettings, environ: Mapping[str, str], client: str) -> Voice:
    """The product on this machine's sound card. ``client`` is who holds the floor. Raises SettingsError; opens nothing."""
    settings = loaded.settings
    folder = settings.base_dir
    return _voice(
        settings,
        environ,
        make_microphone=lambda: SoundDeviceMicrophone(settings.input_device),
        make_speaker=lambda: SoundDeviceSpeaker(settings.output_device),
        floor=Floor(folder, client, settings.floor_wait_s),
    )


def build_file_voice(loaded: LoadedSettings, environ: Mapping[str, str], question: Path | None, reply: Path | None) -> Voice:
    """The product without a sound card: ``question`` is what the person says, ``reply`` is where the message is written."""
    drained = asyncio.Event()
    if reply is None:
        drained.set()

    def no_microphone() -> Microphone:
        raise AssertionError("nothing listens without a file to hear")

    return _voice(
        loaded.settings,
        environ,
        make_microphone=no_microphone if question is None else lambda: FileMicrophone(question, drained),
        make_speaker=lambda: FileSpeaker(reply, drained),
        floor=None,
    )


def _voice(
    settings: Settings,
    environ: Mapping[str, str],
    *,
    make_microphone: Callable[[], Microphone],
    make_speaker: Callable[[], Speaker],
    floor: Floor | None,
) -> Voice:
    pool = HttpPool(settings)
    detector = functools.cache(lambda: choose_detector(settings.vad))
    parts = TurnParts(
        make_microphone=make_microphone,
        make_speaker=make_speaker,
        # The floor sees to it that one utterance is heard at a time, so one detector serves them all.
        make_detector=lambda: detector().detector,
        synthesizer=_synthesizer(settings, environ, pool),
        transcriber=_transcriber(settings, environ, pool),
        journal=Journal(settings.base_dir / "pending"),
        start_timeout_s=settings.start_timeout_s,
        chime=settings.audio_feedback,
    )
    return Voice(settings, Conversations(parts, floor), pool)


def _synthesizer(settings: Settings, environ: Mapping[str, str], pool: HttpPool) -> Synthesizer:
    engines: list[Synthesizer] = [
        HttpSynthesizer(url, pool, models=settings.tts_models, voices=settings.voices, key=settings.tts_api_key)
        for url in settings.tts_base_urls
    ]
    if settings.builtin:
        engines.append(BuiltinSynthesizer(environ))
    return SynthesizerChain(engines)


def _transcriber(settings: Settings, environ: Mapping[str, str], pool: HttpPool) -> Transcriber:
    engines: list[Transcriber] = [
        HttpTranscriber(url, pool, models=settings.stt_models, key=settings.stt_api_key) for url in settings.stt_base_urls
    ]
    if settings.builtin:
        engines.append(BuiltinTranscriber(environ))
    return TranscriberChain(engines)
