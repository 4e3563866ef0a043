"""What was heard when playback was interrupted is told to one word, with its punctuation, whatever the engine tells."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import wave
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicemode.audio import Samples, WordOnset
from voicemode.core.heard import Heard, Piece, Silence, find_silences, heard_until, seconds_per_letter, snap_back

SCRIPT = Path(__file__).with_name("espeak_word_times.py")
MESSAGE = (
    "I found four files that mention it. The second one failed its test, because the date was off by a day.",
    "Shall I change it, or do you want to look at it first? Yes: it returns early, so the queue may be empty when it wakes up.",
    "That is rare, but it happens! If you plan to visit, take the early train, because the later ones are crowded.",
)


@dataclass(frozen=True)
class WordTime:
    """When a word really sounds, in seconds after the piece's first sample."""

    character: int
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Spoken:
    """A message as espeak-ng spoke it, piece by piece."""

    pieces: tuple[Piece, ...]
    """With their silences, without an alignment."""
    word_times: tuple[tuple[WordTime, ...], ...]
    """When each word really sounds, by piece."""
    sound: Samples
    rate: int


def last_sound_s(sound: Samples, rate: int, start_s: float, end_s: float) -> float:
    """Where the last sample between these two is that is above -50 dBFS."""
    loud = np.flatnonzero(np.abs(sound[round(start_s * rate) : round(end_s * rate)].astype(np.int32)) > 100)
    return start_s + float(loud[-1] / rate if len(loud) else 0.0)


@functools.cache
def spoken(voice: str, words_per_minute: int, folder: Path) -> Spoken:
    pytest.importorskip("espeakng_loader")
    pieces, times, sounds, rate, start_s = list[Piece](), list[tuple[WordTime, ...]](), list[Samples](), 22_050, 0.0
    for text in MESSAGE:
        out = folder / "piece.wav"
        command = [sys.executable, str(SCRIPT), voice, str(words_per_minute), str(out)]
        told = json.loads(subprocess.run(command, input=text.encode(), capture_output=True, check=True).stdout)
        with wave.open(str(out)) as file:
            rate = file.getframerate()
            sound: Samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        end_s = start_s + len(sound) / rate
        pieces.append(Piece(text, start_s, end_s, silences=find_silences(sound, rate)))
        begins = [at for _, _, at in told] + [len(sound) / rate]
        times.append(
            tuple(
                WordTime(first, begins[i], last_sound_s(sound, rate, begins[i], begins[i + 1]))
                for i, (first, _, _) in enumerate(told)
            )
        )
        sounds.append(sound)
        start_s = end_s
    return Spoken(tuple(pieces), tuple(times), np.concatenate(sounds), rate)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("espeak")


def onsets(words: tuple[WordTime, ...]) -> tuple[WordOnset, ...]:
    return tuple(WordOnset(word.character, word.start_s) for word in words)


def truly_heard(message: Spoken, played_s: float) -> int:
    """How many words had been audible for more than half of their time."""
    return sum(
        played_s >= piece.start_s + (word.start_s + word.end_s) / 2
        for piece, words in zip(message.pieces, message.word_times, strict=True)
        for word in words
    )


@pytest.mark.parametrize("looked", [True, False], ids=["silences known", "silences unknown"])
@pytest.mark.parametrize(("voice", "words_per_minute"), [("en-us", 175), ("en-gb-scotland", 140), ("en-us+f3", 230)])
def test_wherever_it_is_interrupted_the_text_is_off_by_one_word_at_most(
    voice: str, words_per_minute: int, looked: bool, folder: Path
) -> None:
    """At every 70 ms, against the engine's own times; by two at one place in twenty, when nobody looked for silences."""
    message = spoken(voice, words_per_minute, folder)
    pieces = message.pieces if looked else tuple(replace(piece, silences=()) for piece in message.pieces)
    off = []
    for played_s in np.arange(0.1, len(message.sound) / message.rate, 0.07):
        off.append(abs(len(heard_until(pieces, played_s).heard.split()) - truly_heard(message, played_s)))
    assert max(off) <= (1 if looked else 2)
    assert np.mean(np.array(off) <= 1) > 0.95


def test_an_alignment_is_followed_to_the_word(folder: Path) -> None:
    """With the engine's onsets, every cut is where it ought to be; where a word ends is known to 30 ms."""
    message = spoken("en-us", 175, folder)
    pieces = [replace(piece, onsets=onsets(words)) for piece, words in zip(message.pieces, message.word_times, strict=True)]
    for played_s in np.arange(0.05, len(message.sound) / message.rate, 0.31):
        told = len(heard_until(pieces, played_s).heard.split())
        assert truly_heard(message, played_s - 0.03) <= told <= truly_heard(message, played_s + 0.03)


def test_a_piece_that_is_still_synthesized_is_told_by_the_pace_of_the_others(folder: Path) -> None:
    """The last piece has no end yet; over its first five seconds the text is off by two words at most."""
    message = spoken("en-us+f3", 230, folder)
    *ended, last = message.pieces
    pieces = [*ended, replace(last, end_s=None)]
    for after_s in np.arange(0.2, 5.0, 0.3):
        played_s = last.start_s + after_s
        assert abs(len(heard_until(pieces, played_s).heard.split()) - truly_heard(message, played_s)) <= 2


def test_a_resume_begins_with_a_word_and_not_later_than_the_pause(folder: Path) -> None:
    """Going on starts with the word that was cut or one beside it: half of the time within 60 ms of where it truly begins."""
    message = spoken("en-us", 175, folder)
    begins = [
        piece.start_s + word.start_s for piece, words in zip(message.pieces, message.word_times, strict=True) for word in words
    ]
    off_s = []
    for played_s in np.arange(0.5, begins[-1], 0.37):
        at_s = snap_back(message.pieces, played_s)
        assert played_s - 1.5 <= at_s <= played_s
        off_s.append(min(abs(at_s - begin_s) for begin_s in begins))
    assert max(off_s) < 0.3
    assert np.median(off_s) < 0.06


def test_words_are_kept_whole_with_their_punctuation() -> None:
    """The two halves are the text as it was written."""
    piece = Piece('He said: "Yes, of course!" -- and left.', 0.0, 4.0)
    assert heard_until([piece], 0.0) == Heard("", piece.text)
    assert heard_until([piece], 4.0) == Heard(piece.text, "")
    assert heard_until([piece], 1.95).heard in ('He said: "Yes,', 'He said: "Yes, of')


@settings(deadline=None)
@given(st.text(alphabet="ab, .!?\n-\u2013\u65e5\u672c\u30011", max_size=60), st.floats(-1, 12), st.booleans())
def test_no_character_is_lost(text: str, played_s: float, ended: bool) -> None:
    """Heard and unheard together are the message, but for the space around it; more playing never unhears a word."""
    pieces = [Piece(text, 0.5, 5.0 if ended else None, silences=(Silence(0.0, 0.1), Silence(1.0, 1.3), Silence(2.0, 2.2)))]
    told = heard_until(pieces, played_s)
    assert (told.heard + told.unheard).replace(" ", "").replace("\n", "") == text.replace(" ", "").replace("\n", "")
    assert len(heard_until(pieces, played_s + 0.5).heard) >= len(told.heard)
    assert snap_back(pieces, played_s) <= max(played_s, 0.5)


def test_characters_are_words_where_nobody_writes_spaces() -> None:
    """Half of a Japanese sentence is half of its characters."""
    told = heard_until([Piece("これはとても長い文章です。", 0.0, 2.4)], 1.2)
    assert 5 <= len(told.heard) <= 7


def test_nothing_queued_means_nothing_heard() -> None:
    """An interruption before the first sound."""
    assert heard_until([], 0.0) == Heard("", "")
    assert snap_back([], 0.0) == 0.0


def test_pieces_that_were_not_begun_are_unheard() -> None:
    """What waits in the queue has not been heard, whatever its words."""
    pieces = [Piece("First.", 0.0, 1.0), Piece("Second one.", 1.0, 2.0), Piece("Third.", 2.0)]
    assert heard_until(pieces, 1.0) == Heard("First.", "Second one. Third.")


def test_an_alignment_with_gaps_is_filled_in() -> None:
    """A word that the engine does not tell lies between its neighbours."""
    piece = Piece("one two three four", 10.0, 14.0, (WordOnset(0, 0.0), WordOnset(8, 2.0)))
    assert heard_until([piece], 11.8).heard == "one two"
    assert heard_until([piece], 11.2).heard == "one"
    assert heard_until([piece], 13.9).heard == "one two three four"


def test_a_number_that_is_spoken_as_many_words_is_heard_with_the_last_of_them() -> None:
    """An engine tells each word of "1984"; it is one word of the text, and lasts until the next one begins."""
    told = (WordOnset(0, 0.0), WordOnset(3, 0.3), WordOnset(4, 0.9), WordOnset(4, 1.3), WordOnset(8, 2.3))
    piece = Piece("in 1984 rain", 0.0, 2.8, told)
    assert heard_until([piece], 1.2).heard == "in"
    assert heard_until([piece], 1.4).heard == "in 1984"


def test_a_word_ends_where_the_silence_before_the_next_one_begins() -> None:
    """Not where the next one does: at 0.5 s most of a word of 0.8 s was audible, though the next one waits until 2 s."""
    told, silences = (WordOnset(0, 0.0), WordOnset(6, 2.0)), (Silence(0.8, 1.98),)
    assert heard_until([Piece("Well. Then", 0.0, 2.5, told, silences)], 0.5).heard == "Well."
    assert heard_until([Piece("Well. Then", 0.0, 2.5, told)], 0.5).heard == ""


@given(st.lists(st.tuples(st.integers(-5, 60), st.floats(-1, 9)), max_size=12), st.floats(0, 6))
def test_an_alignment_of_another_text_loses_no_word(told: list[tuple[int, float]], played_s: float) -> None:
    """Whatever an engine tells, each word is either heard or unheard."""
    text = "one two, three four. Five"
    cut = heard_until([Piece(text, 0.0, 5.0, tuple(WordOnset(*each) for each in told))], played_s)
    assert f"{cut.heard} {cut.unheard}".split() == text.split()


def test_the_pace_is_learnt_from_pieces_that_have_ended() -> None:
    """A voice at half the speed takes twice the time for a letter."""
    fast = seconds_per_letter([Piece("hello there", 0.0, 1.0), Piece("and more to come", 1.0)])
    slow = seconds_per_letter([Piece("hello there", 0.0, 2.0)])
    assert slow == pytest.approx(2 * fast)
    assert seconds_per_letter([]) == pytest.approx(0.059)


def test_silences_are_found_in_sound() -> None:
    """Two of 0.2 s, and the closure of 20 ms in between is none."""
    rate = 16_000
    tone = (np.sin(np.arange(round(0.3 * rate)) * 0.3) * 8_000).astype(np.int16)
    quiet, closure = np.zeros(round(0.2 * rate), np.int16), np.zeros(round(0.02 * rate), np.int16)
    found = find_silences(np.concatenate([quiet, tone, closure, tone, quiet]), rate)
    assert [(round(each.start_s, 2), round(each.end_s, 2)) for each in found] == [(0.0, 0.2), (0.82, 1.02)]
    assert find_silences(np.zeros(0, np.int16), rate) == ()


def test_a_long_silence_in_mid_clause_is_not_taken_for_the_comma() -> None:
    """The comma lies where its letters put it, though only one of two silences is there."""
    silences = (Silence(0.5, 0.7), Silence(2.4, 2.7))
    piece = Piece("a word or two more of it here, and then some", 0.0, 4.0, silences=silences)
    assert heard_until([piece], 2.3).heard == "a word or two more of it here,"
    assert heard_until([piece], 3.0).heard == "a word or two more of it here, and"


def test_a_comma_without_a_silence_is_left_out() -> None:
    """The silence belongs to the full stop, however many commas were read over."""
    piece = Piece("Well, yes, it does. But not now", 0.0, 3.0, silences=(Silence(1.3, 1.8),))
    assert heard_until([piece], 1.6).heard == "Well, yes, it does."


def test_a_message_of_a_thousand_clauses_takes_no_time() -> None:
    """The search for silences is bounded; beyond it the letters decide."""
    silences = tuple(Silence(0.8 * at, 0.8 * at + 0.2) for at in range(1_000))
    piece = Piece("and so, " * 1_000, 0.0, 800.0, silences=silences)
    assert len(heard_until([piece], 400.0).heard.split()) == pytest.approx(1_000, abs=2)


def test_with_an_alignment_a_resume_begins_with_the_very_word() -> None:
    """Silences are not needed then."""
    told = (WordOnset(0, 0.0), WordOnset(4, 1.0))
    assert snap_back([Piece("one two", 5.0, 7.0, told, (Silence(0.7, 0.9),))], 6.4) == pytest.approx(6.0)


def test_a_resume_begins_after_the_silence_before_the_word() -> None:
    """Not in the middle of a sound, where the letters alone would put it."""
    piece = Piece("hello there", 10.0, 11.0, silences=(Silence(0.55, 0.6),))
    assert snap_back([replace(piece, silences=())], 10.8) == pytest.approx(10.5)
    assert snap_back([piece], 10.8) == pytest.approx(10.6)
    assert snap_back([piece], 10.57) == pytest.approx(10.57)
