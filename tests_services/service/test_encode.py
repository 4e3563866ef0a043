"""Sound is encoded while it is made, in six formats that others can read."""

from __future__ import annotations

import io
from typing import get_args

import av
import numpy as np
import pytest
from voicemode_service.encode import Format, encoder

RATE = 24_000
TONE = (0.3 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype(np.float32)
CODED = [name for name in get_args(Format) if name != "pcm"]


def _encoded(wanted: Format, pieces: int) -> bytes:
    encode = encoder(wanted, RATE)
    return b"".join([*(encode.feed(part) for part in np.array_split(TONE, pieces)), encode.finish()])


@pytest.mark.parametrize("wanted", CODED)
def test_what_is_encoded_in_pieces_is_the_same_sound(wanted: Format) -> None:
    """As long as what went in but for the codec's padding, and as loud."""
    with av.open(io.BytesIO(_encoded(wanted, 7)), "r") as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        frames = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    heard = np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])
    assert heard.size == pytest.approx(RATE, abs=3000)
    assert np.sqrt(np.mean(heard**2)) == pytest.approx(0.3 / np.sqrt(2), rel=0.1)


def test_pcm_is_16_bit_and_clipped() -> None:
    """What is louder than full scale stays at full scale, and what is no number is silence."""
    encode = encoder("pcm", RATE)
    data = encode.feed(np.array([0.0, 1.0, -2.0, 2.0, np.nan], np.float32)) + encode.finish()
    assert np.frombuffer(data, "<i2").tolist() == [0, 32767, -32768, 32767, 0]


@pytest.mark.parametrize("wanted", get_args(Format))
def test_closing_ends_it_at_any_point(wanted: Format) -> None:
    """Before, within and after; twice does no harm."""
    for fed in (False, True):
        for finished in (False, True):
            encode = encoder(wanted, RATE)
            if fed:
                encode.feed(TONE)
            if finished:
                encode.finish()
            encode.close()
            encode.close()


@pytest.mark.parametrize("wanted", ["mp3", "opus", "aac", "flac"])
def test_the_first_half_second_leaves_before_the_rest_is_made(wanted: Format) -> None:
    """A codec may keep its last frames, not all of them."""
    assert len(encoder(wanted, RATE).feed(TONE[: RATE // 2])) > 1000
