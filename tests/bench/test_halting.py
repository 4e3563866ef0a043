"""What people say at the sound card: bare of the room around it, and halted where it cannot end."""

from __future__ import annotations

import numpy as np
import pytest

from bench.end_of_turn_sounds import Clip, Floats, Word
from bench.halting import clip_sayings, halting_sayings
from tests.stubs.spoken_words import sounding

RATE = 16_000
CARD_RATE = 48_000


def clip(text: str = "seven of clubs") -> Clip:
    """Half a second of room, then each word for 0.4 s with 0.1 s in between, then room again."""
    random = np.random.default_rng(1)
    words = tuple(Word(word, 0.5 + 0.5 * n, 0.9 + 0.5 * n) for n, word in enumerate(text.split()))
    sound: Floats = (1e-4 * random.standard_normal(round((words[-1].end + 0.5) * RATE))).astype(np.float32)
    for word in words:
        part = slice(round(word.begin * RATE), round(word.end * RATE))
        sound[part] += 0.1 * random.standard_normal(part.stop - part.start).astype(np.float32)
    return Clip("cards", "somebody", sound, words)


def test_a_clip_is_said_without_the_room_around_it() -> None:
    """Its first and last samples are speech, and its words lie inside."""
    (saying,) = clip_sayings([clip()])
    assert saying.sound.seconds == pytest.approx(1.4, abs=0.02)
    assert saying.text == "seven of clubs"
    assert [at for at, _ in saying.words] == pytest.approx([0.2, 0.7, 1.2], abs=0.02)


@pytest.mark.parametrize("pause_s", [0.7, 1.2])
def test_a_clip_halts_behind_the_word_that_cannot_end(pause_s: float) -> None:
    """For so long, and goes on."""
    halted = next(saying for saying in halting_sayings([clip()], pause_s) if saying.name == "cards")
    assert halted.pause_s == pause_s
    assert [at for at, _ in halted.words] == pytest.approx([0.2, 0.7, 1.1 + pause_s], abs=0.03)
    silent = halted.sound.samples[round(0.92 * CARD_RATE) : round((0.88 + pause_s) * CARD_RATE)]
    assert sounding(np.concatenate([halted.sound.samples[:CARD_RATE], silent]), CARD_RATE, 30.0)[1] <= CARD_RATE


def test_a_clip_whose_words_may_all_end_is_not_halted() -> None:
    """Nor one that ends with such a word, or begins with it."""
    for text in ("go forward", "forward to", "to go"):
        assert all(saying.name != "cards" for saying in halting_sayings([clip(text)], 0.7))
