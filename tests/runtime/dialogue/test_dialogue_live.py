"""What somebody says is told while they say it, where an endpoint can do that; and all else is as if there were no stream."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.runtime.dialogue.stage import SILENCE, Talk, in_virtual_time, quiet, talk
from tests.runtime.tone_words import WordTranscriber, said
from tests.runtime.word_streams import WordStream, WordStreams
from voicemode.audio import Samples
from voicemode.core.speculation import StreamTrust
from voicemode.dialogue import (
    ClearInput,
    CommitInput,
    Configure,
    DialogueOptions,
    InputTranscribed,
    InputTranscriptFailed,
    InputTranscriptGrew,
    Report,
    SpeechStarted,
    SpeechStopped,
    TurnTaking,
)
from voicemode.errors import EndpointError
from voicemode.interfaces import PartialTranscript, StreamRequest
from voicemode.runtime.dialogue_engine import DialogueEngine

SENTENCE = "I want tea no please"
SPOKEN = (quiet(0.5), said(SENTENCE), quiet(1.5))
BROKEN = EndpointError("stream", "broke off")
HANGS = 600.0


class NoStreams(WordStreams):
    """An endpoint that has none to give."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def stream(self, request: StreamRequest) -> WordStream:
        self.asked += 1
        return None  # type: ignore[return-value]


class CountedStreams(WordStreams):
    """Streams that tell how many of them are open at the same time."""

    @property
    def open(self) -> int:
        return sum(not stream.closed for stream in self.streams)


def live(
    story: Callable[[Talk], Awaitable[Any]],
    folder: Path,
    streams: WordStreams | None,
    *,
    proven: bool = True,
    upload_s: float = 0.1,
    options: DialogueOptions = SILENCE,
    **changes: Any,
) -> Talk:
    """A dialogue with an endpoint that streams. ``proven``: it has worked before, so it is waited for."""

    async def whole(held: Talk) -> Talk:
        if proven:
            held.parts.stream_trust.worked(0.3)
        await story(held)
        return held

    parts = {"streams": streams, "stream_trust": StreamTrust(), **changes}
    return talk(whole, folder, transcriber=WordTranscriber(delay_s=upload_s), changes=parts, answers=False, options=options)


def says(*sounds: Samples) -> Callable[[Talk], Awaitable[None]]:
    """They say this, and all turns are written down."""

    async def story(held: Talk) -> None:
        await held.hear(*sounds)
        await held.until(lambda: len(held.of(InputTranscribed, InputTranscriptFailed)) == len(held.of(SpeechStopped)))

    return story


def uploads(held: Talk) -> list[Samples]:
    return [request.audio.samples for request in held.transcriber.requests]


def test_words_are_told_while_they_are_spoken(tmp_path: Path) -> None:
    """Between the beginning of the turn and its end, each time what was told before and more; nothing is uploaded."""
    held = live(says(*SPOKEN), tmp_path, WordStreams(every_s=0.1, delay_s=0.05))
    assert held.kinds == ["SpeechStarted", "InputTranscriptGrew", "SpeechStopped", "InputTranscribed"]
    (started,) = held.of(SpeechStarted)
    texts = [report.text for report in held.of(InputTranscriptGrew)]
    assert {report.at_ms for report in held.of(InputTranscriptGrew)} == {started.at_ms}
    assert len(set(texts)) > 3
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(texts))
    assert SENTENCE.startswith(texts[-1])
    assert held.transcripts == [SENTENCE]
    assert uploads(held) == []


@pytest.mark.parametrize("streams", [NoStreams(), WordStreams(error=BROKEN), WordStreams(delay_s=HANGS)])
def test_without_a_stream_that_works_all_is_as_it_was(tmp_path: Path, streams: WordStreams) -> None:
    """The same reports at the same time, but for the words on the way: none is lost, and nobody waits."""
    without = live(says(*SPOKEN, *SPOKEN), tmp_path / "a", None, proven=False)
    held = live(says(*SPOKEN, *SPOKEN), tmp_path / "b", streams, proven=False)
    reports = [(at, report) for at, report in zip(held.times, held.reports, strict=True) if not grew(report)]
    assert reports == list(zip(without.times, without.reports, strict=True))
    assert without.transcripts == [SENTENCE, SENTENCE]


def grew(report: Report) -> bool:
    return isinstance(report, InputTranscriptGrew)


def test_an_endpoint_without_streams_is_asked_once_for_each_turn(tmp_path: Path) -> None:
    """And nothing is told before its words are there."""
    streams = NoStreams()
    held = live(says(*SPOKEN, *SPOKEN), tmp_path, streams)
    assert streams.asked == 2
    assert not held.of(InputTranscriptGrew)


def test_a_proven_stream_that_hangs_costs_no_more_than_it_used_to_take(tmp_path: Path) -> None:
    """And no word."""
    without = live(says(*SPOKEN), tmp_path / "a", None)
    held = live(says(*SPOKEN), tmp_path / "b", WordStreams(delay_s=HANGS))
    trust = StreamTrust()
    trust.worked(0.3)
    assert held.transcripts == [SENTENCE]
    assert held.time_of(InputTranscribed) <= without.time_of(InputTranscribed) + trust.patience_s


def test_silence_opens_no_stream_and_feeds_none(tmp_path: Path) -> None:
    """Neither before the first word, nor in a pause, nor after the turn; the connection is free once its words are there."""
    streams = CountedStreams(every_s=60.0)

    async def story(held: Talk) -> None:
        await held.hear(quiet(5.0))
        assert streams.streams == []
        await held.hear(said("tea"), quiet(0.4), said("no"), quiet(1.5))
        assert held.transcripts == ["tea no"]
        assert streams.open == 0
        await held.hear(quiet(5.0))

    live(story, tmp_path, streams)
    (stream,) = streams.streams
    assert len(stream.sound) == len(stream.flushed[-1])
    assert len(stream.sound) < 16_000 * 1.7


def test_a_stream_hears_exactly_what_would_be_uploaded(tmp_path: Path) -> None:
    """In each turn of a session, also across a pause."""
    streams = WordStreams(delay_s=HANGS)
    held = live(says(*SPOKEN, said("tea"), quiet(0.4), said("no"), quiet(1.5)), tmp_path, streams, proven=False)
    flushed = {len(sound): sound for stream in streams.streams for sound in stream.flushed}
    assert len(streams.streams) == 2
    assert len(uploads(held)) > 2
    for uploaded in uploads(held):
        assert np.array_equal(flushed[len(uploaded)], uploaded)


def test_the_next_turn_leaves_the_words_of_the_last_one_alone(tmp_path: Path) -> None:
    """They are still on their way by their own stream when somebody goes on speaking; nothing is uploaded instead."""
    streams = CountedStreams(every_s=0.1, delay_s=0.9)
    most = 0

    async def story(held: Talk) -> None:
        def note(_: Report) -> None:
            nonlocal most
            most = max(most, streams.open)

        held.on_report = note
        held.parts.stream_trust.worked(1.0)
        await says(quiet(0.5), said("I want tea"), quiet(0.6), said("no please"), quiet(1.5))(held)
        assert streams.open == 0

    held = live(story, tmp_path, streams)
    assert held.transcripts == ["I want tea", "no please"]
    assert uploads(held) == []
    assert most == 2
    first, second = (report.at_ms for report in held.of(SpeechStarted))
    words = dict.fromkeys((first, second), "") | {report.at_ms: report.text for report in held.of(InputTranscriptGrew)}
    assert words == {first: "I want", second: "no"}


def test_late_words_of_the_last_turn_are_not_told_as_those_of_the_next(tmp_path: Path) -> None:
    """What comes after the end of a turn is told when it is all there."""
    streams = WordStreams(every_s=60.0, delay_s=0.9)

    async def story(held: Talk) -> None:
        held.parts.stream_trust.worked(1.0)
        await held.hear(quiet(0.5), said("I want tea"), quiet(0.55))
        assert held.of(SpeechStopped)
        await held.hear(said("no", word_s=0.4))
        assert len(held.of(SpeechStarted)) == 2
        assert not held.transcripts
        streams.streams[0].request.on_partial(PartialTranscript("I want", " tea", 1.0))
        assert not held.of(InputTranscriptGrew)

    live(story, tmp_path, streams)


def test_speech_that_goes_on_for_too_long_is_streamed_in_its_parts(tmp_path: Path) -> None:
    """Each part has a stream of its own, and no word is lost."""
    streams = CountedStreams(every_s=0.1)
    sound = said("I want tea no please yes stop hold", word_s=0.5)
    held = live(says(quiet(0.5), sound, quiet(1.5)), tmp_path, streams, max_utterance_s=2.0)
    assert len(held.transcripts) == len(streams.streams) > 1
    assert uploads(held) == []
    assert streams.open == 0


def test_what_is_committed_in_mid_word_is_streamed_to_its_end(tmp_path: Path) -> None:
    """The client says when the turn is over; the stream has its words."""
    streams = CountedStreams(every_s=0.1)

    async def story(held: Talk) -> None:
        await held.hear(quiet(0.5), said("I want tea"))
        held.command(CommitInput("mine"))
        await held.until(lambda: held.transcripts)
        await held.hear(quiet(1.0))

    held = live(story, tmp_path, streams)
    assert held.transcripts == ["I want tea"]
    assert uploads(held) == []
    assert streams.open == 0


@pytest.mark.parametrize("command", [ClearInput(), Configure(DialogueOptions(turn_taking=TurnTaking.MANUAL))])
def test_words_of_speech_that_is_cleared_are_not_told(tmp_path: Path, command: Any) -> None:
    """Nor those of speech that voice does not end any more; the connection is freed at once."""
    streams = CountedStreams(every_s=0.1)

    async def story(held: Talk) -> None:
        await held.hear(quiet(0.5), said("I want tea"))
        held.command(command)
        await held.hear(quiet(0.1))
        assert streams.open == 0
        told = len(held.of(InputTranscriptGrew))
        await held.hear(quiet(2.0))
        assert len(held.of(InputTranscriptGrew)) == told > 0
        assert not held.of(SpeechStopped)

    live(story, tmp_path, streams)


def test_words_that_are_not_wanted_are_not_told(tmp_path: Path) -> None:
    """They are streamed all the same: for whoever answers, and for the policy."""
    options = DialogueOptions(TurnTaking.SILENCE, transcribe=False)
    streams = WordStreams(every_s=0.1)

    async def story(held: Talk) -> None:
        await held.hear(*SPOKEN)

    held = live(story, tmp_path, streams, options=options)
    assert held.kinds == ["SpeechStarted", "SpeechStopped"]
    assert uploads(held) == []
    assert streams.streams


def test_words_that_cover_the_pause_count_for_the_policy(tmp_path: Path) -> None:
    """It need not wait for a transcription that is late."""

    def ended_ms(name: str, every_s: float) -> int:
        streams = WordStreams(delay_s=HANGS, every_s=every_s)
        sounds = (quiet(0.5), said("yes"), quiet(4.0))
        held = live(says(*sounds), tmp_path / name, streams, proven=False, upload_s=1.2, options=DialogueOptions())
        return int(held.of(SpeechStopped)[0].at_ms)

    assert ended_ms("often", 0.1) < ended_ms("never", 60.0) - 300


def test_a_slow_engine_is_left_alone_until_the_speech_is_long(tmp_path: Path) -> None:
    """What the last transcriptions took is learnt, by all sessions together."""
    streams = WordStreams()

    async def story(held: Talk) -> None:
        await says(*SPOKEN)(held)
        streams.streams.clear()
        await says(*SPOKEN)(held)

    live(story, tmp_path, streams, proven=False, upload_s=0.0)
    assert len(streams.streams) == 1
    slow = WordStreams(delay_s=HANGS)
    held = live(says(*SPOKEN, *SPOKEN), tmp_path / "slow", slow, proven=False, upload_s=0.8)
    assert held.transcripts == [SENTENCE, SENTENCE]
    assert len(slow.streams) == 1


def test_a_session_that_ends_in_mid_word_leaves_no_stream(tmp_path: Path) -> None:
    """Nor a task."""
    streams = CountedStreams(every_s=0.1)

    async def story(held: Talk) -> None:
        await held.hear(quiet(0.5), said("I want tea"), quiet(0.7), said("no"))
        assert streams.open

    live(story, tmp_path, streams)
    assert streams.open == 0


def test_turns_that_nobody_makes_an_item_of_hold_no_connection(tmp_path: Path) -> None:
    """The oldest are forgotten."""
    streams = CountedStreams()

    async def whole() -> None:
        held = Talk(tmp_path, transcriber=WordTranscriber(), changes={"streams": streams})
        held.report = lambda report: None  # type: ignore[method-assign]
        held.engine = DialogueEngine(held.parts, report=lambda _: None)
        async with held.held():
            for _ in range(20):
                await held.hear(said("tea"), quiet(1.2))
            assert len(streams.streams) == 20
            assert streams.open == 16
        assert streams.open == 0

    in_virtual_time(whole)
