"""Words of known times, and a stub that writes down as many as it is sent."""

from __future__ import annotations

import itertools
import json
import shutil
from http.client import HTTPConnection
from urllib.parse import urlsplit

import numpy as np
import pytest

from tests.stubs.client import SpeechStub
from tests.stubs.spoken_words import sounding, spoken_words, words_until
from voicemode.audio import AudioChunk
from voicemode.testing import tone
from voicemode.wire.wav import encode_wav

RATE = 24_000


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_words_sound_when_they_are_said_to() -> None:
    """Each fills its time, and between them is nothing."""
    samples, words = spoken_words("One, two three.")
    assert [word.text for word in words] == ["One,", "two", "three."]
    for word in words:
        part = samples[round(word.begin_s * RATE) : round(word.end_s * RATE)]
        assert sounding(part, RATE) == (0, len(part))
    gaps = [round(1000 * (b.begin_s - a.end_s)) for a, b in itertools.pairwise(words)]
    assert gaps == [260, 20]
    assert not samples[round(words[0].end_s * RATE) : round(words[1].begin_s * RATE)].any()
    assert len(samples) / RATE == pytest.approx(words[-1].end_s + 0.4)


def test_words_until_an_instant_are_those_before_it() -> None:
    """In order."""
    assert words_until([(0.1, "one"), (0.5, "two"), (0.9, "three")], 0.6) == "one two"


def test_silence_sounds_nowhere() -> None:
    """An empty stretch."""
    assert sounding(np.zeros(RATE, np.int16), RATE) == (0, 0)


@pytest.mark.parametrize(("said_s", "text"), [(0.3, "one"), (1.0, "one two three")])
def test_a_stub_writes_down_the_words_of_what_it_is_sent(said_s: float, text: str) -> None:
    """However much silence is around them."""
    quiet = np.zeros(16_000, np.int16)
    sound = AudioChunk(np.concatenate([quiet, tone(said_s, 16_000), quiet]), 16_000)
    with SpeechStub(sites=1) as stub:
        stub.configure(stt_words=[[0.1, "one"], [0.5, "two"], [0.9, "three"]])
        assert _transcribed(stub, sound) == text


def _transcribed(stub: SpeechStub, sound: AudioChunk) -> str:
    head = '--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n'
    body = head.encode() + encode_wav(sound) + b"\r\n--x--\r\n"
    connection = HTTPConnection(urlsplit(stub.url).netloc, timeout=10)
    try:
        connection.request("POST", "/v1/audio/transcriptions", body, {"Content-Type": "multipart/form-data; boundary=x"})
        answer: dict[str, str] = json.loads(connection.getresponse().read())
        return answer["text"]
    finally:
        connection.close()
