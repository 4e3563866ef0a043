"""Words of the message that come back through the microphone are nobody's, and the same words, said later, are an answer."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.runtime.room import Scene, in_virtual_time
from tests.runtime.tone_words import said, word_begins
from voicemode.audio import Samples
from voicemode.runtime.result import Status, TurnRequest, TurnResult


def test_with_headphones_nothing_can_come_back(tmp_path: Path) -> None:
    """Who takes what is being offered, in the words that are just audible, interrupts."""
    offer = "There are many things that you can have. You may say I want tea please or something else that is there."
    scene = Scene(tmp_path, echo_db=-90.0)

    async def scenario() -> TurnResult:
        _, task = scene.begin(TurnRequest(message=offer))
        await scene.audible_for(word_begins(offer)[-6])
        scene.room.speak(said("I want tea please"))
        return await task

    result = in_virtual_time(scenario)
    assert (result.status, result.text) == (Status.INTERRUPTED, "I want tea please")


class TestLateLoudspeaker:
    """A busy machine plays the end of a message later than it says; then it sounds like somebody who answers."""

    MESSAGE = "You are at home and nobody else is, so you may have that tea that I want."

    def heard_after(self, folder: Path, sound: Samples, *, before_end_s: float) -> TurnResult:
        scene = Scene(folder)

        async def scenario() -> TurnResult:
            _, task = scene.begin(TurnRequest(message=self.MESSAGE, interruptible=False))
            await scene.audible_for(1.0)
            ends_at = scene.room.speaker.audible_until
            assert ends_at is not None
            await asyncio.sleep(ends_at - before_end_s - asyncio.get_running_loop().time())
            scene.room.speak(sound)
            await asyncio.sleep(4.0)
            scene.room.speak(said("no please"))
            return await task

        return in_virtual_time(scenario)

    @pytest.mark.parametrize("before_end_s", [0.3, 0.1, -0.05])
    def test_the_end_of_the_message_is_no_answer(self, tmp_path: Path, before_end_s: float) -> None:
        """It is listened on, and what the person says then is the answer."""
        result = self.heard_after(tmp_path, said("that I want", word_s=0.14), before_end_s=before_end_s)
        assert (result.status, result.text) == (Status.ANSWERED, "no please")

    def test_who_answers_in_its_words_is_heard(self, tmp_path: Path) -> None:
        """People speak more slowly than that, and do not begin before they are asked."""
        result = self.heard_after(tmp_path, said("that tea I want"), before_end_s=0.0)
        assert result.text == "that tea I want"

    def test_other_words_are_the_answer(self, tmp_path: Path) -> None:
        """However quickly they are said."""
        assert self.heard_after(tmp_path, said("no stop yes", word_s=0.14), before_end_s=0.1).text == "no stop yes"


def test_the_words_of_the_message_are_an_answer_when_it_is_long_silent(tmp_path: Path) -> None:
    """Interrupted with "hold on", and then what was said just before it is chosen, in the same words."""
    offer = "You may say I want tea please or something else that is there."
    scene = Scene(tmp_path)

    async def scenario() -> TurnResult:
        _, task = scene.begin(TurnRequest(message=offer))
        await scene.audible_for(word_begins(offer)[-5])
        scene.room.speak(said("hold on"))
        await asyncio.sleep(20.0)
        scene.room.speak(said("I want tea please"))
        return await task

    result = in_virtual_time(scenario)
    assert (result.status, result.text) == (Status.INTERRUPTED, "I want tea please")
