"""The person's sound becomes turns, one after the other on one stream, nothing between them being lost.

Time is the sum of the samples: how fast a client sends them changes no decision. Only the judges work in the clock's time, so
``is_judging`` says when the sound behind is worth waiting with.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from voicemode.audio import CAPTURE_RATE, AudioChunk, Samples
from voicemode.core.endpointing import (
    EndpointEvent,
    EndReason,
    NobodySpoke,
    PauseBegan,
    ScoreWanted,
    SoftEnding,
    SpeechBegan,
    SpeechResumed,
    TurnEnded,
)
from voicemode.core.listener import Listener
from voicemode.core.pauses import SpeakerPauses
from voicemode.core.resample import StreamResampler
from voicemode.core.unfinished import TextCue, text_cue
from voicemode.dialogue import AudioIn, DialogueOptions, TurnTaking
from voicemode.interfaces import Transcript
from voicemode.runtime.dialogue_parts import DialogueParts, Suppressor, endpointing_of
from voicemode.runtime.dialogue_words import HeardTurn, TurnWords
from voicemode.runtime.live_words import LiveWords

__all__ = ["TurnInput", "TurnWatcher"]

_MOST_SPECULATIONS = 3
"""In one silence: at its start, and when a soft ending turned out to follow."""
_MANUAL_S = 300.0
"""Without turn-taking by voice so much sound is kept until it is committed, 10 MB; what is older is forgotten."""
_LIKELY = 0.5
"""A score from which on the turn is more likely over than not."""


class TurnWatcher(Protocol):
    """Who is told about turns. The methods return at once; milliseconds count from the first sample of the session."""

    def speech_started(self, at_ms: int) -> None:
        """The person began to speak there."""

    def words_grew(self, text: str, at_ms: int) -> None:
        """All words that are settled so far of the turn that was told to begin there."""

    def likely_over(self, text: str) -> None:
        """These are the words of the turn, which is likely over."""

    def speech_resumed(self) -> None:
        """It was not."""

    def turn_ended(self, turn: HeardTurn, at_ms: int) -> None:
        """It is."""


class TurnInput:
    """One session's ear."""

    def __init__(self, parts: DialogueParts, words: TurnWords, watcher: TurnWatcher) -> None:
        self._parts, self._words, self._watcher = parts, words, watcher
        self._options = DialogueOptions()
        self._resampler: StreamResampler | None = None
        self._rate = 0
        """Of what the resampler takes."""
        self._suppressor: Suppressor | None = None
        self._pauses = SpeakerPauses()
        self._listener: Listener | None = None
        """None before the first sound, and without turn-taking by voice: it costs half a megabyte."""
        self._base = 0
        """Where in the session the listener's zero lies, in samples."""
        self._begun = 0
        """Where the turn that is looked for may begin, in samples of the listener."""
        self._held = False
        self._renew = False
        """Are there options that the next turn is to be looked for with?"""
        self._speaking = False
        """Was it told that somebody speaks?"""
        self._began_ms = 0
        """Where it was told that they began."""
        self._turn_number = 0
        """Changes when another turn is looked for."""
        self._live: LiveWords | None = None
        """Of the turn that is looked for."""
        self._manual: list[Samples] = []
        self._manual_samples = 0
        self._speculation: asyncio.Task[Transcript] | None = None
        self._speculated_s = 0.0
        """Where the sound of the speculation ends, in seconds of the listener."""
        self._speculations = 0
        """How many there were in this silence."""
        self._scoring: asyncio.Task[None] | None = None
        """One at a time: a slow judge must not be asked faster than it answers."""
        self._scorings: set[asyncio.Task[None]] = set()
        """That one, and those that were cancelled and have not ended."""
        self._scores: list[float] = []
        """Of this silence."""
        self.said = ""
        """What the assistant said last: what it asked tells what a whole answer looks like."""
        self.position = 0
        """Samples of 16 kHz that were heard."""

    @property
    def position_s(self) -> float:
        return self.position / CAPTURE_RATE

    @property
    def is_speaking(self) -> bool:
        """Is a turn of the person's under way?"""
        return self._speaking

    @property
    def room_dbfs(self) -> float | None:
        """How loud the room is while nobody speaks; None while somebody may, or where that is not for us to say."""
        listener = self._listener
        return None if listener is None or self._speaking or listener.is_stirring else listener.noise_floor_dbfs

    @property
    def calm_s(self) -> float:
        """The next so many seconds of sound need not be heard as they come; 0 or less: they must."""
        return 0.0 if self._listener is None else self._listener.calm_s

    @property
    def is_judging(self) -> bool:
        """Is somebody making up their mind whether the turn is over?"""
        if self._options.turn_taking is not TurnTaking.SEMANTIC:
            return False
        return any(task is not None and not task.done() for task in (self._speculation, self._scoring))

    async def judged(self, timeout_s: float) -> None:
        """Wait until one of them has, or for so long."""
        tasks = [task for task in (self._speculation, self._scoring) if task is not None and not task.done()]
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)

    def configure(self, options: DialogueOptions) -> None:
        """Listen like this from the next turn on; who says when it is over, from now on."""
        before, self._options = self._options, options
        if options.noise_reduction != before.noise_reduction:
            wanted = options.noise_reduction
            self._suppressor = None if wanted is None else self._parts.make_suppressor(wanted)
        if TurnTaking.MANUAL in (before.turn_taking, options.turn_taking) and before.turn_taking is not options.turn_taking:
            self._change_hands()
        self._renew = True
        self._renew_if_possible()

    def convert(self, audio: AudioIn) -> Samples:
        """The sound at 16 kHz; a few ms of it may come with the next."""
        if self._resampler is None or audio.sample_rate != self._rate:
            rest = self._resampler.flush() if self._resampler is not None else np.zeros(0, np.int16)
            self._resampler, self._rate = StreamResampler(audio.sample_rate, CAPTURE_RATE), audio.sample_rate
            joined: Samples = np.concatenate((rest, self._resampler.push(audio.samples)))
            return joined
        return self._resampler.push(audio.samples)

    def hear(self, samples: Samples) -> None:
        """The next stretch of 16 kHz sound."""
        self.position += len(samples)
        clean = samples if self._suppressor is None else self._suppressor.process(samples)
        if self._options.turn_taking is TurnTaking.MANUAL:
            self._keep(clean)
            return
        listener = self._listener or self._start(self.position - len(samples))
        self._renew_if_possible()
        self._act(listener, listener.push(clean))

    def hold(self, held: bool) -> None:
        """While it is, only ``commit`` ends a turn."""
        self._held = held
        if self._listener is not None:
            self._listener.held = held

    def commit(self) -> HeardTurn:
        """What was heard since the last turn is one, whatever was decided about it."""
        if self._options.turn_taking is TurnTaking.MANUAL:
            if self._resampler is not None:
                self.hear(self._resampler.flush())
            sound, self._manual, self._manual_samples = self._manual, [], 0
            return HeardTurn(AudioChunk(np.concatenate([np.zeros(0, np.int16), *sound]), CAPTURE_RATE))
        listener = self._listener
        if listener is None:
            return HeardTurn(AudioChunk.silence(0.0, CAPTURE_RATE))
        ended = next((event for event in listener.finish(EndReason.RELEASED) if isinstance(event, TurnEnded)), None)
        nobody = HeardTurn(listener.sound_since(self._begun / CAPTURE_RATE))
        turn = self._turn(listener) if ended is not None else nobody
        self.clear()
        return turn

    def clear(self) -> None:
        """Forget what was heard since the last turn."""
        self._drop_judges()
        self._speaking = False
        self._manual, self._manual_samples = [], 0
        if self._listener is not None:
            self._listener.drop()
            self._next_turn(self._listener, self._listener.position)

    def recover(self) -> HeardTurn | None:
        """A part of the ear broke: listen on with a new one. What was being said is a turn, if it can be had."""
        listener, speaking = self._listener, self._speaking
        self._drop_judges()
        self._drop_live()
        self._listener, self._speaking = None, False
        if listener is None or not speaking:
            return None
        with contextlib.suppress(Exception):  # it broke before
            return HeardTurn(listener.utterance())
        return HeardTurn(AudioChunk.silence(0.0, CAPTURE_RATE))

    async def aclose(self) -> None:
        """End what was begun. Idempotent."""
        self._drop_judges()
        self._drop_live()
        self._listener, self._manual = None, []
        await asyncio.gather(*self._scorings, return_exceptions=True)

    # -- turns by voice

    def _start(self, position: int) -> Listener:
        options = endpointing_of(self._options, self._parts, self.said)
        listener = self._listener = Listener(self._parts.make_detector(), options, pauses=self._pauses, rests=True)
        listener.held = self._held
        self._base = position
        self._next_turn(listener, 0)
        return listener

    def _next_turn(self, listener: Listener, position: int) -> None:
        self._speaking, self._begun, self._renew = False, position, False
        self._listen_live()
        listener.configure(endpointing_of(self._options, self._parts, self.said), threshold=self._threshold)
        self._act(listener, listener.begin(position))

    @property
    def _threshold(self) -> float:
        """The detector's own, but where the client may set it."""
        by_client = self._options.turn_taking is TurnTaking.SILENCE
        return min(max(self._options.threshold, 0.05), 0.95) if by_client else 0.5

    def _renew_if_possible(self) -> None:
        """Let new options count for the turn that nobody has begun yet."""
        listener = self._listener
        if self._renew and listener is not None and listener.utterance_began_s is None:
            listener.finish()
            self._next_turn(listener, self._begun)

    def _change_hands(self) -> None:
        """What was heard since the last turn stays, whoever says when the next one is over."""
        listener, self._listener = self._listener, None
        self._drop_judges()
        self._drop_live()
        self._speaking = False
        if self._options.turn_taking is TurnTaking.MANUAL:
            if listener is not None:
                began_s = listener.utterance_began_s
                self._keep(listener.sound_since(self._begun / CAPTURE_RATE if began_s is None else began_s).samples)
            return
        sound, self._manual, self._manual_samples = self._manual, [], 0
        if sound:
            kept = np.concatenate(sound)
            begun = self._start(self.position - len(kept))
            self._act(begun, begun.push(kept))

    def _keep(self, samples: Samples) -> None:
        self._manual.append(samples)
        self._manual_samples += len(samples)
        while self._manual_samples > _MANUAL_S * CAPTURE_RATE:
            self._manual_samples -= len(self._manual.pop(0))

    def _act(self, listener: Listener, events: Sequence[EndpointEvent]) -> None:
        self._follow(listener, events)
        for event in events:
            match event:
                case SpeechBegan():
                    self._speaking = True
                    began_s = listener.utterance_began_s
                    self._began_ms = self._ms(event.at if began_s is None else began_s)
                    self._watcher.speech_started(self._began_ms)
                case PauseBegan():
                    self._speculations, self._scores = 0, []
                    self._speculate(listener, event.at)
                case ScoreWanted():
                    self._score(listener, event)
                case SoftEnding():
                    if self._speculations < _MOST_SPECULATIONS:
                        self._speculate(listener, event.silence_since)
                case SpeechResumed():
                    self._drop_judges()
                    self._watcher.speech_resumed()
                case TurnEnded():
                    self._end(listener, event)
                case NobodySpoke():
                    pass  # in a conversation that goes on

    def _end(self, listener: Listener, event: TurnEnded) -> None:
        turn = self._turn(listener)
        self._speaking = False
        self._watcher.turn_ended(turn, self._ms(event.at))
        self._next_turn(listener, round(event.at * CAPTURE_RATE))

    def _turn(self, listener: Listener) -> HeardTurn:
        speculation, self._speculation = self._speculation, None
        if speculation is not None and (_failed(speculation) or self._lacks_an_end(listener)):
            speculation.cancel()  # a failed one is worth a second try: the endpoint had only just been asked
            speculation = None
        self._drop_judges()
        live, self._live = self._live, None
        return HeardTurn(listener.utterance(), speculation, live)

    def _ms(self, listener_s: float) -> int:
        return round((self._base / CAPTURE_RATE + listener_s) * 1000)

    # -- words while they are spoken

    def _listen_live(self) -> None:
        self._drop_live()
        self._turn_number += 1
        number = self._turn_number
        self._live = self._words.live(lambda text: self._grew(text, number))

    def _follow(self, listener: Listener, events: Sequence[EndpointEvent]) -> None:
        if self._live is not None:
            self._live.heard(listener, events)

    def _grew(self, text: str, number: int) -> None:
        if self._speaking and number == self._turn_number:
            self._watcher.words_grew(text, self._began_ms)

    def _drop_live(self) -> None:
        live, self._live = self._live, None
        self._words.release(live)

    # -- judges

    def _speculate(self, listener: Listener, silence_since: float) -> None:
        self._drop_speculation()
        self._speculations += 1
        self._speculated_s = listener.judged_s
        speculation = self._speculation = self._words.begin(listener.utterance(), self._live)
        speculation.add_done_callback(lambda done: self._understand(done, listener, silence_since))

    def _lacks_an_end(self, listener: Listener) -> bool:
        """Did a soft ending come after the speculation had begun, such as the last "s" of a word?"""
        return listener.faint_until is not None and listener.faint_until > self._speculated_s

    def _understand(self, task: asyncio.Task[Transcript], listener: Listener, silence_since: float) -> None:
        if task.cancelled() or task is not self._speculation:
            return
        # What is guessed at says nothing about whether a sentence is over.
        sure = task.exception() is None and task.result().confidence != "low"
        listener.partial(task.result().text if sure else "", silence_since)
        self._consider()

    def _score(self, listener: Listener, wanted: ScoreWanted) -> None:
        if self._scoring is None or self._scoring.done():
            self._scoring = asyncio.create_task(self._judge(listener, wanted))
            self._scorings.add(self._scoring)
            self._scoring.add_done_callback(self._scorings.discard)

    async def _judge(self, listener: Listener, wanted: ScoreWanted) -> None:
        probability = await self._parts.scorer.score(AudioChunk(listener.speech_so_far(), CAPTURE_RATE))
        listener.scored(probability, wanted.silence_since)
        self._scores.append(probability)
        self._consider()

    def _consider(self) -> None:
        """Tell that the turn is likely over, once everybody has been heard."""
        task = self._speculation
        if task is None or not task.done() or _failed(task) or not (text := task.result().text):
            return
        semantic = self._options.turn_taking is TurnTaking.SEMANTIC
        if semantic and (not self._scores or sum(self._scores) < _LIKELY * len(self._scores)):
            return
        question = endpointing_of(self._options, self._parts, self.said).question
        if text_cue(text, question) is not TextCue.OPEN:
            self._watcher.likely_over(text)

    def _drop_judges(self) -> None:
        self._drop_speculation()
        scoring, self._scoring = self._scoring, None
        if scoring is not None:
            scoring.cancel()

    def _drop_speculation(self) -> None:
        speculation, self._speculation = self._speculation, None
        if speculation is not None:
            speculation.cancel()


def _failed(task: asyncio.Task[Transcript]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
