"""Names, blends, OpenAI's names and languages are understood, or refused with what there is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voicemode_kokoro.voices import OPENAI_VOICES, Voice, language_of, languages, read_language, read_voice
from voicemode_service.errors import BadRequestError

KNOWN = ("af_bella", "af_heart", "af_sky", "am_echo", "bf_emma", "ff_siwis")


def test_a_blend_is_weighted() -> None:
    """The numbers are weights; none is one; the shares sum to one."""
    assert read_voice("af_sky(2)+af_bella", KNOWN) == Voice((("af_sky", 2 / 3), ("af_bella", 1 / 3)))
    assert read_voice("af_sky + af_sky(3)", KNOWN) == Voice((("af_sky", 1.0),))
    assert read_voice("af_bella(1)+bf_emma(1.5)", KNOWN).main == "bf_emma"


@pytest.mark.parametrize("name", [*OPENAI_VOICES, "Alloy", "default"])
def test_openai_names_are_some_voice_of_any_model(name: str) -> None:
    """The nearest there is, whichever voices the file holds."""
    for known in (KNOWN, ("ff_siwis",), ("custom",)):
        assert read_voice(name, known).main in known


def test_an_unknown_voice_names_near_ones() -> None:
    """Whoever mistypes sees what was meant."""
    with pytest.raises(BadRequestError, match="af_sky") as caught:
        read_voice("af_skyy", KNOWN)
    assert caught.value.param == "voice"


@pytest.mark.parametrize(
    "text", ["", "+", "af_sky(", "af_sky(0)", "af_sky(-1)", "af_sky()", "a" * 300, "+".join(["af_sky"] * 9)]
)
def test_what_is_no_blend_is_refused(text: str) -> None:
    """With a sentence."""
    with pytest.raises(BadRequestError):
        read_voice(text, KNOWN)


@given(st.text(max_size=60) | st.text("af_sky()+0129.", max_size=60))
def test_any_text_is_a_voice_or_refused(text: str) -> None:
    """Nothing else is raised, and shares always sum to one."""
    try:
        voice = read_voice(text, KNOWN)
    except BadRequestError:
        return
    assert sum(share for _, share in voice.parts) == pytest.approx(1)


def test_a_voice_tells_its_language() -> None:
    """By its first letter; one of another kind is taken for American."""
    assert language_of("bf_emma") == "en-gb"
    assert language_of("zf_001") == "cmn"
    assert language_of("emma") == "en-us"
    assert languages(KNOWN) == ("en-us", "en-gb", "fr-fr")


@pytest.mark.parametrize(
    ("wanted", "language"), [("b", "en-gb"), ("en", "en-us"), ("en-GB", "en-gb"), ("pt_BR", "pt-br"), ("zh", "cmn")]
)
def test_languages_are_read_as_people_write_them(wanted: str, language: str) -> None:
    """Letters of Kokoro's, and the usual codes."""
    assert read_language(wanted) == language


def test_an_unknown_language_is_refused() -> None:
    """Naming what there is."""
    with pytest.raises(BadRequestError, match="fr-fr"):
        read_language("klingon")
