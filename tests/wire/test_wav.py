"""What is read as a WAV file, what is refused, and what is written."""

from __future__ import annotations

import io
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from voicemode.audio import AudioChunk
from voicemode.errors import MediaError
from voicemode.wire.wav import decode_wav, encode_wav

CLIPS = Path(__file__).parents[1] / "clips"
GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")


def header(*, tag: int = 1, channels: int = 1, rate: int = 16_000, bits: int = 16) -> bytes:
    """A "fmt " chunk."""
    block = channels * bits // 8
    return b"fmt " + struct.pack("<IHHIIHH", 16, tag, channels, rate, (rate * block) & 0xFFFF_FFFF, block, bits)


def extensible(*, tag: int, bits: int, tail: bytes = GUID_TAIL) -> bytes:
    """The same as WAVE_FORMAT_EXTENSIBLE."""
    plain = header(tag=0xFFFE, bits=bits)[8:]
    return b"fmt " + struct.pack("<I", 40) + plain + struct.pack("<HHIH", 22, bits, 4, tag) + tail


def riff(*chunks: bytes, size: int | None = None, name: bytes = b"RIFF") -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return name + struct.pack("<I", len(body) if size is None else size) + body


def data(body: bytes, size: int | None = None) -> bytes:
    return b"data" + struct.pack("<I", len(body) if size is None else size) + body


def samples(file: bytes) -> list[int]:
    return [int(sample) for sample in decode_wav(file).samples]


@settings(max_examples=50, deadline=None)
@given(arrays(np.int16, st.integers(0, 50)), st.integers(1_000, 384_000))
def test_what_is_written_is_read_back(pcm: np.ndarray[tuple[int], np.dtype[np.int16]], rate: int) -> None:
    """Sample for sample, at the same rate."""
    again = decode_wav(encode_wav(AudioChunk(pcm, rate)))
    assert again.sample_rate == rate
    assert np.array_equal(again.samples, pcm)


def test_what_is_written_is_read_by_others() -> None:
    """16-bit mono PCM with true sizes."""
    with wave.open(io.BytesIO(encode_wav(AudioChunk.silence(0.5, 24_000)))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate(), file.getnframes()) == (1, 2, 24_000, 12_000)


def test_a_recording_of_others_is_read() -> None:
    """A human voice, as the standard library reads it."""
    path = CLIPS / "seven_of_clubs.wav"
    with wave.open(str(path)) as file:
        expected = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    assert np.array_equal(decode_wav(path.read_bytes()).samples, expected)


@pytest.mark.parametrize(
    ("head", "body", "expected"),
    [
        (header(bits=8), bytes([0, 128, 255]), [-32768, 0, 32512]),
        (header(bits=16), struct.pack("<3h", -32768, 0, 32767), [-32768, 0, 32767]),
        (header(bits=24), b"\x00\x00\x80\x00\x00\x00\xff\xff\x7f\x00\x01\x00", [-32768, 0, 32767, 1]),
        (header(bits=32), struct.pack("<3i", -(2**31), 0, 2**31 - 1), [-32768, 0, 32767]),
        (header(tag=3, bits=32), struct.pack("<4f", -1.0, 0.0, 0.5, 1.0), [-32768, 0, 16384, 32767]),
        (header(tag=3, bits=64), struct.pack("<2d", -0.5, 2.0), [-16384, 32767]),
        (header(tag=3, bits=32), struct.pack("<3f", float("nan"), float("inf"), float("-inf")), [0, 32767, -32768]),
        (extensible(tag=1, bits=16), struct.pack("<2h", 5, -5), [5, -5]),
        (extensible(tag=3, bits=32), struct.pack("<f", 0.25), [8192]),
        (header(channels=2), struct.pack("<4h", 100, 300, -32768, -32768), [200, -32768]),
        (header(channels=3), struct.pack("<3h", 32767, 32767, 32767), [32767]),
    ],
)
def test_every_usual_coding_is_read(head: bytes, body: bytes, expected: list[int]) -> None:
    """All widths come to the same scale, and all channels count alike."""
    assert samples(riff(head, data(body))) == expected


@pytest.mark.parametrize("size", [0, 0x7FFF_FFFF, 0xFFFF_FFFF])
@pytest.mark.parametrize("whole", [0, 36, 0x7FFF_FFFF, 0xFFFF_FFFF])
def test_a_stream_of_unknown_size_is_read_to_its_end(size: int, whole: int) -> None:
    """Servers send the header before they know how much will follow; half a sample at the end is dropped."""
    assert samples(riff(header(), data(b"\x01\x00\x02\x00\x03", size), size=whole)) == [1, 2]


def test_the_sizes_of_rf64_are_unknown_too() -> None:
    """Its true sizes stand elsewhere, and the sound comes last."""
    ds64 = b"ds64" + struct.pack("<IQQQI", 28, 0, 0, 0, 0)
    assert samples(riff(ds64, header(), data(b"\x01\x00", 0xFFFF_FFFF), size=0xFFFF_FFFF, name=b"RF64")) == [1]


def test_chunks_around_the_sound_are_passed_over() -> None:
    """Their padding to even sizes included; an empty recording is not read into the chunk behind it."""
    extra = b"LIST" + struct.pack("<I", 3) + b"abc\x00"
    assert samples(riff(extra, header(), extra, data(b"\x01\x00"), extra)) == [1]
    assert samples(riff(header(), data(b""), extra)) == []


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        (b"", "does not begin"),
        (b"<html><body>Not found</body></html>", "does not begin"),
        (b"ID3\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00", "does not begin"),
        (riff(), "no sound"),
        (riff(header())[:30], "cut off"),
        (riff(header()), "no sound"),
        (riff(extensible(tag=1, bits=16))[:50], "cut off"),
        (riff(data(b"\x01\x00"), header()), "before its format"),
        (riff(header(channels=0), data(b"")), "0 channels"),
        (riff(header(channels=65), data(b"")), "65 channels"),
        (riff(header(rate=0), data(b"")), "0 Hz"),
        (riff(header(rate=4_000_000_000), data(b"")), "4000000000 Hz"),
        (riff(header(tag=7, bits=8), data(b"")), "coding"),
        (riff(header(bits=12), data(b"")), "coding"),
        (riff(header(bits=0), data(b"")), "coding"),
        (riff(extensible(tag=1, bits=16, tail=bytes(14)), data(b"")), "coding"),
        (riff(header(), data(b"\x01\x00" * 50))[:-20], "breaks off after 80 of 100 bytes"),
    ],
)
def test_what_is_no_wav_file_is_refused(file: bytes, problem: str) -> None:
    """The error says what is wrong with it."""
    with pytest.raises(MediaError, match=problem) as caught:
        decode_wav(file)
    assert caught.value.what == "the WAV file"


SHAPED = st.builds(
    lambda chunks, size: riff(*chunks, size=size),
    st.lists(
        st.one_of(
            st.builds(
                lambda tag, channels, rate, bits: header(tag=tag, channels=channels, rate=rate, bits=bits),
                st.sampled_from([0, 1, 3, 7]), st.integers(0, 70), st.sampled_from([0, 999, 16_000, 2**31]), st.integers(0, 70),
            ),
            st.builds(data, st.binary(max_size=60), st.one_of(st.none(), st.integers(0, 2**32 - 1))),
            st.binary(max_size=40),
        ),
        max_size=4,
    ),
    st.integers(0, 2**32 - 1),
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=100), SHAPED))
@example(riff(header(tag=3, bits=32), data(struct.pack("<f", 3e38))))
def test_any_bytes_are_sound_or_a_typed_error(file: bytes) -> None:
    """Whatever an endpoint sends, nothing else is raised."""
    try:
        chunk = decode_wav(file)
    except MediaError:
        return
    assert chunk.samples.dtype == np.int16
    assert 1_000 <= chunk.sample_rate <= 384_000


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 200))
def test_a_file_cut_anywhere_is_refused(length: int) -> None:
    """A truncated answer is never taken for a shorter one."""
    whole = encode_wav(AudioChunk(np.arange(100, dtype=np.int16), 16_000))
    with pytest.raises(MediaError):
        decode_wav(whole[: min(length, len(whole) - 1)])
