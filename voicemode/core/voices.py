"""What a voice's name tells, and which voice of another service is nearest to it by language and gender.

Services name voices by schemes of their own; the schemes here are the published ones of OpenAI, Kokoro, espeak-ng, Piper and
Azure. A name that follows none of them says nothing, and any voice is then as near as another.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["Gender", "VoiceTraits", "base_language", "has_voice", "nearest_voice", "preferred_voice", "traits"]

Gender: TypeAlias = Literal["female", "male"]


@dataclass(frozen=True, slots=True)
class VoiceTraits:
    """What is known of a voice; None where the name does not tell."""

    language: str | None = None
    """BCP 47 in lower case, such as "en" or "en-gb"."""
    gender: Gender | None = None


_OPENAI: dict[str, Gender | None] = {
    "alloy": None,
    "ash": "male",
    "ballad": "male",
    "cedar": "male",
    "coral": "female",
    "echo": "male",
    "fable": "male",
    "marin": "female",
    "nova": "female",
    "onyx": "male",
    "sage": "female",
    "shimmer": "female",
    "verse": "male",
}
"""https://platform.openai.com/docs/guides/text-to-speech; they speak every language, so none is given."""

_KOKORO = {
    "a": "en-us",
    "b": "en-gb",
    "e": "es",
    "f": "fr",
    "h": "hi",
    "i": "it",
    "j": "ja",
    "p": "pt-br",
    "z": "zh",
}
"""The first letter of "af_sky": https://huggingface.co/hexgrad/Kokoro-82M/blob/main/VOICES.md."""

_KOKORO_NAME = re.compile(r"([abefhijpz])([fm])_\w+")
_ESPEAK_NAME = re.compile(
    r"([a-z]{2}|[a-z]{3}(?=-)|cmn|yue)"  # three letters alone may as well be somebody's name
    r"((?:-(?:latn|cyrl|hans|hant|shaw))?(?:-(?:[a-z]{2}|\d{3}))?)"
    r"(?:(?<=-..)-\w{3,8}|-x-\w{2,8})?(?:\+([fm])\w*)?"
)
"""https://github.com/espeak-ng/espeak-ng/blob/master/docs/languages.md; "+f3" is one of its variants."""
_PIPER_NAME = re.compile(r"([a-z]{2})_([a-z]{2})-([\w-]+)-(?:x_low|low|medium|high)")
"""https://github.com/rhasspy/piper/blob/master/VOICES.md."""
_AZURE_NAME = re.compile(r"([a-z]{2,3})(?:-[a-z]{4})?(-[a-z]{2})(?:-\w+)?-[\w:]+neural")
"""https://learn.microsoft.com/azure/ai-services/speech-service/language-support."""
_TOLD_GENDER = re.compile(r"(?:\b|_)(female|male)(?:\b|_)")

_ALIASES = {"cmn": "zh", "nb": "no"}
"""Codes that some services use for what others call by the wider one."""


def base_language(tag: str) -> str:
    """The language of a BCP 47 tag without script and region: "en" of "en_GB"."""
    base = tag.replace("_", "-").partition("-")[0].casefold()
    return _ALIASES.get(base, base)


@functools.lru_cache(maxsize=2048)
def traits(name: str) -> VoiceTraits:
    """What the name tells. Of a blend such as "af_sky+af_bella" the first voice counts."""
    folded = name.strip().casefold()
    if folded in _OPENAI:
        return VoiceTraits(None, _OPENAI[folded])
    if piper := _PIPER_NAME.fullmatch(folded):
        told = _TOLD_GENDER.search(piper[3])
        return VoiceTraits(f"{piper[1]}-{piper[2]}", _gender(told[1] if told else ""))
    if azure := _AZURE_NAME.fullmatch(folded):
        return VoiceTraits(azure[1] + azure[2])
    if kokoro := _KOKORO_NAME.match(folded):
        return VoiceTraits(_KOKORO[kokoro[1]], _gender(kokoro[2]))
    if espeak := _ESPEAK_NAME.fullmatch(folded):
        return VoiceTraits(_ALIASES.get(espeak[1], espeak[1]) + espeak[2], _gender(espeak[3]))
    return VoiceTraits()


def _gender(told: str | None) -> Gender | None:
    """Of "female", "male" or their first letter."""
    match told:
        case "f" | "female":
            return "female"
        case "m" | "male":
            return "male"
        case _:
            return None


def has_voice(voices: Sequence[str], wanted: str) -> bool:
    """Whether a service with these voices can speak as ``wanted``, which may blend several of them: "af_sky(2)+af_bella"."""
    known = _folded(tuple(voices))
    parts = (re.sub(r"\([\d.]*\)$", "", part.strip()).casefold() for part in wanted.split("+"))
    return wanted.casefold() in known or all(part in known for part in parts)


@functools.lru_cache(maxsize=64)
def _folded(voices: tuple[str, ...]) -> frozenset[str]:
    return frozenset(voice.casefold() for voice in voices)


def nearest_voice(voices: Sequence[str], wanted: str, language: str | None = None) -> str | None:
    """The voice nearest to ``wanted``; among equals the one listed first. None when not one has anything in common with it.

    ``language`` (BCP 47) is what is to be spoken; without it the language of the wanted voice counts.
    """
    return _nearest_voice(tuple(voices), traits(wanted), language)


@functools.lru_cache(maxsize=256)
def _nearest_voice(voices: tuple[str, ...], like: VoiceTraits, language: str | None) -> str | None:
    spoken = (language or like.language or "").replace("_", "-").casefold()

    def nearness(voice: str) -> int:
        its = traits(voice)
        score = 0
        if its.language is None:  # it may well speak all of them
            score += 3
        elif spoken:
            score += 4 * (base_language(its.language) == base_language(spoken)) + (its.language == spoken)
        return score + 2 * (like.gender is not None and its.gender == like.gender)

    nearest = max(voices, key=nearness, default=None)
    return nearest if nearest is not None and nearness(nearest) else None


def preferred_voice(wanted: Sequence[str], voices: Sequence[str] | None, language: str | None = None) -> str | None:
    """The voice to ask a service with these ``voices`` for: the first wanted one that it has, else the nearest to the first.

    Of those it has, one that speaks ``language`` (BCP 47) goes before one that speaks another. Of a service that does not
    tell its voices (None) the first wanted one. None leaves the choice to the service.
    """
    if not voices:
        return wanted[0] if wanted else None
    at_hand = [voice for voice in wanted if has_voice(voices, voice)]
    if at_hand:
        return next((voice for voice in at_hand if _may_speak(voice, language)), at_hand[0])
    return nearest_voice(voices, wanted[0] if wanted else "", language) or voices[0]


def _may_speak(voice: str, language: str | None) -> bool:
    its = traits(voice).language
    return language is None or its is None or base_language(its) == base_language(language)
