"""Which voice is meant: names of the model, blends of them, names of OpenAI's; and the language a voice speaks."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from voicemode_service.errors import BadRequestError

__all__ = ["DEFAULT", "LANGUAGES", "OPENAI_VOICES", "Voice", "language_of", "languages", "read_language", "read_voice"]

DEFAULT = "af_heart"
"""The voice that the makers of Kokoro rate best: https://huggingface.co/hexgrad/Kokoro-82M/blob/main/VOICES.md"""

LANGUAGES = {
    "a": "en-us",
    "b": "en-gb",
    "e": "es",
    "f": "fr-fr",
    "h": "hi",
    "i": "it",
    "j": "ja",
    "p": "pt-br",
    "z": "cmn",
}
"""First letter of a voice -> language as espeak-ng names it."""

_ALSO_CALLED = {"en": "en-us", "fr": "fr-fr", "pt": "pt-br", "zh": "cmn", "zh-cn": "cmn", "es-es": "es"}

OPENAI_VOICES = {
    "alloy": "af_alloy",
    "ash": "am_michael",
    "ballad": "bm_george",
    "cedar": "am_fenrir",
    "coral": "af_bella",
    "echo": "am_echo",
    "fable": "bm_fable",
    "marin": "af_heart",
    "nova": "af_nova",
    "onyx": "am_onyx",
    "sage": "af_sarah",
    "shimmer": "af_sky",
    "verse": "am_puck",
}
"""Same name where Kokoro has one, else the same kind of voice."""

_MOST_PARTS = 8
_LONGEST_NAME = 200
_PART = re.compile(r"([\w-]+)(?:\((\d+(?:\.\d+)?|\.\d+)\))?")


@dataclass(frozen=True, slots=True)
class Voice:
    """One voice, or several mixed."""

    parts: tuple[tuple[str, float], ...]
    """Name and share of each; the shares are above 0 and sum to 1."""

    @property
    def main(self) -> str:
        """The one that is heard most; of equals the first."""
        return max(self.parts, key=lambda part: part[1])[0]


def read_voice(wanted: str, known: Sequence[str]) -> Voice:
    """Read "af_sky", "alloy" or "af_sky(2)+af_bella", where the number is a weight.

    Raises BadRequestError naming voices that are near.
    """
    if len(wanted) > _LONGEST_NAME or wanted.count("+") >= _MOST_PARTS:
        raise BadRequestError(f"A blend has at most {_MOST_PARTS} voices.", param="voice")
    weights: dict[str, float] = {}
    for text in wanted.split("+"):
        part = _PART.fullmatch(text.strip())
        if part is None:
            raise BadRequestError("A voice is a name, or a blend such as af_sky(2)+af_bella.", param="voice")
        name = _known(part[1], known)
        weights[name] = weights.get(name, 0.0) + float(part[2] or 1)
    total = sum(weights.values())
    if not 0 < total < math.inf:
        raise BadRequestError("The weights of a blend are numbers above 0.", param="voice")
    return Voice(tuple((name, weight / total) for name, weight in weights.items() if weight > 0))


def _known(name: str, known: Sequence[str]) -> str:
    if name in known:
        return name
    lower = name.lower()
    meant = OPENAI_VOICES.get(lower, DEFAULT if lower == "default" else lower)
    if meant in known:
        return meant
    if lower in OPENAI_VOICES or lower == "default":
        # A model with few voices: the nearest is one of the same language and kind, then of the same language.
        return next((voice for prefix in (meant[:2], meant[:1], "") for voice in known if voice.startswith(prefix)), meant)
    near = difflib.get_close_matches(lower, known, n=3, cutoff=0.5) or list(known[:3])
    raise BadRequestError(f"There is no voice '{name[:40]}'. Near it: {', '.join(near)}.", param="voice")


def language_of(voice: str) -> str:
    """The language a voice was made for, from its first letter; American English for names of another kind."""
    return LANGUAGES.get(voice[:1], "en-us") if voice[2:3] == "_" else "en-us"


def languages(known: Sequence[str]) -> tuple[str, ...]:
    """Those for which there is a voice."""
    spoken = {language_of(voice) for voice in known}
    return tuple(language for language in LANGUAGES.values() if language in spoken)


def read_language(wanted: str) -> str:
    """Read "a", "en", "en-US" or "en-us". Raises BadRequestError naming what there is."""
    lower = wanted.strip().lower().replace("_", "-")
    language = LANGUAGES.get(lower) or _ALSO_CALLED.get(lower, lower)
    if language not in LANGUAGES.values():
        raise BadRequestError(f"lang_code is one of {', '.join(LANGUAGES.values())}.", param="lang_code")
    return language
