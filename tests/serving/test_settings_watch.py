"""Settings files that change under a running server."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from voicemode.load_config import load_from_process
from voicemode.serving.settings_watch import SettingsWatch


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The person's settings file, in a home of its own that has a project; not there yet."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    path = tmp_path / ".voicemode" / "voicemode.env"
    path.parent.mkdir()
    return path


def watch(**environ: str) -> SettingsWatch:
    variables = {f"VOICEMODE_{name}": value for name, value in environ.items()}
    return SettingsWatch(load_from_process(variables), variables)


def write(path: Path, text: str) -> None:
    """As 'voicemode config set' does it: another file takes its place."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.chmod(0o600)
    new.replace(path)


def test_nothing_is_read_while_nothing_changes(own: Path) -> None:
    """The same object, also when the file is touched by nobody for long."""
    write(own, "VOICEMODE_PATIENCE=quick\n")
    settings = watch()
    assert settings.current() is settings.current()


def test_what_is_written_counts_at_the_next_look(own: Path) -> None:
    """A file that appears, changes and disappears."""
    settings = watch()
    write(own, "VOICEMODE_STT_API_KEY=sk\n")
    assert settings.current().settings.stt_api_key == SecretStr("sk")
    write(own, "VOICEMODE_STT_API_KEY=ks\n")
    assert settings.current().settings.stt_api_key == SecretStr("ks")
    assert settings.current().sources["stt_api_key"] == f"{own}:1"
    own.unlink()
    assert settings.current().settings.stt_api_key is None


def test_a_file_that_is_written_over_counts_though_its_size_and_time_are_the_same(own: Path) -> None:
    """Some tools put the old time back."""
    write(own, "VOICEMODE_VOICES=nova\n")
    before = own.stat()
    settings = watch()
    own.write_text("VOICEMODE_VOICES=echo\n")
    os.utime(own, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert settings.current().settings.voices == ("echo",)


def test_a_project_that_gets_a_file_is_seen(own: Path, tmp_path: Path) -> None:
    """The nearest folder with one counts."""
    settings = watch()
    write(tmp_path / ".voicemode.env", "VOICEMODE_PATIENCE=quick\n")
    assert settings.current().settings.patience == "quick"
    write(tmp_path / "project" / ".voicemode.env", "VOICEMODE_PATIENCE=patient\n")
    assert settings.current().settings.patience == "patient"


def test_the_environment_still_wins(own: Path) -> None:
    """It is what it was at the start."""
    settings = watch(PATIENCE="patient")
    write(own, "VOICEMODE_PATIENCE=quick\nVOICEMODE_VOICES=nova\n")
    assert (settings.current().settings.patience, settings.current().settings.voices) == ("patient", ("nova",))


@pytest.mark.parametrize(
    ("broken", "key"),
    [
        ("VOICEMODE_PATIENCE=endless\n", "VOICEMODE_PATIENCE"),
        ("what is this\n", "a line"),
        ("VOICEMODE_STT_BASE_URLS=ftp://127.0.0.1/v1\n", "VOICEMODE_STT_BASE_URLS"),
        ("VOICEMODE_LOCAL_ONLY=true\nVOICEMODE_TTS_BASE_URLS=https://speech.example/v1\n", "VOICEMODE_TTS_BASE_URLS"),
        ("VOICEMODE_CHAT_BASE_URLS=http://169.254.169.254/v1\n", "VOICEMODE_CHAT_BASE_URLS"),
    ],
)
def test_what_cannot_be_used_leaves_the_last_good_settings_in_force(own: Path, broken: str, key: str) -> None:
    """With one warning that says so, which goes when the file is mended."""
    write(own, "VOICEMODE_VOICES=nova\n")
    settings = watch()
    before = settings.current()
    for text in (broken, f"# again\n{broken}"):
        write(own, text)
        now = settings.current()
        assert now.settings == before.settings
        (warning,) = now.warnings
        assert key in warning
        assert settings.trouble is not None
        assert settings.trouble.key == key
        assert settings.current() is now
    write(own, "VOICEMODE_VOICES=echo\n")
    assert settings.current().settings.voices == ("echo",)
    assert (settings.current().warnings, settings.trouble) == ((), None)


def test_no_secret_is_in_the_warning(own: Path) -> None:
    """Nor in what is shown of the whole."""
    settings = watch()
    write(own, "VOICEMODE_STT_API_KEY=sk-planted\nVOICEMODE_STT_BASE_URLS=http://me:sk-planted@127.0.0.1/v1\n")
    assert settings.current().warnings
    assert "planted" not in repr(settings.current()) + str(settings.trouble)


def test_what_counts_only_at_the_start_stays_and_says_so(own: Path, tmp_path: Path) -> None:
    """Recordings wait in one folder, and the client was told which tools there are."""
    settings = watch()
    write(own, "VOICEMODE_BASE_DIR=elsewhere\nVOICEMODE_TOOLS=converse\nVOICEMODE_VOICES=nova\n")
    now = settings.current()
    assert (now.settings.base_dir, now.settings.tools, now.settings.voices) == (tmp_path / ".voicemode", (), ("nova",))
    assert now.sources["tools"] == "default"
    assert [warning.split()[0] for warning in now.warnings] == ["VOICEMODE_BASE_DIR", "VOICEMODE_TOOLS"]
    assert all("restarted" in warning for warning in now.warnings)
