"""One conversation over three surfaces: typed at the command line, spoken over WebSocket, gone on with over WebRTC."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr
from websockets.asyncio.client import ClientConnection

from tests.security.assembled import CALLS, SDP, House, house
from tests.stubs.client import SpeechStub
from tests.transports.webrtc_client import Client, client
from voicemode.audio import Samples
from voicemode.wire.wav import decode_wav

pytestmark = pytest.mark.anyio

CLIP = Path(__file__).parents[1] / "clips" / "go_forward_ten_meters.wav"
HEARD = "go forward ten meters"
ANSWER = " ".join(f"word{number}" for number in range(60)) + "."
"""At the stub's pace some 24 s, of which nobody waits for the end."""
_STEP_S = 0.04
_LISTEN = {"type": "server_vad", "silence_duration_ms": 400}
_SESSION = {"type": "realtime", "audio": {"input": {"turn_detection": _LISTEN}}}


def said(rate: int) -> Samples:
    """The clip, and a second and a half of a quiet room."""
    clip = decode_wav(CLIP.read_bytes())
    room = np.random.default_rng(7).normal(0, 10, round(1.5 * clip.sample_rate)).astype(np.int16)
    sound: Samples = soxr.resample(np.concatenate([clip.samples, room]), clip.sample_rate, rate)
    return sound


class Talk:
    """What came over the wire, whichever it was."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    async def read(self) -> None:
        """Until it is cancelled."""
        raise NotImplementedError

    async def speak(self) -> None:
        """Say the clip, in real time."""
        raise NotImplementedError

    def count(self, kind: str) -> int:
        return sum(event["type"] == kind for event in self.events)

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not holds():
                await asyncio.sleep(0.02)


class SocketTalk(Talk):
    """Over WebSocket: the client plays."""

    def __init__(self, socket: ClientConnection) -> None:
        super().__init__()
        self._socket = socket

    async def read(self) -> None:
        async for message in self._socket:
            self.events.append(json.loads(message))

    async def speak(self) -> None:
        sound, step = said(24_000), round(_STEP_S * 24_000)
        for at in range(0, len(sound), step):
            audio = base64.b64encode(sound[at : at + step].astype("<i2").tobytes()).decode()
            await self._socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
            await asyncio.sleep(_STEP_S)


class RtcTalk(Talk):
    """Over WebRTC: the server plays."""

    def __init__(self, far: Client) -> None:
        super().__init__()
        self._far = far

    async def read(self) -> None:
        while True:
            self.events = [json.loads(each) for each in self._far.messages]
            await asyncio.sleep(0.02)

    async def speak(self) -> None:
        self._far.voice.waiting = said(48_000)
        while len(self._far.voice.waiting):
            await asyncio.sleep(_STEP_S)


@contextlib.asynccontextmanager
async def over_socket(here: House, secret: str) -> AsyncIterator[SocketTalk]:
    async with here.socket(headers={"Authorization": f"Bearer {secret}"}) as socket:
        yield SocketTalk(socket)


@contextlib.asynccontextmanager
async def over_webrtc(here: House, secret: str) -> AsyncIterator[RtcTalk]:
    async with client() as far, here.web() as web:
        headers = {**SDP, "Authorization": f"Bearer {secret}"}
        answer = await web.post(CALLS, headers=headers, content=await far.offer())
        assert answer.status_code == 201, answer.text
        await far.take(answer.text)
        await far.until(lambda: len(far.messages) > 0)
        yield RtcTalk(far)


async def ask_and_interrupt(talk: Talk, begins: str) -> None:
    """Say something; once the answer ``begins`` to be heard, wait a second, and say it again; leave in the next answer."""
    reading = asyncio.create_task(talk.read())
    try:
        await talk.speak()
        await talk.until(lambda: talk.count(begins) > 0)
        await asyncio.sleep(1.0)
        await talk.speak()
        await talk.until(lambda: talk.count("response.done") > 0 and talk.count("response.created") > 1)
        await talk.until(lambda: talk.events[-1]["type"].endswith(".delta") or talk.count("response.done") > 1)
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def typed(home: Path, stub: SpeechStub, text: str) -> None:
    """At the command line, in a process of its own."""
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "VOICEMODE_MEMORY": "persistent",
        "VOICEMODE_CHAT_BASE_URLS": stub.url,
        "VOICEMODE_DISCOVERY": "false",
        "VOICEMODE_START_SERVICES": "false",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "voicemode", "chat", text, "--thread", "trip", env=environ, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        out, _ = await process.communicate()
    assert process.returncode == 0
    assert out.decode().strip() == ANSWER


def told(request: dict[str, Any]) -> list[tuple[str, str]]:
    """What a chat endpoint was told that people and the assistant said."""
    return [(each["role"], each["content"]) for each in request["body"]["messages"] if each["role"] in ("user", "assistant")]


async def test_typed_and_spoken_over_two_transports_it_is_one_record(tmp_path: Path, stub: SpeechStub) -> None:
    """In order, all of it told to the responder each time, and of interrupted sentences what was heard and no more."""
    stub.configure(stt_text=HEARD, chat_text=ANSWER, chat_goes_on="whole")
    await typed(tmp_path, stub, "Typed at the command line.")
    endpoints = {"stt_base_urls": stub.url, "tts_base_urls": stub.url, "chat_base_urls": stub.url}
    async with house(tmp_path, **endpoints) as here, here.web() as web:
        await web.get("/readyz")  # who is there is known
        body = {"thread_id": "trip", "memory_mode": "persistent", "session": _SESSION}
        secret = (await web.post("/api/sessions/session", json=body)).json()["client_secret"]
        async with over_socket(here, secret) as talk:
            await ask_and_interrupt(talk, "response.output_audio.delta")
        await here.idle()
        async with over_webrtc(here, secret) as rtc:
            await ask_and_interrupt(rtc, "output_audio_buffer.started")
        await here.idle()
        entries = (await web.get("/api/sessions/trip")).json()["entries"]
    requests = [each for each in stub.events("chat") if "body" in each]
    turn = [("user", HEARD), ("assistant", None)]
    assert [(each["role"], each["text"] if each["role"] == "user" else None) for each in entries] == [
        *(("user", "Typed at the command line."), ("assistant", None)),
        *(turn * 4),
    ]
    assert [each["surface"] for each in entries] == ["cli"] * 2 + ["websocket"] * 4 + ["webrtc"] * 4
    assert (entries[1]["text"], entries[1]["standing"]) == (ANSWER, "whole")
    for interrupted in (entries[3], entries[7]):
        assert interrupted["standing"] == "interrupted"
        assert ANSWER.startswith(interrupted["text"])
        # A word is spoken in some 0.4 s; it was interrupted one to four seconds after it began, and never near its end.
        assert 1 <= len(interrupted["text"].split()) <= 15
    for left in (entries[5], entries[9]):
        assert left["standing"] == "interrupted"
        assert ANSWER.startswith(left["text"])
    assert [each["began_at"] for each in entries] == sorted(each["began_at"] for each in entries)
    last = told(requests[-1])
    heard = [(each["role"], each["text"]) for each in entries[:-1] if each["text"]]
    assert last == heard
