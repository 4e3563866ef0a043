"""Which of espeak-ng's voices a name or a language means. Pure: the table comes from the worker."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from voicemode.errors import LanguageError, RequestError

__all__ = ["EspeakVoice", "VoiceTable"]

_DEFAULT = "en-us"
"""The voice when neither a voice nor a language is named; also what plain "en" means."""
_NEAREST = 5


@dataclass(frozen=True, slots=True)
class EspeakVoice:
    """One entry of the library's table."""

    name: str
    """For people, such as "English (America)"."""
    identifier: str
    """What the library takes, unique, such as "gmw/en-US"."""
    languages: tuple[tuple[str, int], ...]
    """Codes in lower case with their priority: of two voices with a code, the one with the lower number is meant."""

    @property
    def code(self) -> str:
        """Its first language code, by which ``voices()`` lists it."""
        return self.languages[0][0]


@dataclass(frozen=True, slots=True)
class VoiceTable:
    """All voices, and the variants ("f3", "whisper") that may follow any of them after "+"."""

    voices: tuple[EspeakVoice, ...]
    variants: tuple[str, ...]

    def codes(self) -> list[str]:
        """The codes that name a voice, sorted, each once."""
        return sorted({voice.code for voice in self.voices})

    def choose(self, *, voice: str | None, language: str | None) -> str:
        """What to pass to the library. A named voice goes before a language.

        Raises RequestError for an unknown voice, LanguageError for an unknown language.
        """
        if voice is not None:
            return self._by_name(voice)
        if language is not None:
            return self._by_language(language)
        return self._by_language(_DEFAULT)

    def _by_name(self, wanted: str) -> str:
        base, plus, variant = wanted.partition("+")
        name = base.strip().casefold().replace("_", "-")
        found = self._with_code(name) or next((v for v in self.voices if name in _names(v)), None)
        if found is None:
            raise RequestError("voice", f"espeak-ng has no voice '{wanted}'", self._near(name))
        if not plus:
            return found.identifier
        same = next((known for known in self.variants if known.casefold() == variant.strip().casefold()), None)
        if same is None:
            raise RequestError("voice", f"espeak-ng has no variant '{variant}'", _nearest(variant, self.variants))
        return f"{found.identifier}+{same}"

    def _by_language(self, wanted: str) -> str:
        code = wanted.strip().casefold().replace("_", "-")
        while code:
            found = self._with_code(_DEFAULT if code == "en" else code)
            if found is not None:
                return found.identifier
            code = code.rpartition("-")[0]  # "de-at" is spoken as "de"
        raise LanguageError(wanted, "espeak-ng", get_close_matches(wanted.casefold(), self._languages(), _NEAREST, 0.7))

    def _with_code(self, code: str) -> EspeakVoice | None:
        ranked = [(rank, voice) for voice in self.voices for known, rank in voice.languages if known == code]
        return min(ranked, key=lambda pair: pair[0])[1] if ranked else None

    def _languages(self) -> list[str]:
        return sorted({code for voice in self.voices for code, _ in voice.languages})

    def _near(self, name: str) -> str:
        return _nearest(name, [*self._languages(), *(voice.name for voice in self.voices)])


def _names(voice: EspeakVoice) -> Iterable[str]:
    identifier = voice.identifier.casefold()
    return voice.name.casefold(), identifier, identifier.rpartition("/")[2]


def _nearest(name: str, known: Sequence[str]) -> str:
    by_folded = {each.casefold(): each for each in known}
    near = [by_folded[each] for each in get_close_matches(name.casefold(), by_folded, _NEAREST, cutoff=0.6)]
    return ", ".join(near) if near else "codes and names of espeak-ng's voices, such as en-us, de or en-gb+f3"
