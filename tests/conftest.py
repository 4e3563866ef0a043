"""A sound card for every test that asks for one; and no test is late, on whichever machine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import settings

from scripts.virtual_sound_card import VirtualSoundCard, available
from voicemode.engines.devices import refresh

settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def sound_card() -> Iterator[VirtualSoundCard]:
    """One virtual sound card for the whole run. A test that unplugs something plugs it in again.

    Where no card can be made the test is skipped, but not in CI: there it must be possible.
    """
    reason = available()
    if reason is not None and "CI" not in os.environ:
        pytest.skip(reason)
    with VirtualSoundCard() as card:
        yield card


@pytest.fixture
def sound_env(sound_card: VirtualSoundCard, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mapping[str, str]]:
    """PortAudio in this process uses the card; the variables that put a child process on it too."""
    for name, value in sound_card.env.items():
        monkeypatch.setenv(name, value)
    refresh()
    yield dict(sound_card.env)
    # The card is whole again, so the next test begins with what it expects.
    sound_card.add_speaker()
    sound_card.add_microphone()
