"""The diagnosis: each part that fails says so, and says what to do."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from pydantic import SecretStr

from tests.stubs.client import SpeechStub
from voicemode.audio import AudioChunk
from voicemode.core.breaker import Failure
from voicemode.core.failover import Declared
from voicemode.engines.builtin import ESPEAK, POCKETSPHINX
from voicemode.errors import (
    DeviceBusyError,
    EngineError,
    MicrophoneSilentError,
    NoInputDeviceError,
    NoOutputDeviceError,
    PortAudioMissingError,
    SoundError,
)
from voicemode.interfaces import CapturedBlock
from voicemode.providers.http import HttpPool
from voicemode.providers.registry import Builtin, Registry
from voicemode.providers.sites import Service
from voicemode.runtime.checks import Check, Part, State, used
from voicemode.runtime.diagnosis import Subject, diagnose
from voicemode.runtime.floor import Floor
from voicemode.runtime.journal import Journal
from voicemode.settings import Settings


class FakeMicrophone:
    """Delivers blocks of one value, or fails to open."""

    name = "fake"

    def __init__(self, value: int = 0, error: SoundError | None = None, hangs: bool = False) -> None:
        self.value, self.error, self.hangs = value, error, hangs
        self.opened = 0
        self.closed = 0

    async def open(self) -> None:
        self.opened += 1
        if self.error is not None:
            raise self.error
        if self.hangs:
            await asyncio.Event().wait()

    async def read(self) -> CapturedBlock | None:
        return CapturedBlock(AudioChunk(np.full(1600, self.value, dtype=np.int16), 16_000), time.monotonic())

    async def close(self) -> None:
        self.closed += 1


class FakeEngine:
    """A built-in engine that nobody starts."""

    def __init__(self, name: str) -> None:
        self.name = name


def a_registry(settings: Settings) -> Registry:
    """The endpoints of these settings, and both built-in engines."""
    tts: Any = FakeEngine(ESPEAK)
    stt: Any = FakeEngine(POCKETSPHINX)
    return Registry(settings, HttpPool(settings), Builtin(tts, stt))


async def find_nothing() -> None:
    """No services on this machine."""


def a_subject(folder: Path, settings: Settings | None = None, **parts: Any) -> Subject:
    """A machine on which everything works, but for ``parts``."""
    settings = settings or Settings()
    working: dict[str, Any] = {
        "settings": settings,
        "registry": a_registry(settings),
        "look_now": find_nothing,
        "floor": Floor(folder, "the doctor", 0),
        "journal": Journal(folder / "pending"),
        "find_input": lambda: "Headset",
        "find_output": lambda: "Speakers",
        "find_detector": lambda: ("silero", "It is the best."),
        "find_builtin": lambda: {ESPEAK: "espeak 1", POCKETSPHINX: "sphinx 5"},
    }
    return Subject(**{**working, **parts})


def fails_with(error: Exception) -> Callable[[], str]:
    """A look that finds the error."""

    def find() -> str:
        raise error

    return find


def look(subject: Subject) -> list[Check]:
    return asyncio.run(diagnose(subject))


def only(checks: Sequence[Check], name: Part) -> Check:
    (check,) = [check for check in checks if check.name is name]
    return check


def of(checks: Sequence[Check], name: Part) -> list[Check]:
    return [check for check in checks if check.name is name]


@pytest.fixture(scope="module")
def stub() -> Iterator[SpeechStub]:
    with SpeechStub(sites=2) as server:
        yield server


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


# -- speech


def test_endpoints_come_in_the_order_they_are_tried(tmp_path: Path, stub: SpeechStub) -> None:
    """The first that answers would be used; the built-in engine stays the last resort."""
    stub.reset()
    stub.configure(0, models_mode="503")
    checks = of(look(a_subject(tmp_path, Settings(tts_base_urls=stub.urls))), Part.TTS)
    assert [check.uses for check in checks] == ["", stub.urls[1], "builtin:espeak-ng"]
    assert [check.state for check in checks] == [State.WARNING, State.OK, State.OK]
    assert "503" in checks[0].detail


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        ({"refuse": True}, "refused"),
        ({"models_mode": "html"}, "web page"),
        ({"models_mode": "500"}, "500"),
        ({"models_mode": "redirect", "redirect_to": "http://127.0.0.1:9/v1"}, "redirects"),
        ({"models_mode": "hang"}, "within 2 s"),
        ({"key": "right"}, "key"),
    ],
)
def test_an_endpoint_in_trouble_says_which(tmp_path: Path, stub: SpeechStub, behaviour: dict[str, Any], said: str) -> None:
    """Each kind of trouble has its own words and a remedy, and none is taken for working."""
    stub.reset()
    stub.configure(0, **behaviour)
    settings = Settings(stt_base_urls=(stub.url,), stt_api_key=SecretStr("sk-very-secret"))
    check = of(look(a_subject(tmp_path, settings)), Part.STT)[0]
    assert (check.state, check.uses) == (State.WARNING, "")
    assert said in check.detail
    assert check.remedy
    assert "sk-very-secret" not in f"{check}"


def test_a_server_without_a_list_of_models_is_reachable(tmp_path: Path, stub: SpeechStub) -> None:
    """Many good speech servers know /audio/transcriptions and nothing else."""
    stub.reset()
    stub.configure(0, models_mode="404")
    check = of(look(a_subject(tmp_path, Settings(stt_base_urls=(stub.url,)))), Part.STT)[0]
    assert (check.state, check.uses) == (State.OK, stub.url)


def test_the_key_is_sent(tmp_path: Path, stub: SpeechStub) -> None:
    """An endpoint that wants a key and gets it works."""
    stub.reset()
    stub.configure(0, key="right")
    settings = Settings(tts_base_urls=(stub.url,), tts_api_key=SecretStr("right"))
    assert of(look(a_subject(tmp_path, settings)), Part.TTS)[0].state is State.OK


def test_a_service_that_is_found_says_where(tmp_path: Path, stub: SpeechStub) -> None:
    """The look comes first, so that a service that was started a moment ago is in the answer."""
    stub.reset()
    settings = Settings()
    registry = a_registry(settings)

    async def find() -> None:
        registry.found([Service(stub.url, {"tts": Declared()})])

    check = of(look(a_subject(tmp_path, settings, registry=registry, look_now=find)), Part.TTS)[0]
    assert (check.state, check.uses) == (State.OK, stub.url)
    assert f"found on port {urlsplit(stub.url).port}" in check.detail


def test_a_look_that_hangs_is_given_up(tmp_path: Path) -> None:
    """What is known already is told."""

    async def hang() -> None:
        await asyncio.Event().wait()

    assert of(look(a_subject(tmp_path, look_now=hang)), Part.TTS)[0].uses == ESPEAK


def test_an_endpoint_that_answers_and_is_left_alone_is_not_in_use(tmp_path: Path, stub: SpeechStub) -> None:
    """Its list of models works and its speech does not: the next request goes to another one, and the figures say why."""
    stub.reset()
    settings = Settings(tts_base_urls=stub.urls)
    registry = a_registry(settings)
    health = registry.tts[stub.url].health
    now = registry.tts.clock()
    health.failed(health.begin(now), now, Failure.BUSY, "It is too busy.", 600.0)
    checks = of(look(a_subject(tmp_path, settings, registry=registry)), Part.TTS)
    assert used(checks) == {"text-to-speech": stub.urls[1]}
    (left,) = [check for check in checks if check.detail.startswith(stub.url)]
    assert (left.state, left.uses) == (State.WARNING, "")
    assert "is left alone for" in left.detail
    assert "It is too busy" in left.detail
    assert "served 0% of 1" in left.detail


def test_an_endpoint_that_is_tried_again_is_in_use_with_a_warning(tmp_path: Path, stub: SpeechStub) -> None:
    """Its time is up; whether it serves is not known yet."""
    stub.reset()
    settings = Settings(tts_base_urls=(stub.url,))
    registry = a_registry(settings)
    now = 1000.0
    registry.tts.clock = lambda: now
    health = registry.tts[stub.url].health
    health.failed(health.begin(now), now, Failure.BUSY, "It is too busy.", 600.0)
    now += 601
    check = of(look(a_subject(tmp_path, settings, registry=registry)), Part.TTS)[0]
    assert (check.state, check.uses) == (State.WARNING, stub.url)
    assert "is tried again after: It is too busy" in check.detail


def test_a_chat_endpoint_that_is_down_fails_nothing(tmp_path: Path, stub: SpeechStub) -> None:
    """An agent brings its own answers; who named an endpoint for them wants to know how it is."""
    stub.reset()
    stub.configure(0, refuse=True)
    down, well = of(look(a_subject(tmp_path, Settings(chat_base_urls=stub.urls))), Part.CHAT)
    assert (down.state, down.uses) == (State.WARNING, "")
    assert "VOICEMODE_CHAT_BASE_URLS" in down.remedy
    assert (well.state, well.uses) == (State.OK, stub.urls[1])


def test_a_key_of_other_programs_is_mentioned_where_it_would_help(tmp_path: Path, stub: SpeechStub) -> None:
    """It is not used, for nobody agreed to that; with a better endpoint, the consent or LOCAL_ONLY nothing is said."""
    stub.reset()

    def hints(**settings: Any) -> list[Check]:
        checks = look(a_subject(tmp_path, Settings(**settings), openai_key_elsewhere=True))
        return [check for check in checks if "OPENAI_API_KEY is in the environment" in check.detail]

    (hint,) = hints()
    assert "voicemode config set VOICEMODE_OPENAI_API_KEY" in hint.remedy
    assert (hint.name, hint.state) == (Part.TTS, State.OK)
    assert [hint.name for hint in hints(tts_base_urls=(stub.url,))] == [Part.STT]
    assert hints(tts_base_urls=(stub.url,), stt_base_urls=(stub.url,)) == []
    assert hints(local_only=True) == []
    assert not [c for c in look(a_subject(tmp_path)) if "OPENAI_API_KEY" in c.detail]


def test_without_any_engine_each_reason_is_a_failure(tmp_path: Path) -> None:
    """One engine is enough; without any, there is no voice."""
    settings = Settings(tts_base_urls=("http://127.0.0.1:9/v1",), builtin=False)
    checks = look(a_subject(tmp_path, settings))
    assert [check.state for check in of(checks, Part.TTS)] == [State.FAILED, State.FAILED]
    assert [check.state for check in of(checks, Part.STT)] == [State.FAILED]
    assert all(check.remedy for check in of(checks, Part.STT))


def test_the_built_in_recogniser_alone_is_a_warning(tmp_path: Path) -> None:
    """It gets one word in three wrong, and the remedy is one setting."""
    check = only(look(a_subject(tmp_path)), Part.STT)
    assert check.state is State.WARNING
    assert "VOICEMODE_STT_BASE_URLS" in check.remedy


def test_missing_built_in_engines_are_told_with_the_command_that_brings_them(tmp_path: Path) -> None:
    """Without any other engine it is a failure."""
    check = only(look(a_subject(tmp_path, find_builtin=lambda: {POCKETSPHINX: "sphinx 5"})), Part.TTS)
    assert check.state is State.FAILED
    assert "voicemode[builtin]" in check.remedy


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


def test_the_built_in_recogniser_is_of_no_use_for_another_language(tmp_path: Path) -> None:
    """It would refuse; English guesses would be worse."""
    check = only(look(a_subject(tmp_path, Settings(language="de"))), Part.STT)
    assert (check.state, check.uses) == (State.FAILED, "")
    assert "'de'" in check.detail
