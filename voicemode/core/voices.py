"""What a voice's name tells, and which voice of another service is nearest to it by language and gender.

Services name voices by schemes of their own; the schemes here are the published ones of OpenAI, Kokoro, espeak-ng, Piper and
Azure. A name that follows none of them says nothing, and any voice is then as near as another.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["VoiceTraits", "has_voice", "nearest_voice", "preferred_voice", "traits"]

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
_ESPEAK_NAME = re.compile(r"([a-z]{2}(?:-[a-z0-9]{2,8})*|[a-z]{3}(?:-[a-z0-9]{2,8})+)(?:\+([fm])\w*)?")
_PIPER_NAME = re.compile(r"([a-z]{2})_([a-z]{2})-\w+-(?:x_low|low|medium|high)")
_AZURE_NAME = re.compile(r"([a-z]{2,3}-[a-z]{2})-\w+neural")


def traits(name: str) -> VoiceTraits:
    """What the name tells. Of a blend such as "af_sky+af_bella" the first voice counts."""
    folded = name.strip().casefold()
    if folded in _OPENAI:
        return VoiceTraits(None, _OPENAI[folded])
    if kokoro := _KOKORO_NAME.match(folded):
        return VoiceTraits(_KOKORO[kokoro[1]], "female" if kokoro[2] == "f" else "male")
    if piper := _PIPER_NAME.fullmatch(folded):
        return VoiceTraits(f"{piper[1]}-{piper[2]}")
    if azure := _AZURE_NAME.fullmatch(folded):
        return VoiceTraits(azure[1])
    if espeak := _ESPEAK_NAME.fullmatch(folded):
        gender: Gender | None = {"f": "female", "m": "male"}.get(espeak[2] or "")  # type: ignore[assignment]
        return VoiceTraits(espeak[1], gender)
    return VoiceTraits()


def has_voice(voices: Sequence[str], wanted: str) -> bool:
    """Whether a service with these voices can speak as ``wanted``, which may blend several of them: "af_sky(2)+af_bella"."""
    known = {voice.casefold() for voice in voices}
    parts = [re.sub(r"\([\d.]*\)$", "", part.strip()).casefold() for part in wanted.split("+")]
    return wanted.casefold() in known or all(part in known for part in parts)


def nearest_voice(voices: Sequence[str], wanted: str, language: str | None = None) -> str | None:
    """The voice nearest to ``wanted``; among equals the one listed first. None of no voices.

    ``language`` (BCP 47) is what is to be spoken; without it the language of the wanted voice counts.
    """
    like = traits(wanted)
    spoken = (language or like.language or "").replace("_", "-").casefold()

    def nearness(voice: str) -> int:
        its = traits(voice)
        score = 0
        if its.language is None:  # it may well speak all of them
            score += 3
        elif spoken:
            score += 4 * (its.language.partition("-")[0] == spoken.partition("-")[0]) + (its.language == spoken)
        return score + 2 * (like.gender is not None and its.gender == like.gender)

    return max(voices, key=nearness, default=None)


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
    return nearest_voice(voices, wanted[0] if wanted else "", language)


def _may_speak(voice: str, language: str | None) -> bool:
    its = traits(voice).language
    return language is None or its is None or _base(its) == _base(language)


def _base(language: str) -> str:
    return language.replace("_", "-").partition("-")[0].casefold()
