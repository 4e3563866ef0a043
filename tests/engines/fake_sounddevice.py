"""A stand-in for the sounddevice module, for what a virtual sound card cannot show: odd devices and odd errors."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any


class PortAudioError(Exception):
    """As sounddevice raises it: (text, PaErrorCode, (host API, host code, host text))."""


class FakeStream:
    """Remembers how it was opened; ``refuse`` is asked first and may answer with an error."""

    def __init__(self, owner: FakeSoundDevice, **options: Any) -> None:
        owner.asked.append((options["samplerate"], options["channels"]))
        error = owner.refuse(options)
        if error is not None:
            raise error
        self.options = options
        self.latency = 0.02
        self.calls: list[str] = []
        owner.opened.append(self)

    def start(self) -> None:
        self.calls.append("start")

    def abort(self) -> None:
        self.calls.append("abort")

    def close(self) -> None:
        self.calls.append("close")


class FakeSoundDevice:
    """Put it into ``sys.modules["sounddevice"]``."""

    PortAudioError = PortAudioError

    def __init__(self, *devices: dict[str, Any], default: tuple[int, int] = (0, 0), host_api: str = "Core Audio") -> None:
        self.devices = [{"index": index, "hostapi": 0, **device} for index, device in enumerate(devices)]
        self.default = SimpleNamespace(device=default)
        self.host_api = host_api
        self.refuse: Callable[[dict[str, Any]], PortAudioError | None] = lambda _: None
        self.asked: list[tuple[int, int]] = []
        """Sample rate and channels of each attempt to open."""
        self.opened: list[FakeStream] = []
        self.plugged_in_later: list[dict[str, Any]] = []
        """Devices that are seen after the next restart."""
        self.restarts = 0

    def query_hostapis(self) -> list[dict[str, Any]]:
        return [{"name": self.host_api}]

    def query_devices(self) -> list[dict[str, Any]]:
        return self.devices

    def RawInputStream(self, **options: Any) -> FakeStream:  # noqa: N802 - sounddevice's name
        return FakeStream(self, **options)

    def RawOutputStream(self, **options: Any) -> FakeStream:  # noqa: N802 - sounddevice's name
        return FakeStream(self, **options)

    def _terminate(self) -> None:
        pass

    def _initialize(self) -> None:
        self.restarts += 1
        later, self.plugged_in_later = self.plugged_in_later, []
        self.devices += [{"index": len(self.devices), "hostapi": 0, **device} for device in later]


def device(name: str, *, inputs: int = 0, outputs: int = 0, rate: float = 48_000.0) -> dict[str, Any]:
    """An entry as ``sounddevice.query_devices`` gives it."""
    channels = {"max_input_channels": inputs, "max_output_channels": outputs}
    return {"name": name, **channels, "default_samplerate": rate}
