"""The sound devices of this machine: what there is, which one a name means, and looking again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from voicemode.engines.portaudio import load, locked, streams, translated
from voicemode.errors import NoInputDeviceError, NoOutputDeviceError

__all__ = ["Device", "find_input", "find_output", "list_devices", "refresh"]


@dataclass(frozen=True, slots=True)
class Device:
    """One device as PortAudio sees it."""

    index: int
    """PortAudio's number; it may change when devices come and go."""
    name: str
    host_api: str
    """The system it is reached through: "ALSA", "Core Audio", "Windows WASAPI"."""
    max_input_channels: int
    """0 when it is no microphone."""
    max_output_channels: int
    """0 when it is no loudspeaker."""
    default_sample_rate: int
    """Hertz."""
    is_default_input: bool
    is_default_output: bool


def list_devices() -> list[Device]:
    """Every device, in PortAudio's order; empty when there is none.

    Blocks for some milliseconds, the first time longer. It shows what was there when PortAudio started or was last
    refreshed. Raises PortAudioMissingError.
    """
    sounddevice = load()
    with locked(), translated("output"):
        host_apis = [api["name"] for api in sounddevice.query_hostapis()]
        default_input, default_output = sounddevice.default.device
        return [_device(entry, host_apis, default_input, default_output) for entry in sounddevice.query_devices()]


def find_input(wanted: str = "") -> Device:
    """The microphone that a name, a part of a name (in any case) or an index means; "" is the default.

    Raises NoInputDeviceError with the names there are, PortAudioMissingError.
    """
    microphones = [device for device in list_devices() if device.max_input_channels > 0]
    found = _find(microphones, wanted, lambda device: device.is_default_input)
    if found is None:
        raise NoInputDeviceError(wanted, known=[device.name for device in microphones])
    return found


def find_output(wanted: str = "") -> Device:
    """The loudspeaker that a name, a part of a name (in any case) or an index means; "" is the default.

    Raises NoOutputDeviceError with the names there are, PortAudioMissingError.
    """
    loudspeakers = [device for device in list_devices() if device.max_output_channels > 0]
    found = _find(loudspeakers, wanted, lambda device: device.is_default_output)
    if found is None:
        raise NoOutputDeviceError(wanted, known=[device.name for device in loudspeakers])
    return found


def refresh() -> bool:
    """Look for devices again; PortAudio sees those plugged in after its start only when it is started anew.

    False, and nothing is done, while a stream is open anywhere in this process: a restart would end it.
    """
    sounddevice = load()
    with locked(), translated("output"):
        if streams.open:
            return False
        # Private, but there is no public call for it.
        sounddevice._terminate()
        sounddevice._initialize()
        return True


def _device(entry: Any, host_apis: list[str], default_input: int, default_output: int) -> Device:
    return Device(
        index=entry["index"],
        name=entry["name"],
        host_api=host_apis[entry["hostapi"]],
        max_input_channels=entry["max_input_channels"],
        max_output_channels=entry["max_output_channels"],
        default_sample_rate=round(entry["default_samplerate"]),
        is_default_input=entry["index"] == default_input,
        is_default_output=entry["index"] == default_output,
    )


def _find(devices: list[Device], wanted: str, is_default: Callable[[Device], bool]) -> Device | None:
    """The first that fits best: the default or else any; the index; the whole name; a part of the name."""
    wanted = wanted.strip().casefold()
    if not wanted:
        rules: list[Callable[[Device], bool]] = [is_default, lambda _: True]
    elif wanted.isdecimal():
        # An index first, but a name may be a number too.
        rules = [lambda device: device.index == int(wanted), lambda device: device.name == wanted]
    else:
        rules = [lambda device: device.name.casefold() == wanted, lambda device: wanted in device.name.casefold()]
    return next((device for rule in rules for device in devices if rule(device)), None)
