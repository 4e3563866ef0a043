"""Recordings of any length, piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from tests.runtime.parts import quiet, run
from voicemode.audio import CAPTURE_RATE, Samples
from voicemode.errors import EndpointError, MediaError, SpeechFailedError
from voicemode.interfaces import Transcriber
from voicemode.runtime.file_transcription import LostPiece, Piece, transcribe_blocks
from voicemode.testing import FakeDetector, FakeTranscriber, tone

DOWN = SpeechFailedError("speech-to-text", [EndpointError("http://down", "refused")])


def cut(samples: Samples, size: int = 700) -> Iterator[Samples]:
    """In blocks, as a decoder gives them."""
    return (samples[at : at + size] for at in range(0, len(samples), size))


def remarks(*seconds: float) -> Samples:
    """Words (tones) of these lengths, each followed by two seconds of quiet."""
    return np.concatenate([part for length in seconds for part in (tone(length), quiet(2.0))])


def transcribed(blocks: Iterator[Samples], transcriber: Transcriber) -> list[Piece | LostPiece]:
    async def scenario() -> list[Piece | LostPiece]:
        return [piece async for piece in transcribe_blocks(blocks, FakeDetector(), transcriber)]

    return run(scenario)


def spans(pieces: Sequence[Piece | LostPiece]) -> list[tuple[float, float | None]]:
    return [(round(piece.start, 1), piece.end and round(piece.end, 1)) for piece in pieces]


def test_each_remark_comes_with_its_time_and_its_words() -> None:
    """The times are those of the sound, whatever the engine is."""
    pieces = transcribed(cut(remarks(1.0, 2.0, 1.5)), FakeTranscriber(["one", "two", "three"]))
    assert [piece.text for piece in pieces if isinstance(piece, Piece)] == ["one", "two", "three"]
    assert spans(pieces) == [(0.0, 1.2), (2.8, 5.2), (6.8, 8.7)]


def test_what_is_sent_is_the_sound_of_that_time() -> None:
    """Sample by sample, also across blocks and steps."""
    samples = np.concatenate([quiet(7.0), remarks(1.0, 1.0)])
    transcriber = FakeTranscriber(["x"])
    pieces = transcribed(cut(samples), transcriber)
    for piece, request in zip(pieces, transcriber.requests, strict=True):
        assert piece.end is not None
        start = round(piece.start * CAPTURE_RATE)
        assert np.array_equal(request.audio.samples, samples[start : start + len(request.audio.samples)])
        assert request.audio.seconds == pytest.approx(piece.end - piece.start, abs=0.001)


def test_a_recording_in_which_nobody_speaks_has_no_pieces() -> None:
    """And nobody is asked."""
    transcriber = FakeTranscriber()
    assert transcribed(cut(quiet(12.0)), transcriber) == []
    assert transcriber.requests == []


def test_an_empty_recording_has_no_pieces() -> None:
    """Not a single block."""
    assert transcribed(iter([]), FakeTranscriber()) == []


def test_a_lost_piece_does_not_take_the_others_along() -> None:
    """It is named with its time and its reasons."""
    pieces = transcribed(cut(remarks(1.0, 1.0, 1.0)), FakeTranscriber(["one", DOWN, "three"]))
    assert [type(piece) for piece in pieces] == [Piece, LostPiece, Piece]
    assert isinstance(pieces[1], LostPiece)
    assert pieces[1].error is DOWN


def test_when_nobody_is_there_it_stops_and_says_that_the_rest_is_missing() -> None:
    """Two in a row are enough."""
    transcriber = FakeTranscriber(["one", DOWN])
    pieces = transcribed(cut(remarks(*[1.0] * 10)), transcriber)
    assert [type(piece) for piece in pieces] == [Piece, LostPiece, LostPiece]
    assert pieces[-1].end is None
    assert len(transcriber.requests) == 3


def test_what_came_before_the_sound_broke_off_is_kept() -> None:
    """The words first, then the error."""

    def broken() -> Iterator[Samples]:
        yield from cut(np.concatenate([remarks(1.0), tone(1.0)]))
        raise MediaError("a.mp3", "cannot be read any further after 4.0 s")

    pieces: list[Piece | LostPiece] = []

    async def scenario() -> None:
        async for piece in transcribe_blocks(broken(), FakeDetector(), FakeTranscriber(["one", "two"])):
            pieces.append(piece)

    with pytest.raises(MediaError, match="further"):
        run(scenario)
    assert [piece.text for piece in pieces if isinstance(piece, Piece)] == ["one", "two"]


def test_progress_goes_from_the_beginning_to_the_end() -> None:
    """Also through long silence."""
    seen: list[float] = []

    async def scenario() -> None:
        blocks = cut(np.concatenate([quiet(12.0), remarks(1.0)]))
        async for _ in transcribe_blocks(blocks, FakeDetector(), FakeTranscriber(), on_progress=seen.append):
            pass

    run(scenario)
    assert seen[0] == pytest.approx(5.0, abs=0.1)
    assert seen[-1] == pytest.approx(15.0, abs=0.1)


def test_two_hours_are_never_held_at_once() -> None:
    """What is read ahead of the transcription is a few seconds."""
    ahead: list[float] = []
    read = 0

    def endless() -> Iterator[Samples]:
        nonlocal read
        for _ in range(60):
            read += 1
            yield from cut(remarks(3.0))

    async def scenario() -> None:
        transcriber = FakeTranscriber(["x"], delay_s=0.001)
        async for piece in transcribe_blocks(endless(), FakeDetector(), transcriber):
            assert piece.end is not None
            ahead.append(read * 5.0 - piece.end)

    run(scenario)
    assert len(ahead) == 60
    assert max(ahead) < 25.0


def test_leaving_early_ends_the_reading() -> None:
    """Nothing goes on in the background."""
    read = 0

    def endless() -> Iterator[Samples]:
        nonlocal read
        while True:
            read += 1
            yield from cut(remarks(3.0))

    async def scenario() -> int:
        pieces = transcribe_blocks(endless(), FakeDetector(), FakeTranscriber())
        await anext(pieces)
        await pieces.aclose()
        await asyncio.sleep(0.1)
        before = read
        await asyncio.sleep(0.1)
        return read - before

    assert run(scenario) == 0
