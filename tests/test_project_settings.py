"""What a project's settings file may say, and what it may not: it may have been cloned from anyone."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.settings_machine import Machine
from voicemode.errors import SettingsError


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    found = Machine(tmp_path)
    found.cwd.mkdir(parents=True)
    return found


class TestProjects:
    """A project's file may have been cloned from anyone."""

    @pytest.mark.parametrize("task", ["tts", "stt", "chat"])
    @pytest.mark.parametrize("place", ["own file", "environment"])
    def test_a_persons_key_is_not_sent_to_an_address_that_a_project_names(
        self, machine: Machine, task: str, place: str
    ) -> None:
        """Wherever the key comes from, and on this machine too: another program may listen there."""
        name = f"{task.upper()}_API_KEY"
        own = machine.own(f"VOICEMODE_{name}=sk\n" if place == "own file" else "")
        project = machine.projects(f"VOICEMODE_{task.upper()}_BASE_URLS=http://127.0.0.1:1/v1\n")
        loaded = machine.load(**({} if place == "own file" else {name: "sk"}))
        assert getattr(loaded.settings, f"{task}_api_key") is None
        assert loaded.sources[f"{task}_api_key"] == "default"
        assert getattr(loaded.settings, f"{task}_base_urls") == ("http://127.0.0.1:1/v1",)
        (warning,) = loaded.warnings
        assert f"({project}:1); VOICEMODE_{name} ({place if place == 'environment' else f'{own}:1'}) is not sent" in warning
        assert f"VOICEMODE_{task.upper()}_BASE_URLS of your own settings" in warning

    def test_one_strange_address_among_trusted_ones_is_enough(self, machine: Machine) -> None:
        """There is one key for all of them."""
        machine.own("VOICEMODE_STT_API_KEY=sk\nVOICEMODE_STT_BASE_URLS=https://mine.example/v1\n")
        machine.projects("VOICEMODE_STT_BASE_URLS=https://mine.example/v1|https://evil.example/v1\n")
        assert machine.load().settings.stt_api_key is None

    @pytest.mark.parametrize("place", ["own file", "environment"])
    def test_an_address_in_ones_own_settings_is_trusted(self, machine: Machine, place: str) -> None:
        """That is the consent which the warning asks for."""
        mine = "https://other.example, https://mine.example/v1"
        machine.own("VOICEMODE_STT_API_KEY=sk\n" + (f"VOICEMODE_STT_BASE_URLS={mine}\n" if place == "own file" else ""))
        machine.projects("VOICEMODE_STT_BASE_URLS=https://mine.example/v1/\n")
        loaded = machine.load(**({"STT_BASE_URLS": mine} if place == "environment" else {}))
        assert loaded.settings.stt_api_key is not None
        assert loaded.warnings == ()

    def test_a_projects_own_key_goes_to_its_own_address(self, machine: Machine) -> None:
        """It is not the person's; that words leave the machine is told all the same."""
        machine.own("VOICEMODE_STT_API_KEY=mine\n")
        machine.projects("VOICEMODE_STT_BASE_URLS=https://theirs.example\nVOICEMODE_STT_API_KEY=theirs\n")
        loaded = machine.load()
        assert loaded.settings.stt_api_key == SecretStr("theirs")
        (told,) = loaded.warnings
        assert "speech-to-text addresses" in told
        assert "sent along" not in told

    def test_an_address_of_the_project_on_this_machine_is_no_news(self, machine: Machine) -> None:
        """Nothing leaves, and no key goes along."""
        machine.projects("VOICEMODE_STT_BASE_URLS=http://127.0.0.1:2022/v1\n")
        assert machine.load().warnings == ()

    @pytest.mark.parametrize("written", ["false", "0", ""])
    def test_a_project_cannot_switch_local_only_off(self, machine: Machine, written: str) -> None:
        """It may switch it on; and the environment, which is the person's, wins over both."""
        own = machine.own("VOICEMODE_LOCAL_ONLY=yes\n")
        machine.projects(f"VOICEMODE_LOCAL_ONLY={written}\n")
        loaded = machine.load()
        assert loaded.settings.local_only is True
        assert loaded.sources["local_only"] == f"{own}:1"
        assert loaded.warnings == (f"VOICEMODE_LOCAL_ONLY stays on ({own}:1): this project's file cannot switch it off",)
        assert machine.load(LOCAL_ONLY="false").settings.local_only is False

    def test_a_project_may_switch_local_only_on(self, machine: Machine) -> None:
        """Nobody is harmed."""
        machine.own("VOICEMODE_LOCAL_ONLY=false\n")
        machine.projects("VOICEMODE_LOCAL_ONLY=true\n")
        assert machine.load().settings.local_only is True
        assert machine.load().warnings == ()

    def test_a_misspelt_local_only_is_not_replaced_by_a_projects(self, machine: Machine) -> None:
        """It was meant to say something."""
        own = machine.own("VOICEMODE_LOCAL_ONLY=ture\n")
        machine.projects("VOICEMODE_LOCAL_ONLY=false\n")
        with pytest.raises(SettingsError) as caught:
            machine.load()
        assert caught.value.where == f"{own}:1"

    def test_a_project_that_brings_the_key_of_a_cloud_warns(self, machine: Machine) -> None:
        """The key is a consent, and it was not the person's."""
        project = machine.projects("VOICEMODE_OPENAI_API_KEY=sk-theirs\n")
        (told,) = machine.load().warnings
        assert told.startswith(f"VOICEMODE_OPENAI_API_KEY ({project}:1)")

    def test_a_project_does_not_say_who_reaches_the_server(self, machine: Machine) -> None:
        """Its file sets nothing of VOICEMODE_SERVE_*, and what the person's own says counts."""
        machine.own("VOICEMODE_SERVE_PORT=1234\n")
        project = machine.projects("VOICEMODE_SERVE_PORT=1\nVOICEMODE_SERVE_HOST=0.0.0.0\nVOICEMODE_SERVE_ALLOW_REMOTE=true\n")
        loaded = machine.load(SERVE_ALLOWED_HOSTS="mine")
        settings = loaded.settings
        assert (settings.serve_port, settings.serve_host, settings.serve_allow_remote) == (1234, "127.0.0.1", False)
        assert settings.serve_allowed_hosts == ("mine",)
        assert [w for w in loaded.warnings if "SERVE_HOST" in w] == [
            f"VOICEMODE_SERVE_HOST ({project}:2) is not heeded: a project's file does not set it"
        ]

    @pytest.mark.parametrize("line", ["MEMORY=persistent", "THREAD=another", "RETENTION_DAYS=1", "KEEP_AUDIO=true"])
    def test_a_project_does_not_say_what_is_kept(self, machine: Machine, line: str) -> None:
        """Neither that they go to disk, nor that old ones are deleted, nor which of them its endpoints get to read."""
        machine.projects(f"VOICEMODE_{line}\n")
        loaded = machine.load()
        kept = loaded.settings
        assert (kept.memory, kept.thread, kept.retention_days, kept.keep_audio) == ("incognito", "", None, False)
        assert ["is not heeded" in warning for warning in loaded.warnings] == [True]

    @pytest.mark.parametrize("name", ["COMMAND", "RESUME_COMMAND", "ENV", "INTERRUPT"])
    def test_a_project_cannot_say_what_is_run(self, machine: Machine, name: str) -> None:
        """To clone it would be enough to run anything."""
        project = machine.projects(f"VOICEMODE_RESPONDER_{name}={'kill' if name == 'INTERRUPT' else 'evil'}\n")
        loaded = machine.load()
        assert "evil" not in str(loaded.settings)
        assert loaded.settings.responder_interrupt == "sigint"
        (warning,) = loaded.warnings
        assert warning.startswith(f"VOICEMODE_RESPONDER_{name} ({project}:1) is not heeded")

    @pytest.mark.parametrize("line", ["MCP_SERVERS=a=evil", "MCP_ALLOWED_HOSTS=*", "MCP_ENV=a:KEY", "JOB_COMMAND=evil {text}"])
    def test_a_project_cannot_say_which_tools_there_are(self, machine: Machine, line: str) -> None:
        """They run on this machine, or hear what is said on it."""
        machine.projects(f"VOICEMODE_{line}\n")
        loaded = machine.load()
        assert (loaded.settings.mcp_servers, loaded.settings.job_command) == ("", "")
        assert (loaded.settings.mcp_allowed_hosts, loaded.settings.mcp_env) == ((), ())
        assert ["is not heeded" in warning for warning in loaded.warnings] == [True]

    def test_what_the_person_runs_stays_when_a_project_says_something_else(self, machine: Machine) -> None:
        """The project's file would win otherwise."""
        machine.own("VOICEMODE_RESPONDER_COMMAND=mine\n")
        machine.projects("VOICEMODE_RESPONDER_COMMAND=evil\n")
        assert machine.load().settings.responder_command == "mine"
