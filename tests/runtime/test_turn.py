"""One turn: what is said, what is heard, and what is left behind."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import numpy as np
import pytest

from tests.runtime.parts import Stage, quiet, run, spoken
from voicemode.audio import CAPTURE_RATE
from voicemode.errors import (
    DeviceLostError,
    EndpointError,
    MicrophoneSilentError,
    NoInputDeviceError,
    NoOutputDeviceError,
    SpeechFailedError,
)
from voicemode.events import SpeechEnded, SpeechStarted
from voicemode.interfaces import SpeechRequest, Transcript, TranscriptionRequest
from voicemode.runtime.result import Status, TurnRequest
from voicemode.testing import FakeMicrophone, FakeSpeaker, FakeSynthesis, FakeSynthesizer, FakeTranscriber, tone

ASK = TurnRequest(message="How are you?")
TELL = TurnRequest(message="Done.", wait_for_response=False)
LISTEN = TurnRequest(message="")


class TestSpeaking:
    """The message reaches the loudspeaker, all of it, once."""

    def test_a_message_is_spoken_and_nobody_is_asked(self, tmp_path: Path) -> None:
        """wait_for_response=false speaks and returns."""
        stage = Stage(tmp_path)
        result = stage.hold(TELL)
        assert result.status is Status.SPOKEN
        assert result.tts == "fake"
        assert stage.fake_speaker.played_s == pytest.approx(len("Done.") * 0.06, abs=0.01)
        assert stage.fake_microphone.opened == 0

    def test_markup_is_not_spoken(self, tmp_path: Path) -> None:
        """The synthesizer gets what people say."""
        stage = Stage(tmp_path)
        stage.hold(TurnRequest(message="This is **done**.", wait_for_response=False))
        assert [request.text for request in stage.fake_synthesizer.requests] == ["This is done."]

    def test_a_long_message_is_spoken_in_pieces_and_none_is_lost(self, tmp_path: Path) -> None:
        """The second piece is asked for after the first was queued, and every word is asked for."""
        message = " ".join(
            f"This is sentence number {word} of the message." for word in ("one", "two", "three", "four", "five")
        )
        stage = Stage(tmp_path)
        stage.hold(TurnRequest(message=message, wait_for_response=False))
        texts = [request.text for request in stage.fake_synthesizer.requests]
        assert len(texts) > 1
        assert " ".join(texts) == message

    def test_a_piece_that_breaks_off_is_spoken_again(self, tmp_path: Path) -> None:
        """An engine that dies in mid-sentence costs the person a repetition, not the sentence; the result says so."""

        class BreaksOnce(FakeSynthesizer):
            def synthesize(self, request):  # type: ignore[no-untyped-def]
                self.fail_after = 1 if not self.requests else None
                return super().synthesize(request)

        engine = BreaksOnce(error=EndpointError("http://dies", "broke off"))
        result = Stage(tmp_path, synthesizer=engine).hold(TELL)
        assert result.status is Status.SPOKEN
        assert len(engine.requests) == 2
        assert result.failed == ("http://dies: broke off.",)

    def test_an_engine_that_always_breaks_off_is_an_error(self, tmp_path: Path) -> None:
        """It is not repeated for ever."""
        engine = FakeSynthesizer(fail_after=1)
        with pytest.raises(SpeechFailedError):
            Stage(tmp_path, synthesizer=engine).hold(TELL)
        assert len(engine.requests) == 2


class TestListening:
    """What the person says becomes text, uncut."""

    def test_the_answer_is_returned_with_who_did_what(self, tmp_path: Path) -> None:
        """The result names the engines and how the turn ended."""
        result = Stage(tmp_path).hold(ASK)
        assert (result.status, result.text) == (Status.ANSWERED, "the answer")
        assert (result.tts, result.stt, result.vad, result.ended_by) == ("fake", "fake", "fake", "silence")

    def test_endpoints_of_other_machines_that_got_words_are_named(self, tmp_path: Path) -> None:
        """Both directions, each once, also one that did not serve in the end."""

        class FarSynthesizer(FakeSynthesizer):
            def synthesize(self, request: SpeechRequest) -> FakeSynthesis:
                assert request.on_remote is not None
                request.on_remote("http://far/v1")
                return super().synthesize(request)

        class FarTranscriber(FakeTranscriber):
            async def transcribe(self, request: TranscriptionRequest) -> Transcript:
                assert request.on_remote is not None
                for name in ("http://far/v1", "http://farther/v1"):
                    request.on_remote(name)
                return await super().transcribe(request)

        stage = Stage(tmp_path, synthesizer=FarSynthesizer(), transcriber=FarTranscriber())
        assert stage.hold(ASK).cloud == ("http://far/v1", "http://farther/v1")
        assert Stage(tmp_path).hold(ASK).cloud == ()

    def test_every_sample_of_the_speech_is_transcribed(self, tmp_path: Path) -> None:
        """0 ms are clipped at either end."""
        stage = Stage(tmp_path)
        stage.hold(ASK)
        heard = stage.fake_transcriber.requests[-1].audio
        word = tone(1.0)
        matches = np.correlate(heard.samples.astype(np.float64), word.astype(np.float64), "valid")
        assert len(matches) > 0
        assert matches.max() == pytest.approx(float(np.sum(word.astype(np.float64) ** 2)), rel=0.01)

    def test_a_pause_inside_is_not_the_end(self, tmp_path: Path) -> None:
        """0.6 s of thinking with the default patience: the last transcription has both words."""
        stage = Stage(tmp_path, microphone=FakeMicrophone(spoken(0.8, 0.8, pause=0.6)))
        result = stage.hold(ASK)
        assert result.status is Status.ANSWERED
        assert stage.fake_transcriber.requests[-1].audio.seconds > 0.8 + 0.6 + 0.8

    def test_transcription_begins_while_the_silence_lasts(self, tmp_path: Path) -> None:
        """So that the wait is the longer of the two, not their sum."""
        stage = Stage(tmp_path)
        stage.hold(ASK)
        assert stage.told.index("TranscriptionStarted") < stage.told.index("SpeechEnded")

    def test_quick_patience_ends_the_turn_at_a_short_pause(self, tmp_path: Path) -> None:
        """The same recording, another answer to the question who waits."""
        stage = Stage(tmp_path, microphone=FakeMicrophone(spoken(0.8, 0.8, pause=0.6)))
        stage.hold(TurnRequest(message="Yes or no?", silence_s=0.3))
        assert stage.fake_transcriber.requests[-1].audio.seconds < 2.0

    def test_the_cap_ends_a_turn_that_does_not_end_by_itself(self, tmp_path: Path) -> None:
        """A television does not hold the turn open for ever."""
        stage = Stage(tmp_path, microphone=FakeMicrophone(np.concatenate([quiet(0.5), tone(8.0)])))
        result = stage.hold(TurnRequest(message="Hm?", listen_duration_max=3.0))
        assert result.ended_by == "cap"

    def test_nobody_speaking_is_no_speech_after_the_start_timeout(self, tmp_path: Path) -> None:
        """Not the full listening time: what is left of the microphone's 60 s is not read."""
        microphone = FakeMicrophone(quiet(60.0))
        result = Stage(tmp_path, microphone=microphone).hold(ASK)
        assert result.status is Status.NO_SPEECH
        assert 12.0 <= microphone._position / CAPTURE_RATE < 14.0

    def test_a_microphone_of_zeros_is_an_error_of_its_own(self, tmp_path: Path) -> None:
        """Muted or forbidden is not the same as nobody there."""
        stage = Stage(tmp_path, microphone=FakeMicrophone(np.zeros(20 * CAPTURE_RATE, dtype=np.int16)))
        with pytest.raises(MicrophoneSilentError):
            stage.hold(ASK)
        assert "MicrophoneQuiet" in stage.told

    def test_a_sound_without_words_does_not_end_the_wait(self, tmp_path: Path) -> None:
        """A door slams, the recogniser finds no words, the person answers afterwards."""
        sounds = np.concatenate([quiet(0.5), tone(0.4), quiet(3.0), tone(1.0), quiet(3.0)])
        words = FakeTranscriber(["", "now I know"])
        result = Stage(tmp_path, microphone=FakeMicrophone(sounds), transcriber=words).hold(ASK)
        assert (result.status, result.text) == (Status.ANSWERED, "now I know")

    def test_only_sounds_without_words_are_no_speech(self, tmp_path: Path) -> None:
        """No invented answer."""
        result = Stage(tmp_path, transcriber=FakeTranscriber([""])).hold(ASK)
        assert (result.status, result.text) == (Status.NO_SPEECH, "")

    def test_expected_answers_reach_the_transcriber_before_and_with_the_speech(self, tmp_path: Path) -> None:
        """A grammar is loaded while the person still speaks."""
        stage = Stage(tmp_path)
        stage.hold(TurnRequest(message="Red or white?", options=("red", "white")))
        assert stage.fake_transcriber.prepared == [("red", "white")]
        assert stage.fake_transcriber.requests[-1].options == ("red", "white")

    def test_speech_times_are_those_of_the_sound(self, tmp_path: Path) -> None:
        """The person spoke for one second; the events say so within 50 ms."""
        stage = Stage(tmp_path)
        stage.hold(ASK)
        began = next(event.at for event in stage.events if isinstance(event, SpeechStarted))
        ended = next(event.at for event in stage.events if isinstance(event, SpeechEnded))
        assert ended - began == pytest.approx(1.0, abs=0.05)


class TestChime:
    """The person knows when the microphone listens."""

    def test_listening_only_is_announced_by_a_chime(self, tmp_path: Path) -> None:
        """Nothing was said, so something must tell."""
        stage = Stage(tmp_path, chime="auto")
        assert stage.hold(LISTEN).status is Status.ANSWERED
        assert stage.fake_speaker.played_s > 0.1

    def test_a_message_is_announcement_enough(self, tmp_path: Path) -> None:
        """No unwanted beeps."""
        stage = Stage(tmp_path, chime="auto")
        stage.hold(ASK)
        assert stage.fake_speaker.played_s == pytest.approx(len("How are you?") * 0.06, abs=0.02)

    def test_without_a_loudspeaker_listening_still_works(self, tmp_path: Path) -> None:
        """The chime was all there was to play."""
        stage = Stage(tmp_path, chime="auto", speaker=FakeSpeaker(open_error=NoOutputDeviceError()))
        assert stage.hold(LISTEN).status is Status.ANSWERED


class TestFailing:
    """Every failure is told as what it is, and frees both devices."""

    def test_without_a_loudspeaker_nothing_counts_as_spoken(self, tmp_path: Path) -> None:
        """The error comes although the engine never answers."""
        stage = Stage(
            tmp_path,
            speaker=FakeSpeaker(open_error=NoOutputDeviceError()),
            synthesizer=FakeSynthesizer(first_chunk_s=3600),
        )
        with pytest.raises(NoOutputDeviceError):
            stage.hold(ASK)
        assert not stage.fake_microphone.is_open

    def test_without_a_microphone_the_question_is_not_finished(self, tmp_path: Path) -> None:
        """The error comes at once, not after the message."""
        stage = Stage(
            tmp_path,
            microphone=FakeMicrophone(quiet(1), open_error=NoInputDeviceError()),
            synthesizer=FakeSynthesizer(first_chunk_s=3600),
        )
        with pytest.raises(NoInputDeviceError):
            stage.hold(ASK)
        assert not stage.fake_speaker.is_open

    def test_a_microphone_unplugged_while_speaking_is_told_at_once(self, tmp_path: Path) -> None:
        """Nobody waits for the end of a message that cannot be answered."""
        stage = Stage(
            tmp_path,
            microphone=FakeMicrophone(quiet(0.2), error=DeviceLostError("usb")),
            synthesizer=FakeSynthesizer(first_chunk_s=3600),
        )
        with pytest.raises(DeviceLostError):
            stage.hold(ASK)
        assert not stage.fake_speaker.is_open

    def test_a_microphone_unplugged_in_mid_answer_loses_nothing_that_was_said(self, tmp_path: Path) -> None:
        """The words are the answer, and the result says what happened to the microphone."""
        lost = FakeMicrophone(np.concatenate([quiet(0.5), tone(3.0), quiet(0.3)]), error=DeviceLostError("usb"))
        result = Stage(tmp_path, microphone=lost).hold(TurnRequest(message=""))
        assert (result.status, result.ended_by) == (Status.ANSWERED, "source_ended")
        assert any("usb" in reason for reason in result.failed)

    def test_a_microphone_unplugged_after_a_cough_is_an_error(self, tmp_path: Path) -> None:
        """Nobody said a word, and nobody is heard any more."""
        lost = FakeMicrophone(np.concatenate([quiet(0.5), tone(1.0), quiet(0.3)]), error=DeviceLostError("usb"))
        with pytest.raises(DeviceLostError):
            Stage(tmp_path, microphone=lost, transcriber=FakeTranscriber([""])).hold(TurnRequest(message=""))

    def test_a_loudspeaker_unplugged_in_mid_message_is_an_error(self, tmp_path: Path) -> None:
        """Half a message is not "spoken"."""
        with pytest.raises(DeviceLostError):
            Stage(tmp_path, speaker=FakeSpeaker(fail_after_s=0.1)).hold(ASK)

    def test_a_failed_transcription_keeps_the_recording_and_names_it(self, tmp_path: Path) -> None:
        """Nothing the person said is lost."""
        down = SpeechFailedError("speech-to-text", [EndpointError("http://down", "refused")])
        stage = Stage(tmp_path, transcriber=FakeTranscriber([down]))
        with pytest.raises(SpeechFailedError) as raised:
            stage.hold(ASK)
        assert [raised.value.recording] == stage.recordings
        assert stage.parts.journal.load(stage.recordings[0]).seconds > 1.0

    def test_a_failed_speculation_is_tried_again_at_the_end_of_the_turn(self, tmp_path: Path) -> None:
        """The endpoint may have come back within the silence."""
        down = SpeechFailedError("speech-to-text", [EndpointError("http://down", "refused")])
        result = Stage(tmp_path, transcriber=FakeTranscriber([down, "better late"])).hold(ASK)
        assert result.text == "better late"


class TestDisk:
    """An utterance is on disk while it has no transcript, and nothing else ever is."""

    def test_nothing_is_left_after_an_answer(self, tmp_path: Path) -> None:
        """The transcript exists; the recording must not."""
        stage = Stage(tmp_path)
        stage.hold(ASK)
        assert stage.recordings == []

    def test_the_recording_is_there_while_it_is_transcribed(self, tmp_path: Path) -> None:
        """A crash in between loses nothing."""
        stage = Stage(tmp_path, transcriber=FakeTranscriber(["x"], delay_s=0.3))

        async def look() -> list[Path]:
            task = asyncio.create_task(stage.turn(ASK).run())
            while not stage.recordings:
                await asyncio.sleep(0.005)
            seen = stage.recordings
            await task
            return seen

        assert len(run(look)) == 1
        assert stage.recordings == []

    def test_a_disk_that_takes_no_recording_does_not_cost_the_answer(self, tmp_path: Path) -> None:
        """It is transcribed all the same, and the result says that it was not on disk meanwhile."""
        (tmp_path / "pending").write_text("a file where the folder should be")
        result = Stage(tmp_path).hold(ASK)
        assert (result.status, result.text) == (Status.ANSWERED, "the answer")
        assert "could not be kept" in " ".join(result.failed)

    def test_a_turn_cancelled_before_its_end_leaves_nothing(self, tmp_path: Path) -> None:
        """The person withdrew; a speculative recording goes with it."""
        microphone = FakeMicrophone(np.concatenate([quiet(0.2), tone(0.6), quiet(30)]), realtime=True)
        stage = Stage(tmp_path, microphone=microphone, transcriber=FakeTranscriber(["x"], delay_s=60))

        async def cancel() -> None:
            task = asyncio.create_task(stage.turn(ASK).run())
            while not stage.recordings:
                await asyncio.sleep(0.005)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        run(cancel)
        assert stage.recordings == []


class TestCancelling:
    """Esc frees everything at once."""

    @pytest.mark.parametrize("after_s", [0.0, 0.05, 0.5])
    def test_a_cancelled_turn_frees_both_devices(self, tmp_path: Path, after_s: float) -> None:
        """While opening, while speaking, while listening."""
        stage = Stage(tmp_path, microphone=FakeMicrophone(quiet(30), realtime=True))
        microphone = stage.parts.make_microphone()
        assert isinstance(microphone, FakeMicrophone)

        async def cancel() -> float:
            task = asyncio.create_task(stage.turn(ASK).run())
            await asyncio.sleep(after_s)
            began = time.monotonic()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return time.monotonic() - began

        run(cancel)
        assert not microphone.is_open
        assert not stage.fake_speaker.is_open
        assert all(synthesis.closed for synthesis in stage.fake_synthesizer.syntheses)

    def test_nothing_keeps_running_after_a_turn(self, tmp_path: Path) -> None:
        """Every task has an owner."""
        stage = Stage(tmp_path)

        async def tasks_after() -> set[asyncio.Task[object]]:
            await stage.turn(ASK).run()
            await asyncio.sleep(0)
            return asyncio.all_tasks() - {asyncio.current_task()}

        assert run(tasks_after) == set()


def test_a_turn_can_be_told_to_take_what_it_has_heard(tmp_path: Path) -> None:
    """The caller went away in mid-sentence: what was said until then is transcribed."""
    stage = Stage(tmp_path, microphone=FakeMicrophone(np.concatenate([quiet(0.3), tone(30)]), realtime=True))

    async def finish() -> str:
        turn = stage.turn(ASK)
        task = asyncio.create_task(turn.run())
        while "SpeechStarted" not in stage.told:
            await asyncio.sleep(0.01)
        turn.finish_listening()
        result = await task
        return f"{result.text}, {result.ended_by}"

    assert run(finish) == "the answer, source_ended"
