"""What ``voicemode serve`` starts sees the allowed part of its environment and nothing else, whoever asked. (SECURITY 31.)"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import psutil
import pytest
from websockets.asyncio.client import connect

from tests.http.test_serve import Process, running
from tests.security.assembled import CALLS, SDP
from tests.transports.webrtc_client import client

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="only there may one read what another process sees"),
]

CLIP = Path(__file__).parents[1] / "clips" / "go_forward_ten_meters.wav"
PLANTED = "planted-0123456789abcdef"
SECRETS = {
    "CLAUDE_MESSAGING_TOKEN": PLANTED,
    "VOICEMODE_SERVE_TOKEN": PLANTED,
    "VOICEMODE_TTS_API_KEY": PLANTED,
    "OPENAI_API_KEY": PLANTED,
    "AWS_SECRET_ACCESS_KEY": PLANTED,
    "BEARER": PLANTED,
}
BEARER = {"Authorization": f"Bearer {PLANTED}"}
QUESTION = (
    {"type": "session.update", "session": {"type": "realtime", "output_modalities": ["text"]}},
    {
        "type": "conversation.item.create",
        "item": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Who are you?"}]},
    },
    {"type": "response.create"},
)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Process]:
    """With secrets in its environment, and a command that writes down what it sees and answers."""
    script = tmp_path / "agent.sh"
    script.write_text(f'env > "{tmp_path}/seen"\necho Somebody.\n')
    command = f"sh {script} {{text}}"
    with running(tmp_path, "--port", "0", **SECRETS, VOICEMODE_RESPONDER_COMMAND=command) as process:
        yield process


def seen_by_children(server: Process) -> list[dict[str, str]]:
    """The environment of every process that it has started and that still runs."""
    return [child.environ() for child in psutil.Process(server.process.pid).children(recursive=True)]


def check(environments: list[dict[str, str]]) -> None:
    assert environments, "nothing was started"
    for each in environments:
        assert "PATH" in each
        assert PLANTED not in "".join(each.values())
        assert not [name for name in each if name in SECRETS]


async def test_the_secrets_are_in_its_own(server: Process) -> None:
    """Otherwise the tests below would see nothing in anything."""
    server.ready()
    assert psutil.Process(server.process.pid).environ().items() >= SECRETS.items()


@pytest.mark.parametrize("task", ["tts", "stt"])
async def test_an_engine_that_a_request_starts(server: Process, task: str) -> None:
    """SECURITY 31, over plain HTTP: the workers of the built-in engines."""
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{server.ready()}", trust_env=False, timeout=60) as web:
        if task == "tts":
            answer = await web.post("/v1/audio/speech", headers=BEARER, json={"input": "Hello.", "response_format": "pcm"})
        else:
            answer = await web.post("/v1/audio/transcriptions", headers=BEARER, files={"file": ("a.wav", CLIP.read_bytes())})
        assert answer.status_code == 200, answer.text
        check(seen_by_children(server))


def check_the_agent(server: Process) -> None:
    lines = (server.home / "seen").read_text().splitlines()
    check([dict(line.split("=", 1) for line in lines if "=" in line)])


async def test_an_agent_that_a_websocket_starts(server: Process) -> None:
    """SECURITY 31, over WebSocket: the person's own command, which may do anything with what it sees."""
    address = f"ws://127.0.0.1:{server.ready()}/v1/realtime"
    async with connect(address, additional_headers=BEARER, proxy=None) as socket:
        for message in QUESTION:
            await socket.send(json.dumps(message))
        while (event := json.loads(await socket.recv()))["type"] != "response.done":
            pass
        assert event["response"]["status"] == "completed", event
    check_the_agent(server)


async def test_an_agent_and_a_voice_that_a_call_over_webrtc_starts(server: Process) -> None:
    """SECURITY 31, over WebRTC: the same command, and the engine that speaks its answer."""
    async with (
        client() as far,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{server.ready()}", trust_env=False, timeout=60) as web,
    ):
        answer = await web.post(CALLS, headers={**BEARER, **SDP}, content=await far.offer())
        await far.take(answer.text)
        await far.until(lambda: len(far.messages) > 0)
        for message in QUESTION[1:]:
            far.channel.send(json.dumps(message))
        await far.until(lambda: any('"response.output_audio.done"' in each for each in far.messages), 30)
        check(seen_by_children(server))
    check_the_agent(server)
