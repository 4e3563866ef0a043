"""The codec of the OpenAI audio API, on values."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemode.audio import AudioChunk
from voicemode.interfaces import SpeechRequest, TranscriptionRequest
from voicemode.wire.openai_audio import (
    REASON_CHARS,
    AnswerError,
    AudioCoding,
    Container,
    audio_coding,
    error_reason,
    parse_transcription,
    sniff,
    speech_body,
    transcription_fields,
)

UTTERANCE = AudioChunk.silence(0.1, 16_000)


def test_a_speech_body_has_the_fields_of_the_reference() -> None:
    """Speed is left out when it is the voice's own."""
    body = json.loads(speech_body(SpeechRequest("Grüß Gott"), model="tts-1", voice="af_sky", response_format="pcm"))
    assert body == {"model": "tts-1", "input": "Grüß Gott", "voice": "af_sky", "response_format": "pcm"}
    fast = json.loads(speech_body(SpeechRequest("x", speed=1.5), model="m", voice="v", response_format="wav"))
    assert fast["speed"] == 1.5


def test_half_a_character_does_not_break_the_body() -> None:
    """A lone surrogate cannot be sent as UTF-8; it is replaced."""
    body = speech_body(SpeechRequest("a\ud800b"), model="m", voice="v", response_format="pcm")
    assert json.loads(body)["input"] == "a?b"


@pytest.mark.parametrize(("language", "sent"), [("en", "en"), ("pt-BR", "pt"), ("de_AT", "de"), ("EN-us", "en")])
def test_the_language_is_sent_as_the_api_wants_it(language: str, sent: str) -> None:
    """The first subtag of BCP 47, in lower case."""
    assert transcription_fields(TranscriptionRequest(UTTERANCE, language), model="m")["language"] == sent


def test_expected_answers_become_a_prompt() -> None:
    """Whisper takes text that came before as a hint; without options nothing is hinted."""
    fields = transcription_fields(TranscriptionRequest(UTTERANCE, options=("yes", "no")), model="whisper-1")
    assert fields == {"model": "whisper-1", "response_format": "json", "prompt": "yes, no."}
    assert "prompt" not in transcription_fields(TranscriptionRequest(UTTERANCE), model="m")


@pytest.mark.parametrize(
    ("label", "body"),
    [
        ("application/json", b'{"text": " Hello there.\\n"}'),
        ("application/json; charset=utf-8", b'{"text": "Hello there.", "usage": {}}'),
        ("text/plain; charset=utf-8", b"Hello there.\n"),
        ("text/plain", b'{"text": "Hello there."}'),
        ("", b'{"text": "Hello there."}'),
    ],
)
def test_a_transcription_is_read_in_every_shape(label: str, body: bytes) -> None:
    """JSON, plain text, and JSON with the wrong label."""
    assert parse_transcription(label, body).text == "Hello there."


@pytest.mark.parametrize(
    ("label", "body"),
    [
        ("text/html", b"<html>hi</html>"),
        ("application/json", b"<!DOCTYPE html><p>secret"),
        ("application/json", b"{not json"),
        ("application/json", b'{"texts": "secret"}'),
        ("application/json", b'{"text": null}'),
        ("application/json", b'["secret"]'),
        ("application/json", b""),
        ("text/plain", b'{"words": "secret"}'),
    ],
)
def test_what_is_no_transcription_is_an_error_that_repeats_nothing(label: str, body: bytes) -> None:
    """Somebody else's page or JSON never becomes the user's words."""
    with pytest.raises(AnswerError) as caught:
        parse_transcription(label, body)
    assert "secret" not in str(caught.value)


def _verbose(*segments: tuple[float, float]) -> bytes:
    rows = [{"text": "x", "no_speech_prob": p, "avg_logprob": q} for p, q in segments]
    return json.dumps({"text": "Thank you.", "segments": rows}).encode()


@pytest.mark.parametrize(
    ("segments", "text"),
    [
        ([(0.9, -1.4)], ""),
        ([(0.9, -1.4), (0.7, -1.1)], ""),
        ([(0.9, -1.4), (0.1, -0.2)], "Thank you."),
        ([(0.9, -0.3)], "Thank you."),
        ([(0.2, -1.4)], "Thank you."),
        ([], "Thank you."),
    ],
)
def test_words_whisper_itself_takes_for_silence_are_dropped(segments: list[tuple[float, float]], text: str) -> None:
    """Only when both of its own figures say so, for every segment."""
    assert parse_transcription("application/json", _verbose(*segments)).text == text


def test_the_endpoints_own_certainty_is_kept() -> None:
    """The mean over segments; None when the answer has none."""
    assert parse_transcription("application/json", _verbose((0.1, -0.2), (0.1, -0.4))).log_probability == pytest.approx(-0.3)
    assert parse_transcription("application/json", b'{"text": "x"}').log_probability is None


@pytest.mark.parametrize(
    ("label", "asked", "coding"),
    [
        ("audio/pcm", "pcm", AudioCoding("pcm", 24_000)),
        ("audio/pcm;rate=16000", "pcm", AudioCoding("pcm", 16_000)),
        ("audio/PCM; rate=22050; channels=2", "pcm", AudioCoding("pcm", 22_050, 2)),
        ("audio/pcm; rate=0", "pcm", AudioCoding("pcm", 24_000)),
        ("audio/pcm; rate=-1", "pcm", AudioCoding("pcm", 24_000)),
        ("", "pcm", AudioCoding("pcm")),
        ("application/octet-stream", "wav", AudioCoding("wav")),
        ("audio/mpeg", "pcm", AudioCoding("mp3")),
        ("audio/x-wav", "pcm", AudioCoding("wav")),
        ("audio/ogg; codecs=opus", "pcm", AudioCoding("opus")),
        ("application/json", "pcm", None),
        ("text/html", "pcm", None),
        ("audio/L16; rate=16000", "pcm", None),
    ],
)
def test_the_label_says_how_sound_is_coded(label: str, asked: Container, coding: AudioCoding | None) -> None:
    """What is delivered counts, not what was asked for; without a label it is what was asked for."""
    assert audio_coding(label, asked) == coding


def test_magic_numbers_are_recognized_and_samples_are_not() -> None:
    """Raw samples have no magic, and must not be mistaken for a container."""
    assert sniff(b"RIFF\x24\x00\x00\x00WAVE") == "wav"
    assert sniff(b"OggS\x00\x02") == "opus"
    assert sniff(b"fLaC\x00") == "flac"
    assert sniff(b"ID3\x04\x00") == "mp3"
    assert sniff(b"RIFF\x24\x00\x00\x00AVI ") is None
    assert sniff(bytes(12)) is None
    assert sniff(b"") is None


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"error": {"message": "Voice not found", "type": "x"}}', "Voice not found"),
        (b'{"error": "out of memory"}', "out of memory"),
        (b'{"detail": "Not Found"}', "Not Found"),
        (b'{"detail": {"error": "validation_error", "message": "no such voice"}}', "no such voice"),
        (b'{"detail": [{"loc": ["body", "speed"], "msg": "too large", "input": 9}]}', "body.speed: too large"),
        (b'{"message": "quota"}', "quota"),
        (b'"plain"', "plain"),
        (b'{"unexpected": ["shape"]}', ""),
        (b"[1, 2]", ""),
        (b"<html>oops</html>", "a web page"),
        (b"", ""),
    ],
)
def test_the_reason_is_found_in_every_usual_shape(body: bytes, reason: str) -> None:
    """OpenAI's, FastAPI's and plain ones; an unknown shape gives no reason rather than a dump."""
    assert error_reason("application/json", body) == reason


def test_a_reason_is_short_and_printable() -> None:
    """Control characters would reach a terminal, and a long page would fill the agent's context."""
    body = json.dumps({"error": {"message": "\x1b[31mred\x07\r\nnext\u202e line " + "x y " * 5000}}).encode()
    reason = error_reason("application/json", body)
    assert reason.isprintable()
    assert reason.startswith("[31mred next line")
    assert len(reason) <= REASON_CHARS


@pytest.mark.parametrize(
    "words",
    [
        "Incorrect API key provided: sk-proj-abc123DEF456",
        "bad header 'Bearer abcdefgh'",
        "token 0123456789abcdef0123456789abcdef is unknown",
        "key tiny-key refused",
    ],
)
def test_keys_are_never_repeated(words: str) -> None:
    """Neither the one that was sent nor anything that looks like one."""
    reason = error_reason("text/plain", words.encode(), private=("tiny-key",))
    for secret in ("abc123", "abcdefgh", "0123456789abcdef", "tiny-key"):
        assert secret not in reason
    assert "…" in reason


def test_the_callers_text_is_never_repeated() -> None:
    """Services quote the input they refuse, whole or in part, in other spacing or case."""
    text = "My mother's maiden name is\nPaddington, and the safe code is 4711."
    for quoted in (text, text[:30] + "...", text.upper(), " ".join(text.split())):
        body = json.dumps({"error": {"message": f"cannot speak '{quoted}': too long"}}).encode()
        reason = error_reason("application/json", body, private=(text,))
        assert "maiden" not in reason.lower()
        assert "cannot speak" in reason


@given(st.binary(max_size=300), st.sampled_from(["application/json", "text/plain", "", "text/html", "x"]))
def test_no_answer_whatever_breaks_the_codec(body: bytes, label: str) -> None:
    """Bytes from outside give a value or AnswerError, never another exception."""
    assert error_reason(label, body, private=("something the user said",)).isprintable()
    sniff(body)
    audio_coding(label, "pcm")
    try:
        parse_transcription(label, body)
    except AnswerError as error:
        assert str(error).isprintable()  # noqa: PT017 (any outcome but another exception is right)


_FIELDS = st.sampled_from(
    "text segments error message detail data id avg_logprob no_speech_prob msg loc".split()  # noqa: SIM905
)
_ANSWERS = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_FIELDS, inner, max_size=4),
    max_leaves=12,
)


@given(_ANSWERS)
def test_no_json_whatever_breaks_the_codec(answer: object) -> None:
    """Fields of the wrong type are as good as missing."""
    body = json.dumps(answer).encode()
    assert error_reason("application/json", body).isprintable()
    try:
        parse_transcription("application/json", body)
    except AnswerError as error:
        assert str(error).isprintable()  # noqa: PT017
