"""Who is taken for a person although nobody is there counts, however it shows."""

from __future__ import annotations

import pytest

from bench.own_voice import Message


@pytest.mark.parametrize(
    ("status", "text", "held"),
    [
        ("no_speech", "", True),
        ("interrupted", "the words of the stub", False),
        ("no_speech", "words that came afterwards", False),
        ("answered", "", False),
        ("failed", "", False),
    ],
)
def test_only_a_message_that_nobody_answered_or_stopped_held(status: str, text: str, held: bool) -> None:
    """A duck is forgiven, and told; an end, or words, are not."""
    assert Message(16.0, status, text, ("duck", "unduck"), 0.5).held is held
