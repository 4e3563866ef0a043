"""Bytes become sound as they arrive, whatever pieces they come in."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterable, Sequence

import numpy as np
import pytest

from tests.stubs.sound import RATE, encode, speech
from voicemode.audio import AudioChunk, Samples
from voicemode.errors import EndpointError
from voicemode.providers.decode import MIN_CHUNK_S, NotAudioError, decode
from voicemode.wire.openai_audio import AudioCoding, Container

pytestmark = pytest.mark.anyio

VOICE = speech("a sentence of some length", "tone", 0.06)
BROKEN = EndpointError("http://127.0.0.1:1/v1", "broke off in mid-answer")


async def _arriving(parts: Iterable[bytes], failure: EndpointError | None = None) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
        await asyncio.sleep(0)
    if failure is not None:
        raise failure


def _cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def _announcing(wav: bytes, times: int) -> bytes:
    """The WAV with a head that says it has so many times its samples."""
    return wav[:40] + ((len(wav) - 44) * times).to_bytes(4, "little") + wav[44:]


async def _all(parts: AsyncIterator[bytes], coding: AudioCoding) -> list[AudioChunk]:
    return [chunk async for chunk in decode(parts, coding)]


def _joined(chunks: Sequence[AudioChunk]) -> Samples:
    return np.concatenate([c.samples for c in chunks])


def _coding(container: Container) -> AudioCoding:
    return AudioCoding(container)


@pytest.mark.parametrize("size", [1, 3, 479, 4096, 10**6])
async def test_raw_samples_survive_every_cut(size: int) -> None:
    """Odd boundaries split samples, and nothing is lost, doubled or shifted."""
    chunks = await _all(_arriving(_cut(encode(VOICE, "pcm"), size)), _coding("pcm"))
    assert np.array_equal(_joined(chunks), VOICE)
    assert {c.sample_rate for c in chunks} == {RATE}
    assert all(c.seconds >= MIN_CHUNK_S for c in chunks[:-1])


async def test_the_first_chunk_does_not_wait_for_more_than_it_needs() -> None:
    """20 ms of samples are enough to leave."""
    enough = round(RATE * MIN_CHUNK_S) * 2
    endless = asyncio.Event()

    async def parts() -> AsyncIterator[bytes]:
        yield encode(VOICE, "pcm")[:enough]
        await endless.wait()

    sound = decode(parts(), _coding("pcm"))
    async with asyncio.timeout(5):
        assert len((await anext(sound)).samples) == enough // 2
    await sound.aclose()


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("size", [1, 7, 45, 10**6])
async def test_a_wav_is_read_whether_it_knows_its_length_or_not(streamed: bool, size: int) -> None:
    """Its head is taken off, in whatever pieces it comes."""
    parts = _cut(encode(VOICE, "wav", streamed=streamed), size)
    assert np.array_equal(_joined(await _all(_arriving(parts), _coding("wav"))), VOICE)


async def test_a_wav_labelled_as_samples_does_not_click() -> None:
    """Its head would be heard as a click; the magic number is believed before the label."""
    chunks = await _all(_arriving([encode(VOICE, "wav")]), _coding("pcm"))
    assert np.array_equal(_joined(chunks), VOICE)


async def test_what_follows_the_samples_of_a_wav_is_not_played() -> None:
    """Tags may stand behind the sound."""
    wav = encode(VOICE, "wav", streamed=False) + b"LIST\x04\x00\x00\x00INFO"
    assert np.array_equal(_joined(await _all(_arriving(_cut(wav, 1000)), _coding("wav"))), VOICE)


async def test_two_channels_become_one() -> None:
    """By their mean; the rate is the one the label names."""
    both = np.stack([VOICE, np.zeros_like(VOICE)], axis=1).reshape(-1)
    chunks = await _all(_arriving(_cut(both.tobytes(), 333)), AudioCoding("pcm", 16_000, 2))
    assert np.allclose(_joined(chunks), VOICE / 2, atol=1)
    assert chunks[0].sample_rate == 16_000


@pytest.mark.parametrize("container", ["mp3", "opus", "aac", "flac"])
@pytest.mark.parametrize("size", [100, 10**6])
async def test_compressed_sound_is_decoded_while_it_arrives(container: Container, size: int) -> None:
    """The same words, at the stream's own rate, in the same length to 0.1 s (codecs pad)."""
    chunks = await _all(_arriving(_cut(encode(VOICE, container), size)), _coding(container))
    heard, seconds = _joined(chunks), sum(c.seconds for c in chunks)
    assert seconds == pytest.approx(len(VOICE) / RATE, abs=0.1)
    assert np.std(heard) == pytest.approx(np.std(VOICE), rel=0.15)
    assert chunks[0].samples.dtype == np.int16


async def test_flac_is_lossless() -> None:
    """Every sample in its place."""
    assert np.array_equal(_joined(await _all(_arriving(_cut(encode(VOICE, "flac"), 999)), _coding("flac"))), VOICE)


async def test_compressed_sound_is_heard_before_it_has_all_arrived() -> None:
    """Two kilobytes of mp3 give sound, though the rest never comes."""
    endless = asyncio.Event()
    data = encode(VOICE, "mp3")

    async def parts() -> AsyncIterator[bytes]:
        for part in _cut(data[:2000], 500):
            yield part
        await endless.wait()

    sound = decode(parts(), _coding("mp3"))
    async with asyncio.timeout(5):
        assert len((await anext(sound)).samples) > 0
    await sound.aclose()


async def _no_decoder_left() -> None:
    async with asyncio.timeout(5):
        while any(t.name == "voicemode-decode" for t in threading.enumerate()):
            await asyncio.sleep(0.01)


async def test_leaving_ends_the_decoders_thread() -> None:
    """In the middle of the sound, with the decoder waiting for bytes."""
    endless = asyncio.Event()

    async def parts() -> AsyncIterator[bytes]:
        yield encode(VOICE, "mp3")
        await endless.wait()

    sound = decode(parts(), _coding("mp3"))
    await anext(sound)
    assert any(t.name == "voicemode-decode" for t in threading.enumerate())
    await sound.aclose()
    await _no_decoder_left()


async def test_leaving_ends_a_decoder_that_is_ahead() -> None:
    """It waits for the listener, not for bytes."""
    sound = decode(_arriving(_cut(encode(np.tile(VOICE, 20), "mp3"), 2000)), _coding("mp3"))
    await anext(sound)
    await asyncio.sleep(0.3)
    await sound.aclose()
    await _no_decoder_left()


async def test_cancelling_ends_the_decoders_thread() -> None:
    """Cancelled while waiting for the first sound, the task ends as cancelled."""
    endless = asyncio.Event()

    async def parts() -> AsyncIterator[bytes]:
        yield encode(VOICE, "mp3")[:200]
        await endless.wait()

    listening = asyncio.create_task(_all(parts(), _coding("mp3")))
    while not any(t.name == "voicemode-decode" for t in threading.enumerate()):
        await asyncio.sleep(0.01)
    listening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listening
    await _no_decoder_left()


async def test_a_slow_listener_holds_the_decoder_back() -> None:
    """Half a minute of sound is not decoded into memory while one chunk is played; afterwards nothing is missing."""
    long = np.tile(VOICE, 20)
    parts = _cut(encode(long, "mp3"), 200)
    taken = 0

    async def arriving() -> AsyncIterator[bytes]:
        nonlocal taken
        for part in parts:
            taken += 1
            yield part

    sound = decode(arriving(), _coding("mp3"))
    first = await anext(sound)
    await asyncio.sleep(0.3)
    assert taken < len(parts) // 2
    rest = [chunk async for chunk in sound]
    assert sum(c.seconds for c in [first, *rest]) == pytest.approx(len(long) / RATE, abs=0.1)


@pytest.mark.parametrize("container", ["pcm", "wav", "mp3", "flac"])
async def test_what_arrived_before_a_failure_is_heard_before_it_is_raised(container: Container) -> None:
    """The listener gets the half sentence, then the reason: the network's, not the decoder's."""
    long = np.tile(VOICE, 4)
    data = encode(long, container, streamed=False)
    half = _cut(data[: len(data) // 2 + 1], 777)
    heard: list[AudioChunk] = []

    async def listen() -> None:
        async for chunk in decode(_arriving(half, BROKEN), _coding(container)):
            heard.append(chunk)

    with pytest.raises(EndpointError) as caught:
        await listen()
    assert caught.value is BROKEN
    assert sum(c.seconds for c in heard) == pytest.approx(len(long) / RATE / 2, abs=0.6)  # a block of FLAC is 0.2 s


@pytest.mark.parametrize(
    ("data", "container"),
    [
        (encode(VOICE, "pcm") + b"\x01", "pcm"),
        (encode(VOICE, "wav", streamed=False)[:-1000], "wav"),
        (encode(VOICE, "wav", streamed=False)[:30], "wav"),
        (b"RIFF\x00\x00\x00\x00WAVEdata\x00\x00\x00\x00" + bytes(100), "wav"),
        (b"RIFF\x00\x00\x00\x00WAVE" + b"JUNK\xff\xff\xff\x7f" + bytes(70_000), "wav"),
        (b"not a wav at all, but some words", "wav"),
        (b"<!doctype html><html>Welcome</html>", "pcm"),
        (b'{"error": {"message": "out of memory"}}', "pcm"),
        (b'\n[ {"msg": "field required"}]', "wav"),
        (bytes(range(1, 251)) * 40, "mp3"),
        (bytes(range(1, 251)) * 40, "flac"),
        (b"OggS" + bytes(range(1, 251)) * 40, "opus"),
        (b"#EXTM3U\nfile:///etc/passwd\n" * 20, "mp3"),
    ],
)
async def test_what_is_not_the_sound_it_claims_to_be_is_an_error(data: bytes, container: Container) -> None:
    """Truncated, broken or something else altogether."""
    with pytest.raises(NotAudioError):
        await _all(_arriving(_cut(data, 5000)), _coding(container))


@pytest.mark.parametrize("size", [1, 7, 10**6])
@pytest.mark.parametrize("announced", [2, 1000, 1001])
async def test_a_wav_that_is_longer_than_it_says_is_heard_to_its_end(announced: int, size: int) -> None:
    """Writers that cannot seek announce the first block they had."""
    data = bytearray(encode(VOICE, "wav"))
    data[40:44] = announced.to_bytes(4, "little")
    assert np.array_equal(_joined(await _all(_arriving(_cut(bytes(data), size)), _coding("wav"))), VOICE)


@pytest.mark.parametrize("size", [1, 7, 10**6])
async def test_what_follows_the_samples_of_a_wav_is_no_sound(size: int) -> None:
    """A list of titles, as tagging programs append it."""
    data = encode(VOICE, "wav", streamed=False) + b"LIST\x1a\x00\x00\x00INFOISFT\x0d\x00\x00\x00Lavf61.1.100\x00\x00"
    assert np.array_equal(_joined(await _all(_arriving(_cut(data, size)), _coding("wav"))), VOICE)


@pytest.mark.parametrize(
    ("data", "container"), [(encode(VOICE, "pcm") + b"\x01", "pcm"), (_announcing(encode(VOICE, "wav"), 3), "wav")]
)
async def test_an_answer_that_http_calls_complete_is_complete(data: bytes, container: Container) -> None:
    """Half a sample left over, or a WAV that announces three times what comes: there is nothing missing."""
    chunks = [chunk async for chunk in decode(_arriving(_cut(data, 5000)), _coding(container), delimited=True)]
    assert np.array_equal(_joined(chunks), VOICE)


async def test_no_bytes_are_no_sound_and_no_error() -> None:
    """The synthesizer says what an empty answer means."""
    assert await _all(_arriving([]), _coding("pcm")) == []
    assert await _all(_arriving([]), _coding("mp3")) == []


def test_samples_are_decoded_without_loading_pyav() -> None:
    """16 MB and 80 ms that raw PCM does not cost."""
    script = (
        "import sys, voicemode.providers.http_tts, voicemode.providers.decode\n"
        "assert 'av' not in sys.modules, 'PyAV was loaded'\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
