"""Opening a stream: formats that are refused, devices that come and go."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from tests.engines.fake_sounddevice import FakeSoundDevice, PortAudioError, device
from voicemode.engines.portaudio import streams
from voicemode.engines.streams import DeviceStream, StreamCallback, open_stream
from voicemode.errors import DeviceBusyError, DeviceLostError, NoInputDeviceError, SoundError


def silent(_: DeviceStream) -> StreamCallback:
    return lambda buffer, frames, times, status: None


def install(monkeypatch: pytest.MonkeyPatch, fake: FakeSoundDevice) -> FakeSoundDevice:
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


def refuse(code: int, when: str, value: int) -> Any:
    return lambda options: PortAudioError("refused", code) if options[when] == value else None


def test_a_device_is_opened_at_its_own_rate_in_mono(monkeypatch: pytest.MonkeyPatch) -> None:
    """The device's own rate is asked for first, in blocks of 10 ms."""
    fake = install(monkeypatch, FakeSoundDevice(device("USB", inputs=2, rate=44_100.0)))
    stream = open_stream("input", "", silent)
    assert fake.asked == [(44_100, 1)]
    assert fake.opened[0].options["blocksize"] == 441
    stream.close()


def test_alsa_is_asked_for_48_kilohertz_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """What PortAudio calls ALSA's default is a guess; sound servers run at 48,000."""
    fake = install(monkeypatch, FakeSoundDevice(device("default", inputs=32, rate=44_100.0), host_api="ALSA"))
    open_stream("input", "", silent).close()
    assert fake.asked == [(48_000, 1)]


def test_a_device_that_refuses_mono_is_opened_in_stereo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only then, and at the rate it likes."""
    fake = install(monkeypatch, FakeSoundDevice(device("Desk", outputs=2)))
    fake.refuse = refuse(-9998, "channels", 1)
    stream = open_stream("output", "", silent)
    assert stream.format.channels == 2
    assert stream.format.sample_rate == 48_000
    stream.close()


def test_a_refused_rate_leads_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that does not take its own default may take a usual one."""
    fake = install(monkeypatch, FakeSoundDevice(device("Odd", inputs=1, rate=8_000.0)))
    fake.refuse = refuse(-9997, "samplerate", 8_000)
    stream = open_stream("input", "", silent)
    assert stream.format.sample_rate == 48_000
    stream.close()


def test_a_device_that_takes_nothing_is_an_error_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every format was tried; the error says so."""
    fake = install(monkeypatch, FakeSoundDevice(device("Odd", inputs=1)))
    fake.refuse = lambda _: PortAudioError("refused", -9997)
    with pytest.raises(SoundError, match="none of the usual sample rates"):
        open_stream("input", "", silent)


def test_a_busy_device_is_not_tried_in_other_formats(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who holds it does not let go because we ask for stereo."""
    fake = install(monkeypatch, FakeSoundDevice(device("Desk", inputs=2)))
    fake.refuse = lambda _: PortAudioError("busy", -9985)
    with pytest.raises(DeviceBusyError):
        open_stream("input", "", silent)
    assert len(fake.asked) == 1


def test_a_device_plugged_in_after_start_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more look, after a refresh."""
    fake = install(monkeypatch, FakeSoundDevice(device("Desk", outputs=2)))
    fake.plugged_in_later = [device("USB Microphone", inputs=1)]
    stream = open_stream("input", "usb", silent)
    assert stream.device.name == "USB Microphone"
    stream.close()


def test_a_device_that_is_not_there_is_looked_for_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice and no more; then the error names what there is."""
    fake = install(monkeypatch, FakeSoundDevice(device("Desk", inputs=1)))
    with pytest.raises(NoInputDeviceError, match="Desk"):
        open_stream("input", "usb", silent)
    assert fake.restarts == 1


def test_open_streams_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The count guards the refresh, so closing twice must not count twice."""
    install(monkeypatch, FakeSoundDevice(device("Desk", inputs=1)))
    first, second = open_stream("input", "", silent), open_stream("input", "", silent)
    assert streams.open == 2
    first.close()
    first.close()
    assert streams.open == 1
    second.close()
    assert streams.open == 0


def test_a_stream_that_ends_by_itself_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """PortAudio tells through the finished callback; a stream that we end ourselves is not lost."""
    fake = install(monkeypatch, FakeSoundDevice(device("Desk", inputs=1)))
    stream = open_stream("input", "", silent)
    stream.check(quiet_s=10)
    fake.opened[0].options["finished_callback"]()
    with pytest.raises(DeviceLostError, match="Desk"):
        stream.check(quiet_s=10)
    stream.close()


def test_a_stream_that_falls_silent_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """It claims to be active, and no callback comes."""
    install(monkeypatch, FakeSoundDevice(device("Desk", inputs=1)))
    stream = open_stream("input", "", silent)
    stream.heard_from_at -= 60
    with pytest.raises(DeviceLostError):
        stream.check(quiet_s=10)
    stream.close()
