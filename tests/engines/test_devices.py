"""Which devices there are, and which one a name means."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import pytest

from tests.engines.fake_sounddevice import FakeSoundDevice, device
from voicemode.engines.devices import Device, find_input, find_output, list_devices, refresh
from voicemode.engines.portaudio import streams
from voicemode.errors import NoInputDeviceError, NoOutputDeviceError

ROOM = (
    device("Built-in Output", outputs=2, rate=44_100.0),
    device("Built-in Microphone", inputs=1),
    device("Studio Microphone Pro", inputs=2),
    device("Headset", inputs=1, outputs=2, rate=16_000.0),
)


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> FakeSoundDevice:
    fake = FakeSoundDevice(*ROOM, default=(2, 0))
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


@pytest.mark.usefixtures("room")
def test_a_device_is_listed_with_all_that_is_known() -> None:
    """Nothing is left out and numbers are whole."""
    assert list_devices()[0] == Device(0, "Built-in Output", "Core Audio", 0, 2, 44_100, False, True)


@pytest.mark.usefixtures("room")
@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        ("", 2),
        ("Headset", 3),
        ("headSET", 3),
        (" Headset ", 3),
        ("built-in", 1),
        ("microphone", 1),
        ("microphone pro", 2),
        ("3", 3),
    ],
)
def test_a_microphone_is_found_by_name_part_or_index(wanted: str, index: int) -> None:
    """ "" is the default; a name matters more than its case; the first that fits is taken."""
    assert find_input(wanted).index == index


@pytest.mark.usefixtures("room")
def test_a_loudspeaker_is_no_microphone() -> None:
    """A device of the other direction does not count, not even by its index; the error names those that do."""
    for wanted in ("Built-in Output", "0", "nothing like it"):
        with pytest.raises(NoInputDeviceError) as caught:
            find_input(wanted)
        assert caught.value.known == ("Built-in Microphone", "Studio Microphone Pro", "Headset")
    with pytest.raises(NoOutputDeviceError) as absent:
        find_output("Studio Microphone Pro")
    assert absent.value.known == ("Built-in Output", "Headset")


def test_without_a_default_any_device_will_do(room: FakeSoundDevice) -> None:
    """PortAudio may know devices and call none of them the default (-1)."""
    room.default.device = (-1, -1)
    assert find_input().index == 1
    assert find_output().index == 0


def test_a_device_plugged_in_later_is_seen_after_a_refresh(room: FakeSoundDevice) -> None:
    """PortAudio must be restarted to see it."""
    room.plugged_in_later = [device("USB Microphone", inputs=1)]
    with pytest.raises(NoInputDeviceError):
        find_input("USB")
    assert refresh()
    assert find_input("USB").index == 4


def test_a_refresh_waits_until_no_stream_is_open(room: FakeSoundDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    """A restart would end the stream of whoever is speaking."""
    monkeypatch.setattr(streams, "open", 1)
    assert not refresh()
    assert room.restarts == 0


@pytest.mark.sound
def test_the_virtual_card_is_the_default_for_both(sound_env: Mapping[str, str]) -> None:
    """PortAudio sees the card, and nothing of the machine it runs on."""
    assert find_input() == find_output()
    assert [found.name for found in list_devices()] == ["default"]


@pytest.mark.sound
def test_no_sound_server_means_no_devices(sound_env: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing to speak with and nothing to hear with are two errors, each with its remedy."""
    monkeypatch.setenv("PULSE_SERVER", "unix:/nonexistent")
    refresh()
    assert list_devices() == []
    with pytest.raises(NoInputDeviceError, match="no microphone"):
        find_input()
    with pytest.raises(NoOutputDeviceError, match="no loudspeaker"):
        find_output()
