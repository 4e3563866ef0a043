"""A person speaks over the message: words stop it, and nothing else does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.runtime.room import Room, Scene, in_virtual_time
from tests.runtime.tone_words import ASSISTANT, COUGH, WordTranscriber, said, word_begins, words_in
from voicemode.audio import CAPTURE_RATE, AudioChunk, Samples
from voicemode.core.interruption import DUCK_DB
from voicemode.errors import DeviceLostError, EndpointError, SpeechFailedError
from voicemode.runtime.result import Status, TurnRequest, TurnResult

MESSAGE = "Here is what happened while everybody was away and nobody looked at the screen for more than an hour."
ASK = TurnRequest(message=MESSAGE)


def interrupted_by(scene: Scene, sound: Samples, request: TurnRequest = ASK, *, after_s: float = 3.0) -> TurnResult:
    """Somebody makes a sound when the message has been audible for so long."""

    async def scenario() -> TurnResult:
        _, task = scene.begin(request)
        await scene.audible_for(after_s)
        scene.room.speak(sound)
        return await task

    return in_virtual_time(scenario)


def audible_words(scene: Scene) -> int:
    """How many whole words the loudspeaker made audible, a word that was repeated counted twice."""
    heard = np.abs(scene.room.speaker.since_began().astype(np.int32))
    loud = np.append(heard, np.zeros(-len(heard) % 160)).reshape(-1, 160).max(axis=1) > 100
    return int(np.count_nonzero(np.diff(loud.astype(np.int8), prepend=0) == 1))


class TestWords:
    """The turn is the person's from their first word on."""

    def test_words_stop_the_message_and_are_the_answer(self, tmp_path: Path) -> None:
        """All of them are transcribed, the first one too, and nothing of the assistant's is among them."""
        scene = Scene(tmp_path)
        result = interrupted_by(scene, said("no I want tea"))
        assert (result.status, result.text) == (Status.INTERRUPTED, "no I want tea")
        assert ASSISTANT not in words_in(scene.words.requests[-1].audio.samples)
        assert scene.told.count("Interrupted") == 1

    def test_what_was_heard_of_the_message_is_told_to_one_word(self, tmp_path: Path) -> None:
        """Heard and unheard are the message, cut where the loudspeaker fell silent."""
        scene = Scene(tmp_path)
        result = interrupted_by(scene, said("no I want tea"))
        assert f"{result.heard} {result.unheard}" == MESSAGE
        assert len(result.heard.split()) == pytest.approx(audible_words(scene), abs=1)

    def test_the_loudspeaker_ducks_at_once_then_pauses_then_is_silent(self, tmp_path: Path) -> None:
        """Within 0.15 s of the first word it pauses, and nothing of the message comes after that."""
        scene = Scene(tmp_path)
        interrupted_by(scene, said("no I want tea"))
        speaker = scene.room.speaker
        assert speaker.ducked[0] == DUCK_DB
        assert speaker.paused_at[0] == pytest.approx(3.0, abs=0.15)
        assert speaker.resumed_at == []
        assert speaker.mark() == round(speaker.paused_at[0] * CAPTURE_RATE)

    def test_a_short_word_that_is_no_backchannel_stops_it_too(self, tmp_path: Path) -> None:
        """It is found out from its transcript."""
        scene = Scene(tmp_path)
        result = interrupted_by(scene, said("no"))
        assert (result.status, result.text) == (Status.INTERRUPTED, "no")

    def test_an_expected_answer_is_no_backchannel(self, tmp_path: Path) -> None:
        """Who may say "yes" has answered with it."""
        scene = Scene(tmp_path)
        result = interrupted_by(scene, said("yes"), TurnRequest(message=MESSAGE, options=("yes", "no")))
        assert (result.status, result.text) == (Status.INTERRUPTED, "yes")

    @pytest.mark.parametrize("word", ["yes", "no"])
    def test_a_yes_to_the_question_that_is_being_asked_is_an_answer(self, tmp_path: Path, word: str) -> None:
        """Nobody waits for its last word."""
        scene = Scene(tmp_path)
        result = interrupted_by(scene, said(word), TurnRequest(message=self.YES_OR_NO), after_s=self.IN_THE_QUESTION_S)
        assert (result.status, result.text) == (Status.INTERRUPTED, word)

    def test_before_the_question_it_is_a_backchannel(self, tmp_path: Path) -> None:
        """So is what is neither yes nor no, at any time."""
        request = TurnRequest(message=self.YES_OR_NO)
        assert interrupted_by(Scene(tmp_path), said("yes"), request, after_s=1.0).unheard == ""
        assert interrupted_by(Scene(tmp_path), said("mhm"), request, after_s=self.IN_THE_QUESTION_S).unheard == ""

    YES_OR_NO = "The tests have all passed on every machine that we have. Shall I merge it into the main branch right now?"
    IN_THE_QUESTION_S = word_begins(YES_OR_NO)[-3]

    def test_who_speaks_already_when_the_message_begins_is_heard_from_their_first_word_on(self, tmp_path: Path) -> None:
        """The loudspeaker took two seconds to open."""
        scene, words = Scene(tmp_path, open_s=2.0), "no I want tea stop that please I want that tea"

        async def scenario() -> TurnResult:
            _, task = scene.begin(ASK)
            await asyncio.sleep(0.5)
            pause = np.zeros(CAPTURE_RATE // 8, np.int16)
            scene.room.speak(np.concatenate([sound for word in words.split() for sound in (said(word), pause)]))
            return await task

        result = in_virtual_time(scenario)
        assert (result.status, result.text) == (Status.INTERRUPTED, words)

    def test_where_the_words_cannot_be_written_down_it_is_still_told_what_was_heard(self, tmp_path: Path) -> None:
        """Else the agent, and the record, would believe that the person knows the whole message."""
        down = SpeechFailedError("speech-to-text", [EndpointError("http://down", "refused")])
        scene = Scene(tmp_path, transcriber=WordTranscriber(error=down))
        with pytest.raises(SpeechFailedError) as caught:
            interrupted_by(scene, said("no I want tea"))
        error = caught.value
        assert f"{error.heard} {error.unheard}" == MESSAGE
        assert error.unheard
        assert error.recording is not None

    def test_nothing_of_the_snippet_is_on_disk(self, tmp_path: Path) -> None:
        """What is read to decide belongs to nobody yet."""
        scene = Scene(tmp_path, transcriber=WordTranscriber(delay_s=0.5))
        seen: list[Path] = []

        async def scenario() -> None:
            _, task = scene.begin(ASK)
            await scene.audible_for(3.0)
            scene.room.speak(said("mhm"))
            await scene.until(lambda: scene.words.under_way)
            seen.extend(scene.recordings)
            await task

        in_virtual_time(scenario)
        assert seen == []


class TestNoInterruption:
    """The message goes on where nobody wants to stop it."""

    def test_a_backchannel_resumes_from_the_start_of_the_cut_word(self, tmp_path: Path) -> None:
        """Every word of the message is audible from its beginning to its end, and the result knows of no interruption."""
        scene = Scene(tmp_path)
        result = interrupted_by(scene, said("mhm"))
        speaker = scene.room.speaker
        assert result.status is Status.NO_SPEECH
        assert (result.heard, result.unheard) == ("", "")
        assert len(speaker.paused_at) == len(speaker.resumed_at) == 1
        begins = word_begins(MESSAGE)
        cut = max(begin for begin in begins if begin <= speaker.paused_at[0])
        assert speaker.resumed_at[0] == pytest.approx(cut, abs=0.07)
        assert audible_words(scene) == len(MESSAGE.split()) + 1

    def test_after_a_backchannel_it_is_as_loud_as_before(self, tmp_path: Path) -> None:
        """Ducked for a moment, not for the rest."""
        scene = Scene(tmp_path)
        interrupted_by(scene, said("mhm"))
        assert scene.room.speaker.ducked[-1] == 0.0

    def test_a_cough_resumes(self, tmp_path: Path) -> None:
        """The recogniser finds no words in it."""
        scene = Scene(tmp_path)
        assert interrupted_by(scene, COUGH).status is Status.NO_SPEECH
        assert len(scene.room.speaker.resumed_at) == 1

    def test_an_answer_after_a_backchannel_is_a_plain_answer(self, tmp_path: Path) -> None:
        """The message was heard to its end."""
        scene = Scene(tmp_path)

        async def scenario() -> TurnResult:
            _, task = scene.begin(ASK)
            await scene.audible_for(3.0)
            scene.room.speak(said("mhm"))
            await scene.listening()
            await asyncio.sleep(0.5)
            scene.room.speak(said("I want tea"))
            return await task

        result = in_virtual_time(scenario)
        assert (result.status, result.text, result.unheard) == (Status.ANSWERED, "I want tea", "")

    @pytest.mark.parametrize(("word_s", "status"), [(0.3, Status.NO_SPEECH), (0.7, Status.INTERRUPTED)])
    def test_a_guess_decides_nothing(self, tmp_path: Path, word_s: float, status: Status) -> None:
        """A transcript of low confidence may say what it will: how long they spoke decides, and not a word that was guessed."""
        scene = Scene(tmp_path, transcriber=WordTranscriber(confidence="low"))
        assert interrupted_by(scene, said("no", word_s=word_s)).status is status

    def test_a_recogniser_that_fails_decides_nothing(self, tmp_path: Path) -> None:
        """A short sound resumes; the error is nobody's but the log's."""
        down = SpeechFailedError("speech-to-text", [EndpointError("http://down", "refused")])
        scene = Scene(tmp_path, transcriber=WordTranscriber(error=down))
        assert interrupted_by(scene, said("no")).status is Status.NO_SPEECH
        assert len(scene.room.speaker.resumed_at) == 1

    def test_a_recogniser_that_is_late_does_not_hold_the_message(self, tmp_path: Path) -> None:
        """After a second it is decided without; what comes then changes nothing."""
        scene = Scene(tmp_path, transcriber=WordTranscriber(delay_s=5.0))
        result = interrupted_by(scene, said("no"))
        assert result.status is Status.NO_SPEECH
        assert len(scene.room.speaker.resumed_at) == 1

    @pytest.mark.parametrize("sound", [said("no I want tea"), said("no")])
    def test_who_may_not_be_interrupted_is_heard_to_the_end(self, tmp_path: Path, sound: Samples) -> None:
        """interruptible=false: not even ducked."""
        scene = Scene(tmp_path)
        result = interrupted_by(scene, sound, TurnRequest(message=MESSAGE, interruptible=False))
        assert scene.room.speaker.ducked == scene.room.speaker.paused_at == []
        assert audible_words(scene) == len(MESSAGE.split())
        assert result.status is not Status.INTERRUPTED

    def test_what_is_said_into_the_end_of_such_a_message_is_the_answer(self, tmp_path: Path) -> None:
        """The words that come after the message are there."""
        scene = Scene(tmp_path)
        request = TurnRequest(message="One thing.", interruptible=False)
        result = interrupted_by(scene, said("no I want tea stop that"), request, after_s=0.7)
        assert result.status is Status.ANSWERED
        assert result.text.endswith("I want tea stop that")

    @pytest.mark.parametrize("left_db", [None, -20.0, -10.0])
    def test_its_own_voice_is_nobody_speaking(self, tmp_path: Path, left_db: float | None) -> None:
        """SECURITY.md 22: spoken to the end, and no text of a person, however much the canceller leaves."""
        scene = Scene(tmp_path, left_db=left_db, echo_db=-6.0)

        async def scenario() -> TurnResult:
            return await scene.begin(ASK)[1]

        result = in_virtual_time(scenario)
        assert (result.status, result.text) == (Status.NO_SPEECH, "")
        assert audible_words(scene) == len(MESSAGE.split())
        assert scene.words.requests == []


class TestEndOfTheMessage:
    """The last moments, in which the loudspeaker is being closed."""

    @pytest.mark.parametrize("before_end_s", [0.4, 0.2, 0.1, 0.0, -0.1, -0.2])
    def test_words_that_begin_as_the_message_ends_are_the_answer(self, tmp_path: Path, before_end_s: float) -> None:
        """Whether they count as an interruption or not, none of them is lost, and nothing fails."""
        scene = Scene(tmp_path)
        message = "Would you like some tea or coffee or rather something else now?"

        async def scenario() -> TurnResult:
            _, task = scene.begin(TurnRequest(message=message))
            await scene.audible_for(1.0)
            scene.room.speaker.close_s = 0.3
            ends_at = scene.room.speaker.audible_until
            assert ends_at is not None
            await asyncio.sleep(ends_at - before_end_s - asyncio.get_running_loop().time())
            scene.room.speak(said("no I want tea"))
            return await task

        assert in_virtual_time(scenario).text == "no I want tea"


class TestLostLoudspeaker:
    """A message that cannot go on is no message that was heard."""

    def test_one_that_is_lost_while_it_is_paused_is_an_error(self, tmp_path: Path) -> None:
        """It says which device, and both are freed."""
        scene = Scene(tmp_path, transcriber=WordTranscriber(delay_s=0.5))

        async def scenario() -> None:
            _, task = scene.begin(ASK)
            await scene.audible_for(3.0)
            scene.room.speak(said("mhm"))
            await scene.until(lambda: scene.room.speaker.paused)
            scene.room.speaker.lost = True
            await task

        with pytest.raises(DeviceLostError, match="room loudspeaker"):
            in_virtual_time(scenario)
        assert not scene.room.microphone.is_open
        assert not scene.room.speaker.is_open


MOMENTS: dict[str, Callable[[Scene], object]] = {
    "playing": lambda scene: scene.room.speaker.played_s > 2.9,
    "ducked": lambda scene: scene.room.speaker.ducked,
    "paused": lambda scene: scene.room.speaker.paused,
    "weighing": lambda scene: scene.words.under_way,
    "resumed": lambda scene: scene.room.speaker.resumed_at,
    "stopped": lambda scene: "Interrupted" in scene.told,
    "transcribing": lambda scene: "TranscriptionStarted" in scene.told,
}


class TestCancelling:
    """Esc ends it at any moment."""

    @pytest.mark.parametrize("moment", MOMENTS)
    def test_nothing_is_left_of_it(self, tmp_path: Path, moment: str) -> None:
        """No task, no open device, no recording; its timeline is kept."""
        scene = Scene(tmp_path, transcriber=WordTranscriber(delay_s=0.5))
        sound = said("mhm") if moment in ("weighing", "resumed") else said("no I want tea")

        async def scenario() -> set[asyncio.Task[object]]:
            _, task = scene.begin(ASK)
            await scene.audible_for(2.9)
            scene.room.speak(sound)
            await scene.until(lambda: MOMENTS[moment](scene))
            task.cancel()
            await asyncio.wait({task})
            await asyncio.sleep(0)
            assert task.cancelled()
            return asyncio.all_tasks() - {asyncio.current_task()}

        assert in_virtual_time(scenario) == set()
        assert not scene.room.microphone.is_open
        assert not scene.room.speaker.is_open
        assert scene.words.under_way == 0
        assert scene.recordings == []
        assert [timeline.status for timeline in scene.timelines] == ["cancelled"]

    @pytest.mark.parametrize("sound", [said("no I want tea"), said("mhm"), COUGH])
    def test_nothing_runs_on_after_the_result(self, tmp_path: Path, sound: Samples) -> None:
        """Every task has an owner, also after an interruption."""
        scene = Scene(tmp_path)

        async def scenario() -> set[asyncio.Task[object]]:
            _, task = scene.begin(ASK)
            await scene.audible_for(3.0)
            scene.room.speak(sound)
            await task
            await asyncio.sleep(0)
            return asyncio.all_tasks() - {asyncio.current_task()}

        assert in_virtual_time(scenario) == set()


def test_a_muted_microphone_is_told_while_the_message_is_spoken(tmp_path: Path) -> None:
    """Echo cancellation must not hide that it delivers nothing but zeros."""
    scene = Scene(tmp_path, muted=True)

    async def scenario() -> None:
        _, task = scene.begin(ASK)
        await scene.audible_for(4.0)
        told.append("MicrophoneQuiet" in scene.told)
        task.cancel()
        await asyncio.wait({task})

    told: list[bool] = []
    in_virtual_time(scenario)
    assert told == [True]


def test_the_loudspeakers_own_time_is_no_time_of_the_room() -> None:
    """The room's fakes agree with one another: what the microphone hears is what was audible, to the sample."""

    async def scenario() -> tuple[Samples, Samples]:
        room = Room(echo_db=0.0)
        speaker = room.speaker
        await speaker.open()
        await speaker.play(AudioChunk(said("no I want tea"), CAPTURE_RATE))
        await asyncio.sleep(0.4)
        await speaker.pause()
        await asyncio.sleep(0.2)
        await speaker.resume(0.3)
        await speaker.drain()
        return speaker.since_began(), said("no I want tea")

    audible, message = in_virtual_time(scenario)
    rest = np.zeros(round(0.2 * CAPTURE_RATE), np.int16)
    assert audible.tolist()[: len(message) + 4800] == [*message[:6400], *rest, *message[4800:]][: len(message) + 4800]
