"""A telephone call through a server process: a stub of Twilio calls, talks over µ-law, interrupts and is hung up on."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import wave
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import numpy as np
import pytest

from tests.http.test_serve import Process, running
from tests.stubs.client import SpeechStub
from tests.stubs.sentence_tones import NUMBERS, listen, sentences
from tests.stubs.twilio import ACCOUNT, AUTH_TOKEN, RATE, Phone, RestApi, at_telephone_rate, calling, rest_api
from voicemode.audio import Samples

pytestmark = pytest.mark.anyio

CLIP = Path(__file__).parents[1] / "clips" / "go_forward_ten_meters.wav"
CALLER = "+4930123456"
OURS = "+4930999999"


def clip() -> Samples:
    """Somebody says "go forward ten meters"; a second of silence behind it."""
    with wave.open(str(CLIP)) as file:
        sound = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        return at_telephone_rate(sound, file.getframerate())


@dataclass
class Line:
    """A server with a telephone, and what it stands on."""

    url: str
    stub: SpeechStub
    api: RestApi
    server: Process

    async def record(self, number: str) -> list[dict[str, Any]]:
        """What is kept of this number's calls."""
        name = f"phone:{number}"
        base = self.url.removesuffix("/incoming")
        async with httpx2.AsyncClient(base_url=base, headers=self.server.bearer, trust_env=False) as web:
            answer = await web.get(f"/api/sessions/{quote(name)}", params={"user_id": name})
            assert answer.status_code == 200, answer.text
            entries: list[dict[str, Any]] = answer.json()["entries"]
            return entries

    def asked(self) -> list[list[dict[str, Any]]]:
        """The messages of every answer that was asked for."""
        return [event["body"]["messages"] for event in self.stub.events("chat") if "body" in event]


def settings_of(stub: SpeechStub, api: RestApi, port: int) -> dict[str, str]:
    return {
        "VOICEMODE_TTS_BASE_URLS": stub.url,
        "VOICEMODE_STT_BASE_URLS": stub.url,
        "VOICEMODE_CHAT_BASE_URLS": stub.url,
        "VOICEMODE_BUILTIN": "false",
        "VOICEMODE_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "VOICEMODE_TWILIO_ACCOUNT_SID": ACCOUNT,
        "VOICEMODE_TWILIO_AUTH_TOKEN": AUTH_TOKEN,
        "VOICEMODE_TWILIO_NUMBER": OURS,
        "VOICEMODE_TWILIO_ALLOWED_NUMBERS": f"{CALLER},+49 30 777777",
        "VOICEMODE_TWILIO_API_URL": api.url,
    }


@contextlib.asynccontextmanager
async def line(home: Path, behaviour: dict[str, Any], **settings: str) -> AsyncIterator[Line]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with SpeechStub(1, **behaviour) as stub, rest_api() as api:
        chosen = settings_of(stub, api, port) | settings
        with running(home, "--port", str(port), **chosen) as server:
            await asyncio.to_thread(server.ready)
            yield Line(f"http://127.0.0.1:{port}/incoming", stub, api, server)


def numbers(phone: Phone) -> list[int]:
    """The sentences that were heard whole."""
    return [each.number for each in listen(phone.samples, RATE) if each.whole]


def spoken_of(text: str) -> list[int]:
    """The sentences whose number is in it."""
    return [number for number in range(1, 10) if f"sentence {NUMBERS[number]}" in text]


async def test_a_caller_talks_interrupts_and_is_understood(tmp_path: Path) -> None:
    """Words recognized, the answer heard, cleared when they speak, and the responder knows only what was heard of it."""
    behaviour = {"voice": "numbers", "chat_text": " ".join(sentences(9)), "stt_text": "go forward ten meters"}
    async with line(tmp_path, behaviour, VOICEMODE_MEMORY="persistent") as tel, calling(tel.url, From=CALLER) as phone:
        phone.say(clip())
        await phone.until(lambda: len(numbers(phone)) >= 2)
        assert tel.asked()[0][-1] == {"role": "user", "content": "go forward ten meters"}
        tel.stub.configure(chat_text="This is sentence twelve.")
        phone.say(clip())
        await phone.until(lambda: bool(phone.clears))
        await phone.until(lambda: numbers(phone)[-1] == 12)
        before = numbers(phone)
        assert before[:-1] == list(range(1, len(before)))
        assert len(before) < 9
        said = [each["content"] for each in tel.asked()[-1] if each["role"] == "assistant"]
        assert spoken_of(" ".join(said)) in (before[:-1], [*before[:-1], len(before)]), said
        kept = await tel.record(CALLER)
        assert [each["role"] for each in kept] == ["user", "assistant", "user", "assistant"], kept
        assert {each["surface"] for each in kept} == {"phone"}
        assert (kept[0]["text"], kept[1]["standing"], kept[1]["text"]) == ("go forward ten meters", "interrupted", said[-1])
    assert not tel.api.requests, "who hangs up is not hung up on"


async def test_keys_are_words_and_the_assistant_hangs_up(tmp_path: Path) -> None:
    """Its goodbye is heard to the end; Twilio is told over REST; then the stream is closed."""
    behaviour = {"voice": "numbers", "chat_text": "This is sentence three.", "chat_calls": [["c1", "hangup", "{}"]]}
    async with line(tmp_path, behaviour) as tel, calling(tel.url, From=CALLER) as phone:
        await phone.press("12#")
        await phone.until(lambda: phone.close_code is not None)
        assert tel.asked()[0][-1] == {"role": "user", "content": "The caller pressed 1 2 #."}
        assert numbers(phone) == [3]
        assert phone.close_code == 1000
        assert tel.api.requests == [(f"/2010-04-01/Accounts/{ACCOUNT}/Calls/{phone.call_sid}.json", {"Status": "completed"})]


async def test_no_log_holds_a_number_or_a_secret(tmp_path: Path) -> None:
    """Nor what was said."""
    async with line(tmp_path, {"stt_text": "private words"}, VOICEMODE_LOG_LEVEL="debug") as tel:
        async with calling(tel.url, From=CALLER) as phone:
            phone.say(clip())
            await phone.until(lambda: bool(tel.asked()))
        log = tel.server.log.read_text()
    assert not any(word in log for word in (CALLER, AUTH_TOKEN, "private words", "secret="))


def test_a_call_of_ours_is_shown_before_it_is_made(tmp_path: Path) -> None:
    """--dry-run sends nothing and shows no secret; without it Twilio is asked once; others are not called."""
    with rest_api() as api, SpeechStub(1) as stub:
        env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **settings_of(stub, api, 1)}

        def voicemode(*arguments: str) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-m", "voicemode", "call", *arguments]
            return subprocess.run(
                command, env=env, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
            )

        shown = voicemode("+49 30 123456", "--dry-run", "--json")
        assert shown.returncode == 0, shown.stderr
        told = json.loads(shown.stdout)
        form = {"To": CALLER, "From": OURS, "Url": "http://127.0.0.1:1/incoming", "Method": "POST", "Timeout": "30"}
        assert (told["status"], told["sid"], told["request"]["form"]) == ("dry_run", None, form)
        assert AUTH_TOKEN not in shown.stdout + shown.stderr
        assert api.requests == []
        made = voicemode(CALLER, "--json")
        assert json.loads(made.stdout)["sid"].startswith("CA")
        assert api.requests == [(f"/2010-04-01/Accounts/{ACCOUNT}/Calls.json", form)]
        other = voicemode("+4930555555")
        assert (other.returncode, len(api.requests)) == (2, 1)
        assert "VOICEMODE_TWILIO_ALLOWED_NUMBERS" in other.stderr
        api.status, api.error = 400, {"code": 21211, "message": f"{CALLER} is wrong"}
        failed = voicemode(CALLER)
        assert failed.returncode == 1
        assert "21211" in failed.stderr
