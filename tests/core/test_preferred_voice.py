"""Which voice of a service a person gets who named voices that it may not have."""

from __future__ import annotations

import pytest

from voicemode.core.voices import preferred_voice

KOKORO = ("af_alloy", "af_sky", "am_adam", "bf_emma", "bm_george", "ff_siwis")


@pytest.mark.parametrize(
    ("wanted", "voices", "language", "voice"),
    [
        (("af_sky", "am_adam"), None, None, "af_sky"),
        ((), None, "en", None),
        (("nobody", "am_adam", "af_sky"), KOKORO, None, "am_adam"),
        (("af_sky", "ff_siwis"), KOKORO, "fr-CA", "ff_siwis"),
        (("af_sky",), KOKORO, "fr", "af_sky"),
        (("af_sky+am_adam",), KOKORO, "en", "af_sky+am_adam"),
        (("onyx",), KOKORO, "en-GB", "bm_george"),
        (("onyx",), KOKORO, None, "am_adam"),
        ((), KOKORO, "fr", "ff_siwis"),
        ((), KOKORO, None, "af_alloy"),
    ],
)
def test_the_first_voice_at_hand_then_the_nearest_then_one_of_the_language(
    wanted: tuple[str, ...], voices: tuple[str, ...] | None, language: str | None, voice: str | None
) -> None:
    """Of the person's voices one that speaks the language goes first; a service that does not tell is asked for the first."""
    assert preferred_voice(wanted, voices, language) == voice
