"""The lines of ``voicemode control``: what is written is read, and what nobody wrote is refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemode.wire.control import (
    LINE_LIMIT,
    ControlAction,
    ControlAnswer,
    ControlState,
    read_answer,
    read_request,
    write_answer,
    write_request,
)


@given(st.sampled_from(list(ControlAction)), st.text(max_size=64))
def test_a_request_is_read_as_it_was_written(action: ControlAction, secret: str) -> None:
    """With the secret, if there is one, on one line."""
    line = write_request(action, secret)
    assert read_request(line) == (action, secret)
    assert line.count(b"\n") == 1


@given(st.booleans(), st.sampled_from(list(ControlState)), st.text())
def test_an_answer_is_read_as_it_was_written(ok: bool, state: ControlState, detail: str) -> None:
    """Details that are too long are cut, so that it is one line that is read in any case."""
    line = write_answer(ControlAnswer(ok, state, detail))
    read = read_answer(line)
    assert (read.ok, read.state) == (ok, state)
    assert detail.startswith(read.detail)
    assert read.detail == detail or len(read.detail) >= 300
    assert line.count(b"\n") == 1


def test_the_longest_answer_fits_into_a_line() -> None:
    """Also when each letter is escaped twice."""
    line = write_answer(ControlAnswer(ok=True, state=ControlState.LISTENING, detail="\U0001f642" * 10_000))
    assert len(line) <= LINE_LIMIT
    assert read_answer(line).detail == "\U0001f642" * 300


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b'{"action": "pause"}',
        b"pause\n",
        b"\xff\xfe\n",
        b"[" * 2000 + b"\n",
        b'["pause"]\n',
        b"null\n",
        b"{}\n",
        b'{"action": "reboot"}\n',
        b'{"action": ["pause"]}\n',
        b'{"action": "pause", "secret": 5}\n',
        b'{"action": "pause", "command": "rm"}\n',
        b'{"action": "pause", "secret": "' + b"x" * LINE_LIMIT + b'"}\n',
    ],
)
def test_what_is_no_request_is_refused(line: bytes) -> None:
    """With a ValueError, whatever it is."""
    with pytest.raises(ValueError, match=r"^(it is no|the (action|request))"):
        read_request(line)


@given(st.binary(max_size=200))
def test_bytes_of_any_kind_are_read_or_refused(line: bytes) -> None:
    """By both sides: what is read is what the protocol knows, and everything else is a ValueError."""
    with contextlib.suppress(ValueError):
        action, secret = read_request(line + b"\n")
        assert isinstance(action, ControlAction)
        assert isinstance(secret, str)
    with contextlib.suppress(ValueError):
        answer = read_answer(line + b"\n")
        assert isinstance(answer.ok, bool)
        assert isinstance(answer.state, ControlState)


@pytest.mark.parametrize(
    "line", [b'{"ok": 1, "state": "idle"}\n', b'{"ok": true}\n', b'{"ok": true, "state": "asleep"}\n', b"[]\n"]
)
def test_what_is_no_answer_is_refused(line: bytes) -> None:
    """One of another version, for instance."""
    with pytest.raises(ValueError, match=r"\w"):
        read_answer(line)
