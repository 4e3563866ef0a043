"""Conversations of gptme's clients, unmodified as far as the wire goes, with a server in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shlex
import sys
import time
import wave
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.exceptions import InvalidStatus

from tests.http.test_serve import Process, running
from tests.stubs.client import SpeechStub
from tests.stubs.gptme_clients import OUT_RATE, PythonClient, WebUi, talking
from tests.stubs.gptme_server import TOKEN, gptme_server
from tests.stubs.sentence_tones import NUMBERS, listen, sentences
from voicemode.audio import Samples
from voicemode.http.tokens import install_token
from voicemode.http.voice_keys import VoiceKeys

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
CLIP = ROOT / "tests" / "clips" / "go_forward_ten_meters.wav"
WORDS = "go forward ten meters"


def clip() -> tuple[Samples, int]:
    """Somebody says "go forward ten meters"."""
    with wave.open(str(CLIP)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16), file.getframerate()


@dataclass
class Served:
    """A server, and the stub that hears, thinks and speaks for it."""

    port: int
    stub: SpeechStub
    server: Process

    @property
    def keys(self) -> VoiceKeys:
        return VoiceKeys(install_token(self.server.home / ".voicemode"))

    def url(self, path: str, thread: str = "", more: str = "") -> str:
        return f"ws://127.0.0.1:{self.port}{path}?key={self.keys.make(thread)}{more}"

    def asked(self) -> list[list[dict[str, Any]]]:
        """The messages of every answer that was asked for."""
        return [event["body"]["messages"] for event in self.stub.events("chat") if "body" in event]


@contextlib.asynccontextmanager
async def served(home: Path, answer: str, **settings: str) -> AsyncIterator[Served]:
    with SpeechStub(1, voice="numbers", chat_text=answer, stt_text=WORDS) as stub:
        engines = {f"VOICEMODE_{task}_BASE_URLS": stub.url for task in ("TTS", "STT", "CHAT")}
        with running(home, "--port", "0", **{**engines, "VOICEMODE_BUILTIN": "false", **settings}) as server:
            yield Served(await asyncio.to_thread(server.ready), stub, server)


def numbers(client: Any) -> list[int]:
    """The sentences that were heard whole."""
    return [each.number for each in listen(client.heard(), OUT_RATE) if each.whole]


@pytest.mark.parametrize(
    ("kind", "path", "options"),
    [(WebUi, "/voice", {"stops": True}), (WebUi, "/voice", {"stops": False}), (PythonClient, "/local", {})],
)
async def test_two_turns_are_heard_to_the_last_sample(tmp_path: Path, kind: Any, path: str, options: dict[str, Any]) -> None:
    """Both published players hear all of each answer, and gptme gets what was said, in order, in the right conversation."""
    with gptme_server() as gptme:
        settings = {"VOICEMODE_GPTME_URL": gptme.url, "VOICEMODE_GPTME_TOKEN": TOKEN}
        first, second = " ".join(sentences(3)), "This is sentence four. This is sentence five."
        async with served(tmp_path, first, **settings) as here:
            async with talking(kind, here.url(path, "kitchen"), **options) as client:
                await asyncio.sleep(0.3)
                client.say(*clip())
                await client.until(lambda: client.kinds().count("audio_end") == 1)
                assert numbers(client) == [1, 2, 3]
                here.stub.configure(chat_text=second)
                await asyncio.sleep(0.8)
                client.say(*clip())
                await client.until(lambda: client.kinds().count("audio_end") == 2)
                assert numbers(client) == [1, 2, 3, 4, 5]
            await client.until(lambda: bool(gptme.calls))
            asked = here.asked()
    said = [("user", WORDS), ("assistant", first), ("user", WORDS), ("assistant", second)]
    assert gptme.conversations == {"kitchen": said}
    assert [(each["role"], each["content"]) for each in asked[-1]] == said[:3]


@pytest.mark.parametrize("events", [False, True])
async def test_who_speaks_over_an_answer_silences_it(tmp_path: Path, events: bool) -> None:
    """The web UI has no word for it but the end of the sound; the next answer knows what was heard of this one, and no more."""
    async with served(tmp_path, " ".join(sentences(9))) as here:
        async with talking(WebUi, here.url("/voice", more="&events=1" if events else "")) as client:
            await asyncio.sleep(0.3)
            client.say(*clip())
            await client.until(lambda: len(numbers(client)) >= 2)
            here.stub.configure(chat_text="This is sentence twelve.")
            client.say(*clip())
            await client.until(lambda: "audio_end" in client.kinds())
            assert not client.player.sounds
            cut = numbers(client)
            await client.until(lambda: client.kinds().count("audio_end") == 2)
            assert numbers(client) == [*cut, 12]
            assert ("interrupted" in client.kinds()) is events
        said = " ".join(each["content"] for each in here.asked()[-1] if each["role"] == "assistant")
    told = [number for number in range(1, 10) if f"sentence {NUMBERS[number]}" in said]
    assert told in (cut, [*cut, len(cut) + 1]), said


async def test_a_commit_after_each_answer_does_not_make_the_assistant_talk_to_itself(tmp_path: Path) -> None:
    """As gptme's static page sends it; and in the middle of speech it ends the turn at once."""
    async with served(tmp_path, "This is sentence one.") as here, talking(WebUi, here.url("/voice")) as client:
        await asyncio.sleep(0.3)
        sound, rate = clip()
        client.say(sound, rate)
        await client.until(lambda: "audio_end" in client.kinds())
        before = len(here.asked())
        await client.commit()
        await asyncio.sleep(1.5)
        assert len(here.asked()) == before
        spoken = np.concatenate([sound] * 3)
        client.say(spoken, rate)
        await asyncio.sleep(1.2)
        began = time.monotonic()
        await client.commit()
        await client.until(lambda: len(here.asked()) > before)
        assert time.monotonic() - began < len(spoken) / rate - 1.2


async def test_clients_that_ask_are_told_what_happens(tmp_path: Path) -> None:
    """Who speaks, what was said, and what went wrong."""
    async with (
        served(tmp_path, "This is sentence one.") as here,
        talking(WebUi, here.url("/voice", more="&events=1")) as client,
    ):
        await asyncio.sleep(0.3)
        client.say(*clip())
        await client.until(lambda: client.kinds().count("transcript") == 2)
        assert client.texts == [
            {"type": "ready", "input_sample_rate": 16000, "output_sample_rate": 24000},
            {"type": "speech_started"},
            {"type": "speech_stopped"},
            {"type": "transcript", "role": "user", "text": WORDS, "interrupted": False},
            {"type": "answer_started"},
            {"type": "audio_end"},
            {"type": "transcript", "role": "assistant", "text": "This is sentence one.", "interrupted": False},
        ]
        here.stub.configure(chat_mode="500")
        client.say(*clip())
        await client.until(lambda: "error" in client.kinds())


async def test_what_gptme_does_not_take_waits_for_it(tmp_path: Path) -> None:
    """On disk where conversations are kept; a server that was started anew hands it over, once."""
    with gptme_server() as gptme:
        gptme.status = 503
        settings = {"VOICEMODE_GPTME_URL": gptme.url, "VOICEMODE_GPTME_TOKEN": TOKEN, "VOICEMODE_MEMORY": "persistent"}
        async with served(tmp_path, "This is sentence one.", **settings) as here:
            async with talking(WebUi, here.url("/voice", "kitchen")) as client:
                await asyncio.sleep(0.3)
                client.say(*clip())
                await client.until(lambda: "audio_end" in client.kinds())
            await client.until(lambda: gptme.asked > 0)
        assert gptme.conversations == {}
        gptme.status = 200
        async with served(tmp_path, "", **settings):
            await client.until(lambda: bool(gptme.calls))
        assert gptme.conversations == {"kitchen": [("user", WORDS), ("assistant", "This is sentence one.")]}


async def test_gptme_itself_answers_in_the_conversation_of_the_thread(tmp_path: Path) -> None:
    """Each turn is a process that goes on with it; nothing is handed over twice."""
    stub = shlex.join([sys.executable, "-m", "tests.stubs.gptme"])
    with gptme_server() as gptme:
        settings = {
            "VOICEMODE_RESPONDER_COMMAND": f"{stub} --non-interactive --name {{thread}} {{text}}",
            "VOICEMODE_RESPONDER_ENV": "GPTME_LOGS_HOME,PYTHONPATH",
            "VOICEMODE_GPTME_URL": gptme.url,
            "VOICEMODE_GPTME_TOKEN": TOKEN,
            "GPTME_LOGS_HOME": str(tmp_path / "logs"),
            "PYTHONPATH": str(ROOT),
        }
        async with served(tmp_path, "", **settings) as here:
            for number in (1, 2):
                async with talking(WebUi, here.url("/voice", "kitchen")) as client:
                    await asyncio.sleep(0.3)
                    client.say(*clip())
                    await client.until(lambda: "audio_end" in client.kinds())
                    assert numbers(client) == [number]
        assert gptme.asked == 0
    lines = (tmp_path / "logs" / "kitchen" / "conversation.jsonl").read_text().splitlines()
    assert [json.loads(each)["role"] for each in lines] == ["user", "assistant"] * 2


async def refused(url: str, **headers: str) -> int:
    with pytest.raises(InvalidStatus) as caught:
        async with talking(WebUi, url, headers):
            pass
    status: int = caught.value.response.status_code
    return status


async def test_only_who_has_a_key_is_let_in_and_no_key_is_logged(tmp_path: Path) -> None:
    """A voice key or the token as others send it; the token in an address is refused; a foreign page with a key is, too."""
    async with served(tmp_path, "This is sentence one.", VOICEMODE_LOG_LEVEL="debug") as here:
        bare = f"ws://127.0.0.1:{here.port}/voice"
        assert await refused(bare) == 401
        assert await refused(f"{bare}?key={here.server.token}") == 401
        assert await refused(f"{bare}?key=vk_.AAAA") == 401
        assert await refused(f"ws://127.0.0.1:{here.port}/v1/realtime?key={here.keys.make()}") == 401
        assert await refused(here.url("/voice"), Origin="https://evil.example") == 403
        assert await refused(here.url("/voice", more="&handoff_id=ho_none")) == 403
        assert await refused(f"{bare}?caller_id={'x' * 300}", **here.server.bearer) == 400
        for url, headers in ((here.url("/voice"), {"Origin": "http://localhost:5701"}), (bare, here.server.bearer)):
            async with talking(WebUi, url, headers) as client:
                await client.until(lambda: client.kinds() == ["ready"])
        log = here.server.log.read_text()
    assert here.keys.make() not in log
    assert here.server.token not in log


async def test_a_callers_name_is_no_key_to_a_thread(tmp_path: Path) -> None:
    """With a voice key it changes nothing; with the token it names a thread, which is gone on with in the next call."""
    with gptme_server() as gptme:
        settings = {"VOICEMODE_GPTME_URL": gptme.url, "VOICEMODE_GPTME_TOKEN": TOKEN}
        async with served(tmp_path, "This is sentence one.", **settings) as here:
            bare = f"ws://127.0.0.1:{here.port}/voice?caller_id=kitchen"
            for url, headers in ((bare, here.server.bearer), (here.url("/voice", more="&caller_id=kitchen"), {})):
                async with talking(WebUi, url, headers) as client:
                    await asyncio.sleep(0.3)
                    client.say(*clip())
                    await client.until(lambda: "audio_end" in client.kinds())
            await client.until(lambda: len(gptme.calls) == 2)
            assert all(len(messages) == 1 for messages in here.asked())
            async with talking(WebUi, bare, here.server.bearer) as client:
                await asyncio.sleep(0.3)
                client.say(*clip())
                await client.until(lambda: "audio_end" in client.kinds())
            asked = [[each["role"] for each in messages] for messages in here.asked()]
            await client.until(lambda: len(gptme.calls) == 3)
    assert sorted(len(each) for each in gptme.conversations.values()) == [2, 4]
    assert len(gptme.conversations["kitchen"]) == 4
    assert asked[-1] == ["user", "assistant", "user"]
