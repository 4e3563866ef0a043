"""The door to PortAudio: its errors by code, and work that is cancelled or hangs."""

from __future__ import annotations

import asyncio
import errno
import sys
import threading
from pathlib import Path

import pytest

from tests.engines.fake_sounddevice import FakeSoundDevice, PortAudioError
from voicemode.engines.portaudio import in_sound_thread, load, translated
from voicemode.errors import (
    DeviceBusyError,
    DeviceLostError,
    NoInputDeviceError,
    NoOutputDeviceError,
    PortAudioMissingError,
    SoundError,
)

GONE = (0, -errno.ENODEV, "No such device")
BUSY = (0, -errno.EBUSY, "Device or resource busy")
CORE_AUDIO = (0, 560_947_818, "")


@pytest.mark.parametrize(
    ("arguments", "kind", "expected"),
    [
        (("text", -9985), "output", DeviceBusyError),
        (("text", -9996), "input", NoInputDeviceError),
        (("text", -9993), "output", NoOutputDeviceError),
        (("text",), "input", NoInputDeviceError),
        (("text", -9999, GONE), "output", NoOutputDeviceError),
        (("text", -9999, BUSY), "input", DeviceBusyError),
        (("text", -9999, CORE_AUDIO), "input", DeviceLostError),
        (("text", -9986), "output", DeviceLostError),
    ],
)
def test_portaudio_errors_become_ours_by_their_codes(
    arguments: tuple[object, ...], kind: str, expected: type[SoundError], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The code decides; the text is only shown."""
    monkeypatch.setitem(sys.modules, "sounddevice", FakeSoundDevice())
    with pytest.raises(SoundError) as caught, translated(kind, "desk"):
        raise PortAudioError(*arguments)
    assert type(caught.value) is expected
    assert caught.value.device == "desk"


def test_a_missing_library_is_named_at_first_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing our modules works without PortAudio; using them says that it is not installed."""
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')", encoding="utf-8")
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PortAudioMissingError, match="libportaudio2"):
        load()


def test_work_that_hangs_is_given_up_and_undone_later() -> None:
    """At the deadline the caller goes on; what the work makes in the end is freed."""
    go_on, undone = threading.Event(), threading.Event()

    def work() -> str:
        go_on.wait(5)
        return "stream"

    async def scenario() -> None:
        with pytest.raises(DeviceLostError, match="did not answer"):
            await in_sound_thread(work, deadline_s=0.01, undo=lambda _: undone.set())

    asyncio.run(scenario())
    go_on.set()
    assert undone.wait(5)


def test_a_cancelled_caller_leaves_nothing_open() -> None:
    """Cancelled while the device opens: it is closed as soon as it is open."""
    started, go_on, undone = threading.Event(), threading.Event(), threading.Event()

    def work() -> str:
        started.set()
        go_on.wait(5)
        return "stream"

    async def scenario() -> None:
        task = asyncio.create_task(in_sound_thread(work, deadline_s=5, undo=lambda _: undone.set()))
        await asyncio.to_thread(started.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()
        assert await asyncio.to_thread(undone.wait, 5)

    asyncio.run(scenario())


def test_an_error_in_the_thread_is_raised_where_it_is_awaited() -> None:
    """Typed errors cross the thread unchanged."""

    def work() -> None:
        raise DeviceBusyError("desk")

    with pytest.raises(DeviceBusyError):
        asyncio.run(in_sound_thread(work, deadline_s=5))
