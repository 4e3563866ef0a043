"""The engine of a continuous conversation that an upstream realtime API answers: our engine, with its answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from voicemode.answers import AnswerRequest
from voicemode.audio import Samples
from voicemode.dialogue import (
    AudioIn,
    ClearInput,
    Command,
    CommitInput,
    Configure,
    DialogueOptions,
    PlayoutCleared,
    Report,
    Respond,
    SpeechStarted,
    SpeechStopped,
    TurnTaking,
)
from voicemode.playout import PlayoutSink
from voicemode.providers.realtime_upstream import UpstreamTarget
from voicemode.runtime.dialogue_answer import Answer, AnswerReport
from voicemode.runtime.dialogue_engine import DialogueEngine
from voicemode.runtime.dialogue_input import TurnInput, TurnWatcher
from voicemode.runtime.dialogue_kinds import AnswerLike, EngineKinds
from voicemode.runtime.dialogue_parts import DialogueParts
from voicemode.runtime.dialogue_words import TurnWords
from voicemode.runtime.upstream_answer import UpstreamAnswer
from voicemode.runtime.upstream_ear import UpstreamEar
from voicemode.runtime.upstream_link import LinkTimes, UpstreamLink
from voicemode.runtime.upstream_uplink import Uplink
from voicemode.runtime.upstream_words import UpstreamWords
from voicemode.wire.upstream import Profile, TheirSpeech, UpstreamOptions, UpstreamSession
from voicemode.wire.upstream.turns import WordsReport

__all__ = ["UpstreamEngine", "UpstreamPlan"]


@dataclass(frozen=True, slots=True)
class UpstreamPlan:
    """Whom all conversations of this process have answered, and how."""

    profile: Profile
    target: UpstreamTarget
    options: UpstreamOptions
    times: LinkTimes
    falls_back: Callable[[], bool] = lambda: False
    """Whether our own engines may answer now, where the upstream cannot be had."""


class UpstreamEngine:
    """A ``DialogueEngineLike``. The record stays with the adapter: each answer is asked for with the whole history."""

    def __init__(
        self,
        plan: UpstreamPlan,
        parts: DialogueParts,
        *,
        report: Callable[[Report], None],
        playout: PlayoutSink | None = None,
    ) -> None:
        """``parts``: its answerer is asked only where the plan falls back; it must be one that ``acts``."""
        self._plan, self._report = plan, report
        self._options = DialogueOptions()
        self._session = UpstreamSession(plan.profile, plan.options)
        self._link = UpstreamLink(self._session, plan.target, plan.times, self._heard)
        self._link.on_opened, self._link.quiet = self._opened, lambda: not self._uplink.speaking
        kinds = EngineKinds(words=self._make_words, ear=self._make_ear, answer=self._make_answer)
        self._words: UpstreamWords
        self._ear: TurnInput
        self._engine = DialogueEngine(parts, report=self._reported, playout=playout, kinds=kinds)
        self._uplink = Uplink(self._send, lambda: self._ear.position_s)
        self._uplink.whole = plan.options.their_turns
        self._linking: asyncio.Task[None] | None = None

    @property
    def backlog_s(self) -> float:
        return self._engine.backlog_s

    async def run(self) -> None:
        """Until it is closed or cancelled."""
        linking = self._linking = asyncio.create_task(self._link.run())
        running = asyncio.create_task(self._engine.run())
        try:
            await asyncio.wait({linking, running}, return_when=asyncio.FIRST_COMPLETED)
            (running if running.done() else linking).result()
        finally:
            for task in (linking, running):
                task.cancel()
            await asyncio.gather(linking, running, return_exceptions=True)

    def command(self, command: Command) -> None:
        """Take it; returns at once."""
        match command:
            case AudioIn():
                self._uplink.push(command)
            case Configure():
                self._configure(command.options)
            case CommitInput():
                self._uplink.commit()
                self._link.send(self._session.commit(command.item_id))
            case ClearInput():
                self._uplink.clear()
                self._link.send(self._session.clear())
            case _:
                pass
        self._engine.command(command)

    async def aclose(self) -> None:
        """Free everything. Idempotent."""
        await self._engine.aclose()
        linking, self._linking = self._linking, None
        if linking is not None:
            linking.cancel()
            await asyncio.gather(linking, return_exceptions=True)

    def _configure(self, options: DialogueOptions) -> None:
        self._options = options
        by_client = options.turn_taking is TurnTaking.MANUAL
        self._uplink.whole = by_client or self._plan.options.their_turns
        self._link.send(self._session.configure(options))

    def _send(self, samples: Samples) -> None:
        by_upstream = self._plan.options.their_turns and self._options.turn_taking is not TurnTaking.MANUAL
        self._link.send([self._session.audio(samples, speaking=not by_upstream)])

    def _reported(self, report: Report) -> None:
        """Our engine's door."""
        match report:
            case SpeechStarted():
                self._uplink.speech_began(report.at_ms)
            case SpeechStopped():
                self._uplink.speech_ended(report.at_ms)
            case PlayoutCleared():
                self._link.send(self._session.heard(report.response_id, report.heard_ms))
            case _:
                pass
        self._report(report)

    def _heard(self, report: WordsReport | TheirSpeech) -> None:
        if not isinstance(report, TheirSpeech):
            self._words.told(report)
        elif isinstance(self._ear, UpstreamEar):
            self._ear.their_speech(report)

    def _opened(self) -> None:
        if isinstance(self._ear, UpstreamEar):
            self._ear.connected(self._session.open_seconds)

    # -- as EngineKinds

    def _make_words(self, parts: DialogueParts, tell: Callable[[Report], None]) -> TurnWords:
        theirs = bool(self._plan.profile.transcription)
        self._words = UpstreamWords(parts, tell, link=self._link, session=self._session, theirs=theirs)
        return self._words

    def _make_ear(self, parts: DialogueParts, words: TurnWords, watcher: TurnWatcher) -> TurnInput:
        theirs = self._plan.options.their_turns
        self._ear = UpstreamEar(parts, words, watcher, self._link) if theirs else TurnInput(parts, words, watcher)
        return self._ear

    def _make_answer(
        self,
        parts: DialogueParts,
        request: Respond,
        tell: Callable[[AnswerReport], None],
        *,
        words: TurnWords,
        ahead_s: Callable[[AnswerLike], float],
        most_ahead_s: float,
        asked: AnswerRequest | None = None,
    ) -> AnswerLike:
        del asked  # an upstream is asked once, and when the turn is certain
        if request.script:
            # Only our own voice says it word for word.
            return Answer(parts, request, tell, words=words, ahead_s=ahead_s, most_ahead_s=most_ahead_s)
        return UpstreamAnswer(
            self._link,
            self._session,
            falls_back=self._plan.falls_back,
            parts=parts,
            request=request,
            tell=tell,
            words=words,
            ahead_s=ahead_s,
            most_ahead_s=most_ahead_s,
        )
