"""Clients give up, agents compete, and a person takes their time: none of it cuts anyone off."""

from __future__ import annotations

import contextlib
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bench.alignment import clipping
from scripts.virtual_sound_card import VirtualSoundCard
from tests.mcp_server.conftest import Start
from tests.mcp_server.moments import FREE_S, Scene, best_of_three, voiced
from tests.stubs.client import SpeechStub
from voicemode.tools.converse import _budget
from voicemode.wire.wav import decode_wav

pytestmark = pytest.mark.sound

CLIP = Path(__file__).parents[1] / "clips" / "go_forward_ten_meters.wav"


class TestBudget:
    """A call ends before the client gives up; the person goes on speaking into the next one."""

    def test_a_person_who_speaks_across_the_border_of_two_calls_is_heard_uncut(
        self, start: Start, stub: SpeechStub, sound_card: VirtualSoundCard
    ) -> None:
        """still_listening is a result and no error, and resume brings every word."""
        scene = Scene(start(call_budget_s="2"), sound_card, stub)
        began = time.monotonic()
        number = scene.server.call("converse", message="Well?")
        scene.wait_for_state("listening", began)
        person = threading.Thread(target=sound_card.play_into_microphone, args=(CLIP,))
        person.start()
        first = scene.server.wait(number)["result"]
        between = person.is_alive()
        time.sleep(0.3)  # the agent thinks
        last = first
        with contextlib.suppress(KeyError):  # each may again be too short for the silence that ends the turn
            for _ in range(3):
                last = scene.server.converse(resume=last["structuredContent"]["resume"])
        person.join()
        assert between, "the person had finished before the budget was spent: nothing was tested"
        assert (first["structuredContent"]["status"], first.get("isError", False)) == ("still_listening", False)
        assert "text" not in first["structuredContent"]
        assert (last["structuredContent"]["status"], last.get("isError", False)) == ("answered", False)
        lost = clipping(voiced(decode_wav(CLIP.read_bytes())), decode_wav(stub.uploads()[-1]))
        assert lost.correlation > 0.9
        assert (lost.head_ms, lost.tail_ms) == (0, 0)

    def test_a_cancelled_resume_frees_the_devices(self, start: Start, stub: SpeechStub, sound_card: VirtualSoundCard) -> None:
        """Esc means the same in the second call as in the first."""
        scene = Scene(start(call_budget_s="0.5"), sound_card, stub)

        def attempt() -> float:
            parked = scene.server.converse(message="Well?")["structuredContent"]["resume"]
            number = scene.server.call("converse", resume=parked)
            time.sleep(0.1)
            assert sound_card.recording_clients()
            scene.server.cancel(number)
            return scene.seconds_until_free()

        assert best_of_three(attempt, FREE_S) <= FREE_S

    @pytest.mark.parametrize("end", ["end of input", "SIGTERM"])
    def test_a_conversation_that_waits_for_resume_ends_with_the_server(
        self, start: Start, stub: SpeechStub, sound_card: VirtualSoundCard, end: str
    ) -> None:
        """No call is under way then, and yet the microphone is open."""

        def attempt() -> float:
            scene = Scene(start(call_budget_s="0.5"), sound_card, stub)
            assert scene.server.converse(message="Well?")["structuredContent"]["status"] == "still_listening"
            scene.wait_for_microphone()  # a busy machine opens it later than the budget of half a second
            if end == "SIGTERM":
                scene.server.process.terminate()
            else:
                scene.server.close_stdin()
            took = scene.seconds_until_free()
            assert scene.server.process.wait(2) == 0
            return took

        assert best_of_three(attempt, FREE_S) <= FREE_S

    @pytest.mark.parametrize(
        ("client", "seconds"), [("claude-code", 110), ("Claude Code", 110), ("codex-mcp-client", 50), ("", 50)]
    )
    def test_a_client_gets_the_budget_that_is_known_to_fit_it(self, client: str, seconds: float) -> None:
        """Claude Code moves a call to the background at 120 s, most others give up at 60 s."""
        assert _budget(client) == seconds


class TestFloor:
    """Only one agent talks with the person at a time."""

    def test_two_servers_called_at_once_never_speak_or_record_together(
        self, start: Start, stub: SpeechStub, sound_card: VirtualSoundCard, tmp_path: Path
    ) -> None:
        """The second waits, says for whom, and then has its turn."""
        servers = [start(base_dir=str(tmp_path), start_timeout_s="0.5") for _ in range(2)]
        calls = [(server, server.call("converse", message="May I?")) for server in servers]
        seen = set()
        while not all(server.answered(number) for server, number in calls):
            busy = {client.pid for client in (*sound_card.recording_clients(), *sound_card.playing_clients())}
            assert len(busy) <= 1
            seen |= busy
        assert seen == {server.process.pid for server in servers}
        assert [status(server.wait(number)["result"]) for server, number in calls] == ["no_speech", "no_speech"]
        waited = [state for server in servers for _, _, state in server.progress() if state.startswith("waiting: test")]
        assert waited

    def test_who_waits_too_long_is_told_who_holds_the_floor_and_works_afterwards(
        self, start: Start, sound_card: VirtualSoundCard, stub: SpeechStub, tmp_path: Path
    ) -> None:
        """An error the agent can act on, not a time-out."""
        holder = Scene(start(base_dir=str(tmp_path)), sound_card, stub)
        second = start(base_dir=str(tmp_path), floor_wait_s="0.5")
        number = holder.reach("listening")
        refused = second.converse(message="Me too.")
        assert (refused["isError"], refused["structuredContent"]["code"]) == (True, "floor_taken")
        assert f"talking with the person: test (pid {holder.server.process.pid})" in refused["content"][0]["text"]
        holder.server.cancel(number)
        assert status(second.converse(message="Me too.", wait_for_response=False)) == "spoken"

    def test_a_killed_holder_frees_the_floor(
        self, start: Start, sound_card: VirtualSoundCard, stub: SpeechStub, tmp_path: Path
    ) -> None:
        """It cannot clean up, so nothing may depend on that."""
        holder = Scene(start(base_dir=str(tmp_path)), sound_card, stub)
        second = start(base_dir=str(tmp_path), floor_wait_s="1")
        holder.reach("listening")
        holder.server.process.kill()
        assert status(second.converse(message="Now me.", wait_for_response=False)) == "spoken"

    def test_two_calls_at_once_on_one_server_are_served_one_after_the_other(
        self, start: Start, sound_card: VirtualSoundCard
    ) -> None:
        """Neither is lost, and they do not talk over one another."""
        server = start()
        numbers = [server.call("converse", message="This is said.", wait_for_response=False) for _ in range(2)]
        while not all(map(server.answered, numbers)):
            assert len(sound_card.playing_clients()) <= 1
        assert [status(server.wait(number)["result"]) for number in numbers] == ["spoken", "spoken"]


class TestProgress:
    """The client's time-out starts anew, and its user sees that somebody listens."""

    def test_it_rises_strictly_comes_every_second_and_stops_with_the_result(self, start: Start) -> None:
        """Each is told in words; none comes after the result."""
        server = start(start_timeout_s="2.5")
        began = time.monotonic()
        number = server.call("converse", message="Is anybody there?")
        server.wait(number)
        time.sleep(1.5)
        told = server.progress()
        answered = next(at for at, message in server.messages if message.get("id") == number)
        values = [value for _, value, _ in told]
        assert all(later > earlier for earlier, later in pairwise(values))
        instants = [began, *(at for at, _, _ in told), answered]
        # The first one waits for the sound stack, which is loaded at the first call; 1.5 s is one late by a half.
        assert max(later - earlier for earlier, later in pairwise(instants)) < 1.5
        assert instants == sorted(instants)
        assert {"speaking", "listening: the person may speak now"} <= {state for _, _, state in told}

    def test_a_call_without_a_progress_token_works(self, start: Start) -> None:
        """Nothing is sent to who did not ask."""
        server = start()
        arguments: dict[str, Any] = {"message": "Done.", "wait_for_response": False}
        number = server.request("tools/call", {"name": "converse", "arguments": arguments})
        assert status(server.wait(number)["result"]) == "spoken"
        assert server.progress() == []


def status(result: dict[str, Any]) -> str:
    """How a call ended."""
    return str(result["structuredContent"].get("status", result["structuredContent"].get("code")))
