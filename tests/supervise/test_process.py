"""The supervising process: it keeps a service running, and leaves nothing when it ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.supervise.stub import Person, person
from voicemode.supervise.backend import Life
from voicemode.supervise.errors import NoLoginStartError, NotInstalledError, NotStartedError
from voicemode.supervise.private import read_json, write_json
from voicemode.supervise.process_main import STATE
from voicemode.supervise.processes import ProcessId


@pytest.fixture
def someone(tmp_path: Path) -> Iterator[Person]:
    with person(tmp_path) as found:
        yield found


def until(holds: Callable[[], bool], limit_s: float = 20.0) -> bool:
    """Whether it comes to hold."""
    end = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def state_file(someone: Person) -> Path:
    return someone.base_dir / "services" / "stub" / STATE


def supervisor(someone: Person) -> int:
    return int(read_json(state_file(someone))["supervisor"]["pid"])


def test_a_killed_service_is_back(someone: Person) -> None:
    """Another process answers, and status says how the one before ended."""
    services = someone.install()
    first = services.start("stub").pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert until(lambda: services.status("stub").healthy and services.status("stub").pid != first)
    status = services.status("stub")
    assert status.restarts == 1
    assert "SIGKILL" in status.last_error


def test_stop_leaves_no_process(someone: Person) -> None:
    """Neither the service, nor its children, nor who watched it."""
    someone.given["VOICEMODE_STUB_BEHAVIOUR"] = "child"
    services = someone.install()
    pid = services.start("stub").pid
    assert pid is not None
    assert until(lambda: any("child" in line for line in services.logs("stub", 10)))
    everybody = [psutil.Process(supervisor(someone)), psutil.Process(pid), *psutil.Process(pid).children()]
    assert len(everybody) == 3
    services.stop("stub")
    assert [each for each in everybody if ProcessId.of(each.pid) is not None] == []
    assert services.status("stub").state == "stopped"


def test_children_of_a_killed_service_do_not_outlive_it(someone: Person) -> None:
    """They would hold its port or its memory."""
    someone.given["VOICEMODE_STUB_BEHAVIOUR"] = "child"
    services = someone.install()
    first = services.start("stub").pid
    assert first is not None
    (child,) = psutil.Process(first).children()
    os.kill(first, signal.SIGKILL)
    assert until(lambda: ProcessId.of(child.pid) is None)


def test_a_service_that_heeds_nothing_is_killed(someone: Person) -> None:
    """After its time to end by itself."""
    someone.given["VOICEMODE_STUB_BEHAVIOUR"] = "stubborn"
    services = someone.install()
    pid = services.start("stub").pid
    services.stop("stub")
    assert pid is not None
    assert ProcessId.of(pid) is None


def test_it_survives_the_terminal(someone: Person) -> None:
    """It has a session of its own, and nobody of ours as its parent."""
    services = someone.install()
    services.start("stub")
    watching = supervisor(someone)
    assert os.getsid(watching) != os.getsid(0)
    assert os.getpid() not in {parent.pid for parent in psutil.Process(watching).parents()}


def test_starting_twice_starts_once(someone: Person) -> None:
    """Also when two commands do it at the same time."""
    services = someone.install()
    threads = [threading.Thread(target=lambda: someone.services().start("stub")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    folder = str(someone.base_dir / "services" / "stub")
    watching = [each for each in psutil.process_iter() if _keeps(each, folder)]
    assert [each.pid for each in watching] == [supervisor(someone)]
    assert services.status("stub").restarts == 0


def _keeps(process: psutil.Process, folder: str) -> bool:
    with contextlib.suppress(psutil.Error):
        return "voicemode.supervise.process_main" in process.cmdline() and folder in process.cmdline()
    return False


def test_a_wrong_setting_is_not_tried_again(someone: Person) -> None:
    """It would end in the same way; what it said is told."""
    someone.given["VOICEMODE_STUB_BEHAVIOUR"] = "usage"
    services = someone.install()
    with pytest.raises(NotStartedError, match="invalid int value"):
        services.start("stub")
    assert until(lambda: someone.backend.report("stub").life is Life.FAILED)
    assert services.status("stub").state == "crashed"
    assert "status 2" in services.status("stub").last_error


def test_one_that_crashes_is_tried_again_and_its_last_words_are_told(someone: Person) -> None:
    """A model that is mended meanwhile is found at the next attempt."""
    someone.given["VOICEMODE_STUB_BEHAVIOUR"] = "crash"
    services = someone.install()
    with pytest.raises(NotStartedError, match="the model is corrupt"):
        services.start("stub")
    assert until(lambda: someone.backend.report("stub").restarts >= 2)
    assert services.status("stub").state == "crashed"
    services.stop("stub")
    assert services.status("stub").state == "stopped"


def test_an_end_that_is_not_noted_yet_is_waited_for(someone: Person) -> None:
    """Its supervisor waits for the last words, up to a second, before it writes down why."""
    services = someone.install()
    watching = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        watcher = ProcessId.of(watching.pid)
        assert watcher is not None
        state = {"supervisor": watcher.as_json(), "child": {"pid": watching.pid, "began": 0.0}, "restarts": 0}
        write_json(state_file(someone), state | {"life": "running", "last_error": ""})
        ended = state | {"life": "restarting", "last_error": "the model is corrupt", "child": None}
        noting = threading.Timer(0.2, write_json, (state_file(someone), ended))
        noting.start()
        report = someone.backend.report("stub")
        noting.join()
        assert (report.life, report.last_error) == (Life.RESTARTING, "the model is corrupt")
    finally:
        services.stop("stub")
        watching.wait()


def test_a_reused_number_is_not_ended(someone: Person) -> None:
    """The file of another time names a process that is somebody else's now: this one."""
    services = someone.install()
    services.start("stub")
    services.stop("stub")
    stale = {"pid": os.getpid(), "began": psutil.Process().create_time() - 3600}
    write_json(state_file(someone), {"life": "running", "supervisor": stale, "child": stale, "noted_at": 0})
    services.stop("stub")  # this process is still here
    assert services.status("stub").state == "stopped"


def test_without_its_supervisor_it_is_told_and_mended(someone: Person) -> None:
    """It goes on answering; the next start puts it under a supervisor again and leaves one of it."""
    services = someone.install()
    first = services.start("stub").pid
    os.kill(supervisor(someone), signal.SIGKILL)
    assert until(lambda: "supervisor is gone" in services.status("stub").last_error)
    assert services.status("stub").healthy
    again = services.start("stub")
    assert again.last_error == ""
    assert again.pid != first
    assert first is not None
    assert ProcessId.of(first) is None


def test_it_sees_what_it_may_and_no_more(someone: Person) -> None:
    """Its settings and the basics; nothing of what the client or the shell keeps in its environment."""
    someone.environ |= {"PYTHONPATH": "/elsewhere", "AWS_SECRET_ACCESS_KEY": "hush", "VOICEMODE_STT_API_KEY": "hush"}
    services = someone.install()
    services.start("stub")
    seen = json.loads(services.health("stub").facts["environment"])
    names = {"PATH", "VOICEMODE_STUB_PORT", "VOICEMODE_STUB_MODEL", "VOICEMODE_STUB_MODELS_DIR", "VOICEMODE_STUB_STATE_DIR"}
    assert set(seen) - {"LC_CTYPE", "__CF_USER_TEXT_ENCODING"} == names
    assert "hush" not in Path(f"/proc/{supervisor(someone)}/environ").read_text()


def test_a_token_is_in_no_argument_and_no_readable_file(someone: Person) -> None:
    """It reaches the service through its environment, from a file that is its owner's alone."""
    someone.given["VOICEMODE_STUB_TOKEN"] = "sesame-of-the-stub"
    services = someone.install()
    pid = services.start("stub").pid
    for process in (psutil.Process(pid), psutil.Process(supervisor(someone))):
        assert "sesame" not in " ".join(process.cmdline())
    assert json.loads(services.health("stub").facts["environment"])["VOICEMODE_STUB_TOKEN"] == "sesame-of-the-stub"
    holding = [path for path in someone.base_dir.rglob("*") if path.is_file() and b"sesame" in path.read_bytes()]
    assert [path.name for path in holding] == ["launch.json"]
    assert "sesame" not in services.plan("stub").changes
    someone.given["VOICEMODE_STUB_TOKEN"] = "another-sesame"
    assert "secret changes" in someone.services().plan("stub").changes


def test_what_it_keeps_is_its_owners_alone(someone: Person) -> None:
    """Logs, state and settings: 0600; folders: 0700."""
    services = someone.install()
    services.start("stub")
    folder = someone.base_dir / "services" / "stub"
    files = [folder / "launch.json", folder / STATE, folder / "installed.json", *(folder / "logs").iterdir()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / "logs", folder.parent)} == {0o700}


def test_values_stay_inert(someone: Person) -> None:
    """Nothing reads them but the service."""
    nasty = "$(touch pwned) `id` \"'%h \\ ;\n&&"
    someone.given["VOICEMODE_STUB_DEVICE"] = nasty
    services = someone.install()
    services.start("stub")
    assert json.loads(services.health("stub").facts["environment"])["VOICEMODE_STUB_DEVICE"] == nasty


def test_starting_at_login_is_refused_with_a_way_out(someone: Person) -> None:
    """Nothing here does that, and it is not pretended."""
    services = someone.install()
    with pytest.raises(NoLoginStartError, match="entry point"):
        services.enable("stub")
    services.disable("stub")
    assert services.status("stub").enabled is None


def test_what_was_never_installed_is_not_started(someone: Person) -> None:
    """It says what to run."""
    with pytest.raises(NotInstalledError, match="voicemode service install stub"):
        someone.backend.start("stub")
    assert someone.backend.report("stub").life is Life.ABSENT
