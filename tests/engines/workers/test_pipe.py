"""Frames survive any cutting, and anything else is refused at once."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemode.engines.workers.pipe import MAX_HEADER, MAX_PAYLOAD, Message, PipeError, PipeReader, encode

_headers = st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text(), max_size=4)


@given(st.lists(st.tuples(_headers, st.binary(max_size=200)), max_size=5), st.integers(1, 50))
def test_messages_come_out_as_they_went_in_however_the_stream_is_cut(
    messages: list[tuple[dict[str, object], bytes]], size: int
) -> None:
    """The operating system may deliver any pieces."""
    stream = b"".join(encode(header, payload) for header, payload in messages)
    reader = PipeReader()
    read = [message for at in range(0, len(stream), size) for message in reader.feed(stream[at : at + size])]
    assert read == [Message(header, payload) for header, payload in messages]


@given(st.binary(max_size=300))
def test_garbage_is_refused_or_waited_for_but_never_anything_else(garbage: bytes) -> None:
    """Random bytes raise PipeError or wait for more; they make no message and no other exception."""
    try:
        assert PipeReader().feed(garbage) == []
    except PipeError:
        return


@pytest.mark.parametrize(
    "frame",
    [
        b"Loading model... done\n",
        struct.pack(">4sII", b"VMW1", MAX_HEADER + 1, 0),
        struct.pack(">4sII", b"VMW1", 2, MAX_PAYLOAD + 1),
        struct.pack(">4sII", b"VMW1", 2, 0) + b"[]",
        struct.pack(">4sII", b"VMW1", 2, 0) + b"{]",
        struct.pack(">4sII", b"VMW1", 2, 0) + b"\xff\xfe",
    ],
    ids=["a library that prints", "a huge header", "a huge payload", "no object", "no JSON", "no UTF-8"],
)
def test_what_is_not_the_protocol_is_said_at_once(frame: bytes) -> None:
    """A frame that cannot be right is not waited for."""
    with pytest.raises(PipeError):
        PipeReader().feed(frame)


def test_the_first_wrong_byte_is_enough() -> None:
    """Garbage shorter than a frame's beginning does not wait for more."""
    with pytest.raises(PipeError):
        PipeReader().feed(b"L")


def test_too_large_a_frame_is_not_made() -> None:
    """The sender learns it, not the receiver."""
    with pytest.raises(PipeError):
        encode({}, bytes(MAX_PAYLOAD + 1))
