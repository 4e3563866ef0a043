"""Words while somebody speaks, over real sockets: the assembled server, and an endpoint that takes streams."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr

from tests.security.assembled import House, house
from tests.stubs.client import SpeechStub
from voicemode.wire.wav import decode_wav

pytestmark = pytest.mark.anyio

CLIP = Path(__file__).parents[1] / "clips" / "go_forward_ten_meters.wav"
WORDS = [[0.1, "go"], [0.5, "forward"], [1.0, "ten"], [1.5, "meters"]]
TEXT = "go forward ten meters"
_BLOCK_S = 0.04
_RATE = 24_000
_KINDS = ("input_audio_buffer.speech_", "conversation.item.input_audio_transcription.")


def recording() -> Any:
    """The clip, and a second and a half of a quiet room."""
    said = decode_wav(CLIP.read_bytes())
    room = np.random.default_rng(7).normal(0, 10, 24_000).astype(np.int16)
    return soxr.resample(np.concatenate([said.samples, room]), said.sample_rate, _RATE)


async def spoken(server: House) -> list[dict[str, Any]]:
    """Somebody says the clip in real time in a transcription session; what they are told of their words, up to the last."""
    async with server.web() as web:
        await web.get("/readyz")  # who is there is known
    async with server.socket("?intent=transcription") as socket:
        speaking = asyncio.create_task(_speak(socket))
        events: list[dict[str, Any]] = []
        try:
            async with asyncio.timeout(20):
                while not events or not events[-1]["type"].endswith("completed"):
                    event = json.loads(await socket.recv())
                    events += [event] if event["type"].startswith(_KINDS) else []
        finally:
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)
        return events


async def _speak(socket: Any) -> None:
    sound, step = recording(), round(_BLOCK_S * _RATE)
    for at in range(0, len(sound), step):
        audio = base64.b64encode(sound[at : at + step].astype("<i2").tobytes()).decode()
        await socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
        await asyncio.sleep(_BLOCK_S)


async def test_words_come_while_they_are_spoken(tmp_path: Path, stub: SpeechStub) -> None:
    """Between the events of its speech, of the same item; together they are what is completed."""
    stub.configure(rows=[{"id": "whisper-1", "audio_stream": "voicemode-1"}], stt_words=WORDS)
    async with house(tmp_path, stt_base_urls=stub.url) as server:
        events = await spoken(server)
    assert len({event["item_id"] for event in events}) == 1
    kinds = [event["type"].rsplit(".")[-1] for event in events]
    deltas = [event["delta"] for event in events if "delta" in event]
    assert kinds[:2] == ["speech_started", "delta"]
    assert kinds[-1] == "completed"
    assert kinds.index("speech_stopped") > 1
    assert "".join(deltas) == events[-1]["transcript"] == TEXT


async def test_from_an_endpoint_without_streams_they_come_as_a_whole(tmp_path: Path, stub: SpeechStub) -> None:
    """It is never asked for one."""
    stub.configure(stt_words=WORDS)
    async with house(tmp_path, stt_base_urls=stub.url) as server:
        events = await spoken(server)
    assert [event["type"].rsplit(".")[-1] for event in events] == ["speech_started", "speech_stopped", "completed"]
    assert events[-1]["transcript"] == TEXT
    assert stub.events("stream") == []
