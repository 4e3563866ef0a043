"""The fakes are what they stand for."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest

from voicemode.answers import Answerer, AnswerFlow, AnswerRequest, Finished, TextDelta
from voicemode.audio import CAPTURE_RATE, AudioChunk
from voicemode.dialogue import Message, Usage
from voicemode.errors import DeviceBusyError, DeviceLostError, EndpointError, NoInputDeviceError
from voicemode.interfaces import (
    EchoCanceller,
    Microphone,
    Speaker,
    SpeechDetector,
    SpeechRequest,
    Synthesis,
    Synthesizer,
    Transcriber,
    TranscriptionRequest,
)
from voicemode.testing import (
    FakeAnswerer,
    FakeDetector,
    FakeEchoCanceller,
    FakeMicrophone,
    FakeSpeaker,
    FakeSynthesizer,
    FakeTranscriber,
    texts,
    tone,
)

ASKED = AnswerRequest((Message("user", "How are you?"),))


def test_each_fake_keeps_its_interface() -> None:
    """The type checker compares every method; at run time the names are there."""
    microphone: Microphone = FakeMicrophone(tone(0.1))
    speaker: Speaker = FakeSpeaker()
    detector: SpeechDetector = FakeDetector()
    canceller: EchoCanceller = FakeEchoCanceller()
    synthesizer: Synthesizer = FakeSynthesizer()
    synthesis: Synthesis = FakeSynthesizer().synthesize(SpeechRequest("hi"))
    transcriber: Transcriber = FakeTranscriber()
    responder: Answerer = FakeAnswerer()
    answer: AnswerFlow = FakeAnswerer().answer(ASKED)
    named = (microphone, speaker, detector, canceller, synthesizer, transcriber, responder)
    assert all(part.name for part in named)
    assert synthesis.engine == answer.engine == "fake"


def test_a_tone_has_the_level_that_was_asked_for() -> None:
    """Peak at -6 dBFS is half of full scale."""
    samples = tone(0.5, hertz=1_000, dbfs=-6.0206)
    assert samples.dtype == np.int16
    assert int(np.abs(samples).max()) == pytest.approx(16_384, abs=50)
    assert len(samples) == CAPTURE_RATE // 2


def test_the_microphone_gives_its_samples_in_audio_time() -> None:
    """All of them, in order, each block dated by where it lies, then None."""

    async def scenario() -> None:
        samples = tone(0.05)
        microphone = FakeMicrophone(samples, block_samples=300)
        await microphone.open()
        heard, position = [], 0
        while (block := await microphone.read()) is not None:
            assert block.captured_at == pytest.approx(microphone.opened_at + position / CAPTURE_RATE)
            position += len(block.chunk.samples)
            heard.append(block.chunk.samples)
        assert np.concatenate(heard).tolist() == samples.tolist()
        await microphone.close()
        assert not microphone.is_open

    asyncio.run(scenario())


def test_a_real_time_microphone_gives_no_block_early() -> None:
    """60 ms of sound take 60 ms."""

    async def scenario() -> None:
        microphone = FakeMicrophone(tone(0.06), realtime=True)
        await microphone.open()
        while await microphone.read() is not None:
            pass
        assert time.monotonic() - microphone.opened_at >= 0.06

    asyncio.run(scenario())


def test_the_microphone_fails_when_told_to() -> None:
    """On opening, or where the samples end."""

    async def scenario() -> None:
        with pytest.raises(NoInputDeviceError):
            await FakeMicrophone(tone(0.1), open_error=NoInputDeviceError()).open()
        microphone = FakeMicrophone(tone(0.02), error=DeviceLostError("fake"))
        with pytest.raises(RuntimeError, match="open"):
            await microphone.read()
        await microphone.open()
        assert await microphone.read() is not None
        with pytest.raises(DeviceLostError):
            await microphone.read()

    asyncio.run(scenario())


def test_the_speaker_records_what_was_played() -> None:
    """Chunks, seconds, stops and drains can be asserted on."""

    async def scenario() -> None:
        speaker = FakeSpeaker()
        with pytest.raises(RuntimeError, match="open"):
            await speaker.play(AudioChunk(tone(0.1), CAPTURE_RATE))
        await speaker.open()
        assert speaker.first_sound_at is None
        await speaker.play(AudioChunk(tone(0.1), CAPTURE_RATE))
        await speaker.drain()
        speaker.stop()
        assert (len(speaker.chunks), speaker.drained, speaker.stopped) == (1, 1, 1)
        assert speaker.played_s == pytest.approx(0.1)
        assert speaker.first_sound_at is not None

    asyncio.run(scenario())


def test_the_speaker_fails_when_told_to() -> None:
    """On opening, or once so many seconds were played."""

    async def scenario() -> None:
        with pytest.raises(DeviceBusyError):
            await FakeSpeaker(open_error=DeviceBusyError()).open()
        speaker = FakeSpeaker(fail_after_s=0.15)
        await speaker.open()
        await speaker.play(AudioChunk(tone(0.1), CAPTURE_RATE))
        with pytest.raises(DeviceLostError):
            await speaker.play(AudioChunk(tone(0.1), CAPTURE_RATE))

    asyncio.run(scenario())


def test_the_detector_hears_loud_as_speech() -> None:
    """Without a script, level decides."""
    detector = FakeDetector()
    frame = detector.frame_samples
    assert detector.probability(tone(1.0)[:frame]) == 1.0
    assert detector.probability(np.zeros(frame, dtype=np.int16)) == 0.0


def test_the_detector_follows_its_script() -> None:
    """One probability per frame, the last one for ever, from the start after a reset."""
    detector = FakeDetector([0.1, 0.9], frame_samples=480)
    frame = np.zeros(480, dtype=np.int16)
    assert [detector.probability(frame) for _ in range(3)] == [0.1, 0.9, 0.9]
    detector.reset()
    assert detector.probability(frame) == 0.1
    with pytest.raises(ValueError, match="480"):
        detector.probability(frame[:-1])


def test_the_synthesizer_speaks_as_long_as_the_text() -> None:
    """Ten characters of 0.06 s in chunks of 0.1 s."""

    async def scenario() -> None:
        synthesizer = FakeSynthesizer()
        chunks = [chunk async for chunk in synthesizer.synthesize(SpeechRequest("0123456789"))]
        assert sum(chunk.seconds for chunk in chunks) == pytest.approx(0.6)
        assert len(chunks) == 6
        assert synthesizer.requests == [SpeechRequest("0123456789")]

    asyncio.run(scenario())


def test_the_synthesizer_fails_after_as_many_chunks_as_told() -> None:
    """What came before stays; the error is the one given."""

    async def scenario() -> None:
        synthesis = FakeSynthesizer(fail_after=2, error=EndpointError("there", "gone")).synthesize(SpeechRequest("0" * 9))
        with pytest.raises(EndpointError, match="there"):
            _ = [chunk async for chunk in synthesis]
        assert synthesis.given == 2

    asyncio.run(scenario())


def test_a_closed_synthesis_falls_silent() -> None:
    """No chunk follows ``aclose``."""

    async def scenario() -> None:
        synthesis = FakeSynthesizer().synthesize(SpeechRequest("0" * 9))
        chunks = aiter(synthesis)
        await anext(chunks)
        await synthesis.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(chunks)

    asyncio.run(scenario())


def test_the_transcriber_answers_in_turn() -> None:
    """Words or errors, one per request; the last repeats."""

    async def scenario() -> None:
        transcriber = FakeTranscriber(["one", EndpointError("fake", "gone"), "three"])
        request = TranscriptionRequest(AudioChunk(tone(0.1), CAPTURE_RATE))
        await transcriber.prepare(["one"])
        assert (await transcriber.transcribe(request)).text == "one"
        with pytest.raises(EndpointError):
            await transcriber.transcribe(request)
        assert [(await transcriber.transcribe(request)).text for _ in range(2)] == ["three", "three"]
        assert transcriber.prepared == [("one",)]
        assert len(transcriber.requests) == 4
        await transcriber.aclose()
        assert transcriber.closed

    asyncio.run(scenario())


@pytest.mark.parametrize(("repeats", "said"), [(False, "c d."), (True, "a b c d.")])
def test_the_responder_goes_on_with_a_partial_answer_or_says_it_all_again(repeats: bool, said: str) -> None:
    """As endpoints do; the request is there to be looked at."""

    async def scenario() -> None:
        responder = FakeAnswerer("a b c d.", repeats=repeats)
        stream = responder.answer(AnswerRequest(ASKED.history, partial="a b "))
        *pieces, last = [delta async for delta in stream]
        assert "".join(piece.text for piece in pieces if isinstance(piece, TextDelta)) == said
        assert last == Finished("stop", Usage())
        assert responder.requests[0].partial == "a b "
        await responder.aclose()
        assert responder.closed

    asyncio.run(scenario())


def test_the_responder_breaks_off_where_it_is_told_and_stops_when_closed() -> None:
    """The pieces before it are given, and no end."""

    async def scenario() -> None:
        breaking = FakeAnswerer("abcdef", piece_chars=2, fail_after=2, error=EndpointError("there", "gone")).answer(ASKED)
        with pytest.raises(EndpointError, match="there"):
            _ = [delta async for delta in breaking]
        assert breaking.given == 2
        closed = FakeAnswerer("abcdef", piece_chars=2).answer(ASKED)
        words = texts(closed)
        assert await anext(words) == "ab"
        await closed.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(words)

    asyncio.run(scenario())


def test_a_paused_speaker_keeps_what_comes_and_plays_it_when_it_goes_on() -> None:
    """Played seconds stand still meanwhile, ``drain`` waits, and a withdrawal reaches what waits."""

    async def scenario() -> None:
        speaker = FakeSpeaker()
        await speaker.open()
        chunk = AudioChunk(tone(0.5), CAPTURE_RATE)
        await speaker.play(chunk)
        await speaker.pause()
        await speaker.pause()
        await speaker.play(chunk)
        mark = speaker.mark()
        await speaker.play(chunk)
        speaker.withdraw(mark)
        draining = asyncio.create_task(speaker.drain())
        await asyncio.sleep(0)
        assert (speaker.paused, speaker.played_s, speaker.queued_s) == (True, 0.5, 0.5)
        assert not draining.done()
        await speaker.resume(0.2)
        await draining
        assert (speaker.paused, speaker.played_s, speaker.queued_s) == (False, 1.0, 0.0)
        assert (speaker.pauses, speaker.resumed_at, speaker.withdrawn) == (1, [0.2], [chunk])

    asyncio.run(scenario())


def test_stopping_a_paused_speaker_drops_what_waits_and_ends_the_pause() -> None:
    """The next message is heard."""

    async def scenario() -> None:
        speaker = FakeSpeaker()
        await speaker.open()
        await speaker.pause()
        await speaker.play(AudioChunk(tone(0.5), CAPTURE_RATE))
        speaker.stop()
        await speaker.play(AudioChunk(tone(0.25), CAPTURE_RATE))
        assert (speaker.paused, speaker.played_s) == (False, 0.25)

    asyncio.run(scenario())


def test_the_echo_canceller_leaves_what_was_said_in_a_room_without_delay() -> None:
    """Near end less the echo; frames that do not fit together are refused, as by the real one."""
    said, played = tone(0.1, hertz=300), tone(0.1, hertz=900)
    canceller = FakeEchoCanceller(echo_gain=0.5)
    echo = (played // 2).astype(np.int16)
    assert np.abs(canceller.process(said + echo, played) - said).max() <= 1
    assert len(canceller.heard) == 1
    with pytest.raises(ValueError, match="160"):
        canceller.process(said[:100], played[:100])
