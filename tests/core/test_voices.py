"""What names of voices tell, and which voice of another service is nearest."""

from __future__ import annotations

import pytest

from voicemode.core.voices import Gender, VoiceTraits, base_language, has_voice, nearest_voice, traits

KOKORO = ["af_alloy", "af_sky", "am_adam", "bf_emma", "bm_george", "ef_dora", "em_alex", "ff_siwis", "pf_dora", "zf_xiaobei"]
OPENAI = ["alloy", "ash", "coral", "echo", "nova", "onyx", "shimmer"]
ESPEAK = ["af", "cmn", "de", "en-gb", "en-us", "es", "es-419", "fr-fr", "pt-br"]
PIPER = ["de_DE-thorsten-medium", "en_GB-northern_english_male-medium", "en_US-hfc_female-medium", "en_US-ryan-high"]
AZURE = ["de-DE-KatjaNeural", "en-GB-SoniaNeural", "en-US-JennyNeural", "zh-CN-XiaoxiaoNeural"]


@pytest.mark.parametrize(
    ("name", "language", "gender"),
    [
        ("nova", None, "female"),
        ("Onyx", None, "male"),
        ("alloy", None, None),
        ("ash", None, "male"),
        ("af_sky", "en-us", "female"),
        (" BM_George ", "en-gb", "male"),
        ("pf_dora", "pt-br", "female"),
        ("zm_yunxi", "zh", "male"),
        ("af_sky(2)+am_adam", "en-us", "female"),
        ("en", "en", None),
        ("en-us+f3", "en-us", "female"),
        ("en-gb+m2", "en-gb", "male"),
        ("de+whisper", None, None),
        ("en-gb-scotland", "en-gb", None),
        ("en-gb-x-rp", "en-gb", None),
        ("es-419", "es-419", None),
        ("fa-latn", "fa-latn", None),
        ("cmn", "zh", None),
        ("nb", "no", None),
        ("yue", "yue", None),
        ("en_US-lessac-medium", "en-us", None),
        ("en_US-hfc_female-medium", "en-us", "female"),
        ("en_GB-northern_english_male-medium", "en-gb", "male"),
        ("af_ZA-google_nwu-low", "af-za", None),
        ("zh_CN-huayan-x_low", "zh-cn", None),
        ("en-US-JennyNeural", "en-us", None),
        ("zh-CN-liaoning-XiaobeiNeural", "zh-cn", None),
        ("sr-Latn-RS-NicholasNeural", "sr-rs", None),
        ("en-US-Andrew:DragonHDLatestNeural", "en-us", None),
        ("", None, None),
        ("default", None, None),
        ("my-voice", None, None),
        ("bob-smith", None, None),
        ("eva", None, None),
        ("speaker_7", None, None),
        ("en_US-lessac", None, None),
    ],
)
def test_what_a_name_tells(name: str, language: str | None, gender: Gender | None) -> None:
    """By the schemes of OpenAI, Kokoro, espeak-ng, Piper and Azure; nothing for names that follow none."""
    assert traits(name) == VoiceTraits(language, gender)


@pytest.mark.parametrize(
    ("wanted", "language", "voices", "nearest"),
    [
        ("nova", "en", KOKORO, "af_alloy"),
        ("onyx", "en-GB", KOKORO, "bm_george"),
        ("onyx", "en", KOKORO, "am_adam"),
        ("echo", "es", KOKORO, "em_alex"),
        ("alloy", "pt-BR", KOKORO, "pf_dora"),
        ("af_sky", None, OPENAI, "coral"),
        ("bm_lewis", None, OPENAI, "ash"),
        ("bf_emma", None, ESPEAK, "en-gb"),
        ("af_sky", None, ESPEAK, "en-us"),
        ("af_sky", "de", ESPEAK, "de"),
        ("zf_xiaobei", None, ESPEAK, "cmn"),
        ("ef_dora", None, ESPEAK, "es"),
        ("ef_dora", "es-419", ESPEAK, "es-419"),
        ("ff_siwis", None, ESPEAK, "fr-fr"),
        ("am_adam", None, PIPER, "en_GB-northern_english_male-medium"),
        ("af_sky", None, PIPER, "en_US-hfc_female-medium"),
        ("nova", "de_DE", PIPER, "de_DE-thorsten-medium"),
        ("af_sky", None, AZURE, "en-US-JennyNeural"),
        ("en-GB-SoniaNeural", None, KOKORO, "bf_emma"),
        ("en_US-hfc_male-medium", None, KOKORO, "am_adam"),
        ("cmn", None, KOKORO, "zf_xiaobei"),
        ("en-us+m3", None, KOKORO, "am_adam"),
        ("en-us+f3", None, OPENAI, "coral"),
        ("de", None, ["bob", "af_sky"], "bob"),
        ("nova", None, KOKORO, "af_alloy"),
        ("onyx", None, KOKORO, "am_adam"),
    ],
)
def test_the_nearest_voice_by_language_then_gender(wanted: str, language: str | None, voices: list[str], nearest: str) -> None:
    """What is to be spoken goes before who speaks it; among equals the one listed first."""
    assert nearest_voice(voices, wanted, language) == nearest


@pytest.mark.parametrize(
    ("wanted", "language", "voices"),
    [("af_sky", None, []), ("de", None, KOKORO), ("alloy", "fi", ["de", "en"]), ("nova", None, ["af", "de"])],
)
def test_no_voice_is_near_when_none_has_anything_in_common(wanted: str, language: str | None, voices: list[str]) -> None:
    """The service's own choice is better than a voice of some other language."""
    assert nearest_voice(voices, wanted, language) is None


@pytest.mark.parametrize(
    ("wanted", "has"),
    [
        ("af_sky", True),
        ("AF_SKY", True),
        ("af_sky+am_adam", True),
        ("af_sky(2)+am_adam(0.5)", True),
        ("af_sky + am_adam", True),
        ("af_sky+nova", False),
        ("nova", False),
        ("", False),
    ],
)
def test_a_service_has_a_voice_or_a_blend_of_its_voices(wanted: str, has: bool) -> None:
    """Case does not matter, and every part of a blend must be there."""
    assert has_voice(KOKORO, wanted) is has


@pytest.mark.parametrize(
    ("tag", "base"), [("en", "en"), ("en-GB", "en"), ("EN_us", "en"), ("zh-Hans-CN", "zh"), ("cmn", "zh"), ("nb-NO", "no")]
)
def test_the_language_of_a_tag(tag: str, base: str) -> None:
    """Script and region are left out, and two names of one language are one."""
    assert base_language(tag) == base
