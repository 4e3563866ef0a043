"""VOICEMODE_LOCAL_ONLY: everything works, and no packet leaves. (SECURITY 20.)

The programs run in a network of their own whose only way out is captured. The sound card is outside: it is reached through a
socket in the file system, which no network namespace holds back. ``tests/mcp_server/test_security.py`` has the same of the
built-in engines alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.virtual_sound_card import VirtualSoundCard
from tests.mcp_server.conftest import Start
from tests.mcp_server.process import SERVER
from tests.mcp_server.test_security import hear
from tests.security.namespace import FOREIGN, Namespace
from tests.stubs.client import SpeechStub

CLIP = Path(__file__).parents[1] / "clips" / "go_forward_ten_meters.wav"
WORDS = "what is the weather like in paris today"
"""What the stub takes any clip for."""
PROXY = f"http://{FOREIGN}:3128"
TEMPTATIONS = {
    "OPENAI_API_KEY": "sk-elsewhere",
    "OPENAI_BASE_URL": "https://api.openai.com/v1",
    **dict.fromkeys(("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), PROXY),
}
"""What other programs follow."""


@pytest.fixture(scope="module")
def inner_stub(network: Namespace) -> Iterator[SpeechStub]:
    """A stub of speech services on the loopback interface of the network."""
    with SpeechStub(through=network.through) as stub:
        yield stub


def settings(stub: SpeechStub) -> dict[str, str]:
    """Local services, a key of a cloud, and the order to stay here."""
    return {
        "local_only": "true",
        "tts_base_urls": stub.urls[0],
        "stt_base_urls": f"{stub.urls[0]}|{stub.urls[1]}",
        "openai_api_key": "sk-cloud",
        "discovery": "true",
        "builtin": "true",
    }


def run(network: Namespace, code: str) -> None:
    """Run some Python in the network."""
    subprocess.run([*network.through, sys.executable, "-c", code], check=True, timeout=60)


class CommandLine:
    """``voicemode`` in the network, with a home of its own and no sound card."""

    def __init__(self, network: Namespace, stub: SpeechStub, home: Path) -> None:
        self._command = (*network.through, sys.executable, "-m", "voicemode")
        chosen = {f"VOICEMODE_{name.upper()}": value for name, value in settings(stub).items()}
        base = {"PATH": "/usr/bin:/bin", "HOME": str(home), "PULSE_SERVER": "unix:/nonexistent", "COLUMNS": "300"}
        self.environment = {**base, **TEMPTATIONS, **chosen}
        self._home = home

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*self._command, *arguments]
        return subprocess.run(
            command, cwd=self._home, env=self.environment, capture_output=True, text=True, timeout=90, check=False
        )

    def json(self, *arguments: str) -> Any:
        done = self(*arguments, "--json")
        assert done.stdout, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def command(network: Namespace, inner_stub: SpeechStub, tmp_path: Path) -> CommandLine:
    return CommandLine(network, inner_stub, tmp_path)


class TestCapture:
    """It sees what leaves; otherwise the tests below would see nothing in anything."""

    @pytest.mark.parametrize(("family", "address"), [("AF_INET", FOREIGN), ("AF_INET6", "2001:db8:1::7")])
    def test_a_datagram(self, network: Namespace, family: str, address: str) -> None:
        """By both versions of the protocol."""
        if family == "AF_INET6" and not Path("/proc/net/if_inet6").exists():
            pytest.skip("this machine has no IPv6")
        before = len(network.packets())
        run(network, f"import socket; socket.socket(socket.{family}, socket.SOCK_DGRAM).sendto(b'planted', ({address!r}, 9))")
        (seen,) = network.packets()[before:]
        assert b"planted".hex() in seen["bytes"]

    def test_a_connection_that_nobody_takes(self, network: Namespace) -> None:
        """The first packet of it."""
        before = len(network.packets())
        run(network, f"import socket; s = socket.socket(); s.settimeout(0.2); s.connect_ex(('{FOREIGN}', 443))")
        assert len(network.packets()) > before

    def test_a_name_that_is_looked_up(self, network: Namespace) -> None:
        """Also by a name server on this machine, which would ask others."""
        for server in ("127.0.0.53", FOREIGN):
            before = len(network.packets())
            run(
                network,
                f"import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'planted', ('{server}', 53))",
            )
            assert len(network.packets()) == before + 1, server

    def test_the_loopback_interface_is_not_captured(self, network: Namespace, inner_stub: SpeechStub) -> None:
        """A request to a service of this machine is none that leaves."""
        before = network.packets()
        run(network, f"from urllib.request import urlopen; urlopen('{inner_stub.url}/models').read()")
        assert network.packets() == before

    @pytest.mark.sound
    def test_a_server_that_may_speak_to_others(self, network: Namespace, start: Start) -> None:
        """The product itself, without the setting."""
        before = len(network.packets())
        server = start(argv=(*network.through, *SERVER), tts_base_urls=f"http://{FOREIGN}/v1", connect_timeout_s="0.3")
        assert server.converse(message="Hello", wait_for_response=False)["isError"] is True
        assert len(network.packets()) > before


@pytest.mark.sound
def test_a_conversation_over_mcp_sends_nothing(
    network: Namespace, inner_stub: SpeechStub, start: Start, sound_card: VirtualSoundCard
) -> None:
    """Spoken, heard and answered by the services of this machine, with every kind of question about it."""
    before = network.packets()
    chosen = {**settings(inner_stub), "silence_threshold_ms": "400"}
    server = start(argv=(*network.through, *SERVER), env=TEMPTATIONS, **chosen)
    result = hear(server, sound_card, message="Where to?")["structuredContent"]
    assert (result["status"], result["text"]) == ("answered", WORDS)
    assert result["engines"]["tts"] == inner_stub.urls[0]
    assert result["engines"]["stt"] in inner_stub.urls
    assert not result.get("cloud")
    status = server.wait(server.call("voice_status"))["result"]["structuredContent"]
    assert (status["can_speak"], status["can_listen"]) == (True, True)
    for resource in ("status", "voices", "settings"):
        assert "result" in server.wait(server.request("resources/read", {"uri": f"voicemode://{resource}"}))
    assert network.packets() == before


def test_a_conversation_through_files_sends_nothing(network: Namespace, command: CommandLine, tmp_path: Path) -> None:
    """Without a sound card."""
    before = network.packets()
    reply = tmp_path / "reply.wav"
    result = command.json("converse", "Where to?", "--in", str(CLIP), "--out", str(reply))
    assert (result["status"], result["text"]) == ("answered", WORDS)
    assert reply.stat().st_size > 10_000
    assert network.packets() == before


def test_a_file_is_transcribed_and_nothing_is_sent(network: Namespace, command: CommandLine) -> None:
    """By the service of this machine."""
    before = network.packets()
    done = command("transcribe", str(CLIP))
    assert done.stdout.strip() == WORDS, done.stderr
    assert network.packets() == before


@pytest.mark.parametrize("what", ["doctor", "status", "endpoints"])
def test_questions_about_the_state_send_nothing(
    network: Namespace, inner_stub: SpeechStub, command: CommandLine, what: str
) -> None:
    """They look at every endpoint; the cloud is none of them, and its unused key is told."""
    before = network.packets()
    told = json.dumps(command.json(what))
    assert inner_stub.url in told
    assert "api.openai.com" not in told
    assert what != "doctor" or "VOICEMODE_OPENAI_API_KEY (environment) is not used" in told
    assert "sk-cloud" not in told
    assert network.packets() == before


@pytest.mark.parametrize(
    "address",
    [
        f"http://{FOREIGN}/v1",
        "https://speech.example/v1",
        "http://localhost.speech.example/v1",
        "http://2130706433/v1",
        "http://127.1/v1",
        "http://0x7f000001/v1",
        "http://0.0.0.0/v1",
        "http://[::ffff:127.0.0.1]/v1",
        "http://192.168.0.1/v1",
    ],
)
def test_an_address_elsewhere_is_an_error_before_anything_is_sent(
    network: Namespace, command: CommandLine, address: str
) -> None:
    """And before its name is looked up; what some resolver takes for this machine counts as elsewhere."""
    before = network.packets()
    command.environment["VOICEMODE_TTS_BASE_URLS"] = address
    done = command("converse", "Hello", "--no-wait", "--out", "reply.wav")
    assert done.returncode != 0
    assert "VOICEMODE_LOCAL_ONLY" in done.stderr
    assert network.packets() == before
