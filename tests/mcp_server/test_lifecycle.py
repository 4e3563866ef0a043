"""However a call or the server ends, the devices are free soon after and no process is left."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from scripts.virtual_sound_card import VirtualSoundCard
from tests.mcp_server.conftest import Start
from tests.mcp_server.moments import ANSWER, FREE_S, Scene, best_of_three, wait_for
from tests.mcp_server.plugin import DEAF, make_plugin
from tests.mcp_server.process import SERVER, ServerProcess
from tests.stubs.client import SpeechStub

pytestmark = pytest.mark.sound

BUILTIN = {"tts_base_urls": "", "stt_base_urls": "", "builtin": "true"}
QUICK = {"silence_threshold_ms": "300", "start_timeout_s": "20"}

Stage = Callable[..., Scene]


def named(value: object) -> str:
    """How a parameter is written in a test's name."""
    if isinstance(value, dict):
        return "builtin" if value else "http"
    return value.name if isinstance(value, signal.Signals) else str(value)


@pytest.fixture
def stage(start: Start, sound_card: VirtualSoundCard, stub: SpeechStub) -> Stage:
    """A new server with its card and its stub; keywords as for ``start``."""

    def begin(**settings: object) -> Scene:
        assert wait_for(lambda: not sound_card.recording_clients() and not sound_card.playing_clients()) < 5
        stub.reset()
        return Scene(start(**{**QUICK, **settings}), sound_card, stub)

    return begin


class TestCancel:
    """Esc: the client has stopped listening, so nothing may go on and nothing may be sent."""

    @pytest.mark.parametrize("engines", [{}, BUILTIN], ids=named)
    @pytest.mark.parametrize("moment", ["speaking", "listening"])
    def test_a_cancelled_call_frees_both_devices_within_300_ms(
        self, stage: Stage, moment: str, engines: dict[str, str]
    ) -> None:
        """And it is not answered; the next call is."""
        scene = stage(**engines)
        cancelled = []

        def attempt() -> float:
            cancelled.append(scene.reach(moment))
            scene.server.cancel(cancelled[-1])
            return scene.seconds_until_free()

        assert best_of_three(attempt, FREE_S) <= FREE_S
        works = scene.server.converse(message="On.", wait_for_response=False)
        assert works["structuredContent"]["status"] == "spoken"
        assert not any(scene.server.answered(number) for number in cancelled)

    def test_a_call_cancelled_while_transcribing_drops_the_request(self, stage: Stage) -> None:
        """The endpoint's connection is closed, the devices are free, nothing is answered."""
        scene = stage()
        number = scene.reach("transcribing")
        scene.server.cancel(number)
        assert scene.seconds_until_free() < 1
        scene.stub.configure(stt_delay_s=0.0)
        assert scene.server.converse(message="On.", wait_for_response=False)["structuredContent"]["status"] == "spoken"
        assert not scene.server.answered(number)

    def test_after_200_cancelled_calls_the_next_one_works(self, stage: Stage) -> None:
        """Cancelled before they began, while they open devices, speak or listen; nothing piles up."""
        scene = stage()
        assert scene.server.converse(message="One.", wait_for_response=False)["structuredContent"]["status"] == "spoken"
        process = psutil.Process(scene.server.process.pid)
        files, threads = process.num_fds(), process.num_threads()
        cancelled = []
        for index in range(200):
            cancelled.append(scene.server.call("converse", message="" if index % 5 == 4 else "Hm?"))
            # 0 to 119 ms, in no order, while devices open and sound begins; some when the person may speak already.
            time.sleep(0.5 if index % 20 == 19 else index * 37 % 120 / 1000)
            scene.server.cancel(cancelled[-1])
        began = time.monotonic()
        number = scene.server.call("converse", message="Well?")
        scene.wait_for_state("listening", began)
        scene.card.play_into_microphone(ANSWER)
        assert scene.server.wait(number)["result"]["structuredContent"]["status"] == "answered"
        assert not any(scene.server.answered(one) for one in cancelled)
        assert scene.seconds_until_free() < 1
        assert process.num_fds() <= files + 8
        assert process.num_threads() <= threads + 4


class TestEndOfInput:
    """The client closed the pipe: it is gone."""

    @pytest.mark.parametrize(
        ("moment", "engines"),
        [
            ("idle", {}),
            ("starting", {}),
            ("speaking", {}),
            ("listening", {}),
            ("transcribing", {}),
            ("speaking", BUILTIN),
            ("listening", BUILTIN),
        ],
        ids=named,
    )
    def test_the_server_ends_within_a_second_and_leaves_nothing(
        self, stage: Stage, moment: str, engines: dict[str, str]
    ) -> None:
        """Exit code 0, devices free, workers gone."""

        def attempt() -> float:
            scene = stage(**engines)
            scene.reach(moment)
            children = scene.children()
            assert bool(children) == bool(engines)
            began = time.monotonic()
            scene.server.close_stdin()
            assert scene.server.process.wait(10) == 0
            took = time.monotonic() - began
            assert scene.is_free()
            assert left_after(1.0, children) == []
            return took

        assert best_of_three(attempt, 1.0) <= 1.0


class TestSignals:
    """SIGTERM and SIGINT end the server in order, whatever it is doing."""

    @pytest.mark.parametrize(
        ("number", "moment", "engines"),
        [
            (signal.SIGTERM, "idle", {}),
            (signal.SIGINT, "idle", {}),
            (signal.SIGTERM, "starting", {}),
            (signal.SIGTERM, "speaking", {}),
            (signal.SIGINT, "speaking", {}),
            (signal.SIGTERM, "listening", {}),
            (signal.SIGTERM, "transcribing", {}),
            (signal.SIGTERM, "speaking", BUILTIN),
            (signal.SIGINT, "listening", BUILTIN),
        ],
        ids=named,
    )
    def test_a_signal_frees_the_devices_and_ends_the_server(
        self, stage: Stage, number: signal.Signals, moment: str, engines: dict[str, str]
    ) -> None:
        """Devices within 300 ms, exit code 0 within 2 s, no child left; the client still holds the pipe."""

        def attempt() -> float:
            scene = stage(**engines)
            scene.reach(moment)
            children = scene.children()
            assert bool(children) == bool(engines)
            began = time.monotonic()
            scene.server.process.send_signal(number)
            took = scene.seconds_until_free()
            assert scene.server.process.wait(10) == 0
            assert time.monotonic() - began < 2
            assert left_after(1.0, children) == []
            return took

        assert best_of_three(attempt, FREE_S) <= FREE_S

    def test_a_signal_that_comes_together_with_a_call_ends_the_server_in_order(self, stage: Stage) -> None:
        """Messages are on their way through the SDK's tasks; no traceback, and a second signal changes nothing."""
        scene = stage()
        scene.server.call("converse", message="Well?")
        for _ in range(50):
            scene.server.request("ping")
        scene.server.process.terminate()
        scene.server.process.send_signal(signal.SIGINT)
        assert scene.server.process.wait(3) == 0
        assert "Traceback" not in scene.server.stderr()


OWNS_THE_PIPE = """
import subprocess, sys
server = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE)
for line in sys.stdin.buffer:
    server.stdin.write(line)
    server.stdin.flush()
"""
PASSES_THE_PIPE_ON = """
import subprocess, sys
subprocess.Popen(sys.argv[1:]).wait()
"""


class TestKilledParent:
    """SIGKILL gives nobody a chance to say goodbye."""

    @pytest.mark.parametrize(
        ("parent", "engines"),
        [(OWNS_THE_PIPE, {}), (PASSES_THE_PIPE_ON, BUILTIN)],
        ids=["owns the pipe", "passes the pipe on, builtin"],
    )
    def test_a_server_whose_parent_is_killed_ends_within_5_s(self, stage: Stage, parent: str, engines: dict[str, str]) -> None:
        """Also where another process keeps the pipe open, so that its end is never seen: no recorder stays."""
        scene = stage(argv=(sys.executable, "-c", parent, *SERVER), **engines)
        scene.reach("listening")
        family = scene.children()
        assert len(family) >= (2 if engines else 1)
        began = time.monotonic()
        scene.server.process.kill()
        scene.seconds_until_free()
        assert left_after(5.0, family) == []
        assert time.monotonic() - began < 5

    def test_the_workers_of_a_killed_server_end(self, stage: Stage) -> None:
        """Nobody is left to end them."""
        scene = stage(**BUILTIN)
        scene.reach("listening")
        children = scene.children()
        assert children
        scene.server.process.kill()
        assert left_after(5.0, children) == []
        assert scene.seconds_until_free() < 1


class TestMicrophone:
    """It is open inside a call, and at no other time."""

    def test_it_is_open_only_inside_a_call_that_listens(self, stage: Stage) -> None:
        """Closed before, between and after; each opening is announced."""
        scene = stage(start_timeout_s="0.5")
        assert not scene.card.recording_clients()
        for _ in range(2):
            began = time.monotonic()
            number = scene.server.call("converse", message="Well?")
            scene.wait_for_state("listening", began)
            assert scene.card.recording_clients()
            assert scene.server.wait(number)["result"]["structuredContent"]["status"] == "no_speech"
            assert not scene.card.recording_clients()
            assert not scene.card.playing_clients()

    def test_it_stays_closed_when_no_answer_is_wanted(self, stage: Stage) -> None:
        """wait_for_response=false: at no moment of the call, and "listening" is never told."""
        scene = stage()
        number = scene.server.call("converse", message="I only want to tell you something.", wait_for_response=False)
        looked = 0
        while not scene.server.answered(number):
            assert not scene.card.recording_clients()
            looked += bool(scene.card.playing_clients())
        assert looked > 3
        assert not any("listening" in state for _, _, state in scene.server.progress())

    def test_a_call_that_says_nothing_is_announced_by_a_chime(self, stage: Stage) -> None:
        """Who hears no question must hear that the microphone opens."""
        scene = stage(start_timeout_s="0.5")
        ears = scene.card.record_loudspeaker()
        began = time.monotonic()
        assert scene.server.converse()["structuredContent"]["status"] == "no_speech"
        sounds = ears.recording(began).sounds(join_s=0.5)
        ears.close()
        assert len(sounds) == 1


def test_a_thread_that_is_stuck_keeps_no_process(tmp_path: Path) -> None:
    """Python waits for every thread at its end; a client that has gone must not leave a server behind for that."""
    body = """
    async def stuck() -> str:
        asyncio.get_running_loop().run_in_executor(None, __import__("time").sleep, 60)
        return "it sleeps"
    """
    with ServerProcess({**DEAF, **make_plugin(tmp_path, "stuck", body)}) as server:
        server.initialize()
        server.wait(server.call("stuck"))
        server.close_stdin()
        assert server.process.wait(10) == 0


def left_after(seconds: float, processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run when so much time has passed."""
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    return [process for process in alive if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
