"""How a service is: one word for every case, and what is told besides."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.supervise.stub import Person, free_port, person
from voicemode.supervise.backend import Life
from voicemode.supervise.errors import PortTakenError
from voicemode.supervise.health import Answer, ask
from voicemode.supervise.status import State, state_of


@pytest.fixture
def someone(tmp_path: Path) -> Iterator[Person]:
    with person(tmp_path) as found:
        yield found


@contextlib.contextmanager
def answering(port: int, status: int, body: bytes) -> Iterator[None]:
    """Another program of this process on a port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("life", "answer", "age_s", "state"),
    [
        (Life.ABSENT, Answer.NOBODY, None, State.NOT_INSTALLED),
        (Life.STOPPED, Answer.NOBODY, None, State.STOPPED),
        (Life.STOPPED, Answer.WELL, None, State.STOPPED),
        (Life.RUNNING, Answer.NOBODY, 1.0, State.STARTING),
        (Life.RUNNING, Answer.NOBODY, 600.0, State.UNHEALTHY),
        (Life.RUNNING, Answer.NOBODY, None, State.UNHEALTHY),
        (Life.RUNNING, Answer.WELL, 1.0, State.RUNNING),
        (Life.RUNNING, Answer.ILL, 1.0, State.UNHEALTHY),
        (Life.RUNNING, Answer.LATE, 600.0, State.UNHEALTHY),
        (Life.RUNNING, Answer.STRANGER, 600.0, State.UNHEALTHY),
        (Life.RESTARTING, Answer.NOBODY, None, State.CRASHED),
        (Life.FAILED, Answer.NOBODY, None, State.CRASHED),
    ],
)
def test_each_case_has_its_word(life: Life, answer: Answer, age_s: float | None, state: State) -> None:
    """What its keeper says and what it answers make the state."""
    assert state_of(life, answer, age_s) is state


def test_every_case_has_one() -> None:
    """Whatever comes together."""
    assert all(state_of(life, answer, 1.0) for life in Life for answer in Answer)


def test_a_running_service_tells_everything(someone: Person) -> None:
    """What it says itself, and what its process takes."""
    services = someone.install()
    found = services.start("stub")
    assert (found.state, found.version, found.model, found.port) == ("running", "7.8.9", "stub-model", someone.port)
    assert found.pid is not None
    assert found.cpu_percent is not None
    assert found.memory_bytes is not None
    assert 5_000_000 < found.memory_bytes < 500_000_000
    assert found.uptime_s is not None
    assert (found.port_holder, found.last_error) == ("", "")
    assert json.loads(json.dumps(found.as_json()))["state"] == "running"


def test_a_taken_port_is_told_and_the_service_is_not_started(someone: Person) -> None:
    """By whom: the program and its number."""
    services = someone.install()
    with answering(someone.port, 200, b"{}"):
        assert "pid" in services.status("stub").port_holder
        with pytest.raises(PortTakenError) as caught:
            services.start("stub")
    assert "python" in caught.value.holder
    assert caught.value.port == someone.port
    assert services.status("stub").state == "stopped"


def test_one_that_does_not_listen_is_starting_while_it_is_young(someone: Person) -> None:
    """Its process is there, so it is neither stopped nor running."""
    someone.given["VOICEMODE_STUB_BEHAVIOUR"] = "mute"
    services = someone.install()
    assert services.start("stub", wait_s=0.3).state == "starting"


def test_settings_count_from_the_next_start(someone: Person) -> None:
    """Without installing again."""
    services = someone.install()
    services.start("stub")
    someone.given["VOICEMODE_STUB_PORT"] = str(free_port())
    assert someone.services().restart("stub").port == someone.port
    assert someone.services().health("stub").answer is Answer.WELL


@pytest.mark.parametrize(
    ("status", "body", "answer"),
    [
        (200, b'{"status": "ok", "service": "voicemode-x"}', Answer.WELL),
        (200, b'{"status": "broken", "service": "voicemode-x"}', Answer.ILL),
        (503, b'{"status": "ok", "service": "voicemode-x"}', Answer.ILL),
        (401, b"{}", Answer.ILL),
        (200, b'{"status": "ok", "service": "voicemode-y"}', Answer.STRANGER),
        (200, b"[]", Answer.STRANGER),
        (200, b"<html>" * 100_000, Answer.STRANGER),
        (404, b"\xff", Answer.STRANGER),
    ],
)
def test_what_answers_is_told_apart(status: int, body: bytes, answer: Answer) -> None:
    """The service, well or ill, and anybody else."""
    port = free_port()
    with answering(port, status, body):
        assert ask("127.0.0.1", port, "voicemode-x").answer is answer


def test_nobody_and_somebody_mute_are_told_apart() -> None:
    """Refused at once, or silent until the limit."""
    assert ask("127.0.0.1", free_port(), "voicemode-x").answer is Answer.NOBODY
    with socket.create_server(("127.0.0.1", 0)) as mute:
        assert ask("127.0.0.1", mute.getsockname()[1], "voicemode-x", limit_s=0.1).answer is Answer.LATE
