"""The diagnosis: each part that fails says so, and says what to do."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pytest

from tests.runtime.diagnosed import FakeMicrophone, a_subject, fails_with, look, of, only
from voicemode.audio import AudioChunk
from voicemode.errors import (
    DeviceBusyError,
    EngineError,
    MicrophoneSilentError,
    NoInputDeviceError,
    NoOutputDeviceError,
    PortAudioMissingError,
)
from voicemode.runtime.checks import Check, Part, State, used
from voicemode.runtime.diagnosis import diagnose
from voicemode.runtime.floor import Floor
from voicemode.runtime.journal import Journal
from voicemode.settings import Settings


def test_the_checks_come_in_the_order_in_which_a_turn_needs_the_parts(tmp_path: Path) -> None:
    """Whoever mends the first failure mends what the others may depend on."""
    names = [check.name for check in look(a_subject(tmp_path))]
    assert names == [part for part in Part if part is not Part.CHAT]


def test_what_would_be_used_is_the_first_of_each_that_works(tmp_path: Path) -> None:
    """With nothing configured these are the devices and the built-in engines."""
    assert used(look(a_subject(tmp_path))) == {
        "microphone": "Headset",
        "loudspeaker": "Speakers",
        "speech detector": "silero",
        "turn scorer": "prosody",
        "interrupting": "webrtc-aec3",
        "text-to-speech": "builtin:espeak-ng",
        "speech-to-text": "builtin:pocketsphinx",
    }


def test_looking_leaves_nothing_on_disk(tmp_path: Path) -> None:
    """A status that is asked for often must not make folders or locks."""
    look(a_subject(tmp_path / "never made"))
    assert list(tmp_path.iterdir()) == []


def test_each_oddity_of_the_settings_is_a_warning(tmp_path: Path) -> None:
    """Voice works with them, but not as it was asked to."""
    checks = of(look(a_subject(tmp_path, warnings=["unknown key A.", "unknown key B."])), Part.SETTINGS)
    assert [(check.state, check.detail) for check in checks] == [
        (State.WARNING, "unknown key A"),
        (State.WARNING, "unknown key B"),
    ]
    assert all("config edit" in check.remedy for check in checks)


# -- sound


def test_without_portaudio_the_devices_are_unknown(tmp_path: Path) -> None:
    """The cause is told once, with its remedy; what follows from it has none of its own."""
    missing = fails_with(PortAudioMissingError())
    checks = look(a_subject(tmp_path, find_input=missing, find_output=missing))
    assert only(checks, Part.PORTAUDIO).remedy == PortAudioMissingError.remedy
    for part in (Part.PORTAUDIO, Part.MICROPHONE, Part.LOUDSPEAKER):
        assert only(checks, part).state is State.FAILED
    assert only(checks, Part.MICROPHONE).remedy == ""


def test_a_missing_device_fails_alone(tmp_path: Path) -> None:
    """Each device has its own sentence and remedy."""
    checks = look(a_subject(tmp_path, find_input=fails_with(NoInputDeviceError("usb", known=["Headset"]))))
    microphone = only(checks, Part.MICROPHONE)
    assert microphone.state is State.FAILED
    assert "Headset" in microphone.detail
    assert microphone.remedy == NoInputDeviceError.remedy
    assert only(checks, Part.LOUDSPEAKER).state is State.OK
    assert only(checks, Part.PORTAUDIO).state is State.OK

    checks = look(a_subject(tmp_path, find_output=fails_with(NoOutputDeviceError())))
    assert only(checks, Part.LOUDSPEAKER).remedy == NoOutputDeviceError.remedy
    assert only(checks, Part.MICROPHONE).state is State.OK


def test_a_sound_server_that_does_not_answer_is_given_up(tmp_path: Path) -> None:
    """The thread that hangs is left behind; the diagnosis is not."""
    release = threading.Event()

    def hang() -> str:
        release.wait(30)
        return "too late"

    began = time.monotonic()
    microphone = only(look(a_subject(tmp_path, find_input=hang)), Part.MICROPHONE)
    took_s = time.monotonic() - began
    release.set()
    assert microphone.state is State.FAILED
    assert "2 s" in microphone.detail
    assert took_s < 10


def test_the_microphone_stays_closed_unless_it_is_handed_over(tmp_path: Path) -> None:
    """A status asked for by an agent must never open it; found is all that is said."""
    assert only(look(a_subject(tmp_path)), Part.MICROPHONE).detail == "Headset"


def test_a_microphone_that_delivers_sound_is_opened_and_closed_once(tmp_path: Path) -> None:
    """A person's command hears it for half a second."""
    microphone = FakeMicrophone(value=3)
    check = only(look(a_subject(tmp_path, make_microphone=lambda: microphone)), Part.MICROPHONE)
    assert (check.state, check.uses) == (State.OK, "Headset")
    assert "delivers sound" in check.detail
    assert (microphone.opened, microphone.closed) == (1, 1)


def test_a_microphone_of_zeros_is_a_warning(tmp_path: Path) -> None:
    """Muted or forbidden: it may work in a minute, so it is not called missing."""
    microphone = FakeMicrophone(value=0)
    check = only(look(a_subject(tmp_path, make_microphone=lambda: microphone)), Part.MICROPHONE)
    assert check.state is State.WARNING
    assert check.remedy == MicrophoneSilentError.remedy


@pytest.mark.parametrize("microphone", [FakeMicrophone(error=DeviceBusyError("Headset")), FakeMicrophone(hangs=True)])
def test_a_microphone_that_does_not_open_is_of_no_use(tmp_path: Path, microphone: FakeMicrophone) -> None:
    """Busy or hanging: it fails, is closed, and is not what would be used."""
    checks = look(a_subject(tmp_path, make_microphone=lambda: microphone))
    check = only(checks, Part.MICROPHONE)
    assert (check.state, check.uses) == (State.FAILED, "")
    assert check.remedy
    assert microphone.closed == 1


def test_the_second_best_detector_says_why(tmp_path: Path) -> None:
    """It is used, and it is a warning, unless it was asked for."""

    def find() -> tuple[str, str]:
        return "webrtcvad", "Silero does not load."

    check = only(look(a_subject(tmp_path, find_detector=find)), Part.DETECTOR)
    assert (check.state, check.uses) == (State.WARNING, "webrtcvad")
    assert "Silero does not load" in check.detail
    check = only(look(a_subject(tmp_path, Settings(vad="webrtcvad"), find_detector=find)), Part.DETECTOR)
    assert check.state is State.OK


def test_without_any_detector_listening_is_not_possible(tmp_path: Path) -> None:
    """The error of the engine is the sentence and the remedy."""
    broken = fails_with(EngineError("vad", "nothing loads", "Install it."))
    check = only(look(a_subject(tmp_path, find_detector=broken)), Part.DETECTOR)
    assert (check.state, check.remedy, check.uses) == (State.FAILED, "Install it.", "")


def test_without_an_echo_canceller_nobody_interrupts_by_voice(tmp_path: Path) -> None:
    """That is a warning with its reason, unless interrupting is switched off."""

    def find() -> tuple[str, str]:
        return "", "No interrupting by voice: it does not load."

    check = only(look(a_subject(tmp_path, find_canceller=find)), Part.BARGE_IN)
    assert (check.state, check.uses, check.detail) == (State.WARNING, "", "No interrupting by voice: it does not load")
    check = only(look(a_subject(tmp_path, Settings(barge_in=False), find_canceller=find)), Part.BARGE_IN)
    assert check.state is State.OK


def test_who_judges_the_end_of_a_turn_is_told_with_the_reason(tmp_path: Path) -> None:
    """Prosody instead of the model is no fault of the machine."""
    check = only(look(a_subject(tmp_path)), Part.SCORER)
    assert (check.state, check.uses) == (State.OK, "prosody")
    assert check.detail == "prosody: There is no smart-turn here"


# -- the rest


def test_a_taken_floor_names_its_holder(tmp_path: Path) -> None:
    """The one who waits learns for whom; free again, nobody is named."""

    async def run() -> tuple[list[Check], list[Check]]:
        async with Floor(tmp_path, "Claude Code", 0).hold():
            taken = await diagnose(a_subject(tmp_path))
        return taken, await diagnose(a_subject(tmp_path))

    taken, free = asyncio.run(run())
    assert only(taken, Part.FLOOR).state is State.WARNING
    assert "Claude Code" in only(taken, Part.FLOOR).detail
    assert only(free, Part.FLOOR).state is State.OK


def test_a_note_left_behind_by_a_killed_holder_does_not_take_the_floor(tmp_path: Path) -> None:
    """Only the lock counts; the note says who."""
    (tmp_path / "floor.json").write_text('{"holder": "nobody any more", "since": "12:00:00"}')
    assert only(look(a_subject(tmp_path)), Part.FLOOR).state is State.OK


def test_waiting_recordings_are_named_with_the_command_that_transcribes_them(tmp_path: Path) -> None:
    """Nothing the person said is lost, or forgotten."""
    journal = Journal(tmp_path / "pending")
    path = journal.new_path()
    journal.keep(path, AudioChunk.silence(0.1, 16_000))
    check = only(look(a_subject(tmp_path)), Part.RECORDINGS)
    assert check.state is State.WARNING
    assert "voicemode transcribe --pending" in check.remedy
    assert path.stem in check.detail
