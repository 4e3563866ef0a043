"""Patience in words and in milliseconds."""

from __future__ import annotations

import pytest

from voicemode.errors import RequestError
from voicemode.runtime.patience import silence_seconds
from voicemode.settings import Settings


@pytest.mark.parametrize(
    ("patience", "seconds"),
    [(None, 1.0), ("normal", 1.0), ("quick", 0.6), ("patient", 2.0), (100, 0.1), (750, 0.75), ("750", 0.75), (10_000, 10.0)],
)
def test_patience_means_so_many_seconds_of_silence(patience: str | int | None, seconds: float) -> None:
    """Words and numbers both work, with the default settings."""
    assert silence_seconds(patience, Settings()) == seconds


@pytest.mark.parametrize("patience", ["eager", "", "-1", "1e3", 99, 10_001, 0])
def test_what_is_no_patience_is_refused_with_what_is_allowed(patience: str | int) -> None:
    """The agent can mend it from the message alone."""
    with pytest.raises(RequestError, match="quick, normal, patient"):
        silence_seconds(patience, Settings())


def test_the_setting_is_what_normal_means() -> None:
    """VOICEMODE_SILENCE_THRESHOLD_MS moves normal, and patient with it."""
    settings = Settings(silence_threshold_ms=1500)
    assert silence_seconds("normal", settings) == 1.5
    assert silence_seconds("patient", settings) == 3.0


def test_quick_is_never_slower_than_normal() -> None:
    """A person who set 400 ms did not ask for 600 on quick."""
    assert silence_seconds("quick", Settings(silence_threshold_ms=400)) == 0.4
