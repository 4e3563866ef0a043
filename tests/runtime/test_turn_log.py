"""One turn's log: told to its surfaces, and kept as a timeline however the turn ended."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tests.runtime.room import Scene, in_virtual_time
from tests.runtime.tone_words import WordTranscriber, said
from voicemode.core.endpointing import EndReason, FrameFacts, SpeechBegan, TurnEnded
from voicemode.core.interruption import Duck
from voicemode.core.latency import Mark
from voicemode.core.timeline import What
from voicemode.core.timeline_builder import Outcome
from voicemode.errors import EndpointError, SpeechFailedError, VoicemodeError
from voicemode.events import ListeningStarted, SpeechEnded, SpeechStarted, TurnEvent, Understood
from voicemode.runtime.ear import Overheard
from voicemode.runtime.result import TurnRequest, TurnResult
from voicemode.runtime.turn_log import TurnLog

CALLED_AT = 5000.0
MESSAGE = "Here is what happened while everybody was away and nobody looked at the screen for more than an hour."
ASK = TurnRequest(message=MESSAGE)
FACTS = FrameFacts(level_dbfs=-30.0, noise_floor_dbfs=-60.0, gate_open=True, probability=0.9)


class TestTelling:
    """Everything goes out in seconds since the call."""

    def test_events_of_the_endpointer_become_events_of_the_turn(self) -> None:
        """Their times count from the microphone's first sample, which was one and a half seconds after the call."""
        told: list[TurnEvent] = []
        log = TurnLog(told.append, CALLED_AT)
        log.endpoint(SpeechBegan(2.0), CALLED_AT + 1.5)
        log.endpoint(TurnEnded(2.0, 3.0, 3.7, EndReason.RELEASED, None, None), CALLED_AT + 1.5)
        assert told == [SpeechStarted(3.5), SpeechEnded(4.5, "released")]
        assert log.marks.get(Mark.SPEECH_ENDED) == CALLED_AT + 4.5
        assert log.marks.get(Mark.CALL) == CALLED_AT

    def test_frames_and_what_the_loudspeaker_did_lie_side_by_side(self) -> None:
        """Each at the time of its own 10 ms."""
        log = TurnLog(lambda _: None, CALLED_AT)
        log.frames([FACTS] * 4, [Overheard(-30.0, -20.0)] * 2 + [Overheard(-30.0, -50.0)] * 2, CALLED_AT + 1.04)
        timeline = log.timeline.finish(Outcome(status="answered"), at=2.0)
        assert timeline.microphone_dbfs[50:] == (-30, -30)
        assert timeline.far_end_dbfs[50:] == (-20, -50)
        assert set(timeline.microphone_dbfs[:50]) == {None}

    def test_words_understood_so_far_are_told_and_kept(self) -> None:
        """The person sees them; the timeline has them too."""
        told: list[TurnEvent] = []
        log = TurnLog(told.append, time.monotonic())
        log.understood("so far")
        assert [event.text for event in told if isinstance(event, Understood)] == ["so far"]
        assert [partial.text for partial in log.timeline.finish(Outcome(status="x"), at=1.0).partials] == ["so far"]

    def test_an_interruption_is_in_the_timeline_at_its_time(self) -> None:
        """As the endpointer's events are."""
        log = TurnLog(lambda _: None, CALLED_AT)
        log.interruption(Duck(2.0), CALLED_AT + 1.5)
        (barge_in,) = log.timeline.finish(Outcome(status="x"), at=9.0).barge_ins
        assert barge_in.what == "duck"
        assert barge_in.at == pytest.approx(3.5)

    def test_a_message_that_is_said_again_is_timed_anew_from_the_same_call(self) -> None:
        """What was marked before does not count any more."""
        log = TurnLog(lambda _: None, CALLED_AT)
        log.sounded(CALLED_AT + 1.0, CALLED_AT + 2.0)
        log.again()
        assert log.marks.get(Mark.FIRST_SOUND) is None
        log.sounded(CALLED_AT + 5.0, CALLED_AT + 6.0)
        assert log.marks.timings_ms()["ttfa"] == 5000

    def test_each_endpoint_elsewhere_is_named_once(self) -> None:
        """In the order in which they got something."""
        log = TurnLog(lambda _: None, CALLED_AT)
        for name in ("http://b", "http://a", "http://b"):
            log.on_remote(name)
        assert list(log.cloud) == ["http://b", "http://a"]

    def test_what_is_told_is_told_at_once(self) -> None:
        """Nothing waits for the end."""
        told: list[TurnEvent] = []
        TurnLog(told.append, CALLED_AT).tell(ListeningStarted(0.5))
        assert told == [ListeningStarted(0.5)]


class TestKeeping:
    """Whatever a turn came to, its timeline is kept, once, with what happened until then."""

    def test_an_interrupted_turn_shows_how_it_came_to_it(self, tmp_path: Path) -> None:
        """Duck, pause, stop in order; the levels of both ends; the words; who listened."""
        scene = Scene(tmp_path)

        async def scenario() -> TurnResult:
            _, task = scene.begin(ASK)
            await scene.audible_for(3.0)
            scene.room.speak(said("no I want tea"))
            return await task

        result = in_virtual_time(scenario)
        (timeline,) = scene.timelines
        assert [each.what for each in timeline.barge_ins] == ["duck", "pause", "stop"]
        assert timeline.barge_ins[0].at == pytest.approx(3.0, abs=0.11)
        assert (timeline.status, timeline.text) == ("interrupted", "no I want tea")
        assert (timeline.heard, timeline.unheard) == (result.heard, result.unheard)
        assert timeline.timings_ms == result.timings_ms
        assert timeline.engines["vad"] == "fake"
        (began,) = timeline.when(What.SPEECH)
        assert began == pytest.approx(3.0, abs=0.1)
        far = [level for level in timeline.far_end_dbfs[100:140] if level is not None]
        assert max(far) > -30
        assert timeline.last_sound is not None
        assert timeline.last_sound == pytest.approx(3.1, abs=0.2)

    def test_a_backchannel_shows_that_it_was_weighed(self, tmp_path: Path) -> None:
        """Duck, pause, weigh, resume."""
        scene = Scene(tmp_path)

        async def scenario() -> None:
            _, task = scene.begin(ASK)
            await scene.audible_for(3.0)
            scene.room.speak(said("mhm"))
            await task

        in_virtual_time(scenario)
        (timeline,) = scene.timelines
        assert [each.what for each in timeline.barge_ins] == ["duck", "pause", "weigh", "resume"]

    def test_an_error_is_kept_by_its_code(self, tmp_path: Path) -> None:
        """With what had been heard until then."""
        down = SpeechFailedError("speech-to-text", [EndpointError("http://down", "refused")])
        scene = Scene(tmp_path, transcriber=WordTranscriber(error=down))

        async def scenario() -> None:
            _, task = scene.begin(TurnRequest(message="Well then?"))
            await scene.listening()
            scene.room.speak(said("tea"))
            await task

        with pytest.raises(VoicemodeError):
            in_virtual_time(scenario)
        (timeline,) = scene.timelines
        assert timeline.status == down.code
        assert timeline.when(What.COMMITTED)

    @pytest.mark.parametrize("after_s", [0.0, 1.0, 4.0])
    def test_a_cancelled_turn_is_kept_too(self, tmp_path: Path, after_s: float) -> None:
        """Before it did anything, in mid-message, and while somebody listens."""
        scene = Scene(tmp_path)

        async def scenario() -> None:
            _, task = scene.begin(TurnRequest(message="Here is what happened."))
            await asyncio.sleep(0)
            await asyncio.sleep(after_s)
            task.cancel()
            await asyncio.wait({task})

        in_virtual_time(scenario)
        assert [timeline.status for timeline in scene.timelines] == ["cancelled"]

    def test_a_turn_of_two_exchanges_is_one_timeline(self, tmp_path: Path) -> None:
        """The message twice, both utterances, one status."""
        scene = Scene(tmp_path)

        async def scenario() -> None:
            _, task = scene.begin(TurnRequest(message="Well then?"))
            for number, words in enumerate(("repeat that", "tea"), 1):
                await scene.listening(number)
                await asyncio.sleep(0.3)
                scene.room.speak(said(words))
            await task

        in_virtual_time(scenario)
        (timeline,) = scene.timelines
        assert [piece.text for piece in timeline.pieces] == ["Well then?", "Well then?"]
        assert len(timeline.when(What.SPEECH)) == len(timeline.when(What.COMMITTED)) == 2
        assert (timeline.status, timeline.text) == ("answered", "tea")
        instants = [moment.at for moment in timeline.moments]
        assert max(instants) <= timeline.lasted_s
