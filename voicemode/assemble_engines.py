"""Builds the engines that all conversations of the server share, and looks after them while one is held."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from voicemode.core.failover import Declared
from voicemode.dialogue import Command
from voicemode.engines.builtin_stt import BuiltinTranscriber
from voicemode.engines.builtin_tts import BuiltinSynthesizer
from voicemode.engines.choose_scorer import SMART_TURN_MODEL, choose_scorer
from voicemode.interfaces import Synthesizer, TurnScorer
from voicemode.load_config import LoadedSettings
from voicemode.providers.any_voice import AnyVoice
from voicemode.providers.failover_stream import FailoverStreams
from voicemode.providers.failover_stt import FailoverTranscriber
from voicemode.providers.failover_tts import FailoverSynthesizer
from voicemode.providers.http import HttpPool
from voicemode.providers.registry import Builtin, Registry
from voicemode.providers.speech_cache import SpeechCache
from voicemode.providers.watch import Watch
from voicemode.runtime.journal import Journal
from voicemode.runtime.realtime_parts import DialogueEngineLike
from voicemode.settings import Settings
from voicemode.supervise.on_demand import OnDemand, Starter

__all__ = ["Engines", "Watched", "build_engines"]

_ENGLISH = Declared(languages=("en",))
"""pocketsphinx comes with one model, and guesses English words for everything else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """What all conversations share."""

    settings: Settings
    pool: HttpPool
    registry: Registry
    watch: Watch
    on_demand: OnDemand
    builtin: BuiltinSynthesizer
    synthesizer: Synthesizer
    transcriber: FailoverTranscriber
    streams: FailoverStreams
    scorer: TurnScorer
    scorer_reason: str
    """Why it is this one, as a sentence."""
    journal: Journal

    def touch(self) -> None:
        """Somebody uses them."""
        self.watch.touch()
        if self.settings.start_services:
            for task in ("tts", "stt"):
                if not self.watch.is_served(task):
                    self.on_demand.lacks(task)

    async def aclose(self) -> None:
        await self.scorer.aclose()
        await self.watch.aclose()
        await self.on_demand.aclose()
        await self.transcriber.aclose()
        await self.builtin.aclose()
        await self.pool.aclose()


def build_engines(loaded: LoadedSettings, environ: Mapping[str, str]) -> Engines:
    """Starts nothing. ``environ`` is this process's own."""
    settings = loaded.settings
    pool = HttpPool(settings)
    builtin = BuiltinSynthesizer(environ)
    registry = Registry(settings, pool, Builtin(builtin, BuiltinTranscriber(environ), stt_declared=_ENGLISH))
    cache = {"off": None, "memory": SpeechCache(), "disk": SpeechCache(settings.base_dir / "cache")}[settings.speech_cache]
    scorer = choose_scorer(settings.turn_scorer, _smart_turn(settings), environ)
    return Engines(
        settings=settings,
        pool=pool,
        registry=registry,
        watch=Watch(registry, pool),
        on_demand=OnDemand(settings.base_dir, lambda: _services(loaded, environ)),
        builtin=builtin,
        synthesizer=AnyVoice(FailoverSynthesizer(registry.tts, cache)),
        transcriber=FailoverTranscriber(registry.stt),
        streams=FailoverStreams(registry.stt),
        scorer=scorer.scorer,
        scorer_reason=scorer.reason,
        journal=Journal(settings.base_dir / "pending"),
    )


def _services(loaded: LoadedSettings, environ: Mapping[str, str]) -> Starter:
    # Here and not above: it loads what only machines with a local service need.
    from voicemode.supervise.manager import Services

    return Services(loaded.settings, loaded.services, environ)


def _smart_turn(settings: Settings) -> Path:
    """Where smart-turn's model is, if it was pulled."""
    from voicemode.supervise.models import Models  # as above

    models = Models(settings)
    return models.path_of(SMART_TURN_MODEL) / models.find(SMART_TURN_MODEL).files[0].name


class Watched:
    """An engine; as long as it runs, the endpoints are looked after."""

    def __init__(self, engine: DialogueEngineLike, engines: Engines) -> None:
        self._engine, self._engines = engine, engines

    @property
    def backlog_s(self) -> float:
        return self._engine.backlog_s

    async def run(self) -> None:
        async with self._engines.watch.conversation():
            self._engines.touch()
            await self._engine.run()

    def command(self, command: Command) -> None:
        self._engine.command(command)

    async def aclose(self) -> None:
        await self._engine.aclose()
