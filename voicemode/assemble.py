"""The only place that builds the object graph. Everything else is given what it needs."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from voicemode.assemble_browser import Browser
from voicemode.assemble_kept import Keeper, sound_folder
from voicemode.core.failover import Declared, Need, Task
from voicemode.engines.builtin import ESPEAK, builtin_available
from voicemode.engines.builtin_stt import BuiltinTranscriber
from voicemode.engines.builtin_tts import BuiltinSynthesizer
from voicemode.engines.choose_scorer import SMART_TURN_MODEL, ScorerChoice, choose_scorer
from voicemode.engines.choose_vad import DetectorChoice, choose_detector
from voicemode.engines.devices import Device, find_input, find_output, refresh
from voicemode.engines.echo_canceller import EchoCancellerChoice, choose_echo_canceller
from voicemode.engines.microphone import SoundDeviceMicrophone
from voicemode.engines.phrase_files import load_phrases
from voicemode.engines.speaker import SoundDeviceSpeaker
from voicemode.errors import SettingsError
from voicemode.interfaces import Microphone, Speaker, SpeechDetector, Transcriber, TurnScorer
from voicemode.load_config import LoadedSettings
from voicemode.providers.failover_stream import FailoverStreams
from voicemode.providers.failover_stt import FailoverTranscriber
from voicemode.providers.failover_tts import FailoverSynthesizer
from voicemode.providers.http import HttpPool
from voicemode.providers.patient_stt import PatientTranscriber, endpoints_ready
from voicemode.providers.registry import Builtin, Registry
from voicemode.providers.speech_cache import SpeechCache
from voicemode.providers.watch import Watch
from voicemode.record import Surface
from voicemode.runtime.checks import Check, in_thread
from voicemode.runtime.control import ControlServer
from voicemode.runtime.conversation import Conversations
from voicemode.runtime.diagnosis import Subject, diagnose
from voicemode.runtime.endpoint_report import EndpointReport, report
from voicemode.runtime.floor import Floor
from voicemode.runtime.journal import Journal
from voicemode.runtime.parts import Session, TurnParts
from voicemode.runtime.recovery import Recovery
from voicemode.runtime.snapshots import Snapshots
from voicemode.runtime.survey import Seen, survey
from voicemode.runtime.timelines import Timelines
from voicemode.settings import Settings
from voicemode.supervise.on_demand import OnDemand, Starter

__all__ = ["Ears", "Voice", "build_ears", "build_file_voice", "build_microphone", "build_voice"]

_ENGLISH = Declared(languages=("en",))
"""pocketsphinx comes with one model, and guesses English words for everything else."""


@dataclass(frozen=True, slots=True)
class Voice:
    """The assembled product; one per process. Close it."""

    settings: Settings
    conversations: Conversations
    pool: HttpPool
    subject: Subject
    """What ``diagnose`` looks at."""
    builtin_synthesizer: BuiltinSynthesizer
    snapshots: Snapshots
    """What this process tells others about its endpoints."""
    watch: Watch
    """Finds services and looks after endpoints while somebody converses."""
    on_demand: OnDemand
    scorer: TurnScorer
    timelines: Timelines
    keeper: Keeper
    control: ControlServer
    browser: Browser
    """The page in the place of the sound card."""
    apply: Callable[[LoadedSettings], Subject] = field(repr=False)
    """Puts other settings in force in all parts. Raises SettingsError, and then changes nothing."""

    @property
    def registry(self) -> Registry:
        return self.subject.registry

    def endpoints(self) -> list[EndpointReport]:
        """Every endpoint as this process knows it now; nobody is asked."""
        return report(self.registry)

    async def survey(self, needs: Mapping[Task, Need] | None = None) -> list[Seen]:
        """Look at every endpoint, in the order in which they would be asked for ``needs``."""
        installed = await in_thread(self.subject.find_builtin)
        return await survey(self.registry, self.subject.look_now, installed, needs)

    async def diagnose(self, *, listen: bool = False) -> list[Check]:
        """Look at every part. ``listen`` opens the microphone for half a second, which only a person may ask for."""
        if not listen:
            return await diagnose(self.subject)
        return await diagnose(replace(self.subject, make_microphone=lambda: build_microphone(self.settings)))

    def renewed(self, loaded: LoadedSettings) -> Voice:
        """The same product under other settings, to be used and closed in the place of this one.

        Conversations under way and parked ones go on as they began; ``base_dir`` stays what it was. Raises SettingsError, and
        then changes nothing.
        """
        return replace(self, settings=loaded.settings, subject=self.apply(loaded))

    async def builtin_voices(self) -> list[str]:
        """Voices of the built-in synthesizer; what an endpoint has, its own documentation tells."""
        if not self.settings.builtin or ESPEAK not in builtin_available():
            return []
        return await self.builtin_synthesizer.voices()

    async def aclose(self) -> None:
        """End conversations, then free engines and connections. Idempotent."""
        await self.control.aclose()
        await self.conversations.aclose()
        await self.browser.aclose()
        await self.scorer.aclose()
        await self.timelines.aclose()
        await self.keeper.aclose()
        await self.watch.aclose()
        await self.on_demand.aclose()
        await self.snapshots.aclose()
        await self.builtin_synthesizer.aclose()
        await self.pool.aclose()


@dataclass(frozen=True, slots=True)
class Ears:
    """What turns recordings into text. Close it."""

    transcriber: Transcriber
    journal: Journal
    make_detector: Callable[[], SpeechDetector]
    """Raises EngineError."""
    pool: HttpPool
    watch: Watch

    async def ready(self) -> None:
        """Learn who is there, in two seconds at most; recordings are in no hurry, and deserve the best engine."""
        await self.watch.look_now()

    async def aclose(self) -> None:
        """Free engines and connections. Idempotent."""
        await self.watch.aclose()
        await self.transcriber.aclose()
        await self.pool.aclose()


def build_ears(loaded: LoadedSettings, environ: Mapping[str, str]) -> Ears:
    """The part of the product that listens to recordings; it uses no sound card. Raises SettingsError; opens nothing."""
    settings = loaded.settings
    pool = HttpPool(settings)
    registry = Registry(settings, pool, Builtin(stt=BuiltinTranscriber(environ), stt_declared=_ENGLISH))
    journal = Journal(settings.base_dir / "pending")
    return Ears(
        transcriber=PatientTranscriber(registry.stt),
        journal=journal,
        make_detector=lambda: choose_detector(settings.vad).detector,
        pool=pool,
        watch=Watch(registry, pool),
    )


def build_microphone(settings: Settings) -> Microphone:
    """The microphone that was chosen; it is not opened."""
    return SoundDeviceMicrophone(settings.input_device)


def build_voice(loaded: LoadedSettings, environ: Mapping[str, str], client: str, surface: Surface = Surface.CONVERSE) -> Voice:
    """The product on this machine's sound card. ``client`` is who holds the floor. Raises SettingsError; opens nothing."""
    settings = loaded.settings
    return _voice(
        loaded,
        environ,
        make_microphone=build_microphone,
        make_speaker=lambda settings: SoundDeviceSpeaker(settings.output_device),
        floor=Floor(settings.base_dir, client, settings.floor_wait_s),
        program=client,
        surface=surface,
    )


def build_file_voice(loaded: LoadedSettings, environ: Mapping[str, str], question: Path | None, reply: Path | None) -> Voice:
    """The product without a sound card: ``question`` is what the person says, ``reply`` is where the message is written."""
    # Here and not above: it loads PyAV, 16 MB that no server needs.
    from voicemode.engines.file_audio import FileMicrophone, FileSpeaker

    drained = asyncio.Event()
    if reply is None:
        drained.set()

    def make_microphone(_: Settings) -> Microphone:
        if question is None:
            raise AssertionError("nothing listens without a file to hear")
        return FileMicrophone(question, drained)

    return _voice(
        loaded,
        environ,
        make_microphone=make_microphone,
        make_speaker=lambda _: FileSpeaker(reply, drained),
        floor=None,
        program="voicemode converse",
        surface=Surface.CLI,
    )


def _voice(
    loaded: LoadedSettings,
    environ: Mapping[str, str],
    *,
    make_microphone: Callable[[Settings], Microphone],
    make_speaker: Callable[[Settings], Speaker],
    floor: Floor | None,
    program: str,
    surface: Surface,
) -> Voice:
    settings = loaded.settings
    pool = HttpPool(settings)
    builtin = BuiltinSynthesizer(environ)
    registry = Registry(settings, pool, Builtin(builtin, BuiltinTranscriber(environ), stt_declared=_ENGLISH))
    shared = _Shared(
        make_microphone=make_microphone,
        make_speaker=make_speaker,
        pool=pool,
        registry=registry,
        watch=Watch(registry, pool),
        synthesizer=FailoverSynthesizer(registry.tts, _speech_cache(settings)),
        transcriber=FailoverTranscriber(registry.stt),
        streams=FailoverStreams(registry.stt),
        journal=Journal(settings.base_dir / "pending"),
        on_demand=OnDemand(settings.base_dir, lambda: _services(loaded, environ)),
        scorer=choose_scorer(settings.turn_scorer, _smart_turn(settings), environ),
        timelines=Timelines(settings.base_dir / "turns", program, settings.turn_timelines),
        keeper=Keeper(surface),
    )

    def who_recovered() -> Transcriber | None:
        shared.watch.touch()  # as long as a recording waits, somebody waits for an endpoint
        return endpoints_ready(registry.stt)

    shared.journal.keep_in = sound_folder(settings)
    recovery = Recovery(shared.journal, PatientTranscriber(registry.stt), who_recovered)
    conversations = Conversations(shared.parts(settings), floor, recovery)
    browser = Browser(loaded, environ, program, lambda loaded: _services(loaded, environ))
    browser.control = conversations.control

    def apply(loaded: LoadedSettings) -> Subject:
        shared.configure(loaded.settings)
        browser.loaded = loaded
        shared.journal.keep_in = sound_folder(loaded.settings)
        shared.timelines.detail = loaded.settings.turn_timelines
        conversations.use(shared.parts(loaded.settings))
        if floor is not None:
            floor.wait_s = loaded.settings.floor_wait_s
        return shared.subject(loaded)

    snapshots = Snapshots(settings.base_dir / "run", program, lambda: report(registry))
    for shelf in registry.shelves():
        shelf.on_settled = snapshots.settled
    subject = shared.subject(loaded)
    return Voice(
        settings=settings,
        conversations=conversations,
        pool=pool,
        subject=subject,
        builtin_synthesizer=builtin,
        snapshots=snapshots,
        watch=shared.watch,
        on_demand=shared.on_demand,
        scorer=shared.scorer.scorer,
        timelines=shared.timelines,
        keeper=shared.keeper,
        control=ControlServer(settings.base_dir, conversations),
        browser=browser,
        apply=apply,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shared:
    """What stays when settings change, and what is made of it and of the settings in force."""

    make_microphone: Callable[[Settings], Microphone]
    make_speaker: Callable[[Settings], Speaker]
    pool: HttpPool
    registry: Registry
    watch: Watch
    synthesizer: FailoverSynthesizer
    transcriber: FailoverTranscriber
    streams: FailoverStreams
    journal: Journal
    on_demand: OnDemand
    scorer: ScorerChoice
    timelines: Timelines
    keeper: Keeper
    session: Session = field(default_factory=Session)
    canceller: Callable[[], EchoCancellerChoice] = field(default_factory=lambda: functools.cache(choose_echo_canceller))
    """Kept from turn to turn: it takes a second to learn a room."""
    detector: Callable[[str], DetectorChoice] = field(default_factory=lambda: functools.cache(choose_detector))
    """The floor sees to it that one utterance is heard at a time, so one detector of each kind serves them all."""

    def configure(self, settings: Settings) -> None:
        """Raises SettingsError, and then changes nothing."""
        before = self.registry.settings
        self.pool.configure(settings)  # first: engines that are made look whether their address is allowed
        try:
            self.registry.configure(settings)
        except SettingsError:
            self.pool.configure(before)
            raise

    def parts(self, settings: Settings) -> TurnParts:
        return TurnParts(
            make_microphone=lambda: self.make_microphone(settings),
            make_speaker=lambda: self.make_speaker(settings),
            make_detector=lambda: self.detector(settings.vad).detector,
            synthesizer=self.synthesizer,
            transcriber=self.transcriber,
            streams=self.streams,
            journal=self.journal,
            scorer=self.scorer.scorer,
            make_canceller=lambda: self.canceller().canceller if settings.barge_in else None,
            phrases=lambda language: load_phrases(settings.language, language),
            session=self.session,
            keep_timeline=self.timelines.keep,
            put=lambda entry: self.keeper.put(entry, settings),
            start_timeout_s=settings.start_timeout_s,
            chime=settings.audio_feedback,
            earcons=settings.earcons == "quiet",
            presence=self.presence if settings.start_services else self.watch.conversation,
        )

    @contextlib.asynccontextmanager
    async def presence(self, first: Task | None) -> AsyncIterator[None]:
        """Somebody converses; what is installed and would serve better than the built-in engines is started."""
        async with self.watch.conversation(first):
            for task in ("tts", "stt"):
                if not self.watch.is_served(task):
                    self.on_demand.lacks(task)
            yield

    def found_canceller(self) -> tuple[str, str]:
        found = self.canceller()
        return found.canceller.name if found.canceller is not None else "", found.reason

    def subject(self, loaded: LoadedSettings) -> Subject:
        settings = loaded.settings
        return Subject(
            settings=settings,
            registry=self.registry,
            floor=Floor(settings.base_dir, "voicemode", 0),
            journal=self.journal,
            find_input=lambda: _newly(find_input, settings.input_device).name,
            find_output=lambda: _newly(find_output, settings.output_device).name,
            find_detector=lambda: (self.detector(settings.vad).detector.name, self.detector(settings.vad).reason),
            find_scorer=lambda: (self.scorer.scorer.name, self.scorer.reason),
            find_canceller=self.found_canceller,
            find_builtin=builtin_available,
            look_now=self.watch.look_now,
            openai_key_elsewhere=loaded.openai_key_elsewhere,
            warnings=loaded.warnings,
        )


def _speech_cache(settings: Settings) -> SpeechCache | None:
    match settings.speech_cache:
        case "off":
            return None
        case "memory":
            return SpeechCache()
        case "disk":
            return SpeechCache(settings.base_dir / "cache")


def _services(loaded: LoadedSettings, environ: Mapping[str, str]) -> Starter:
    # Here and not above: it loads what only machines with a local service need.
    from voicemode.supervise.manager import Services

    return Services(loaded.settings, loaded.services, environ)


def _smart_turn(settings: Settings) -> Path:
    """Where smart-turn's model is, if it was pulled."""
    # Here and not above: the catalogue is for who looks for a model.
    from voicemode.supervise.models import Models

    models = Models(settings)
    return models.path_of(SMART_TURN_MODEL) / models.find(SMART_TURN_MODEL).files[0].name


def _newly(find: Callable[[str], Device], wanted: str) -> Device:
    """Find a device, also one that was plugged in a moment ago."""
    refresh()
    return find(wanted)
