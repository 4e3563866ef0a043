"""Names of threads at an agent's: the person's own where they can be, and never one that is somebody else's."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemode.core.conversation_names import conversation_name
from voicemode.record import OWNER


@pytest.mark.parametrize("thread", ["kitchen", "2026-11-21-voice-0af3", "a", "Plan_2.b"])
def test_a_usual_name_is_kept(thread: str) -> None:
    """So that what one types and what one says meet."""
    assert conversation_name(thread) == thread


@pytest.mark.parametrize("thread", ["../../etc", "a/b", "-rf", ".ssh", "a..b", "", "küche", "a\nb", "x" * 500, "\ud800"])
def test_an_unusual_one_becomes_one_that_is_no_path_and_no_option(thread: str) -> None:
    """Whatever a client calls its thread."""
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]{0,79}", conversation_name(thread))
    assert ".." not in conversation_name(thread)


@given(st.text(max_size=40), st.text(max_size=20), st.text(max_size=40), st.text(max_size=20))
def test_nobody_gets_another_ones_conversation(thread: str, identity: str, other: str, stranger: str) -> None:
    """Of the owner, or of anybody else; unless they choose a name that only a digest could have given them."""
    if (thread, identity) != (other, stranger) and "." not in thread + other:
        assert conversation_name(thread, identity) != conversation_name(other, stranger)


def test_a_guest_does_not_get_the_owners_conversation() -> None:
    """By naming theirs alike."""
    assert conversation_name("kitchen", "guest") != conversation_name("kitchen", OWNER)
    assert conversation_name(conversation_name("kitchen", "guest"), "guest") != conversation_name("kitchen", "guest")
