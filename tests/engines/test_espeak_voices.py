"""Names and languages find the voice that is meant, and nothing else does."""

from __future__ import annotations

import pytest

from voicemode.engines.espeak_voices import EspeakVoice, VoiceTable
from voicemode.errors import LanguageError, RequestError

TABLE = VoiceTable(
    voices=(
        EspeakVoice("English (Great Britain)", "gmw/en", (("en-gb", 2), ("en", 2))),
        EspeakVoice("English (Lancaster)", "gmw/en-GB-x-gbclan", (("en-gb-x-gbclan", 5), ("en-gb", 3), ("en", 5))),
        EspeakVoice("English (America)", "gmw/en-US", (("en-us", 2), ("en", 3))),
        EspeakVoice("German", "gmw/de", (("de", 5),)),
        EspeakVoice("Portuguese (Portugal)", "roa/pt", (("pt", 5), ("pt-pt", 5))),
        EspeakVoice("Portuguese (Brazil)", "roa/pt-BR", (("pt-br", 5), ("pt", 6))),
    ),
    variants=("f3", "whisper", "Alex"),
)


@pytest.mark.parametrize(
    ("voice", "identifier"),
    [
        ("en-us", "gmw/en-US"),
        ("EN_US", "gmw/en-US"),
        ("en-gb", "gmw/en"),
        ("German", "gmw/de"),
        ("gmw/de", "gmw/de"),
        ("English (America)", "gmw/en-US"),
        ("de+f3", "gmw/de+f3"),
        ("en-us+alex", "gmw/en-US+Alex"),
    ],
)
def test_a_voice_is_found_by_code_name_or_identifier(voice: str, identifier: str) -> None:
    """In any case, with a variant or without."""
    assert TABLE.choose(voice=voice, language=None) == identifier


@pytest.mark.parametrize(
    ("language", "identifier"),
    [(None, "gmw/en-US"), ("en", "gmw/en-US"), ("de-AT", "gmw/de"), ("pt-BR", "roa/pt-BR"), ("pt", "roa/pt")],
)
def test_a_language_picks_its_voice(language: str | None, identifier: str) -> None:
    """The voice of the region, else of the language, by the library's own priorities; American by default."""
    assert TABLE.choose(voice=None, language=language) == identifier


@pytest.mark.parametrize(("voice", "near"), [("en-uss", "en-us"), ("germann", "German"), ("de+f33", "f3")])
def test_an_unknown_voice_names_the_nearest(voice: str, near: str) -> None:
    """A typing error is told from a voice of another engine."""
    with pytest.raises(RequestError) as caught:
        TABLE.choose(voice=voice, language=None)
    assert caught.value.field == "voice"
    assert near in caught.value.allowed


@pytest.mark.parametrize("voice", ["alloy", "", "+f3", "de+"])
def test_no_voice_is_ever_guessed(voice: str) -> None:
    """Another engine's voice is refused, not replaced."""
    with pytest.raises(RequestError):
        TABLE.choose(voice=voice, language=None)


@pytest.mark.parametrize("language", ["xx", "klingon", "", "-"])
def test_an_unknown_language_is_not_spoken_in_another(language: str) -> None:
    """Reading it with an English voice would be worse than saying so."""
    with pytest.raises(LanguageError):
        TABLE.choose(voice=None, language=language)
