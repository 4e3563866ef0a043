"""The stream of voicemode's own service, as text."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemode.wire.audio_stream import FLUSH, Flushed, Grown, Refused, read_stream_message, stream_path

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=6,
)
KINDS = st.sampled_from(["partial", "flushed", "error", "ready", "final", "new"])


@pytest.mark.parametrize(
    ("message", "meaning"),
    [
        ({"type": "partial", "settled": "go", "tail": " on", "until": 1.5}, Grown("go", " on", 1.5)),
        ({"type": "partial", "settled": "", "tail": "", "until": 2}, Grown("", "", 2.0)),
        ({"type": "flushed", "text": " Go on. ", "until": 2.0}, Flushed("Go on.")),
        ({"type": "error", "error": {"message": "busy"}}, Refused(b'{"type": "error", "error": {"message": "busy"}}')),
        ({"type": "ready", "sample_rate": 16000, "model": "whisper-base"}, None),
        ({"type": "something of tomorrow"}, None),
    ],
)
def test_each_message_has_its_meaning(message: object, meaning: object) -> None:
    """Kinds that are not known are left alone."""
    assert read_stream_message(json.dumps(message)) == meaning


@given(st.text() | st.binary() | st.builds(json.dumps, JSON))
def test_what_is_no_message_is_said_to_be_none(data: str | bytes) -> None:
    """Whatever comes."""
    with contextlib.suppress(ValueError):
        read_stream_message(data)


@given(KINDS, st.dictionaries(st.sampled_from(["settled", "tail", "until", "text", "error"]), JSON))
def test_a_message_with_wrong_fields_is_refused_and_never_misread(kind: str, fields: dict[str, object]) -> None:
    """Text is text, and seconds are a number that is finite."""
    try:
        meaning = read_stream_message(json.dumps({"type": kind, **fields}))
    except ValueError:
        assert kind in ("partial", "flushed")
        return
    if isinstance(meaning, Grown):
        assert (meaning.settled, meaning.tail) == (fields["settled"], fields["tail"])
        assert abs(meaning.until_s) < float("inf")


def test_nesting_without_end_is_no_message() -> None:
    """It must not end the conversation."""
    with pytest.raises(ValueError, match="not a message"):
        read_stream_message("[" * 100_000)


def test_the_path_says_model_and_language() -> None:
    """Names with any characters are only text."""
    assert stream_path(model="a b&c", language="pt") == "/audio/stream?model=a+b%26c&language=pt"
    assert stream_path(model="whisper-1", language=None) == "/audio/stream?model=whisper-1"
    assert json.loads(FLUSH) == {"type": "flush"}
