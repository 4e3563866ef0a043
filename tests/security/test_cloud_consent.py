"""A cloud is used only by a person's own consent, and every use is named in the result. (SECURITY 21.)

Consent is VOICEMODE_OPENAI_API_KEY, or an address that the person wrote down. What a result says of it is tested in
``tests/tools/test_converse.py`` and ``tests/failover``; here it is who is asked at all, and with which key.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.virtual_sound_card import VirtualSoundCard
from tests.mcp_server.conftest import Start
from tests.mcp_server.process import SERVER
from tests.mcp_server.test_security import hear
from tests.security.namespace import Namespace
from tests.stubs.client import SpeechStub
from voicemode.core.failover import Origin, Task
from voicemode.load_config import LoadedSettings, load_settings
from voicemode.providers.sites import OPENAI_URL, Site, sites

CLIP = Path(__file__).parents[1] / "clips" / "go_forward_ten_meters.wav"
TASKS: tuple[Task, ...] = ("tts", "stt", "chat")
ELSEWHERE = {"OPENAI_API_KEY": "sk-elsewhere", "OPENAI_BASE_URL": "https://api.openai.com/v1"}
"""What other programs take for consent."""


def load(home: Path, own: str = "", project: str = "", **environ: str) -> LoadedSettings:
    """What counts in a project folder of this home."""
    folder = home / "project"
    folder.mkdir(exist_ok=True)
    files = {home / ".voicemode" / "voicemode.env": own, folder / ".voicemode.env": project}
    for path, text in files.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
    return load_settings(environ, folder, home)


def remote(loaded: LoadedSettings) -> list[Site]:
    """The endpoints of all tasks that are not on this machine."""
    return [site for task in TASKS for site in sites(loaded.settings, task) if site.remote or site.origin is Origin.CLOUD]


class TestWhoIsAsked:
    """What the settings bring about."""

    def test_nobody_elsewhere_by_default(self, tmp_path: Path) -> None:
        """Nor because other programs have a key."""
        assert remote(load(tmp_path)) == []
        assert remote(load(tmp_path, **ELSEWHERE)) == []

    def test_a_key_under_another_name_is_no_consent_in_a_file_either(self, tmp_path: Path) -> None:
        """It is an unknown setting, which is told."""
        loaded = load(tmp_path, own="OPENAI_API_KEY=sk-elsewhere\n")
        assert remote(loaded) == []
        assert "VOICEMODE_OPENAI_API_KEY" in loaded.warnings[0]

    @pytest.mark.parametrize("empty", ["", " "])
    def test_an_empty_key_is_no_consent(self, tmp_path: Path, empty: str) -> None:
        """As everywhere, empty means not set."""
        assert remote(load(tmp_path, VOICEMODE_OPENAI_API_KEY=empty)) == []

    def test_the_key_with_our_name_is(self, tmp_path: Path) -> None:
        """For each task the last but for the built-in engines, and marked as what leaves the machine."""
        found = remote(load(tmp_path, VOICEMODE_OPENAI_API_KEY="sk", VOICEMODE_TTS_BASE_URLS="http://127.0.0.1:9/v1"))
        assert [(site.task, site.url, site.remote) for site in found] == [(task, OPENAI_URL, True) for task in TASKS]

    def test_local_only_overrides_it(self, tmp_path: Path) -> None:
        """And says so."""
        loaded = load(tmp_path, VOICEMODE_OPENAI_API_KEY="sk", VOICEMODE_LOCAL_ONLY="true")
        assert remote(loaded) == []
        assert "is not used" in loaded.warnings[0]

    def test_the_key_of_the_cloud_goes_nowhere_else(self, tmp_path: Path) -> None:
        """Not to other endpoints of the person's own, which have keys of their own."""
        loaded = load(tmp_path, VOICEMODE_OPENAI_API_KEY="sk-cloud", VOICEMODE_TTS_BASE_URLS="https://other.example/v1")
        keys = {site.url: site.key for site in remote(loaded) if site.task == "tts"}
        assert keys["https://other.example/v1"] is None

    @pytest.mark.parametrize("task", TASKS)
    def test_an_address_that_a_project_names_gets_no_key_of_the_person(self, tmp_path: Path, task: Task) -> None:
        """Neither that of the task nor that of the cloud, whatever it pretends to be."""
        name = task.upper()
        for address in ("https://evil.example/v1", "http://127.0.0.1:9/v1", "https://api.openai.com.evil.example/v1"):
            loaded = load(
                tmp_path,
                own=f"VOICEMODE_{name}_API_KEY=sk-mine\n",
                project=f"VOICEMODE_{name}_BASE_URLS={address}\n",
                VOICEMODE_OPENAI_API_KEY="sk-cloud",
            )
            assert {site.url: site.key for site in sites(loaded.settings, task) if site.origin is Origin.NAMED} == {
                address: None
            }
            assert any(f"VOICEMODE_{name}_BASE_URLS of your own settings" in warning for warning in loaded.warnings)


@pytest.mark.sound
def test_a_projects_address_is_asked_without_the_key_until_the_person_consents(
    start: Start, stub: SpeechStub, tmp_path: Path
) -> None:
    """Over the wire, and by a server that runs on: the consent counts at its next call."""
    stub.configure(seconds_per_char=0.01)
    project, own = tmp_path / ".voicemode.env", tmp_path / "home" / ".voicemode" / "voicemode.env"
    own.parent.mkdir(parents=True)
    project.write_text(f"VOICEMODE_TTS_BASE_URLS={stub.url}\n")
    own.write_text("VOICEMODE_TTS_API_KEY=sk-mine\n")
    argv = ("sh", "-c", f'cd "{tmp_path}"; exec "$@"', "sh", *SERVER)
    server = start(argv=argv, env={"HOME": str(own.parents[1])}, tts_base_urls=None, stt_base_urls=None)

    assert server.converse(message="Hello.", wait_for_response=False)["isError"] is False
    assert {event["authorization"] for event in stub.events()} == {""}
    status = server.wait(server.call("voice_status"))["result"]
    assert "VOICEMODE_TTS_API_KEY" in status["content"][0]["text"]
    assert "sk-mine" not in json.dumps(status)

    own.write_text(f"VOICEMODE_TTS_API_KEY=sk-mine\nVOICEMODE_TTS_BASE_URLS={stub.url}\n")
    assert server.converse(message="Hello.", wait_for_response=False)["isError"] is False
    assert stub.events("tts")[-1]["authorization"] == "Bearer sk-mine"


class TestOverTheWire:
    """In a network whose way out is captured, as in ``test_offline.py``."""

    def run(self, network: Namespace, home: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        base = {"HOME": str(home), "PATH": "/usr/bin:/bin", "PULSE_SERVER": "unix:/nonexistent", "COLUMNS": "300"}
        quick = {"VOICEMODE_CONNECT_TIMEOUT_S": "0.3", "VOICEMODE_FIRST_BYTE_TIMEOUT_S": "1"}
        command = [*network.through, sys.executable, "-m", "voicemode", *arguments]
        env = {**base, **quick, **environ}
        return subprocess.run(command, cwd=home, env=env, capture_output=True, text=True, timeout=90, check=False)

    def test_without_consent_nothing_is_sent_though_nothing_else_works(self, network: Namespace, tmp_path: Path) -> None:
        """An endpoint that is down is no reason to ask a cloud."""
        before = network.packets()
        down = {"VOICEMODE_STT_BASE_URLS": "http://127.0.0.1:9/v1", "VOICEMODE_BUILTIN": "false"}
        done = self.run(network, tmp_path, "transcribe", str(CLIP), **down, **ELSEWHERE)
        assert done.returncode != 0
        assert network.packets() == before

    def test_with_consent_the_cloud_is_asked(self, network: Namespace, tmp_path: Path) -> None:
        """So the test above can fail."""
        before = len(network.packets())
        down = {"VOICEMODE_STT_BASE_URLS": "http://127.0.0.1:9/v1", "VOICEMODE_BUILTIN": "false"}
        done = self.run(network, tmp_path, "transcribe", str(CLIP), **down, VOICEMODE_OPENAI_API_KEY="sk-cloud")
        assert "api.openai.com" in done.stderr
        assert "sk-cloud" not in done.stderr
        assert len(network.packets()) > before


def elsewhere(stub: SpeechStub) -> str:
    """The stub by a spelling that some resolvers take for this machine, and we do not: remote as far as we can know."""
    return stub.url.replace("127.0.0.1", "127.1")


class TestResult:
    """A use that was allowed is named all the same."""

    @pytest.mark.sound
    def test_over_mcp(self, start: Start, stub: SpeechStub, sound_card: VirtualSoundCard) -> None:
        """For the agent in a sentence, and for programs; and not where nothing left."""
        stub.configure(seconds_per_char=0.01)
        near = start(silence_threshold_ms="400")
        result = hear(near, sound_card, message="Hello.")
        assert "cloud" not in result["structuredContent"]
        assert "another machine" not in result["content"][0]["text"]
        near.close_stdin()
        far = start(silence_threshold_ms="400", tts_base_urls=elsewhere(stub), stt_base_urls=elsewhere(stub))
        result = hear(far, sound_card, message="Hello.")
        assert result["structuredContent"]["status"] == "answered"
        assert result["structuredContent"]["cloud"] == [elsewhere(stub)]
        assert elsewhere(stub) in result["content"][0]["text"].split("another machine:")[1]

    def test_on_the_command_line(self, stub: SpeechStub, tmp_path: Path) -> None:
        """On standard error, beside the words; and in the JSON."""
        stub.configure(seconds_per_char=0.01)
        urls = {f"VOICEMODE_{task}_BASE_URLS": elsewhere(stub) for task in ("TTS", "STT")}
        env = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "COLUMNS": "300", "VOICEMODE_DISCOVERY": "false", **urls}
        command = [sys.executable, "-m", "voicemode", "converse", "Hello.", "--in", str(CLIP), "--out", "reply.wav", "--json"]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=90, check=False)
        assert json.loads(done.stdout)["cloud"] == [elsewhere(stub)]
        assert elsewhere(stub) in done.stderr

    @pytest.mark.sound
    def test_also_when_it_did_not_serve(self, start: Start, stub: SpeechStub) -> None:
        """It got the words, and then failed; another one spoke them."""
        stub.configure(0, tts_mode="500")
        stub.configure(1, seconds_per_char=0.01)
        server = start(tts_base_urls=f"{elsewhere(stub)}, {stub.urls[1]}")
        result = server.converse(message="Hello.", wait_for_response=False)["structuredContent"]
        assert result["engines"]["tts"] == stub.urls[1]
        assert result["cloud"] == [elsewhere(stub)]
