"""The one door to PortAudio: it loads the library, lets one call in at a time, and turns its errors into ours.

PortAudio is not safe in threads: opening, closing and listing are serialised by ``LOCK``. Each runs in a thread of its
own that dies with the process, because a hung sound server may keep it for ever.
"""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

from voicemode.errors import (
    DeviceBusyError,
    DeviceLostError,
    NoInputDeviceError,
    NoOutputDeviceError,
    PortAudioMissingError,
    SoundError,
)

__all__ = ["StreamCount", "in_sound_thread", "is_format_refused", "load", "locked", "streams", "translated"]

T = TypeVar("T")

# PaErrorCode of portaudio.h
_UNANTICIPATED_HOST_ERROR = -9999
_INVALID_CHANNEL_COUNT = -9998
_INVALID_SAMPLE_RATE = -9997
_INVALID_DEVICE = -9996
_BAD_DEVICE_COMBINATION = -9993  # ALSA: the device could not be opened, for any reason but "busy"
_DEVICE_UNAVAILABLE = -9985

_GONE = {-errno.ENODEV, -errno.ENXIO, -errno.ENOENT, -errno.EIO, -errno.ECONNREFUSED}
"""ALSA's codes for a device that is not there; -EIO is the PulseAudio plug-in's for a sink that does not exist."""

_LOCK_S = 5.0
_lock = threading.RLock()


class StreamCount:
    """How many streams are open: PortAudio may be restarted only when none is. Read and written under the lock."""

    def __init__(self) -> None:
        self.open = 0


streams = StreamCount()


@contextmanager
def locked() -> Iterator[None]:
    """Hold PortAudio's lock. Raises DeviceLostError when another call has hung in it for 5 s."""
    if not _lock.acquire(timeout=_LOCK_S):
        raise DeviceLostError(detail="the sound system does not answer")
    try:
        yield
    finally:
        _lock.release()


def load() -> Any:
    """The sounddevice module, which starts PortAudio when it is first imported. Raises PortAudioMissingError."""
    with locked():
        try:
            # Not at the top: importing it talks to the sound server, and fails where the C library is not installed.
            import sounddevice
        except OSError as error:
            raise PortAudioMissingError(detail=str(error)) from error
        return sounddevice


def is_format_refused(error: Exception) -> bool:
    """Whether another sample rate or channel count may succeed where this one failed."""
    return _code(error) in {_INVALID_CHANNEL_COUNT, _INVALID_SAMPLE_RATE}


@contextmanager
def translated(kind: str, device: str = "", known: Sequence[str] = ()) -> Iterator[None]:
    """Turn PortAudioError into ours, by its codes. ``kind`` is "input" or "output"."""
    sounddevice = load()
    try:
        yield
    except sounddevice.PortAudioError as error:
        raise _translation(error, kind, device, known) from error


def _code(error: Exception) -> int | None:
    """The PaErrorCode, which sounddevice keeps in the second argument; None when it raised by itself."""
    return error.args[1] if len(error.args) > 1 else None


def _translation(error: Exception, kind: str, device: str, known: Sequence[str]) -> SoundError:
    code = _code(error)
    text = str(error.args[0]) if error.args else ""
    host_code = error.args[2][1] if len(error.args) > 2 else None
    absent = NoInputDeviceError if kind == "input" else NoOutputDeviceError
    if code == _DEVICE_UNAVAILABLE or host_code == -errno.EBUSY:
        return DeviceBusyError(device, text)
    if code in {_INVALID_DEVICE, _BAD_DEVICE_COMBINATION, None}:
        return absent(device, text, known)
    if code == _UNANTICIPATED_HOST_ERROR and host_code in _GONE:
        return absent(device, str(error.args[2][2]), known)
    return DeviceLostError(device, text)


async def in_sound_thread(
    work: Callable[[], T], *, deadline_s: float, undo: Callable[[T], object] | None = None, device: str = ""
) -> T:
    """Run blocking work off the loop.

    When the caller is cancelled or ``deadline_s`` passes, the work goes on, and ``undo`` gets its result as soon as
    there is one. Raises DeviceLostError at the deadline.
    """
    outcome: Future[T] = Future()
    outcome.set_running_or_notify_cancel()  # so that cancelling the wait does not cancel the outcome
    threading.Thread(target=_settle, args=(outcome, work), name="voicemode-sound", daemon=True).start()
    try:
        async with asyncio.timeout(deadline_s):
            return await asyncio.wrap_future(outcome)
    except TimeoutError as error:
        _undo_later(outcome, undo)
        raise DeviceLostError(device, f"the sound system did not answer in {deadline_s:g} s") from error
    except asyncio.CancelledError:
        _undo_later(outcome, undo)
        raise


def _settle(outcome: Future[T], work: Callable[[], T]) -> None:
    try:
        outcome.set_result(work())
    except BaseException as error:  # noqa: BLE001 - a thread's boundary: whatever it was is raised where it is awaited
        outcome.set_exception(error)


def _undo_later(outcome: Future[T], undo: Callable[[T], object] | None) -> None:
    def in_thread(settled: Future[T]) -> None:
        if undo is not None and settled.exception() is None:
            threading.Thread(target=undo, args=(settled.result(),), name="voicemode-sound-undo", daemon=True).start()

    outcome.add_done_callback(in_thread)
