"""Opening and freeing one PortAudio stream: which device, which format it takes, and whether it is still alive."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeAlias

from voicemode.audio import AudioFormat
from voicemode.engines.devices import Device, find_input, find_output, refresh
from voicemode.engines.portaudio import is_format_refused, load, locked, streams, translated
from voicemode.errors import DeviceLostError, NoInputDeviceError, NoOutputDeviceError, SoundError

__all__ = ["BLOCK_S", "DeviceStream", "StreamCallback", "open_stream"]

BLOCK_S = 0.01
"""Seconds of sound per callback."""

_ALSA_RATE = 48_000
# With both cores and the interpreter kept busy, PortAudio's "low" (30 ms in all) lost 30 of 500 blocks of output, this
# (60 ms) 14, and none on a merely busy machine. It costs no time to first sound, see SoundDeviceSpeaker.
_ALSA_OUTPUT_S = 0.04
# A sound server keeps what its client is slow to fetch, so "low" lost nothing in the same test; whatever the buffer
# holds more, a stream may stay behind by for good (50 ms at 40 ms). A bare card has only this buffer.
_ALSA_CARD_INPUT_S = 0.1
_ALSA_CARD = "(hw:"

StreamCallback: TypeAlias = Callable[[Any, int, Any, Any], None]
"""sounddevice's: (buffer, frames, time, status)."""


class DeviceStream:
    """A started stream of int16 blocks of ``BLOCK_S``. All methods block; they are for ``in_sound_thread``."""

    def __init__(self, kind: str, device: Device, sound_format: AudioFormat) -> None:
        self.kind = kind
        """Either "input" or "output"."""
        self.device = device
        self.format = sound_format
        self.latency_s = 0.0
        """What PortAudio says, seconds."""
        self.on_end: Callable[[], None] = lambda: None
        """Called from PortAudio's thread when the stream ends by itself."""
        self.ended = False
        """Whether it ended by itself: unplugged, or its server is gone."""
        self.heard_from_at = time.monotonic()
        """When the last callback came; the owner of the callback keeps it."""
        self._stream: Any = None
        self._ending = False

    @property
    def restarts_at_once(self) -> bool:
        """Whether stopping and starting takes a millisecond or two, as with ALSA; Core Audio takes far longer."""
        return self.device.host_api == "ALSA"

    def start(self, callback: StreamCallback) -> None:
        """Open the device and start. Raises sounddevice.PortAudioError."""
        sounddevice = load()
        stream_type = sounddevice.RawInputStream if self.kind == "input" else sounddevice.RawOutputStream
        self._stream = stream_type(
            samplerate=self.format.sample_rate,
            blocksize=round(BLOCK_S * self.format.sample_rate),
            device=self.device.index,
            channels=self.format.channels,
            dtype="int16",
            latency=_latency(self.kind, self.device),
            callback=callback,
            finished_callback=self._finished,
        )
        streams.open += 1
        self.latency_s = self._stream.latency
        try:
            self._stream.start()
        except BaseException:
            self.close()
            raise

    def restart(self, prepare: Callable[[], None]) -> None:
        """Throw away what the device has not played yet, call ``prepare``, and start anew. Raises SoundError."""
        with locked(), translated(self.kind, self.device.name):
            if self._stream is None or self.ended:
                raise DeviceLostError(self.device.name)
            self._ending = True
            self._stream.abort()
            self._ending = False
            prepare()
            try:
                self._stream.start()
            except BaseException:
                self.ended = True
                raise

    def close(self) -> None:
        """Stop at once and free the device. Idempotent."""
        with locked():
            stream, self._stream = self._stream, None
            if stream is None:
                return
            self._ending = True
            stream.abort()
            stream.close()
            streams.open -= 1

    def check(self, quiet_s: float) -> None:
        """Raises DeviceLostError when the stream ended, or no callback came for ``quiet_s``."""
        if self.ended or time.monotonic() - self.heard_from_at > quiet_s:
            raise DeviceLostError(self.device.name)

    def _finished(self) -> None:
        if not self._ending:
            self.ended = True
            self.on_end()


def open_stream(kind: str, wanted: str, bind: Callable[[DeviceStream], StreamCallback]) -> DeviceStream:
    """Open a started stream on the device that ``wanted`` means, at its own rate, in mono where it can.

    ``bind`` makes the callback when the format is known; it is called once for every format that is tried. A device
    that is not found is looked for once more after a refresh. Raises SoundError.
    """
    find = find_input if kind == "input" else find_output
    with locked():
        try:
            return _open_on(find(wanted), kind, wanted, bind)
        except (NoInputDeviceError, NoOutputDeviceError, DeviceLostError):
            if not refresh():
                raise
            return _open_on(find(wanted), kind, wanted, bind)


def _open_on(device: Device, kind: str, wanted: str, bind: Callable[[DeviceStream], StreamCallback]) -> DeviceStream:
    sounddevice = load()
    refused: Exception | None = None
    for sound_format in _formats(device, kind):
        stream = DeviceStream(kind, device, sound_format)
        with translated(kind, wanted or device.name):
            try:
                stream.start(bind(stream))
            except sounddevice.PortAudioError as error:
                if not is_format_refused(error):
                    raise
                refused = error
            else:
                return stream
    raise SoundError(device.name, "it takes none of the usual sample rates") from refused


def _latency(kind: str, device: Device) -> float | str:
    """Seconds, or PortAudio's "low"."""
    if device.host_api != "ALSA":
        return "low"
    if kind == "output":
        return _ALSA_OUTPUT_S
    return _ALSA_CARD_INPUT_S if _ALSA_CARD in device.name else "low"


def _formats(device: Device, kind: str) -> list[AudioFormat]:
    """What to ask for, best first."""
    most = device.max_input_channels if kind == "input" else device.max_output_channels
    rates = [device.default_sample_rate, 48_000, 44_100, 16_000]
    if device.host_api == "ALSA":
        # There the default is PortAudio's guess, always 44,100 where a sound server converts; servers and cards run at
        # 48,000, which also divides by our 16,000 and 24,000.
        rates.insert(0, _ALSA_RATE)
    channels = [1, min(2, most), most]
    return [AudioFormat(rate, count) for count in dict.fromkeys(channels) for rate in dict.fromkeys(rates)]
