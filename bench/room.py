"""Where measuring happens: a virtual sound card, free speech engines, a person, and the product in a fresh home."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import shutil
import sys
import tempfile
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.person import Mouth, utterance
from bench.stdio_client import StdioServer
from scripts.virtual_sound_card import VirtualSoundCard
from tests.stubs.client import SpeechStub
from voicemode.audio import AudioChunk

__all__ = ["ANSWER", "MESSAGE", "SILENCE_S", "Room", "read_wav"]

MESSAGE = "Hello there, how can I help?"
"""One sentence: one request to the engine."""
SILENCE_S = 1.0
"""The product's default silence window."""
ANSWER = "the words of the stub"
_ROOT = Path(__file__).parents[1]
_CLIPS = _ROOT / "tests" / "clips"
_SENTENCE = ("go_forward_ten_meters.wav", 0.50, 2.09)
"""From the burst of "go" to the end of the hiss of "meters", in seconds; what follows is breath on the microphone."""
_WORD = ("seven_of_clubs.wav", 0.10, 0.50)
"""Where "seven" lies: from the beginning of its hiss to the end of its n, in seconds."""


def read_wav(data: bytes) -> AudioChunk:
    """A 16-bit mono WAV. Raises ValueError, wave.Error."""
    with wave.open(io.BytesIO(data)) as file:
        if file.getsampwidth() != 2 or file.getnchannels() != 1:
            raise ValueError("not 16-bit mono")
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.int16)
        return AudioChunk(samples, file.getframerate())


def _said(clip: str, first_s: float, last_s: float) -> AudioChunk:
    return utterance(read_wav((_CLIPS / clip).read_bytes()), first_s, last_s)


class Room:
    """Everything the scenarios share. Use ``async with Room.open()``."""

    def __init__(self, card: VirtualSoundCard, stub: SpeechStub, folder: Path) -> None:
        self.card, self.stub, self.folder = card, stub, folder
        self.mouth = Mouth(card)
        self.sentence, self.word = _said(*_SENTENCE), _said(*_WORD)
        self.stray_lines: list[str] = []

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls) -> AsyncIterator[Room]:
        """A room of its own; gone afterwards."""
        folder = Path(tempfile.mkdtemp(prefix="voicemode-bench-"))
        try:
            with VirtualSoundCard() as card, SpeechStub(sites=1) as stub:
                room = cls(card, stub, folder)
                room.configure()
                await room.mouth.calibrate(card, room.word)
                try:
                    yield room
                finally:
                    room.mouth.close()
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def configure(self, **behaviour: Any) -> None:
        """The engines' default behaviour, changed by these."""
        self.stub.reset()
        self.stub.configure(stt_text=ANSWER, **behaviour)

    @contextlib.asynccontextmanager
    async def product(self) -> AsyncIterator[StdioServer]:
        """``voicemode mcp``, initialized, in a home of its own."""
        command, variables = self.product_command()
        async with self.server(command, **variables) as server:
            await server.initialize()
            yield server

    @contextlib.asynccontextmanager
    async def server(self, command: list[str], **variables: str) -> AsyncIterator[StdioServer]:
        """Any server in an environment of its own: nothing of ours but PATH, the room and ``variables``."""
        home = Path(tempfile.mkdtemp(dir=self.folder))
        env = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH") if name in os.environ}
        env |= self.card.env | {"HOME": str(home), "PYTHONPATH": str(_ROOT)} | variables
        async with StdioServer(command, env, home) as server:
            yield server
        self.stray_lines += server.stray_lines
        await asyncio.to_thread(shutil.rmtree, home, ignore_errors=True)

    def product_command(self) -> tuple[list[str], dict[str, str]]:
        """How the product is started, and the variables it gets."""
        return [sys.executable, "-m", "voicemode", "mcp"], self._addresses()

    def _addresses(self) -> dict[str, str]:
        urls = {"VOICEMODE_TTS_BASE_URLS": self.stub.url, "VOICEMODE_STT_BASE_URLS": self.stub.url}
        # What is measured is the way to an engine; a phrase that is remembered needs none.
        return {**urls, "VOICEMODE_DISCOVERY": "false", "VOICEMODE_SPEECH_CACHE": "off"}
