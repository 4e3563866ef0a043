"""What people say to the conversation itself: it is done within the turn, and is never their answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.runtime.room import Scene, in_virtual_time
from tests.runtime.tone_words import COUGH, WordTranscriber, said
from voicemode.audio import Samples
from voicemode.core.commands import GAIN_STEP_DB, SPEED_STEP
from voicemode.core.level import peak_dbfs
from voicemode.runtime.result import Status, TurnRequest, TurnResult

QUESTION = "What would you like to drink?"
ASK = TurnRequest(message=QUESTION)


def answered(scene: Scene, sounds: Sequence[Samples], request: TurnRequest = ASK, *, after_s: float = 0.5) -> TurnResult:
    """Each time when somebody listens for the first time or again, the person makes the next sound."""

    async def person() -> None:
        for number, sound in enumerate(sounds, 1):
            await scene.listening(number)
            await asyncio.sleep(after_s)
            scene.room.speak(sound)

    async def scenario() -> TurnResult:
        _, task = scene.begin(request)
        speaking = asyncio.create_task(person())
        result = await task
        speaking.cancel()
        await asyncio.wait({speaking})
        return result

    return in_virtual_time(scenario)


def spoken(scene: Scene) -> list[str]:
    """What the engine was asked to say."""
    return [request.text for request in scene.voice.requests]


class TestRepeating:
    """The message is said again, and somebody listens again."""

    def test_repeat_that_says_it_again_and_listens_again(self, tmp_path: Path) -> None:
        """The second answer is the result."""
        scene = Scene(tmp_path)
        result = answered(scene, [said("repeat that"), said("I want tea")])
        assert (result.status, result.text) == (Status.ANSWERED, "I want tea")
        assert [room.speaker.first_sound_at is not None for room in scene.rooms] == [True, True]
        assert len(scene.timelines) == 1

    def test_the_sound_of_a_command_is_not_kept(self, tmp_path: Path) -> None:
        """Where sound is kept, it is that of answers: nobody would find a command's again, nor forget it."""
        scene = Scene(tmp_path)
        scene.parts.journal.keep_in = tmp_path / "audio"
        result = answered(scene, [said("repeat that"), said("I want tea")])
        assert [str(path) for path in (tmp_path / "audio").iterdir()] == [result.audio]

    def test_the_devices_of_the_first_time_are_free_before_the_second(self, tmp_path: Path) -> None:
        """Nobody records twice at once."""
        scene = Scene(tmp_path)
        answered(scene, [said("repeat that"), said("I want tea")])
        first, second = scene.rooms
        assert first is not second
        assert not any(room.speaker.is_open or room.microphone.is_open for room in (first, second))
        assert second.microphone.opened == 1

    def test_timings_are_those_of_the_last_time(self, tmp_path: Path) -> None:
        """The response time counts from the last word of the answer."""
        result = answered(Scene(tmp_path), [said("repeat that"), said("I want tea")])
        assert result.timings_ms["response"] < 2000

    def test_after_an_interruption_it_is_the_message_that_is_repeated(self, tmp_path: Path) -> None:
        """Said over the message, it is a command as well; the result knows nothing of that interruption."""
        scene = Scene(tmp_path)
        message = "Here is what happened while everybody was away and nobody looked at the screen for an hour."

        async def scenario() -> TurnResult:
            _, task = scene.begin(TurnRequest(message=message))
            await scene.audible_for(3.0)
            scene.room.speak(said("repeat that"))
            await scene.until(lambda: len(scene.rooms) == 2 and scene.told.count("ListeningStarted") == 2)
            await asyncio.sleep(0.5)
            scene.room.speak(said("I want tea"))
            return await task

        result = in_virtual_time(scenario)
        assert (result.status, result.text, result.unheard) == (Status.ANSWERED, "I want tea", "")
        assert scene.room.speaker.paused_at == []

    @pytest.mark.parametrize("words", ["repeat that", "louder", "slower"])
    def test_where_nothing_was_said_the_agent_is_told(self, tmp_path: Path, words: str) -> None:
        """It spoke in an earlier call, and only it can say that again."""
        scene = Scene(tmp_path)
        result = answered(scene, [said(words)], TurnRequest(message=""))
        assert (result.status, result.text) == (Status.ANSWERED, words)
        adjusted = scene.parts.session.adjustments
        assert (adjusted.gain_db > 0, adjusted.speed < 1) == (words == "louder", words == "slower")


class TestLoudnessAndSpeed:
    """The person says how they want to be spoken to."""

    def test_louder_repeats_it_louder_and_it_stays_so(self, tmp_path: Path) -> None:
        """By a step; the next turn is as loud."""
        scene = Scene(tmp_path)
        answered(scene, [said("louder"), said("I want tea")])
        before, after = (peak_dbfs(room.speaker.since_began()) for room in scene.rooms)
        assert after - before == pytest.approx(GAIN_STEP_DB, abs=1.0)
        scene.events.clear()
        answered(scene, [said("I want tea")])
        assert peak_dbfs(scene.room.speaker.since_began()) == pytest.approx(after, abs=0.1)

    def test_slower_repeats_it_slower_and_it_stays_so(self, tmp_path: Path) -> None:
        """As a factor of the speed that was asked for."""
        scene = Scene(tmp_path)
        request = TurnRequest(message=QUESTION, speed=1.5)
        answered(scene, [said("slower"), said("I want tea")], request)
        scene.events.clear()
        answered(scene, [said("I want tea")], request)
        speeds = [request.speed for request in scene.voice.requests]
        assert speeds == pytest.approx([1.5, 1.5 / SPEED_STEP, 1.5 / SPEED_STEP])

    def test_no_engine_is_asked_for_a_speed_it_does_not_know(self, tmp_path: Path) -> None:
        """The slowest there is, slower."""
        scene = Scene(tmp_path)
        answered(scene, [said("slower"), said("I want tea")], TurnRequest(message="Well?", speed=0.25))
        assert [request.speed for request in scene.voice.requests] == [0.25, 0.25]


class TestHoldOn:
    """Who asked for time gets it."""

    def test_hold_on_keeps_listening_beyond_the_start_timeout(self, tmp_path: Path) -> None:
        """A minute later the answer is an answer; the message is not said again."""
        scene = Scene(tmp_path)

        async def scenario() -> TurnResult:
            _, task = scene.begin(ASK)
            await scene.listening()
            scene.room.speak(said("hold on"))
            await asyncio.sleep(60.0)
            scene.room.speak(said("I want tea"))
            return await task

        result = in_virtual_time(scenario)
        assert (result.status, result.text) == (Status.ANSWERED, "I want tea")
        assert len(scene.rooms) == 1

    def test_a_cough_after_hold_on_ends_nothing(self, tmp_path: Path) -> None:
        """Neither at once nor after the usual time to begin."""
        scene = Scene(tmp_path)

        async def scenario() -> TurnResult:
            _, task = scene.begin(ASK)
            await scene.listening()
            scene.room.speak(said("hold on"))
            await asyncio.sleep(40.0)
            scene.room.speak(COUGH)
            await asyncio.sleep(20.0)
            scene.room.speak(said("I want tea"))
            return await task

        assert in_virtual_time(scenario).text == "I want tea"

    def test_silence_after_it_is_no_answer(self, tmp_path: Path) -> None:
        """The words "hold on" are not it either, and it does end."""
        scene = Scene(tmp_path)
        result = answered(scene, [said("hold on")])
        assert (result.status, result.text) == (Status.NO_SPEECH, "")
        assert 200 < scene.timelines[0].lasted_s < 400
        assert scene.recordings == []

    def test_what_comes_right_after_it_is_whole(self, tmp_path: Path) -> None:
        """With a short patience too, nothing of "hold on" is heard again, and nothing of the answer is lost."""
        for silence_s in (0.2, 0.3, 1.0):
            scene = Scene(tmp_path)
            pause = np.zeros(round((silence_s + 0.2) * 16_000), np.int16)
            sound = np.concatenate([said("hold on"), pause, said("I want tea")])
            result = answered(scene, [sound], TurnRequest(message=QUESTION, silence_s=silence_s))
            assert (result.status, result.text) == (Status.ANSWERED, "I want tea")


class TestStop:
    """Enough."""

    def test_stop_cancels_the_turn(self, tmp_path: Path) -> None:
        """Nothing is repeated, and nobody listens on."""
        scene = Scene(tmp_path)
        result = answered(scene, [said("stop")])
        assert (result.status, result.text) == (Status.CANCELLED, "stop")
        assert len(scene.rooms) == 1
        assert [timeline.status for timeline in scene.timelines] == ["cancelled"]

    def test_stop_over_the_message_tells_what_was_heard_of_it(self, tmp_path: Path) -> None:
        """So that the agent knows where they lost patience."""
        scene = Scene(tmp_path)
        message = "Here is what happened while everybody was away and nobody looked at the screen for an hour."

        async def scenario() -> TurnResult:
            _, task = scene.begin(TurnRequest(message=message))
            await scene.audible_for(3.0)
            scene.room.speak(said("stop"))
            return await task

        result = in_virtual_time(scenario)
        assert (result.status, result.text) == (Status.CANCELLED, "stop")
        assert f"{result.heard} {result.unheard}" == message


class TestNoCommand:
    """Words that belong to the agent."""

    @pytest.mark.parametrize("words", ["stop that tea", "no stop", "I want that"])
    def test_a_command_among_other_words_is_an_answer(self, tmp_path: Path, words: str) -> None:
        """ "Stop the server" is an order to the agent."""
        result = answered(Scene(tmp_path), [said(words)])
        assert (result.status, result.text) == (Status.ANSWERED, words)

    def test_an_expected_answer_is_no_command(self, tmp_path: Path) -> None:
        """Who is asked whether to stop may say so."""
        request = TurnRequest(message="Go on or stop?", options=("go on", "stop"))
        result = answered(Scene(tmp_path), [said("stop")], request)
        assert (result.status, result.text) == (Status.ANSWERED, "stop")

    @pytest.mark.parametrize("words", ["stop", "repeat that", "hold on", "louder"])
    def test_a_guess_is_no_command(self, tmp_path: Path, words: str) -> None:
        """One word in three of a transcript of low confidence is wrong: the agent asks, and nothing is done."""
        scene = Scene(tmp_path, transcriber=WordTranscriber(confidence="low"))
        result = answered(scene, [said(words)])
        assert (result.status, result.text, result.confidence) == (Status.ANSWERED, words, "low")
        assert len(scene.rooms) == 1

    def test_who_wants_no_commands_gets_every_word(self, tmp_path: Path) -> None:
        """commands=false, from the settings."""
        result = answered(Scene(tmp_path), [said("stop")], TurnRequest(message=QUESTION, commands=False))
        assert (result.status, result.text) == (Status.ANSWERED, "stop")


def test_commands_leave_no_recording_and_no_task(tmp_path: Path) -> None:
    """Each utterance was written down; none is kept."""
    scene = Scene(tmp_path)

    async def scenario() -> set[asyncio.Task[object]]:
        _, task = scene.begin(ASK)
        for number, words in enumerate(("repeat that", "louder", "I want tea"), 1):
            await scene.listening(number)
            await asyncio.sleep(0.3)
            scene.room.speak(said(words))
        await task
        await asyncio.sleep(0)
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert in_virtual_time(scenario) == set()
    assert scene.recordings == []
    assert spoken(scene) == [QUESTION] * 3
