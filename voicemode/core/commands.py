"""What people say to the conversation itself: commands such as "hold on", and the "mm-hmm" of who listens.

A command counts only when it is the whole utterance. "Stop the server" is an answer, and so is "no, wait": whatever else was
said belongs to the agent, so nothing that could carry a meaning may stand beside a command.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum

__all__ = [
    "Adjustments",
    "Command",
    "LanguagePhrases",
    "SpokenPhrases",
    "effect_of",
    "is_backchannel",
    "plain_words",
    "read_command",
]

Words = tuple[str, ...]

MOST_WORDS = 40
"""Of Japanese, letters. Three times the longest phrase; more bounds the work on long transcripts."""


class Command(StrEnum):
    """What can be asked of the conversation."""

    REPEAT = "repeat"
    WAIT = "wait"
    STOP = "stop"
    LOUDER = "louder"
    QUIETER = "quieter"
    SLOWER = "slower"
    FASTER = "faster"


@dataclass(frozen=True, slots=True)
class LanguagePhrases:
    """The phrases of one language, as people write them."""

    commands: Mapping[Command, tuple[str, ...]]
    fillers: tuple[str, ...] = ()
    """What may stand beside a command and means nothing there, such as "please"."""
    backchannels: tuple[str, ...] = ()
    """What a listener says without wanting to speak, such as "mm-hmm"."""


class SpokenPhrases:
    """The phrases of some languages, ready to be compared. Immutable.

    What is a command in one of them may be another one in the next, or a filler: ``read_command`` takes only what all agree on.
    """

    __slots__ = ("_backchannels", "_commands", "_fillers", "_longest")

    def __init__(self, languages: Iterable[LanguagePhrases]) -> None:
        """Raises ValueError for a phrase without a word."""
        self._commands: dict[str, dict[Words, set[Command]]] = {}
        """By their first word."""
        self._fillers: set[Words] = set()
        self._backchannels: set[Words] = set()
        for language in languages:
            for command, phrases in language.commands.items():
                for words in map(_phrase, phrases):
                    self._commands.setdefault(words[0], {}).setdefault(words, set()).add(command)
            self._fillers.update(map(_phrase, language.fillers))
            self._backchannels.update(map(_phrase, language.backchannels))
        self._longest = max(map(len, (*self._fillers, *self._backchannels)), default=0)

    def commands_in(self, words: Words) -> set[Command]:
        """The commands that it can be read as: phrases of the command and fillers, which may stand within too; no more."""
        reached = _starts(words)
        for start, before in enumerate(reached[:-1]):
            if not before:
                continue
            for end in self._ends(words, start, self._fillers):
                reached[end] |= before
            for phrase, commands in self._commands.get(words[start], {}).items():
                for end in self._after(phrase, words, start):
                    reached[end] |= {command for command in commands if before & {None, command}}
        return {command for command in reached[-1] if command is not None}

    def only_backchannels(self, words: Words, offered: str) -> bool:
        """Whether the words are backchannels, one after the other and none of them ``offered``, and nothing else."""
        allowed = {each for each in self._backchannels if not _is_among(each, offered)}
        reached = _starts(words)
        for start, before in enumerate(reached[:-1]):
            for end in self._ends(words, start, allowed) if before else ():
                reached[end] |= before
        return bool(words and reached[-1])

    def among(self, offered: str) -> set[Command]:
        """The commands of which a phrase is ``offered``."""
        phrases = (phrase for same_first in self._commands.values() for phrase in same_first.items())
        return {command for words, commands in phrases if _is_among(words, offered) for command in commands}

    def _after(self, phrase: Words, words: Words, start: int) -> set[int]:
        """Where the phrase may end that begins at ``start``, with fillers among its words."""
        places = {start}
        for number, word in enumerate(phrase):
            if number:
                for place in range(start, len(words)):  # grows as it goes: one filler may follow another
                    places.update(self._ends(words, place, self._fillers) if place in places else ())
            places = {place + 1 for place in places if words[place : place + 1] == (word,)}
            if not places:
                break
        return places

    def _ends(self, words: Words, start: int, phrases: Set[Words]) -> Iterator[int]:
        """Where each of the phrases ends that begins at ``start``."""
        ends = range(start + 1, min(start + self._longest, len(words)) + 1)
        return (end for end in ends if words[start:end] in phrases)


_Reached = list[set[Command | None]]
"""For each place between two words: the commands in what is before it, None for fillers only; empty: no way leads there."""


def _starts(words: Words) -> _Reached:
    reached: _Reached = [set() for _ in range(len(words) + 1)]
    reached[0].add(None)
    return reached


def _is_among(words: Words, offered: str) -> bool:
    return f" {' '.join(words)} " in offered


def read_command(text: str, phrases: SpokenPhrases, *, offered: Sequence[str] = ()) -> Command | None:
    """The command that ``text``, a whole utterance, is; None for everything else, and where two commands contradict.

    ``offered`` is what the person was asked to choose from: the expected answers, and the question. Who is asked "stop or
    go on?" and says "stop" has answered.
    """
    words = plain_words(text)
    found = phrases.commands_in(words) if len(words) <= MOST_WORDS else set()
    return found.pop() if len(found) == 1 and not found & phrases.among(_joined(offered)) else None


def is_backchannel(text: str, phrases: SpokenPhrases, *, offered: Sequence[str] = ()) -> bool:
    """Whether ``text``, a whole utterance, is nothing but backchannels. False when there is no word in it.

    ``offered`` as for ``read_command``: "right" answers "left or right?".
    """
    words = plain_words(text)
    return len(words) <= MOST_WORDS and phrases.only_backchannels(words, _joined(offered))


def _joined(texts: Sequence[str]) -> str:
    """Their words between spaces, with a mark that is no word between the texts."""
    return f" {' . '.join(' '.join(plain_words(text)) for text in texts)} "


# -- effects

GAIN_STEP_DB = 6.0
"""Twice the amplitude. 10 dB are heard as twice as loud (Stevens' sone scale, ISO 532), 1 dB is just heard."""
GAIN_DB = (-18.0, 12.0)
"""Three steps down: still audible. Two up: engines deliver speech at about -20 dBFS, whose loudest syllables then reach full
scale, so that more would be distortion and no more loudness."""
SPEED_STEP = 1.2
"""Four times the least change of tempo that listeners notice, about 5 % (Quené 2007, J. Phonetics 35:353)."""
SPEED = (1 / SPEED_STEP**3, SPEED_STEP**3)
"""Three steps each way, 0.58 to 1.73. Voices speak 150 to 180 words a minute; understanding falls steeply above about 275
(Foulke and Sticht 1969, Psychological Bulletin 72:50)."""


@dataclass(frozen=True, slots=True)
class Adjustments:
    """How the person wants to be spoken to, against the settings."""

    gain_db: float = 0.0
    """Added to the level of all speech, within ``GAIN_DB``. The one who applies it keeps the peaks from wrapping."""
    speed: float = 1.0
    """Multiplies the speed that was asked for, within ``SPEED``."""


def effect_of(command: Command, adjustments: Adjustments) -> Adjustments:
    """What holds after the command; the same ``adjustments`` for one that changes nothing, or nothing more."""
    match command:
        case Command.LOUDER | Command.QUIETER:
            step = GAIN_STEP_DB if command is Command.LOUDER else -GAIN_STEP_DB
            return Adjustments(_within(adjustments.gain_db + step, GAIN_DB), adjustments.speed)
        case Command.FASTER | Command.SLOWER:
            factor = SPEED_STEP if command is Command.FASTER else 1 / SPEED_STEP
            return Adjustments(adjustments.gain_db, _within(round(adjustments.speed * factor, 6), SPEED))
        case _:
            return adjustments


def _within(value: float, bounds: tuple[float, float]) -> float:
    return min(max(value, bounds[0]), bounds[1])


# -- words

_ACCENTS = re.compile("[\u0300-\u036f]")
"""Unicode's combining diacritical marks. Those of other scripts make other letters, as Japanese U+3099 does, and stay."""
_STROKES = str.maketrans({"\u0142": "l", "\xf8": "o", "\u0111": "d", "\xe6": "ae", "\u0153": "oe", "\u0131": "i"})
"""Letters that have no decomposition and are typed without their stroke all the same."""
_SILENT = re.compile("['\u2019\u02bc\u2018\u00b4`]")
"""Apostrophes: engines write "can't" and "cant"."""
_DRAWN_OUT = re.compile(r"(\w)\1{2,}")
"""No word of our languages has a letter three times in a row, but "hmmm" does."""
_ALONE = r"\u3041-\u3096\u309d-\u30fa\u30fc-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_ALONE}]|[^\s{_ALONE}]+")
"""A letter of Japanese and Chinese, which set no spaces between words, or a word of everything else."""


def plain_words(text: str) -> Words:
    """Without capitals, punctuation, accents and drawn-out letters. Symbols and digits are words: they mean something."""
    plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", text.casefold()))
    plain = unicodedata.normalize("NFC", plain).casefold().translate(_STROKES)
    plain = _DRAWN_OUT.sub(r"\1", _SILENT.sub("", plain))
    return tuple(_WORD.findall("".join(_shown(character) for character in plain)))


def _shown(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cf":
        return ""
    return " " if category[0] in "PZC" else character


def _phrase(text: str) -> Words:
    words = plain_words(text)
    if not words:
        raise ValueError(f"'{text}' has no word")
    return words
