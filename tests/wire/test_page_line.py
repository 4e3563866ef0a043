"""The line between an agent's process and a page: what is written is read, and nothing else is."""

from __future__ import annotations

import contextlib
import json
from dataclasses import fields
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemode.wire.page_line import (
    MOST_BYTES,
    Duck,
    Kind,
    LineError,
    Message,
    Played,
    SoundFrame,
    Take,
    decode,
    decode_sound,
    encode,
    encode_sound,
)

KINDS: tuple[type[Any], ...] = get_args(Message)
VALUES: dict[type, st.SearchStrategy[Any]] = {
    str: st.text(max_size=100),
    int: st.integers(0, 65_535),
    float: st.floats(-1e9, 1e9),
}


@st.composite
def messages(draw: st.DrawFn) -> Message:
    kind = draw(st.sampled_from(KINDS))
    hints = get_type_hints(kind)
    message: Message = kind(**{each.name: draw(VALUES[hints[each.name]]) for each in fields(kind)})
    return message


frames = st.builds(
    SoundFrame,
    kind=st.sampled_from(Kind),
    run=st.integers(0, 65_535),
    position=st.integers(0, 1 << 53),
    samples=st.binary(max_size=2_000).map(lambda data: data[: len(data) // 2 * 2]),
    at_ms=st.integers(0, (1 << 32) - 1),
)


@given(messages())
def test_every_message_comes_back_as_it_was(message: Message) -> None:
    """Of each kind, with any words in it."""
    assert decode(encode(message)) == message


@given(frames)
def test_every_sound_comes_back_as_it_was(frame: SoundFrame) -> None:
    """With its run, position and time; its samples begin at an even address."""
    data = encode_sound(frame)
    assert decode_sound(data) == frame
    assert len(data) - len(frame.samples) == 16


@given(st.text())
def test_any_text_is_a_message_or_an_error_of_the_line(text: str) -> None:
    """Nothing else is raised, whatever comes."""
    with contextlib.suppress(LineError):
        decode(text)


@given(st.binary(max_size=64))
def test_any_bytes_are_a_sound_or_an_error_of_the_line(data: bytes) -> None:
    """As for text."""
    try:
        frame = decode_sound(data)
    except LineError:
        return
    assert encode_sound(frame)[2:] == data[2:]


@given(messages(), st.data())
def test_a_field_of_another_type_is_an_error_that_does_not_repeat_it(message: Message, data: st.DataObject) -> None:
    """What is in it may be what somebody said."""
    value = json.loads(encode(message))
    names = [name for name in value if name != "type"]
    if not names:
        return
    name = data.draw(st.sampled_from(names))
    value[name] = data.draw(st.sampled_from([None, True, ["secret"], {"secret": 1}]))
    with pytest.raises(LineError) as error:
        decode(json.dumps(value))
    assert "secret" not in str(error.value)
    assert name in str(error.value)


def test_what_is_not_known_is_passed_over() -> None:
    """The other side may be newer: a type, and a field."""
    assert decode('{"type": "later", "x": 1}') is None
    assert decode('{"type": "take", "agent": "Claude", "mood": "good"}') == Take("Claude")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '"take"',
        '{"agent": "x"}',
        '{"type": 1}',
        '{"type": "take"}',
        '{"type": "duck", "gain_db": NaN}',
        '{"type": "played", "run": -1, "position": 0, "at_ms": 0, "now_ms": 0}',
        '{"type": "played", "run": 65536, "position": 0, "at_ms": 0, "now_ms": 0}',
        '{"type": "played", "run": 1, "position": 0.5, "at_ms": 0, "now_ms": 0}',
        '{"type": "take", "agent": "' + "x" * MOST_BYTES + '"}',
        "[" * 60_000,
    ],
    ids=range(12),
)
def test_what_is_broken_is_refused(text: str) -> None:
    """Before it reaches a device."""
    with pytest.raises(LineError):
        decode(text)


def test_a_whole_number_is_a_number_of_seconds_too() -> None:
    """JavaScript writes 12.0 as 12."""
    assert decode('{"type": "duck", "gain_db": -12}') == Duck(-12.0)
    assert decode('{"type": "played", "run": 1, "position": 2, "at_ms": 3, "now_ms": 4}') == Played(1, 2, 3.0, 4.0)


def test_names_on_the_wire_are_the_pages() -> None:
    """frontend/src/line/wire.ts has the same."""
    names = {json.loads(encode(kind(**{each.name: _some(kind, each.name) for each in fields(kind)})))["type"] for kind in KINDS}
    assert {"open_speaker", "was_cut", "microphone_opened", "no_page", "page_left"} <= names
    assert len(names) == len(KINDS)


def _some(kind: type[Any], name: str) -> object:
    return {str: "", int: 0, float: 0.0}[get_type_hints(kind)[name]]
