"""Which words had been heard when playback was interrupted, and where to go on so that no word is cut.

Where the engine tells when it speaks each word, that decides. Elsewhere words are laid out over the sound by their letters, the
silences in the sound being held against the punctuation of the text; and where the end of the sound is not known yet, by the
pace of what was spoken before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from voicemode.audio import Samples, WordOnset

__all__ = ["Heard", "Piece", "Silence", "find_silences", "heard_until", "seconds_per_letter", "snap_back"]

_SECONDS_PER_LETTER = 0.059
"""Measured with espeak-ng at 175 words a minute over English, German, Spanish and French; half a letter more for each word."""
_WORD_LETTERS = 0.5
_SENTENCE_LETTERS, _CLAUSE_LETTERS = 7.0, 4.5
"""The pauses after . ! ? (0.40 s) and , ; : (0.26 s), measured likewise, in letters."""
_IDEOGRAPH_LETTERS = 3.0
"""A kana or a Chinese character is a syllable; a syllable has three letters elsewhere."""
_DIGIT_LETTERS = 4.0
"""Digits are read as words: "one" to "seven", and "-ty"."""
_UNSPACED = "\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff"
"""Thai, Lao, kana and Chinese characters are written without spaces: there, each character is a word."""
_WORD = re.compile(rf"[{_UNSPACED}][^\w\s]*|[^\s{_UNSPACED}]+")
_CLOSING = "[\"'\u201d\u2019)\\]\u00bb]*$"
"""Quotation marks and brackets that may follow a mark at the end of a word."""
_SENTENCE_ENDS = re.compile(f"[.!?\u2026\u3002\uff01\uff1f]{_CLOSING}")
_CLAUSE_ENDS = re.compile(f"[,;:\u3001\uff0c\uff1b\uff1a]{_CLOSING}|^[-\u2013\u2014]+$|[\u2013\u2014]$")
"""Commas, semicolons and colons, also those of Chinese and Japanese, and dashes."""
_PAUSE_S = 0.12
"""A silence this long lies between words; the closure of a stop consonant inside a word lasts up to 0.1 s."""
_LEFT_OUT_S = 0.25
"""A silence without a punctuation mark, or a mark without a silence, is as unlikely as words that last so much longer or
shorter than their letters want."""
_LEFT_OUT_MOST = 6
"""In a row, of silences and of marks."""
_MOST_PAIRS = 400
"""Twenty clauses in one piece, which takes 50 ms; in a longer one, the silences are not looked at."""
_SNAP_S = 0.2
"""How far from the estimated beginning of a word a silence may be its beginning; 9 in 10 estimates are nearer than 0.15 s."""
_DIP_DB = 30.0
"""Quieter by so much than the loudest 5 % is silence, for synthetic speech, which has no noise."""
_FRAME_S = 0.01
_NEAR_ONSET_S = 0.1
"""A silence that ends so long before a word begins is the pause before it."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Where a piece's sound is silent, in seconds after its first sample."""

    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the message, as it was queued to the loudspeaker."""

    text: str
    start_s: float
    """Where it begins, in played seconds (``Speaker.played_s``)."""
    end_s: float | None = None
    """Where it ends; None while it is still being synthesized."""
    onsets: tuple[WordOnset, ...] = ()
    """The engine's alignment, in order, as far as its sound has come; empty where it gives none."""
    silences: tuple[Silence, ...] = ()
    """Of the sound so far, as ``find_silences`` tells them; empty when nobody looked."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A message cut in two between words."""

    heard: str
    unheard: str


@dataclass(frozen=True, slots=True)
class _Word:
    """A word of the text and when it sounds, in played seconds."""

    start: int
    end: int
    """Its characters in the text, punctuation included."""
    letters: float
    pause: float
    """The pause that its punctuation makes, in letters."""
    begins_s: float = 0.0
    ends_s: float = 0.0


def find_silences(samples: Samples, sample_rate: int, least_s: float = 0.03) -> tuple[Silence, ...]:
    """Where speech without noise is silent for ``least_s`` or more, its beginning and its end included."""
    size = round(_FRAME_S * sample_rate)
    frames = samples[: len(samples) // size * size].reshape(-1, size).astype(np.float64)
    if not len(frames):
        return ()
    powers = np.mean(frames**2, axis=1)
    loud = powers > np.quantile(powers, 0.95) * 10 ** (-_DIP_DB / 10)
    edges = np.flatnonzero(np.diff(np.concatenate(([True], loud, [True])).astype(np.int8)))
    runs = zip(edges[::2], edges[1::2], strict=True)
    return tuple(Silence(a * _FRAME_S, b * _FRAME_S) for a, b in runs if (b - a) * _FRAME_S >= least_s - 1e-9)


def seconds_per_letter(pieces: Sequence[Piece]) -> float:
    """The pace of the pieces whose end is known, pauses included; espeak-ng's own where there is none."""
    ended = [(piece, piece.end_s) for piece in pieces if piece.end_s is not None]
    letters = sum(word.letters + word.pause for piece, _ in ended for word in _split(piece.text))
    seconds = sum(end_s - piece.start_s for piece, end_s in ended)
    return seconds / letters if letters and seconds > 0 else _SECONDS_PER_LETTER


def heard_until(pieces: Sequence[Piece], played_s: float, *, letter_s: float | None = None) -> Heard:
    """The text that was heard when ``played_s`` of the sound had been audible, and the rest, as they were written.

    A word counts as heard when most of it was audible. ``letter_s`` is the pace that ``seconds_per_letter`` found in earlier
    messages of the same voice, for a first piece whose end is not known.
    """
    heard: list[str] = []
    unheard: list[str] = []
    pace_s = _pace(pieces, letter_s)
    for piece in pieces:
        words = _timed(piece, pace_s)
        cut = next((word.start for word in words if played_s < (word.begins_s + word.ends_s) / 2), len(piece.text))
        heard.append(piece.text[:cut].strip())
        unheard.append(piece.text[cut:].strip())
    return Heard(" ".join(filter(None, heard)), " ".join(filter(None, unheard)))


def snap_back(pieces: Sequence[Piece], played_s: float, *, letter_s: float | None = None) -> float:
    """Where to go on after a pause at ``played_s``, in played seconds and never later: the beginning of the word that was cut.

    Where the sound has a silence near the estimated beginning, its end is taken.
    """
    pace_s = _pace(pieces, letter_s)
    began = [(piece, word.begins_s) for piece in pieces for word in _timed(piece, pace_s) if word.begins_s <= played_s]
    if not began:
        return max(played_s, 0.0) if not pieces else min(played_s, pieces[0].start_s)
    piece, target_s = began[-1]
    ends = [piece.start_s + silence.end_s for silence in piece.silences if piece.start_s + silence.start_s <= played_s]
    if piece.onsets or not ends:
        return target_s
    nearest_s = min(ends, key=lambda end_s: abs(end_s - target_s))
    return min(nearest_s, played_s) if abs(nearest_s - target_s) <= _SNAP_S else target_s


def _pace(pieces: Sequence[Piece], letter_s: float | None) -> float:
    known = any(piece.end_s is not None for piece in pieces)
    return letter_s if letter_s is not None and not known else seconds_per_letter(pieces)


def _split(text: str) -> list[_Word]:
    return [_Word(match.start(), match.end(), _letters(match.group()), _pause(match.group())) for match in _WORD.finditer(text)]


def _letters(word: str) -> float:
    spoken = [character for character in word if character.isalnum()]
    if not spoken:
        return 0.0
    return _WORD_LETTERS + sum(map(_letters_of, spoken))


def _letters_of(character: str) -> float:
    if character.isdecimal():
        return _DIGIT_LETTERS
    return _IDEOGRAPH_LETTERS if re.match(f"[{_UNSPACED}]", character) else 1.0


def _pause(word: str) -> float:
    if _SENTENCE_ENDS.search(word):
        return _SENTENCE_LETTERS
    return _CLAUSE_LETTERS if _CLAUSE_ENDS.search(word) else 0.0


def _timed(piece: Piece, pace_s: float) -> list[_Word]:
    words = _split(piece.text)
    end_s = None if piece.end_s is None else piece.end_s - piece.start_s
    begins_s = next((silence.end_s for silence in piece.silences if silence.start_s <= _FRAME_S), 0.0)
    if end_s is not None:
        end_s = next((quiet.start_s for quiet in piece.silences if quiet.end_s >= end_s - 2 * _FRAME_S), end_s)
    if piece.onsets:
        return _aligned(words, piece, begins_s, end_s, pace_s=pace_s)
    return _anchored(words, piece, begins_s, end_s, pace_s=pace_s)


def _between(words: list[_Word], begins_s: float, end_s: float | None, pace_s: float, shift_s: float = 0.0) -> list[_Word]:
    """Lay words out by their letters from one instant to another; the pause after the last one lies outside."""
    letters = sum(word.letters + word.pause for word in words) - (words[-1].pause if words else 0.0)
    if end_s is not None and letters:
        pace_s = max(end_s - begins_s, 0.0) / letters
    laid: list[_Word] = []
    for word in words:
        ends_s = begins_s + word.letters * pace_s
        laid.append(replace(word, begins_s=begins_s + shift_s, ends_s=ends_s + shift_s))
        begins_s = ends_s + word.pause * pace_s
    return laid


def _anchored(words: list[_Word], piece: Piece, begins_s: float, end_s: float | None, *, pace_s: float) -> list[_Word]:
    """Hold the silences against the punctuation, and lay out anew what lies between those that belong together."""
    silences = [
        silence
        for silence in piece.silences
        if silence.end_s - silence.start_s >= _PAUSE_S
        and silence.start_s > begins_s
        and (end_s is None or silence.end_s < end_s)
    ]
    letters = sum(word.letters for word in words)
    if end_s is not None and letters:
        pace_s = max(end_s - begins_s - sum(silence.end_s - silence.start_s for silence in silences), 0.0) / letters
    laid: list[_Word] = []
    done = 0
    for silence, at in _matched(words, silences, begins_s, end_s, pace_s=pace_s):
        laid += _between(words[done:at], begins_s, silence.start_s, pace_s, piece.start_s)
        begins_s, done = silence.end_s, at
    return [*laid, *_between(words[done:], begins_s, end_s, pace_s, piece.start_s)]


def _matched(
    words: list[_Word], silences: list[Silence], begins_s: float, end_s: float | None, *, pace_s: float
) -> list[tuple[Silence, int]]:
    """Which silence lies before which word, in order, so that the words in between last as long as their letters want.

    The cheapest way from the beginning to the end through pairs of a silence and a punctuation mark; each silence and each mark
    that is left out costs something too.
    """
    marks = [at for at in range(1, len(words)) if words[at - 1].pause]
    if len(marks) * len(silences) > _MOST_PAIRS:
        return []
    until = [0.0]
    for word in words:
        until.append(until[-1] + word.letters)
    # (cost, silence index, mark index, the way so far), the first being the beginning
    ways: list[tuple[float, int, int, list[tuple[Silence, int]]]] = [(0.0, -1, -1, [])]
    ended: list[tuple[float, list[tuple[Silence, int]]]] = []

    def leg(way: tuple[float, int, int, list[tuple[Silence, int]]], to_s: float | None, mark: int, number: int) -> float:
        cost, last, last_mark, path = way
        from_s, from_word = (path[-1][0].end_s, path[-1][1]) if path else (begins_s, 0)
        left_out = _LEFT_OUT_S * ((number - last - 1) + (mark - last_mark - 1))
        to_word = marks[mark] if mark < len(marks) else len(words)
        off_s = 0.0 if to_s is None else abs(to_s - from_s - (until[to_word] - until[from_word]) * pace_s)
        return cost + left_out + off_s

    for number, silence in enumerate(silences):
        found = []
        for mark, at in enumerate(marks):
            before = [way for way in ways if 0 < mark - way[2] <= _LEFT_OUT_MOST and number - way[1] <= _LEFT_OUT_MOST]
            if not before:
                continue
            best = min(before, key=lambda way: leg(way, silence.start_s, mark, number))
            found.append((leg(best, silence.start_s, mark, number), number, mark, [*best[3], (silence, at)]))
        ways += found
    for way in ways:
        # Where the end is not known, marks that were not reached yet cost nothing.
        mark = len(marks) if end_s is not None else way[2] + 1
        ended.append((leg(way, end_s, mark, len(silences)), way[3]))
    return min(ended, key=lambda way: way[0])[1]


def _aligned(words: list[_Word], piece: Piece, begins_s: float, end_s: float | None, *, pace_s: float) -> list[_Word]:
    """Words begin where the engine says; what it does not tell lies between its neighbours."""
    laid: list[_Word] = []
    done, since_s = 0, begins_s
    for at, onset_s in _told(words, piece.onsets):
        laid += _between(words[done:at], since_s, _fell_silent(piece, since_s, onset_s), pace_s, piece.start_s)
        done, since_s = at, onset_s
    return [*laid, *_between(words[done:], since_s, end_s, pace_s, piece.start_s)]


def _told(words: list[_Word], onsets: Sequence[WordOnset]) -> Iterator[tuple[int, float]]:
    """Which words the engine told, and when they begin; of one that it speaks as several, such as a number, the first."""
    last, last_s = -1, 0.0
    for onset in onsets:
        at = next((at for at in range(last + 1, len(words)) if words[at].end > onset.character), None)
        if at is not None and words[at].start <= onset.character and onset.at_s >= last_s:
            yield at, onset.at_s
            last, last_s = at, onset.at_s


def _fell_silent(piece: Piece, since_s: float, onset_s: float) -> float:
    """Where the words before an onset ended: where the silence before it begins, if there is one."""
    quiet = [silence.start_s for silence in piece.silences if silence.start_s < onset_s <= silence.end_s + _NEAR_ONSET_S]
    return max(since_s, min(quiet, default=onset_s))
