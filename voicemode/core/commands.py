"""What people say to the conversation itself: commands such as "hold on", and the "mm-hmm" of who listens.

A command counts only when it is the whole utterance. "Stop the server" is an answer, and so is "no, wait": whatever else was
said belongs to the agent, so nothing that could carry a meaning may stand beside a command.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Adjustments", "Command", "LanguagePhrases", "SpokenPhrases", "effect_of", "is_backchannel", "read_command"]

Words = tuple[str, ...]


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
        self._commands: dict[Words, set[Command]] = {}
        self._fillers: set[Words] = set()
        self._backchannels: set[Words] = set()
        for language in languages:
            for command, phrases in language.commands.items():
                for phrase in phrases:
                    self._commands.setdefault(_phrase(phrase), set()).add(command)
            self._fillers.update(_phrase(each) for each in language.fillers)
            self._backchannels.update(_phrase(each) for each in language.backchannels)
        self._longest = max((len(words) for words in (*self._commands, *self._fillers, *self._backchannels)), default=0)

    def commands_in(self, words: Words) -> set[Command]:
        """The commands that it can be read as: the words are phrases of the command and fillers, and nothing else."""
        reached = _starts(words)
        for start, end in self._spans(words, reached):
            piece = words[start:end]
            for command in self._commands.get(piece, ()):
                reached[end] |= {command} if reached[start] & {None, command} else set()
            if piece in self._fillers:
                reached[end] |= reached[start]
        return {command for command in reached[-1] if command is not None}

    def only_backchannels(self, words: Words, offered: set[Words]) -> bool:
        """Whether the words are backchannels, one after the other and none of them ``offered``, and nothing else."""
        reached = _starts(words)
        for start, end in self._spans(words, reached):
            if words[start:end] in self._backchannels - offered:
                reached[end].add(None)
        return bool(words and reached[-1])

    def pieces(self, words: Words) -> set[Words]:
        """Everything in the words that may be a phrase."""
        return {words[start : start + length] for start in range(len(words)) for length in range(1, self._longest + 1)}

    def meanings(self, pieces: set[Words]) -> set[Command]:
        """The commands that have a phrase among the pieces."""
        return {command for piece in pieces for command in self._commands.get(piece, ())}

    def _spans(self, words: Words, reached: _Reached) -> Iterator[tuple[int, int]]:
        """Each (start, end) no longer than a phrase, from the places that are reached by then; stops where none can be."""
        furthest = 0
        for start in range(len(words)):
            if reached[start]:
                furthest = min(start + self._longest, len(words))
                yield from ((start, end) for end in range(start + 1, furthest + 1))
            elif start >= furthest:
                return


_Reached = list[set[Command | None]]
"""For each place between two words: the commands in what is before it, None for fillers only; empty: no way leads there."""


def _starts(words: Words) -> _Reached:
    reached: _Reached = [set() for _ in range(len(words) + 1)]
    reached[0].add(None)
    return reached


def read_command(text: str, phrases: SpokenPhrases, *, offered: Sequence[str] = ()) -> Command | None:
    """The command that ``text``, a whole utterance, is; None for everything else, and where two commands contradict.

    ``offered`` is what the person was asked to choose from: the expected answers, and the question. Who is asked "stop or
    go on?" and says "stop" has answered.
    """
    found = phrases.commands_in(_words(text))
    return found.pop() if len(found) == 1 and not found & phrases.meanings(_offered(offered, phrases)) else None


def is_backchannel(text: str, phrases: SpokenPhrases, *, offered: Sequence[str] = ()) -> bool:
    """Whether ``text``, a whole utterance, is nothing but backchannels. False when there is no word in it.

    ``offered`` as for ``read_command``: "right" answers "left or right?".
    """
    return phrases.only_backchannels(_words(text), _offered(offered, phrases))


def _offered(texts: Sequence[str], phrases: SpokenPhrases) -> set[Words]:
    return {piece for text in texts for piece in phrases.pieces(_words(text))}


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


def _words(text: str) -> Words:
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
    words = _words(text)
    if not words:
        raise ValueError(f"'{text}' has no word")
    return words
