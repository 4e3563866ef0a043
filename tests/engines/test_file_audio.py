"""Files that answer, and files that keep what was said."""

from __future__ import annotations

import asyncio
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from voicemode.audio import CAPTURE_RATE, AudioChunk, Samples
from voicemode.engines.file_audio import FileMicrophone, FileSpeaker
from voicemode.errors import MediaError
from voicemode.interfaces import CapturedBlock, Microphone, Speaker
from voicemode.testing import tone
from voicemode.wire.wav import decode_wav, encode_wav

CLIP = Path(__file__).parents[1] / "clips" / "seven_of_clubs.wav"


def write_tone(path: Path, codec: str, rate: int, layout: str, seconds: float = 1.0) -> Path:
    """A tone of 440 Hz in the file format that the name's ending says."""
    channels = 2 if layout == "stereo" else 1
    samples = np.repeat(tone(seconds, rate), channels).reshape(1, -1)
    with av.open(path, mode="w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout=layout)
        frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
        convert = av.AudioResampler(format=stream.format, layout=layout, rate=rate, frame_size=stream.frame_size)
        for part in [*convert.resample(frame), *convert.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path


async def hear(microphone: Microphone) -> list[CapturedBlock]:
    blocks = []
    await microphone.open()
    while (block := await microphone.read()) is not None:
        blocks.append(block)
    await microphone.close()
    return blocks


def joined(blocks: list[CapturedBlock]) -> Samples:
    return np.concatenate([block.chunk.samples for block in blocks])


@pytest.mark.parametrize(
    ("name", "codec", "rate", "layout"),
    [
        ("a.wav", "pcm_s16le", 44_100, "stereo"),
        ("a.flac", "flac", 48_000, "mono"),
        ("a.mp3", "libmp3lame", 24_000, "mono"),
        ("a.ogg", "libopus", 48_000, "stereo"),
        ("a.m4a", "aac", 44_100, "mono"),
    ],
)
def test_any_usual_format_is_heard_as_16_khz_mono(tmp_path: Path, name: str, codec: str, rate: int, layout: str) -> None:
    """One second of tone comes out as one second of the same tone, give or take a codec's padding."""
    blocks = asyncio.run(hear(FileMicrophone(write_tone(tmp_path / name, codec, rate, layout))))
    heard = joined(blocks)
    assert {block.chunk.sample_rate for block in blocks} == {CAPTURE_RATE}
    assert len(heard) / CAPTURE_RATE == pytest.approx(1.0, abs=0.1)
    middle = heard[4_000:12_000].astype(np.float64)
    assert np.argmax(np.abs(np.fft.rfft(middle))) * CAPTURE_RATE / len(middle) == pytest.approx(440, abs=3)


def test_a_16_khz_wav_is_heard_sample_by_sample(tmp_path: Path) -> None:
    """Nothing is lost at either end when there is nothing to convert."""
    samples = tone(0.51)
    path = tmp_path / "a.wav"
    path.write_bytes(encode_wav(AudioChunk(samples, CAPTURE_RATE)))
    assert joined(asyncio.run(hear(FileMicrophone(path)))).tolist() == samples.tolist()


def test_captured_at_counts_the_files_own_time() -> None:
    """Block n was "captured" n blocks after the first, however fast the file is read."""
    blocks = asyncio.run(hear(FileMicrophone(CLIP)))
    position = 0
    for block in blocks:
        assert block.captured_at - blocks[0].captured_at == pytest.approx(position / CAPTURE_RATE)
        position += len(block.chunk.samples)


def test_a_file_answers_only_after_the_message() -> None:
    """Until the event is set nothing is heard, as from a person who listens first."""

    async def scenario() -> None:
        spoken = asyncio.Event()
        microphone = FileMicrophone(CLIP, spoken)
        await microphone.open()
        reading = asyncio.create_task(microphone.read())
        await asyncio.sleep(0.02)
        assert not reading.done()
        spoken.set()
        assert await asyncio.wait_for(reading, 1.0) is not None

    asyncio.run(scenario())


def test_a_file_can_be_heard_twice() -> None:
    """Opened again, it begins at its beginning."""
    microphone = FileMicrophone(CLIP)
    assert joined(asyncio.run(hear(microphone))).tolist() == joined(asyncio.run(hear(microphone))).tolist()


def test_reading_without_opening_is_a_mistake() -> None:
    """It is said, and not taken for silence."""
    with pytest.raises(RuntimeError, match="open"):
        asyncio.run(FileMicrophone(CLIP).read())


@pytest.mark.parametrize("content", [b"", b"not a WAV", b"RIFF\x00\x00\x00\x00WAVE", b"#EXTM3U\nhttp://localhost/\n"])
def test_what_is_no_audio_file_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    """Empty, text, a header without sound, a playlist that names an address: one error that names the file."""
    path = tmp_path / "question.wav"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=r"question\.wav"):
        asyncio.run(FileMicrophone(path).open())


def test_a_playlist_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FFmpeg would read the files that it names, whatever its own name is."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.wav").write_bytes(CLIP.read_bytes())
    path = tmp_path / "question.wav"
    path.write_text("ffconcat version 1.0\nfile other.wav\n", encoding="utf-8")
    with pytest.raises(MediaError):
        asyncio.run(FileMicrophone(path).open())


def test_a_missing_file_or_a_folder_is_refused_by_name(tmp_path: Path) -> None:
    """The error says which path and why."""
    for path in (tmp_path / "missing.wav", tmp_path):
        with pytest.raises(MediaError, match=path.name):
            asyncio.run(FileMicrophone(path).open())


async def say(speaker: Speaker, *chunks: AudioChunk) -> None:
    await speaker.open()
    for chunk in chunks:
        await speaker.play(chunk)
    await speaker.drain()
    await speaker.close()


def test_what_is_said_becomes_a_wav(tmp_path: Path) -> None:
    """24 kHz, 16 bit, every sample, and nothing else is left in the folder."""
    path = tmp_path / "reply.wav"
    samples = tone(0.5, 24_000)
    asyncio.run(say(FileSpeaker(path), AudioChunk(samples[:5_000], 24_000), AudioChunk(samples[5_000:], 24_000)))
    written = decode_wav(path.read_bytes())
    assert written.sample_rate == 24_000
    assert written.samples.tolist() == samples.tolist()
    assert list(tmp_path.iterdir()) == [path]


def test_other_rates_are_converted(tmp_path: Path) -> None:
    """Two engines in one message: their seconds add up."""
    path = tmp_path / "reply.wav"
    speaker = FileSpeaker(path)
    asyncio.run(say(speaker, *(AudioChunk(tone(0.5, rate), rate) for rate in (22_050, 48_000))))
    assert decode_wav(path.read_bytes()).seconds == pytest.approx(1.0, abs=0.001)
    assert speaker.played_s == pytest.approx(1.0)


def test_nothing_said_is_an_empty_wav(tmp_path: Path) -> None:
    """Silence is a valid answer."""
    path = tmp_path / "reply.wav"
    asyncio.run(say(FileSpeaker(path)))
    assert path.read_bytes() == encode_wav(AudioChunk(np.zeros(0, dtype=np.int16), 24_000))


def test_the_file_appears_whole(tmp_path: Path) -> None:
    """Until the speaker is closed, a file of that name is what it was."""

    async def scenario() -> None:
        path = tmp_path / "reply.wav"
        path.write_bytes(b"old")
        speaker = FileSpeaker(path)
        await speaker.open()
        await speaker.play(AudioChunk(tone(0.1, 24_000), 24_000))
        assert path.read_bytes() == b"old"
        await speaker.close()
        await speaker.close()
        assert path.read_bytes() != b"old"

    asyncio.run(scenario())


def test_a_path_that_cannot_be_written_is_refused_before_anything_is_said(tmp_path: Path) -> None:
    """A folder that does not exist, or the path of a folder."""
    for path in (tmp_path / "none" / "reply.wav", tmp_path):
        with pytest.raises(MediaError, match=path.name):
            asyncio.run(FileSpeaker(path).open())


def test_draining_lets_the_person_answer() -> None:
    """The event that a FileMicrophone waits for is set; sound is audible at once, so nothing is still playing."""

    async def scenario() -> None:
        drained = asyncio.Event()
        speaker = FileSpeaker(None, drained)
        await speaker.open()
        times = [speaker.first_sound_at, speaker.audible_until]
        assert times == [None, None]
        await speaker.play(AudioChunk(tone(60.0, 24_000), 24_000))
        assert not drained.is_set()
        await speaker.drain()
        assert drained.is_set()
        assert speaker.first_sound_at == speaker.audible_until
        assert speaker.first_sound_at is not None
        await speaker.close()

    asyncio.run(scenario())
