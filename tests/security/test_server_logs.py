"""What ``voicemode serve`` logs and answers holds nothing that was said, no key and no token. (SECURITY 19.)

Over plain HTTP, WebSocket and WebRTC, with everything logged that can be, and with faults whose words would tell.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from tests.http.test_serve import Process, ended, running
from tests.security.assembled import CALLS, SDP, SECRETS
from tests.security.traces import mentions
from tests.transports.webrtc_client import client
from voicemode.http.faults import PlainFormatter, kind_and_place

pytestmark = pytest.mark.anyio

SAID = ("pomegranate", "zeppelin", "quicksilver", "marmalade", "rhubarb")
STOLEN = "stolen-key-0123456789"
CONVERSATION: tuple[dict[str, Any], ...] = (
    {"type": "session.update", "session": {"type": "realtime", "instructions": "Pomegranate.", "output_modalities": ["text"]}},
    {
        "type": "conversation.item.create",
        "item": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Zeppelin?"}]},
    },
    {"type": "response.create"},
    {"type": "no.such.event", "quicksilver": "quicksilver"},
    {"type": "session.update", "session": {"type": "realtime", "instructions": {"rhubarb": 1}}},
)


async def over_http(web: httpx2.AsyncClient, bearer: dict[str, str]) -> list[str]:
    """Requests that are served, refused and failed; what was answered."""
    answers = [
        await web.get("/v1/models", headers={"X-API-Key": STOLEN}),
        await web.post("/v1/audio/speech", headers=bearer, json={"input": "Pomegranate."}),
        await web.post("/v1/audio/speech", headers=bearer, json={"input": "x" * 5000 + "zeppelin"}),
        await web.post("/v1/audio/speech", headers=bearer, content=b'{"input": "quicksilver'),
        await web.post("/v1/chat/completions", headers=bearer, json={"messages": [{"role": "user", "content": "marmalade"}]}),
        await web.post("/v1/audio/transcriptions", headers=bearer, files={"file": ("rhubarb.wav", b"rhubarb")}),
        await web.get(f"/v1/models/{STOLEN}", headers=bearer),
        await web.get("/healthz", headers={**bearer, "Host": "rhubarb.example"}),
    ]
    assert [answer.status_code for answer in answers] == [401, 503, 400, 400, 503, 400, 404, 421]
    return [answer.text for answer in answers]


async def over_websocket(port: int, bearer: dict[str, str]) -> None:
    """A conversation, and one that is refused in each of the ways."""
    address = f"ws://127.0.0.1:{port}/v1/realtime"
    offered = [Subprotocol("realtime"), Subprotocol(f"openai-insecure-api-key.{STOLEN}")]
    with contextlib.suppress(InvalidStatus):
        async with connect(address, additional_headers={"X-API-Key": STOLEN}, proxy=None):
            pass
    async with connect(address, subprotocols=offered, proxy=None) as socket:
        assert STOLEN not in str(await socket.recv())
    async with connect(f"{address}?model=gpt-realtime", additional_headers=bearer, proxy=None) as socket:
        for message in CONVERSATION:
            await socket.send(json.dumps(message))
        await socket.send('{"type": "conversation.item.create", "marmalade"')
        async with asyncio.timeout(20):
            while json.loads(await socket.recv())["type"] != "response.done":
                pass


async def over_webrtc(web: httpx2.AsyncClient, bearer: dict[str, str]) -> str:
    """A call with a client secret, which is given back, and offers that are refused."""
    for headers, body in (({"X-API-Key": STOLEN}, "v=0"), (bearer, "marmalade"), (bearer, "v=0\r\ns=rhubarb\r\n")):
        refused = await web.post(CALLS, headers={**headers, **SDP}, content=body)
        assert refused.status_code in (400, 401)
        assert not any(word in refused.text for word in (*SAID, STOLEN))
    session = {"type": "realtime", "instructions": "Marmalade."}
    secret: str = (await web.post(SECRETS, headers=bearer, json={"session": session})).json()["value"]
    async with client() as far:
        form = {"sdp": (None, await far.offer()), "session": (None, json.dumps(session))}
        answer = await web.post(CALLS, headers={"Authorization": f"Bearer {secret}"}, files=form)
        assert answer.status_code == 201
        await far.take(answer.text)
        await far.until(lambda: len(far.messages) > 0)
        for message in CONVERSATION:
            far.channel.send(json.dumps(message))
        await far.until(lambda: any(json.loads(each)["type"] == "response.done" for each in far.messages), 20)
    return secret


@pytest.mark.parametrize("logs", [(), ("--json-logs",)], ids=["plain", "json"])
async def test_neither_log_nor_disk_nor_refusal_tells_what_was_said_or_a_key(tmp_path: Path, logs: tuple[str, ...]) -> None:
    """SECURITY 19: of conversations over each transport, with the log at its most talkative."""
    quiet = {"VOICEMODE_BUILTIN": "false", "VOICEMODE_LOG_LEVEL": "debug"}
    with running(tmp_path, "--port", "0", *logs, **quiet) as server:
        port = server.ready()
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as web:
            told = await over_http(web, server.bearer)
            await over_websocket(port, server.bearer)
            secret = await over_webrtc(web, server.bearer)
            told.append((await web.get("/metrics", headers=server.bearer)).text)
            told.append((await web.get("/readyz", headers=server.bearer)).text)
        server.process.send_signal(signal.SIGTERM)
        assert await ended(server, 15) == 0
        log = server.log.read_text()
        check(server, log, *told, secret=secret)


def check(server: Process, log: str, *told: str, secret: str) -> None:
    assert "debug" in log or "voicemode:" in log
    for word in (*SAID, STOLEN, secret, server.token):
        assert word.lower() not in log.lower(), word
        assert not [text for text in told if word.lower() in text.lower()], word
    (server.home / ".voicemode" / "token").unlink()
    assert mentions(server.home, (*SAID, STOLEN, secret)) == []


# -- faults


def fault() -> ValueError:
    try:
        int("quicksilver")
    except ValueError as error:
        return error
    raise AssertionError


def test_a_fault_is_told_by_its_kind_and_its_place() -> None:
    """SECURITY 19: what raised it, and where, is enough to mend it."""
    assert kind_and_place(fault()).startswith(f"ValueError at {__file__}:")
    assert kind_and_place(KeyError("quicksilver")) == "KeyError at nowhere"


def test_a_library_that_logs_a_fault_logs_no_words_of_it() -> None:
    """SECURITY 19: tracebacks end with what the exception says."""
    error = fault()
    record = logging.LogRecord("aioice", logging.ERROR, __file__, 1, "closing", (), (ValueError, error, error.__traceback__))
    assert PlainFormatter().format(record).splitlines() == ["voicemode: closing", kind_and_place(error)]


_FAULTS = """\
import asyncio, logging, os, signal, sys
from voicemode.http.server import listen, serve
from voicemode.http.logs import log_to_stderr
from voicemode.load_config import load_from_process

async def task(text):
    raise ValueError(text)

def callback(text):
    raise KeyError(text)

async def nothing():
    pass

def started():
    loop = asyncio.get_running_loop()
    loop.create_task(task("quicksilver"))
    loop.call_soon(callback, "marmalade")
    loop.call_later(0.3, os.kill, os.getpid(), signal.SIGTERM)

loaded = load_from_process(os.environ)
log_to_stderr(loaded.settings.log_level, as_json="json" in sys.argv)
asyncio.run(serve(None, listen(loaded.settings, "127.0.0.1", 0), drain=nothing, started=started, ended=nothing))
"""


@pytest.mark.parametrize("logs", ["plain", "json"])
def test_a_fault_that_nobody_waited_for_is_logged_without_its_words(tmp_path: Path, logs: str) -> None:
    """SECURITY 19: asyncio's own words for it show exceptions, results and arguments."""
    command = [sys.executable, "-c", _FAULTS, logs]
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[2])
    assert "ValueError" in done.stderr
    assert "KeyError" in done.stderr
    assert not any(word in done.stderr for word in SAID), done.stderr
