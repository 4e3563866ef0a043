"""A text becomes steps: a clause each, giving way where it must, with nothing left out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from voicemode_kokoro.engine import Interrupt, Spoken
from voicemode_kokoro.speech import Pace, speech
from voicemode_kokoro.voices import Voice
from voicemode_service.errors import BadRequestError
from voicemode_service.work import Stop

HOW = Spoken(Voice((("af_sky", 1.0),)), "en-us")
LONG = "This is a sentence of some length. And this is the next one, which is longer than the first one was. "


class Speller:
    """An engine whose sound is the text: each character is one sample. ``before`` is called with what is asked."""

    name, device, rate = "speller", "cpu", 1000

    def __init__(self, before: Callable[[str], object] = lambda _: None) -> None:
        self.asked: list[str] = []
        self._before = before

    def phonemes(self, text: str, language: str) -> str:
        assert language == "en-us"
        return text

    def speak(self, phonemes: str, how: Spoken, interrupt: Interrupt) -> NDArray[np.float32] | None:
        assert how == HOW
        self.asked.append(phonemes)
        self._before(phonemes)
        return None if interrupt else np.array([ord(sign) / 32767 for sign in phonemes], np.float32)


def _spelled(data: bytes) -> str:
    """What pcm says; the silence between clauses is a space."""
    signs = "".join(chr(number) for number in np.frombuffer(data, "<i2"))
    return " ".join(signs.replace("\0", " ").split())


def _all(engine: Speller, text: str, *, pace: Pace | None = None, stop: Stop | None = None) -> bytes:
    return b"".join(speech(engine, pace or Pace(), text, HOW, wanted="pcm", stop=Stop() if stop is None else stop))


def test_everything_is_spoken_in_order() -> None:
    """Clause by clause; the last step says that it is the last."""
    chunks = list(speech(Speller(), Pace(), LONG * 3, HOW, wanted="pcm", stop=Stop()))
    assert _spelled(b"".join(chunks)) == (LONG * 3).strip()
    assert [chunk.last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]


def test_a_sentence_is_followed_by_its_pause_and_the_text_by_none() -> None:
    """A quarter of a second at speed 1."""
    data = _all(Speller(), "This is the first sentence. This is the second one.")
    samples = np.frombuffer(data, "<i2")
    assert np.count_nonzero(samples == 0) == 250
    assert samples[-1] == ord(".")


@pytest.mark.parametrize("text", ["!!!", "... — ...", "?"])
def test_a_text_without_sounds_is_refused(text: str) -> None:
    """The model would make a noise of marks alone."""
    with pytest.raises(BadRequestError, match="Nothing in the text can be spoken"):
        _all(Speller(), text)


def test_marks_alone_in_a_text_are_passed_over() -> None:
    """And the end is still the end."""
    engine = Speller()
    chunks = list(
        speech(engine, Pace(), "This is spoken, you can be sure of that. " + "- " * 60, HOW, wanted="wav", stop=Stop())
    )
    assert all(any(sign.isalpha() for sign in piece) for piece in engine.asked)
    assert chunks[-1].last


def test_a_long_piece_gives_way_and_is_then_made_in_short_parts() -> None:
    """Whoever waits has a turn after an empty step; nothing is left out or said twice."""
    stop = Stop()
    interrupted: list[str] = []

    def somebody_waits(phonemes: str) -> None:
        if len(phonemes) > 30 and not interrupted:
            interrupted.append(phonemes)
            stop.give_way()

    engine = Speller(somebody_waits)
    pace = Pace(per_phoneme_s=1.0)  # it learns that the speller is quick, but not at once
    chunks = list(speech(engine, pace, LONG * 3, HOW, wanted="pcm", stop=stop))
    assert _spelled(b"".join(chunks)).replace(" ", "") == (LONG * 3).replace(" ", "")
    assert b"" in chunks
    parts = engine.asked[engine.asked.index(interrupted[0]) + 1 :]
    assert len(parts[0]) < len(interrupted[0])


def test_the_last_piece_may_give_way_too() -> None:
    """Its first part is not taken for the end."""
    stop = Stop()
    engine = Speller(lambda phonemes: stop.give_way() if phonemes.endswith("one was.") and len(engine.asked) == 3 else None)
    chunks = list(speech(engine, Pace(per_phoneme_s=1.0), LONG, HOW, wanted="pcm", stop=stop))
    assert b"" in chunks
    assert [chunk.last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]


def test_what_is_made_soon_does_not_give_way() -> None:
    """It would be done before anybody noticed: nothing is made twice."""
    stop = Stop()
    engine = Speller(lambda _: stop.give_way())
    assert _spelled(_all(engine, LONG * 3, pace=Pace(per_phoneme_s=1e-4), stop=stop)) == (LONG * 3).strip()
    assert " ".join(engine.asked) == (LONG * 3).strip()


def test_nobody_waiting_ends_it_at_once() -> None:
    """The engine is interrupted and asked nothing more."""
    stop = Stop()
    engine = Speller(lambda _: stop.set())
    assert _all(engine, LONG * 3, stop=stop) == b""
    assert len(engine.asked) == 1


def test_the_pace_is_learned() -> None:
    """From what the engine does; short runs count as if longer, since each costs something by itself."""
    pace = Pace(per_phoneme_s=1.0)
    for _ in range(50):
        pace.learn("x" * 100, 1.0)
    assert pace.takes("x" * 100) == pytest.approx(1.0, rel=0.01)
    assert pace.affords(0.5) == pytest.approx(50, abs=1)
