"""``voicemode models``: what is shown, asked and told, and how it ends."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import CommandLine
from tests.supervise.mirror import FILES, MODELS, Mirror
from voicemode.supervise.catalogue import CATALOGUE

PROGRAM = [sys.executable, str(Path(__file__).parents[1] / "supervise" / "with_fixtures.py"), "models"]
NAME, SIZE = MODELS[0].name, MODELS[0].size


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    """A server with the small models."""
    with Mirror(tmp_path_factory.mktemp("mirror")) as process:
        yield process


class Command:
    """``voicemode models`` with the small models, from a mirror that misbehaves in a way."""

    def __init__(self, home: Path, mirror: Mirror) -> None:
        self.home, self._mirror = home, mirror
        self.folder = home / ".voicemode" / "models" / NAME

    def environment(self, fault: str = "ok") -> dict[str, str]:
        return CommandLine(self.home).environment(VOICEMODE_MODELS_URL=self._mirror.url(fault))

    def __call__(self, *arguments: str, fault: str = "ok") -> subprocess.CompletedProcess[str]:
        environment = self.environment(fault)
        return subprocess.run(
            [*PROGRAM, *arguments], capture_output=True, text=True, cwd=self.home, env=environment, timeout=60, stdin=-3
        )

    def json(self, *arguments: str, fault: str = "ok") -> Any:
        return json.loads(self(*arguments, "--json", fault=fault).stdout)

    def on_terminal(self, *arguments: str, answer: str) -> tuple[int, str]:
        """Exit status, and everything a person sees who types ``answer`` when asked."""
        master, slave = pty.openpty()
        environment = {**self.environment(), "TERM": "xterm"}
        process = subprocess.Popen(
            [*PROGRAM, *arguments], stdin=slave, stdout=slave, stderr=slave, cwd=self.home, env=environment
        )
        os.close(slave)
        seen, until, answered = "", time.monotonic() + 30, False
        while process.poll() is None and time.monotonic() < until:
            seen += _read(master)
            if "[Y/n]" in seen and not answered:
                os.write(master, answer.encode())
                answered = True
        seen += _read(master)
        os.close(master)
        return process.wait(10), seen


def _read(master: int) -> str:
    if not select.select([master], [], [], 0.1)[0]:
        return ""
    try:
        return os.read(master, 1 << 16).decode("utf-8", "replace")
    except OSError:  # the other end is closed
        return ""


@pytest.fixture
def models(tmp_path: Path, mirror: Mirror) -> Command:
    """The commands of somebody who has just installed it."""
    return Command(tmp_path, mirror)


def test_list_names_every_model_with_what_helps_to_choose(command: CommandLine) -> None:
    """Engine, size, languages, licence, and what is here of it; to people and to programs."""
    rows = command.json("models", "list")
    assert [row["name"] for row in rows] == [model.name for model in CATALOGUE]
    assert all(row["engine"] and row["size_bytes"] and row["languages"] and row["licence"] for row in rows)
    assert {row["state"] for row in rows} == {"absent"}
    shown = command("models", "list").stdout
    assert all(model.name in shown for model in CATALOGUE)
    assert not (command.home / ".voicemode").exists()


def test_pull_says_size_licence_and_place_and_fetches(models: Command) -> None:
    """Without a terminal it does not ask, and nothing goes to standard output."""
    ended = models("pull", NAME)
    assert ended.returncode == 0
    assert ended.stdout == ""
    assert all(words in ended.stderr for words in ("1.0 MB", "MIT", str(models.folder), "127.0.0.1", "checked"))
    assert {path.name for path in models.folder.iterdir()} == set(FILES)
    assert [row["name"] for row in models.json("list", "--installed")] == [NAME]


def test_a_terminal_is_asked_first_and_shown_a_bar(models: Command) -> None:
    """No means no; yes is the default."""
    status, seen = models.on_terminal("pull", NAME, answer="n\n")
    assert status != 0
    assert "Download it?" in seen
    assert not models.folder.exists()
    status, _ = models.on_terminal("pull", NAME, answer="\n")
    assert status == 0
    assert models.folder.exists()


def test_yes_asks_nothing(models: Command) -> None:
    """For scripts that run on a terminal."""
    status, seen = models.on_terminal("pull", NAME, "--yes", answer="")
    assert (status, "Download it?" in seen) == (0, False)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_an_interrupted_pull_goes_on_the_next_time(models: Command, number: int, status: int) -> None:
    """Ctrl-C says so; a killed one has not been able to, and goes on as well."""
    process = subprocess.Popen(
        [*PROGRAM, "pull", NAME], cwd=models.home, env=models.environment("slow"), stdin=-3, stdout=-3, stderr=-1, text=True
    )
    part = models.folder.parent / ".partial" / NAME / "model.bin.part"
    until = time.monotonic() + 30
    while not (part.exists() and part.stat().st_size > 1 << 16):
        assert time.monotonic() < until
        time.sleep(0.01)
    process.send_signal(number)
    _, said = process.communicate(timeout=10)
    assert process.returncode == status
    assert ("kept" in said) is (number == signal.SIGINT)
    assert [row["state"] for row in models.json("list", "--installed")] == ["partial"]
    kept = part.stat().st_size
    assert models("pull", NAME).returncode == 0
    assert models._mirror.log("model.bin")[-1]["Range"] == f"bytes={kept}-"
    assert models("verify", NAME).returncode == 0


@pytest.mark.parametrize("fault", ["wrong-bytes", "redirect-away", "404"])
def test_a_wrong_server_is_an_error_and_leaves_nothing(models: Command, fault: str) -> None:
    """With a code for scripts."""
    told = models.json("pull", NAME, fault=fault)
    assert (told["status"], told["code"]) == ("failed", "download")
    assert models("pull", NAME, fault=fault).returncode == 1
    assert models.json("list", "--installed") == []


def test_verify_tells_changed_bytes_and_pull_mends_them(models: Command) -> None:
    """Its exit status too."""
    models("pull", NAME)
    assert models.json("verify") == [{"name": NAME, "right": True, "problems": []}]
    (models.folder / "model.bin").write_bytes(bytes(len(FILES["model.bin"])))
    ended = models("verify")
    assert ended.returncode == 1
    assert "model.bin was changed" in ended.stdout
    assert models("pull", NAME).returncode == 0
    assert models("verify").returncode == 0


def test_remove_frees_the_space_and_says_how_much(models: Command) -> None:
    """Twice is no error."""
    models("pull", NAME)
    assert models.json("remove", NAME) == {"name": NAME, "freed_bytes": SIZE}
    assert models("remove", NAME).returncode == 0
    assert not models.folder.parent.exists()


@pytest.mark.parametrize("verb", ["pull", "remove", "verify"])
def test_an_unknown_name_is_a_wrong_call(models: Command, verb: str) -> None:
    """With the nearest name."""
    ended = models(verb, "whisper-fixtur")
    assert ended.returncode == 2
    assert "did you mean 'whisper-fixture'" in ended.stderr
