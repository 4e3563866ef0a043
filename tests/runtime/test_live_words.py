"""What is said is written down while it is said, where somebody can; and nothing is lost or late where they cannot."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.runtime.parts import quiet
from tests.runtime.room import Scene, in_virtual_time
from tests.runtime.tone_words import COUGH, WordTranscriber, said
from tests.runtime.word_streams import WordStreams
from voicemode.audio import Samples
from voicemode.core.endpointing import EndpointingOptions
from voicemode.core.listener import Listener
from voicemode.core.speculation import StreamTrust, TranscriptionPace
from voicemode.errors import EndpointError
from voicemode.events import Understood
from voicemode.interfaces import PartialTranscript, Transcript
from voicemode.runtime.live_words import LiveWords
from voicemode.runtime.result import Status, TurnRequest, TurnResult
from voicemode.testing import FakeDetector

ASK = TurnRequest(message="What?")
BROKEN = EndpointError("stream", "broke off")
PAUSED = np.concatenate([said("I want tea"), quiet(0.4), said("no please")])
WHOLE = "I want tea no please"


class Talk:
    """A turn in a room with a stream.

    ``proven``: it has worked before, so it is waited for. ``pace_s``: what the last upload took.
    """

    def __init__(
        self,
        folder: Path,
        sound: Samples,
        streams: WordStreams | None,
        *,
        transcriber: WordTranscriber | None = None,
        request: TurnRequest = ASK,
        proven: bool = True,
        pace_s: float = 0.1,
    ) -> None:
        self.streams, self.proven, self.pace_s = streams, proven, pace_s
        in_virtual_time(lambda: self._run(folder, sound, transcriber, request))

    async def _run(self, folder: Path, sound: Samples, transcriber: WordTranscriber | None, request: TurnRequest) -> None:
        scene = self.scene = Scene(folder, transcriber=transcriber)
        scene.parts = replace(scene.parts, streams=self.streams)
        scene.parts.session.pace.note(self.pace_s)
        self.trust = scene.parts.session.stream_trust
        if self.proven:
            self.trust.worked(0.3)
        _, task = scene.begin(request)
        await scene.listening()
        await asyncio.sleep(0.5)
        scene.room.speak(sound)
        self.result: TurnResult = await task
        self.left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    @property
    def uploads(self) -> list[Samples]:
        return [request.audio.samples for request in self.scene.words.requests]

    @property
    def shown(self) -> list[Understood]:
        return [event for event in self.scene.events if isinstance(event, Understood)]


def test_a_stream_that_works_has_the_words_and_nothing_is_uploaded(tmp_path: Path) -> None:
    """All of them, over a pause, by one connection; the result names who wrote them."""
    streams = WordStreams(delay_s=0.1)
    talk = Talk(tmp_path, PAUSED, streams)
    assert (talk.result.status, talk.result.text, talk.result.stt) == (Status.ANSWERED, WHOLE, "stream")
    assert talk.uploads == []
    (stream,) = streams.streams
    assert stream.closed
    assert talk.left == []


def test_it_hears_exactly_what_would_be_uploaded(tmp_path: Path) -> None:
    """Sample by sample, also across a pause; one that is not proven gets company at once."""
    streams = WordStreams(delay_s=600)
    talk = Talk(tmp_path, PAUSED, streams, transcriber=WordTranscriber(delay_s=0.2), proven=False)
    (stream,) = streams.streams
    flushed = {len(sound): sound for sound in stream.flushed}
    assert len(talk.uploads) > 1
    for uploaded in talk.uploads:
        assert np.array_equal(flushed[len(uploaded)], uploaded)


def test_nothing_is_fed_in_a_pause(tmp_path: Path) -> None:
    """Reading silence keeps an engine from reading words: what came in the pause goes with what is said next."""
    streams = WordStreams(every_s=60.0)
    Talk(tmp_path, said("tea"), streams)
    (stream,) = streams.streams
    assert len(stream.sound) == len(stream.flushed[-1])


@pytest.mark.parametrize("proven", [True, False])
@pytest.mark.parametrize("streams", [WordStreams(error=BROKEN), WordStreams(delay_s=0.2, error=BROKEN)])
def test_a_stream_that_breaks_costs_no_word(tmp_path: Path, streams: WordStreams, proven: bool) -> None:
    """At once or late, whether or not it worked before; it is no failure that anybody is told of."""
    talk = Talk(tmp_path, PAUSED, streams, proven=proven)
    assert (talk.result.text, talk.result.stt, talk.result.failed) == (WHOLE, "words", ())
    assert talk.trust.patience_s == 0
    assert talk.left == []


def test_a_stream_that_hangs_costs_no_time(tmp_path: Path) -> None:
    """The turn is as fast as without one; where it worked before, no slower than it used to be."""
    without = Talk(tmp_path / "a", PAUSED, None, transcriber=WordTranscriber(delay_s=0.4)).result
    streams = WordStreams(delay_s=600.0)
    first = Talk(tmp_path / "b", PAUSED, streams, transcriber=WordTranscriber(delay_s=0.4), proven=False)
    assert (first.result.text, first.result.timings_ms["response"]) == (WHOLE, without.timings_ms["response"])
    later = Talk(tmp_path / "c", PAUSED, WordStreams(delay_s=600.0), transcriber=WordTranscriber(delay_s=0.4))
    trust = StreamTrust()
    trust.worked(0.3)
    assert later.result.timings_ms["response"] <= without.timings_ms["response"] + 1000 * trust.patience_s
    assert streams.streams[0].outruns
    assert (first.left, later.left) == ([], [])


def test_where_uploads_fail_the_stream_saves_the_turn(tmp_path: Path) -> None:
    """It may take its time then."""
    transcriber = WordTranscriber(error=EndpointError("words", "is down"))
    talk = Talk(tmp_path, PAUSED, WordStreams(delay_s=1.2), transcriber=transcriber, proven=False)
    assert (talk.result.text, talk.result.stt) == (WHOLE, "stream")


def test_the_words_so_far_are_shown_while_they_are_spoken(tmp_path: Path) -> None:
    """Before any pause, growing, and a few times a second at most."""
    talk = Talk(tmp_path, said("I want tea no please", word_s=0.5), WordStreams(every_s=0.1))
    spoken = [event.text for event in talk.shown]
    assert len(spoken) > 4
    assert spoken[-1] == WHOLE
    assert all(WHOLE.startswith(text) for text in spoken)
    assert all(later.at - event.at >= 0.29 for event, later in pairwise(talk.shown[:-1]))


def test_words_that_cover_the_pause_count_for_the_policy(tmp_path: Path) -> None:
    """It need not wait for a transcription that is late; words that lack the last one count for nothing."""
    slow = WordTranscriber(delay_s=1.2)
    waits = {
        every_s: Talk(
            tmp_path / str(every_s), said("yes"), WordStreams(delay_s=600, every_s=every_s), transcriber=slow
        ).result.timings_ms["endpointing"]
        for every_s in (0.1, 60.0)
    }
    assert waits[0.1] < waits[60.0] - 500


def test_a_slow_engine_is_left_alone_until_the_speech_is_long(tmp_path: Path) -> None:
    """Then it gets all of it from the beginning on, and has less left to read at the pause."""
    short, long = said("I want tea"), said("I want tea no please", word_s=2.4)
    for sound, used in ((short, False), (long, True)):
        streams = WordStreams(delay_s=0.1)
        talk = Talk(tmp_path / str(used), sound, streams, pace_s=0.8)
        assert talk.result.text == ("I want tea no please" if used else "I want tea")
        assert bool(streams.streams) is used
        assert (talk.uploads == []) is used


def test_where_the_answers_are_known_nothing_is_streamed(tmp_path: Path) -> None:
    """The stream cannot be told them, and exact words go before early ones."""
    streams = WordStreams()
    talk = Talk(tmp_path, said("tea"), streams, request=TurnRequest(message="What?", options=("tea", "no")))
    assert (talk.result.text, streams.streams) == ("tea", [])


def test_a_turn_that_is_cancelled_closes_its_stream(tmp_path: Path) -> None:
    """In mid-word."""
    streams = WordStreams()

    async def scenario() -> None:
        scene = Scene(tmp_path)
        scene.parts = replace(scene.parts, streams=streams)
        _, task = scene.begin(ASK)
        await scene.listening()
        scene.room.speak(said("I want tea please", word_s=1.0))
        await scene.until(lambda: streams.streams and len(streams.streams[0].sound))
        task.cancel()
        await asyncio.wait({task})
        assert streams.streams[0].closed

    in_virtual_time(scenario)


def test_every_utterance_has_its_own_stream(tmp_path: Path) -> None:
    """A noise without words is heard to its end, and what is said next is not mixed with it."""
    streams = WordStreams()
    sound = np.concatenate([COUGH, quiet(2.0), said("I want tea")])
    assert Talk(tmp_path, sound, streams).result.text == "I want tea"
    assert [stream.closed for stream in streams.streams] == [True, True]


class Bench:
    """LiveWords beside a Listener that hears somebody speak in blocks of any size."""

    def __init__(self) -> None:
        self.streams, self.shown, self.uploads = WordStreams(every_s=60.0), list[str](), 0
        pace = TranscriptionPace()
        self.live = LiveWords(self.streams, pace, StreamTrust(), on_partial=self.shown.append)
        self.listener = Listener(FakeDetector(), EndpointingOptions())

    def hear(self, sound: Samples, block: int) -> None:
        self.live.heard(self.listener, self.listener.begin(0))
        for at in range(0, len(sound), block):
            self.live.heard(self.listener, self.listener.push(sound[at : at + block]))

    async def usual(self) -> Transcript:
        self.uploads += 1
        await asyncio.sleep(600)
        raise AssertionError("nobody waits so long")


@pytest.mark.parametrize("blocks", range(12))
def test_speech_that_is_cut_off_in_mid_word_is_streamed_to_its_last_judged_sample(blocks: int) -> None:
    """Blocks are not whole frames, and what was not judged is no part of the utterance."""

    async def scenario() -> None:
        bench = Bench()
        bench.hear(said("I want tea", word_s=0.5)[: 137 * (150 + blocks)], block=137)
        bench.live.heard(bench.listener, bench.listener.finish())
        utterance = bench.listener.utterance()
        words = await bench.live.transcribe(utterance, bench.usual)
        (stream,) = bench.streams.streams
        assert words.engine == "stream"
        assert np.array_equal(stream.flushed[0], utterance.samples)
        await bench.live.aclose()

    in_virtual_time(scenario)


def test_words_of_an_utterance_that_is_done_with_are_not_shown() -> None:
    """Though its connection is still being closed."""

    async def scenario() -> None:
        bench = Bench()
        bench.hear(said("I want tea"), block=320)
        (stream,) = bench.streams.streams
        bench.live.rest()
        stream.request.on_partial(PartialTranscript("old", " words", 1.0))
        assert bench.shown == []
        await bench.live.aclose()
        assert stream.closed

    in_virtual_time(scenario)
