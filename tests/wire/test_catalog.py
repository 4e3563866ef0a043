"""What services say they have, in every shape that is about."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemode.wire.catalog import MOST_ROWS, NAME_CHARS, Model, Voice, parse_models, parse_voices


def _list(*rows: dict[str, Any]) -> bytes:
    return json.dumps({"object": "list", "data": list(rows)}).encode()


def test_the_models_of_kokoro_speak() -> None:
    """Kokoro-FastAPI lists OpenAI's names and its own, without saying what they are for."""
    rows = [
        {"id": name, "object": "model", "owned_by": "kokoro"} for name in ("tts-1", "tts-1-hd", "kokoro", "gpt-4o-mini-tts")
    ]
    models = parse_models(_list(*rows))
    assert models is not None
    assert [(model.name, model.use) for model in models] == [(row["id"], "tts") for row in rows]


def test_speaches_says_what_each_model_is_for() -> None:
    """Its fields count, whatever the name looks like."""
    voices = [{"name": "af_heart", "id": "af_heart", "language": "en-us", "gender": "female"}]
    models = parse_models(
        _list(
            {"id": "Systran/faster-distil-whisper-small.en", "task": "automatic-speech-recognition", "language": ["en"]},
            {
                "id": "speaches-ai/Kokoro-82M-v1.0-ONNX",
                "task": "text-to-speech",
                "language": ["multilingual"],
                "voices": voices,
            },
            {"id": "speaches-ai/whisper-vad", "task": "voice-activity-detection"},
        )
    )
    assert models == (
        Model("Systran/faster-distil-whisper-small.en", "stt", ("en",)),
        Model("speaches-ai/Kokoro-82M-v1.0-ONNX", "tts", (), (Voice("af_heart", "en-us"),)),
        Model("speaches-ai/whisper-vad", "other"),
    )


@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("whisper-1", "stt"),
        ("mlx-community/parakeet-tdt-0.6b-v3", "stt"),
        ("gpt-4o-transcribe", "stt"),
        ("Qwen/Qwen3-ASR-1.7B", "stt"),
        ("gpt-4o-mini-tts", "tts"),
        ("mlx-community/Kokoro-82M-bf16", "tts"),
        ("coqui/XTTS-v2", "tts"),
        ("sesame/csm-1b", "tts"),
        ("nomic-embed-text:latest", "other"),
        ("llama3.2:3b", None),
        ("qwen3:8b", None),
        ("gemma-media", None),
    ],
)
def test_usual_names_tell_what_a_model_is_for(name: str, use: str | None) -> None:
    """A name that tells nothing is left open."""
    assert parse_models(_list({"id": name})) == (Model(name, use),)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<!doctype html><title>My app</title>",
        b"[]",
        b"{}",
        b'{"data": {"id": "whisper-1"}}',
        b'{"data": [{"id": 1, "title": "A product"}]}',
        b'{"data": ["whisper-1"]}',
        b'{"models": [{"name": "llama3"}]}',
        b"[" * 100_000,
        b"\xff\xfe\x00",
    ],
)
def test_what_is_no_list_of_models_is_told_from_an_empty_one(body: bytes) -> None:
    """Another program's JSON is none, and neither is a web page or a trap for parsers."""
    assert parse_models(body) is None


def test_a_service_without_a_model_has_an_empty_list() -> None:
    """As mlx-audio answers before it has loaded one."""
    assert parse_models(_list()) == ()


@pytest.mark.parametrize(
    "answer",
    [
        ["af_sky", "am_adam"],
        {"voices": ["af_sky", "am_adam"]},
        {"voices": [{"id": "af_sky", "name": "af_sky"}, {"id": "am_adam", "name": "am_adam"}], "object": "list"},
        {"voices": [{"voice_id": "af_sky", "name": "Sky"}, {"voice_id": "am_adam", "name": "Adam"}]},
        {"data": [{"name": "af_sky"}, {"name": "am_adam"}]},
        ["af_sky", "am_adam", "am_adam", 3, {"colour": "red"}, ""],
    ],
)
def test_voices_are_read_in_every_shape(answer: object) -> None:
    """Names in a list, in an object, or in objects; each once, and nothing that is no name."""
    assert parse_voices(json.dumps(answer).encode()) == (Voice("af_sky"), Voice("am_adam"))


def test_a_voice_may_say_its_language() -> None:
    """As in speaches, in BCP 47."""
    body = json.dumps({"voices": [{"name": "pf_dora", "language": "pt-BR"}, {"name": "x", "language": 5}]}).encode()
    assert parse_voices(body) == (Voice("pf_dora", "pt-br"), Voice("x"))


@pytest.mark.parametrize("body", [b"", b"{}", b'"af_sky"', b'{"voices": "af_sky"}', b"<html>", b"[" * 100_000])
def test_what_is_no_list_of_voices_is_none(body: bytes) -> None:
    """An error, a web page, a trap."""
    assert parse_voices(body) is None


def test_names_that_no_honest_service_has_are_left_out() -> None:
    """They would go to the terminal and into tables."""
    bad = ["a\x1b[2Jb", "x" * (NAME_CHARS + 1), "", "a\nb"]
    assert parse_models(_list(*({"id": name} for name in [*bad, "tts-1"]))) == (Model("tts-1", "tts"),)
    assert parse_voices(json.dumps([*bad, "af_sky"]).encode()) == (Voice("af_sky"),)


def test_lists_have_an_end() -> None:
    """Whatever is listed, so many rows are read."""
    body = json.dumps([f"v{number}" for number in range(MOST_ROWS + 5)]).encode()
    voices = parse_voices(body)
    assert voices is not None
    assert len(voices) == MOST_ROWS


_ANSWERS = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["data", "id", "name", "task", "language", "voices", "voice_id"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.binary(max_size=300) | _ANSWERS.map(lambda answer: json.dumps(answer).encode()))
def test_no_answer_whatever_breaks_the_reading(body: bytes) -> None:
    """Names that can be shown, or nothing."""
    for model in parse_models(body) or ():
        assert model.name.isprintable()
    for voice in parse_voices(body) or ():
        assert voice.name.isprintable()


def test_a_stream_counts_only_by_its_own_name() -> None:
    """Another protocol at that place is not spoken here."""
    models = parse_models(
        _list(*({"id": "whisper-1", "audio_stream": value} for value in ("voicemode-1", "voicemode-2", True, None)))
    )
    assert models is not None
    assert [model.live for model in models] == [True, False, False, False]
