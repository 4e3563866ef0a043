"""Keys: pause, resume, stop, skip and push-to-talk."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.runtime.keys import ASK, LISTEN, MESSAGE, TELL, held
from tests.runtime.room import Scene
from tests.runtime.tone_words import WordTranscriber, said, word_begins
from voicemode.core.timeline import What
from voicemode.errors import DeviceLostError
from voicemode.runtime.result import Status, TurnRequest
from voicemode.runtime.turn import Turn
from voicemode.wire.control import ControlAction, ControlState


class TestPlayback:
    """What is being said obeys."""

    def test_pause_holds_the_message_until_resume(self, tmp_path: Path) -> None:
        """A minute later it goes on where it was, and all of it is heard."""
        states: list[ControlState] = []

        async def press(scene: Scene, turn: Turn) -> None:
            await scene.audible_for(3.0)
            states.append((await turn.control(ControlAction.PAUSE)).state)
            await asyncio.sleep(60.0)
            states.append((await turn.control(ControlAction.STATUS)).state)
            states.append((await turn.control(ControlAction.RESUME)).state)

        scene = Scene(tmp_path)
        assert held(scene, TELL, press).status is Status.SPOKEN
        assert states == [ControlState.PAUSED, ControlState.PAUSED, ControlState.SPEAKING]
        assert scene.room.speaker.resumed_at == scene.room.speaker.paused_at

    def test_what_is_said_while_it_is_paused_by_key_is_not_for_us(self, tmp_path: Path) -> None:
        """Somebody else came into the room."""

        async def press(scene: Scene, turn: Turn) -> None:
            await scene.audible_for(3.0)
            await turn.control(ControlAction.PAUSE)
            scene.room.speak(said("no I want tea"))
            await asyncio.sleep(5.0)
            await turn.control(ControlAction.RESUME)

        scene = Scene(tmp_path)
        result = held(scene, ASK, press)
        assert (result.status, result.text, result.unheard) == (Status.NO_SPEECH, "", "")

    def test_after_a_pause_by_key_an_interruption_begins_where_it_did(self, tmp_path: Path) -> None:
        """The pause was no time of the message's: the words are whole, and nothing of before is among them."""

        async def press(scene: Scene, turn: Turn) -> None:
            await scene.audible_for(3.0)
            await turn.control(ControlAction.PAUSE)
            await asyncio.sleep(0.5)
            scene.room.speak(said("yes please"))
            await asyncio.sleep(2.5)
            await turn.control(ControlAction.RESUME)
            await scene.audible_for(4.0)
            scene.room.speak(said("no I want tea"))

        scene = Scene(tmp_path)
        result = held(scene, ASK, press)
        assert (result.status, result.text) == (Status.INTERRUPTED, "no I want tea")
        (stopped,) = [each.at for each in scene.timelines[0].barge_ins if each.what == "stop"]
        assert stopped == pytest.approx(3.0 + 3.0 + 1.0 + 0.9, abs=0.5)

    def test_a_backchannel_does_not_end_a_pause_by_key(self, tmp_path: Path) -> None:
        """It was paused by voice, and then the key said: wait."""
        played: list[float] = []

        async def press(scene: Scene, turn: Turn) -> None:
            await scene.audible_for(3.0)
            scene.room.speak(said("mhm"))
            await scene.until(lambda: scene.words.under_way)
            await turn.control(ControlAction.PAUSE)
            played.append(scene.room.speaker.played_s)
            await asyncio.sleep(10.0)
            played.append(scene.room.speaker.played_s)
            await turn.control(ControlAction.RESUME)

        scene = Scene(tmp_path, transcriber=WordTranscriber(delay_s=0.5))
        assert held(scene, ASK, press).status is Status.NO_SPEECH
        assert played[0] == played[1]

    def test_stop_ends_what_is_said_and_nothing_is_heard(self, tmp_path: Path) -> None:
        """Without a question the call is over; the result says what of it was heard."""

        async def press(scene: Scene, turn: Turn) -> None:
            await scene.audible_for(3.0)
            await turn.control(ControlAction.STOP)

        scene = Scene(tmp_path)
        result = held(scene, TELL, press)
        assert result.status is Status.SPOKEN
        assert f"{result.heard} {result.unheard}" == MESSAGE
        assert scene.room.microphone.opened == 0

    def test_stop_works_where_the_voice_may_not_interrupt(self, tmp_path: Path) -> None:
        """interruptible=false is about the microphone."""

        async def press(scene: Scene, turn: Turn) -> None:
            await scene.audible_for(3.0)
            await turn.control(ControlAction.STOP)
            scene.room.speak(said("I want tea"))

        result = held(Scene(tmp_path), TurnRequest(message=MESSAGE, interruptible=False), press)
        assert (result.status, result.text) == (Status.INTERRUPTED, "I want tea")

    def test_stop_listens_at_once_and_keeps_what_was_said_just_before(self, tmp_path: Path) -> None:
        """Who speaks as they press it: half a second before the key belongs to the answer."""

        async def press(scene: Scene, turn: Turn) -> None:
            await scene.audible_for(3.0)
            scene.room.speak(said("I want tea"))
            await asyncio.sleep(0.25)
            answer = await turn.control(ControlAction.STOP)
            assert answer.ok

        scene = Scene(tmp_path)
        result = held(scene, ASK, press)
        assert (result.status, result.text) == (Status.INTERRUPTED, "I want tea")
        (listening,) = scene.timelines[0].when(What.LISTENING)
        assert listening == pytest.approx(3.25, abs=0.1)

    def test_stop_while_the_person_speaks_already_keeps_their_first_words(self, tmp_path: Path) -> None:
        """However long before the key they began: it was heard as an interruption already."""

        async def press(scene: Scene, turn: Turn) -> None:
            await scene.audible_for(3.0)
            scene.room.speak(said("no I want tea please"))
            await asyncio.sleep(0.85)
            await turn.control(ControlAction.STOP)

        assert held(Scene(tmp_path), ASK, press).text == "no I want tea please"

    def test_after_stop_nobody_speaking_is_no_speech_after_the_start_timeout(self, tmp_path: Path) -> None:
        """It counts from the key, and the message is not said on."""

        async def press(scene: Scene, turn: Turn) -> None:
            await scene.audible_for(3.0)
            await turn.control(ControlAction.STOP)

        scene = Scene(tmp_path)
        result = held(scene, ASK, press)
        assert result.status is Status.NO_SPEECH
        assert result.unheard
        assert scene.timelines[0].lasted_s == pytest.approx(3.0 + 12.0, abs=0.3)

    def test_after_stop_the_words_of_the_message_are_an_answer(self, tmp_path: Path) -> None:
        """Who chooses what was offered right before the key says it in the words of the message."""

        async def press(scene: Scene, turn: Turn) -> None:
            await scene.audible_for(sum(word_begins(offer)[-2:-1]))
            await turn.control(ControlAction.STOP)
            await asyncio.sleep(1.0)
            scene.room.speak(said("I want tea please"))

        offer = "You may say I want tea please or something else."
        result = held(Scene(tmp_path), TurnRequest(message=offer), press)
        assert (result.status, result.text) == (Status.INTERRUPTED, "I want tea please")

    def test_a_paused_message_ends_when_nobody_waits_for_it_any_more(self, tmp_path: Path) -> None:
        """The key was forgotten, and the client's patience is over: the loudspeaker is free, and what was heard is told."""

        async def press(scene: Scene, turn: Turn) -> None:
            await scene.audible_for(3.0)
            await turn.control(ControlAction.PAUSE)
            await asyncio.sleep(60.0)
            turn.finish_listening()

        scene = Scene(tmp_path)
        result = held(scene, TELL, press)
        assert (result.status, f"{result.heard} {result.unheard}") == (Status.SPOKEN, MESSAGE)
        assert result.unheard
        assert not scene.room.speaker.is_open

    def test_a_message_that_is_broken_off_because_nobody_waits_is_not_told_as_heard(self, tmp_path: Path) -> None:
        """The client went on to something else in mid-message."""

        async def press(scene: Scene, turn: Turn) -> None:
            await scene.audible_for(3.0)
            turn.finish_listening()

        result = held(Scene(tmp_path), ASK, press)
        assert (result.status, f"{result.heard} {result.unheard}") == (Status.NO_SPEECH, MESSAGE)
        assert result.unheard

    def test_skip_leaves_out_the_rest_and_is_no_interruption(self, tmp_path: Path) -> None:
        """The answer is a plain one; what was not heard is told."""

        async def press(scene: Scene, turn: Turn) -> None:
            await scene.audible_for(3.0)
            await turn.control(ControlAction.SKIP)
            await asyncio.sleep(1.0)
            scene.room.speak(said("I want tea"))

        result = held(Scene(tmp_path), ASK, press)
        assert (result.status, result.text) == (Status.ANSWERED, "I want tea")
        assert result.unheard

    def test_stop_twice_is_stop(self, tmp_path: Path) -> None:
        """A key that repeats does no harm."""

        async def press(scene: Scene, turn: Turn) -> None:
            await scene.audible_for(3.0)
            answers = [await turn.control(ControlAction.STOP) for _ in range(3)]
            assert all(answer.ok for answer in answers)
            await asyncio.sleep(0.5)
            assert (await turn.control(ControlAction.STOP)).ok is False

        assert held(Scene(tmp_path), ASK, press).status is Status.NO_SPEECH

    @pytest.mark.parametrize("action", [ControlAction.STOP, ControlAction.SKIP, ControlAction.PAUSE, ControlAction.RESUME])
    def test_a_key_before_the_loudspeaker_is_open_breaks_nothing(self, tmp_path: Path, action: ControlAction) -> None:
        """Bluetooth takes a second to open. Stop and skip are obeyed even then."""

        async def press(scene: Scene, turn: Turn) -> None:
            await asyncio.sleep(0.3)
            answer = await turn.control(action)
            assert answer.ok is (action in (ControlAction.STOP, ControlAction.SKIP))

        scene = Scene(tmp_path, open_s=1.0)
        result = held(scene, TELL, press)
        assert result.status is Status.SPOKEN
        assert result.unheard == (MESSAGE if action in (ControlAction.STOP, ControlAction.SKIP) else "")

    def test_a_loudspeaker_that_is_gone_is_told_to_who_pressed_the_key(self, tmp_path: Path) -> None:
        """And the turn ends with the same error."""
        told: list[bool] = []

        async def press(scene: Scene, turn: Turn) -> None:
            await scene.audible_for(3.0)
            scene.room.speaker.lost = True
            try:
                await turn.control(ControlAction.PAUSE)
            except DeviceLostError:
                told.append(True)

        with pytest.raises(DeviceLostError):
            held(Scene(tmp_path), ASK, press)
        assert told == [True]


class TestState:
    """What ``voicemode control status`` shows."""

    def test_it_follows_the_turn(self, tmp_path: Path) -> None:
        """Speaking, listening, then thinking while the words are found."""
        seen: list[ControlState] = []

        async def look(scene: Scene, turn: Turn) -> None:
            await scene.audible_for(1.0)
            seen.append((await turn.control(ControlAction.STATUS)).state)
            await scene.listening()
            seen.append((await turn.control(ControlAction.STATUS)).state)
            scene.room.speak(said("I want tea"))
            await scene.until(lambda: "SpeechEnded" in scene.told)
            await asyncio.sleep(0.1)
            seen.append((await turn.control(ControlAction.STATUS)).state)

        scene = Scene(tmp_path, transcriber=WordTranscriber(delay_s=3.0))
        held(scene, TurnRequest(message="Well then?"), look)
        assert seen == [ControlState.SPEAKING, ControlState.LISTENING, ControlState.THINKING]

    @pytest.mark.parametrize("action", [ControlAction.PAUSE, ControlAction.RESUME, ControlAction.STOP, ControlAction.SKIP])
    def test_where_nothing_is_said_there_is_nothing_to_stop(self, tmp_path: Path, action: ControlAction) -> None:
        """The key is told so, and the turn goes on."""

        async def press(scene: Scene, turn: Turn) -> None:
            await scene.listening()
            answer = await turn.control(action)
            assert (answer.ok, answer.state) == (False, ControlState.LISTENING)
            assert answer.detail
            scene.room.speak(said("I want tea"))

        assert held(Scene(tmp_path), LISTEN, press).text == "I want tea"

    def test_the_end_of_a_key_that_nobody_pressed_changes_nothing(self, tmp_path: Path) -> None:
        """As when it went down before the turn began."""

        async def press(scene: Scene, turn: Turn) -> None:
            await scene.listening()
            assert (await turn.control(ControlAction.TALK_END)).ok
            scene.room.speak(said("I want tea"))

        result = held(Scene(tmp_path), LISTEN, press)
        assert (result.text, result.ended_by) == ("I want tea", "silence")
