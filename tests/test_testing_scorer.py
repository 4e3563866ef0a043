"""The fake judge of an end of turn is what it stands for."""

from __future__ import annotations

import asyncio

import pytest

from voicemode.audio import CAPTURE_RATE, AudioChunk
from voicemode.interfaces import TurnScorer
from voicemode.testing import FakeScorer, tone


def test_a_fake_scorer_gives_its_scores_in_order_and_keeps_what_it_was_asked() -> None:
    """The last one is for ever; preparing and closing are noted."""

    async def use() -> None:
        fake = FakeScorer([0.1, 0.9], used="prosody", problem="told to")
        scorer: TurnScorer = fake
        chunk = AudioChunk(tone(0.1), CAPTURE_RATE)
        await scorer.prepare()
        assert [await scorer.score(chunk) for _ in range(3)] == [0.1, 0.9, 0.9]
        await scorer.aclose()
        assert (scorer.name, scorer.used, scorer.problem) == ("fake", "prosody", "told to")
        assert (fake.prepared, len(fake.utterances), fake.closed) == (1, 3, True)

    asyncio.run(use())


def test_a_fake_scorer_may_be_late() -> None:
    """So that whoever waits for it can be seen not to."""

    async def use() -> None:
        async with asyncio.timeout(0.02):
            await FakeScorer(delay_s=60).score(AudioChunk(tone(0.1), CAPTURE_RATE))

    with pytest.raises(TimeoutError):
        asyncio.run(use())
