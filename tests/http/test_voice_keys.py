"""Keys that stand in an address: whom they let talk, and what they never do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from voicemode.http.voice_keys import VoiceKeys

TOKEN = SecretStr("vm_a-token-of-these-tests")
KEYS = VoiceKeys(TOKEN)


def thread_of(key: str | bytes, keys: VoiceKeys = KEYS) -> str | None:
    found = keys.find([key if isinstance(key, bytes) else key.encode()])
    return None if found is None else found.wish.thread


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_a_key_is_for_its_thread(thread: str) -> None:
    """Whatever it is called; and it can stand in an address as it is."""
    key = KEYS.make(thread)
    assert thread_of(key) == thread
    assert all(character.isalnum() or character in "-_." for character in key)


def test_a_key_of_another_token_is_none() -> None:
    """So a new token ends them all."""
    assert thread_of(KEYS.make("kitchen"), VoiceKeys(SecretStr("vm_another-token-of-these"))) is None


def test_a_key_cannot_be_bent_to_another_thread() -> None:
    """The signature is of the name."""
    name = KEYS.make("bedroom").partition(".")[0]
    assert thread_of(f"{name}.{KEYS.make('kitchen').partition('.')[2]}") is None


@given(st.binary(max_size=80))
def test_nothing_else_is_a_key(junk: bytes) -> None:
    """Nor does it break anything."""
    assert thread_of(junk) is None
    assert thread_of(b"vk_" + junk) is None


def test_a_name_of_the_longest_kind_has_a_key() -> None:
    """Two hundred letters, which may have four bytes each."""
    assert thread_of(KEYS.make("\U0001f600" * 200)) is not None


@pytest.mark.parametrize(
    "key", ["vk_", "vk_.", "vk_=.=", "vk_%.%", "vk_" + "A" * 100_000, "vk_/w.AAAA", TOKEN.get_secret_value()]
)
def test_what_looks_like_one_is_none(key: str) -> None:
    """Also what is no base64, no UTF-8, or endless."""
    assert thread_of(key) is None
