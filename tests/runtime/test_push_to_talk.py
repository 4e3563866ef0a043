"""While the key is down the turn is the person's."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from tests.runtime.keys import ASK, LISTEN, MESSAGE, TELL, held
from tests.runtime.room import Scene
from tests.runtime.tone_words import WordTranscriber, said
from voicemode.runtime.result import Status
from voicemode.runtime.turn import Turn
from voicemode.testing import FakeDetector
from voicemode.wire.control import ControlAction, ControlAnswer, ControlState


class TestPushToTalk:
    """While the key is down the turn is the person's."""

    def test_a_held_key_keeps_the_turn_open_through_a_long_silence(self, tmp_path: Path) -> None:
        """Eight seconds of thinking in mid-turn; letting go ends it at once, and the result says so."""

        async def press(scene: Scene, turn: Turn) -> None:
            await scene.listening()
            assert (await turn.control(ControlAction.TALK_START)).state is ControlState.TALKING
            scene.room.speak(said("no I"))
            await asyncio.sleep(8.0)
            scene.room.speak(said("want tea"))
            await asyncio.sleep(0.7)
            assert (await turn.control(ControlAction.TALK_END)).ok

        scene = Scene(tmp_path)
        result = held(scene, LISTEN, press)
        assert (result.status, result.text, result.ended_by) == (Status.ANSWERED, "no I want tea", "released")

    def test_a_held_key_waits_longer_than_the_start_timeout(self, tmp_path: Path) -> None:
        """Nobody is told that they were late while they hold it."""

        async def press(scene: Scene, turn: Turn) -> None:
            await scene.listening()
            await turn.control(ControlAction.TALK_START)
            await asyncio.sleep(30.0)
            scene.room.speak(said("tea"))
            await asyncio.sleep(0.5)
            await turn.control(ControlAction.TALK_END)

        assert held(Scene(tmp_path), LISTEN, press).text == "tea"

    def test_the_key_stops_the_message_and_what_is_said_is_the_turn(self, tmp_path: Path) -> None:
        """Push-to-interrupt; half a second before the key counts too."""

        async def press(scene: Scene, turn: Turn) -> None:
            await scene.audible_for(3.0)
            scene.room.speak(said("no I want tea"))
            await asyncio.sleep(0.1)
            assert (await turn.control(ControlAction.TALK_START)).state is ControlState.TALKING
            await asyncio.sleep(1.2)
            await turn.control(ControlAction.TALK_END)

        result = held(Scene(tmp_path), ASK, press)
        assert (result.status, result.text, result.ended_by) == (Status.INTERRUPTED, "no I want tea", "released")

    def test_a_short_press_in_mid_message_loses_no_word(self, tmp_path: Path) -> None:
        """The key is up again before the loudspeaker has let go of its device."""

        async def press(scene: Scene, turn: Turn) -> None:
            await scene.audible_for(3.0)
            scene.room.speaker.close_s = 0.4
            scene.room.speak(said("tea", word_s=0.25))
            await turn.control(ControlAction.TALK_START)
            await asyncio.sleep(0.3)
            await turn.control(ControlAction.TALK_END)

        result = held(Scene(tmp_path), ASK, press)
        assert (result.status, result.text, result.ended_by) == (Status.INTERRUPTED, "tea", "released")
        assert f"{result.heard} {result.unheard}" == MESSAGE

    def test_what_is_still_on_its_way_when_the_key_goes_up_is_heard(self, tmp_path: Path) -> None:
        """A headset delivers 0.2 s late: the last syllable is there after the key."""
        scene = Scene(tmp_path)

        async def press(scene: Scene, turn: Turn) -> None:
            scene.room.microphone.late_s = 0.2
            await scene.listening()
            await turn.control(ControlAction.TALK_START)
            scene.room.speak(said("I want tea", word_s=0.15))
            await asyncio.sleep(0.45)
            await turn.control(ControlAction.TALK_END)

        result = held(scene, LISTEN, press)
        assert (result.text, result.ended_by) == ("I want tea", "released")
        assert result.timings_ms["total"] < 1_500

    def test_who_presses_it_while_the_words_are_found_is_told_that_nobody_listens(self, tmp_path: Path) -> None:
        """What they would say now would be lost."""
        answers: list[ControlAnswer] = []

        async def press(scene: Scene, turn: Turn) -> None:
            await scene.listening()
            scene.room.speak(said("no I"))
            while (await turn.control(ControlAction.STATUS)).state is not ControlState.THINKING:
                await asyncio.sleep(0.01)
            answers.append(await turn.control(ControlAction.TALK_START))
            answers.append(await turn.control(ControlAction.TALK_END))

        result = held(Scene(tmp_path, transcriber=WordTranscriber(delay_s=2.0)), LISTEN, press)
        assert (answers[0].ok, answers[0].state, result.text) == (False, ControlState.THINKING, "no I")
        assert answers[0].detail

    def test_a_whisper_that_the_detector_does_not_take_for_speech_is_heard(self, tmp_path: Path) -> None:
        """The key says that somebody speaks."""

        async def press(scene: Scene, turn: Turn) -> None:
            await scene.listening()
            await asyncio.sleep(2.0)
            await turn.control(ControlAction.TALK_START)
            await asyncio.sleep(1.0)
            scene.room.speak(said("I want tea", dbfs=-36.0))
            await asyncio.sleep(1.0)
            await turn.control(ControlAction.TALK_END)

        scene = Scene(tmp_path)
        scene.parts = replace(scene.parts, make_detector=lambda: FakeDetector(threshold_dbfs=-20.0))
        result = held(scene, LISTEN, press)
        assert (result.status, result.text, result.ended_by) == (Status.ANSWERED, "I want tea", "released")

    def test_talk_is_a_switch(self, tmp_path: Path) -> None:
        """For hotkeys that know no release."""

        async def press(scene: Scene, turn: Turn) -> None:
            await scene.listening()
            await turn.control(ControlAction.TALK)
            scene.room.speak(said("I want tea"))
            await asyncio.sleep(5.0)
            await turn.control(ControlAction.TALK)

        result = held(Scene(tmp_path), LISTEN, press)
        assert (result.text, result.ended_by) == ("I want tea", "released")

    def test_a_press_without_a_word_is_no_speech(self, tmp_path: Path) -> None:
        """And it ends the turn."""

        async def press(scene: Scene, turn: Turn) -> None:
            await scene.listening()
            await turn.control(ControlAction.TALK_START)
            await asyncio.sleep(1.0)
            await turn.control(ControlAction.TALK_END)

        scene = Scene(tmp_path)
        assert held(scene, LISTEN, press).status is Status.NO_SPEECH
        assert scene.timelines[0].lasted_s < 2.0

    def test_hold_on_with_the_key_keeps_listening(self, tmp_path: Path) -> None:
        """The release ended that utterance, and not the turn after it."""

        async def press(scene: Scene, turn: Turn) -> None:
            await scene.listening()
            await turn.control(ControlAction.TALK_START)
            scene.room.speak(said("hold on"))
            await asyncio.sleep(0.8)
            await turn.control(ControlAction.TALK_END)
            await asyncio.sleep(20.0)
            scene.room.speak(said("I want tea"))

        result = held(Scene(tmp_path), LISTEN, press)
        assert (result.status, result.text, result.ended_by) == (Status.ANSWERED, "I want tea", "silence")

    def test_nobody_who_was_not_asked_can_talk(self, tmp_path: Path) -> None:
        """wait_for_response=false has no microphone; the message goes on."""
        answers: list[ControlAnswer] = []

        async def press(scene: Scene, turn: Turn) -> None:
            await scene.audible_for(3.0)
            answers.append(await turn.control(ControlAction.TALK_START))

        result = held(Scene(tmp_path), TELL, press)
        assert (answers[0].ok, answers[0].state, result.unheard) == (False, ControlState.SPEAKING, "")
