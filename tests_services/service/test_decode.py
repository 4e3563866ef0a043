"""Uploads become samples, or are refused."""

from __future__ import annotations

import io
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from voicemode_service.decode import RATE, blocks
from voicemode_service.errors import BadRequestError, TooLargeError

from tests_services.running import CLIP


def wav(seconds: float, *, rate: int = RATE, channels: int = 1) -> io.BytesIO:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(b"\x00\x10" * channels * round(seconds * rate))
    out.seek(0)
    return out


def encoded(container: str, codec: str, rate: int = 48_000) -> io.BytesIO:
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate)
        assert isinstance(stream, av.AudioStream)
        tone = (np.sin(np.arange(rate) * 0.05) * 8000).astype(np.int16).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        for part in av.AudioResampler(format=stream.format, layout=stream.layout, rate=rate).resample(frame):
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    out.seek(0)
    return out


@pytest.mark.parametrize(
    ("container", "codec"),
    [("wav", "pcm_s16le"), ("mp3", "libmp3lame"), ("ogg", "libopus"), ("webm", "libopus"), ("mp4", "aac"), ("flac", "flac")],
)
def test_what_recorders_write_is_read(container: str, codec: str) -> None:
    """A second of it, within what codecs pad."""
    samples = np.concatenate(list(blocks(encoded(container, codec), max_s=10)))
    assert samples.dtype == np.float32
    assert samples.size / RATE == pytest.approx(1, abs=0.15)


def test_every_sample_of_a_sound_is_there() -> None:
    """At the rate of the engine, and at another one, of which the resampler keeps the end until it is asked."""
    with wave.open(str(CLIP)) as original, CLIP.open("rb") as file:
        assert sum(block.size for block in blocks(file, max_s=60)) == original.getnframes()
    assert abs(sum(block.size for block in blocks(wav(2, rate=44_100), max_s=60)) - 2 * RATE) <= 1


@pytest.mark.parametrize("data", [b"\x00" * 5000, b"# A text\n" * 100, b"RIFF\xff\xff\xff\xffWAVEfmt "])
def test_what_is_no_sound_is_refused(data: bytes) -> None:
    """With an error that is the client's."""
    with pytest.raises(BadRequestError):
        list(blocks(io.BytesIO(data), max_s=10))


def test_a_sound_that_is_too_long_is_refused_before_any_of_it_is_read() -> None:
    """Where the file says how long it is."""
    with pytest.raises(TooLargeError):
        next(iter(blocks(wav(11), max_s=10)))


def test_a_file_that_breaks_off_is_heard_until_there() -> None:
    """What was said before is worth having."""
    data = encoded("mp3", "libmp3lame").getvalue()
    assert sum(block.size for block in blocks(io.BytesIO(data[: len(data) // 2]), max_s=10)) > RATE / 10


def test_a_rate_at_which_a_few_bytes_are_hours_is_refused() -> None:
    """One sample a second."""
    with pytest.raises(BadRequestError):
        list(blocks(wav(30, rate=1), max_s=1e9))


@pytest.mark.parametrize(
    "playlist", ["#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{}\n#EXT-X-ENDLIST\n", "ffconcat version 1.0\nfile '{}'\n"]
)
def test_a_playlist_opens_nothing_else(playlist: str, tmp_path: Path) -> None:
    """An upload may not name files of this machine, or addresses."""

    class Named(io.BytesIO):
        name = "list.m3u8"  # FFmpeg looks at it, too

    secret = tmp_path / "secret.ts"
    secret.write_bytes(encoded("mpegts", "aac").getvalue())
    for address in (str(secret), f"file:{secret}", "http://127.0.0.1:9/x.ts"):
        with pytest.raises(BadRequestError):
            list(blocks(Named(playlist.format(address).encode()), max_s=10))
