"""The engine of a continuous conversation: commands of a protocol adapter come in, its reports go out.

It owns the tasks of one session: the ear (``dialogue_input``), the person's words (``dialogue_words``) and the answers
(``dialogue_answer``). Commands that say something about the sound are taken in the order of the sound; all others at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from voicemode.answers import AnswerRequest
from voicemode.audio import CAPTURE_RATE
from voicemode.dialogue import (
    AnswerAudio,
    AnswerDone,
    AnswerFailed,
    AudioIn,
    CancelAnswer,
    ClearInput,
    Command,
    CommitInput,
    Configure,
    DialogueOptions,
    Expect,
    FlushPlayout,
    InputTranscriptGrew,
    Message,
    Report,
    Respond,
    SpeechStarted,
    SpeechStopped,
    ToolCall,
    ToolResult,
    UserTurn,
)
from voicemode.errors import EngineError
from voicemode.playout import PlayoutSink
from voicemode.runtime.dialogue_answer import AnswerReport, asked_by
from voicemode.runtime.dialogue_kinds import AnswerLike, EngineKinds
from voicemode.runtime.dialogue_parts import DialogueParts
from voicemode.runtime.dialogue_playout import Playing
from voicemode.runtime.dialogue_quiet import QuietSound, joined
from voicemode.runtime.dialogue_words import HeardTurn, NoWordsError, fault_of

__all__ = ["DialogueEngine"]

_SLICE = CAPTURE_RATE // 10
"""As much sound is heard at once, 3 to 10 ms of work, before others have their turn."""
_SLACK_S = 0.25
"""How far the sound may run ahead of a judge: clients send up to so much at once and are in real time all the same."""
_ROUNDING_S = 1e-6
"""Sums of lengths miss the round figure by less than this; a wait so short would not end."""
_MOST_FAULTS = 5
"""In a row: then the ear is beyond repair, and silence would be taken for listening."""
_MOST_ENDED = 16
"""Turns that nobody made an item of; older ones are forgotten."""


class DialogueEngine:
    """One session. ``run`` it in a task, tell it commands, and close it."""

    def __init__(
        self,
        parts: DialogueParts,
        *,
        report: Callable[[Report], None],
        playout: PlayoutSink | None = None,
        kinds: EngineKinds | None = None,
    ) -> None:
        """``report`` is called in the event loop, also from within ``command``. ``playout``: None where the client plays."""
        self._parts, self._report, self._kinds = parts, report, kinds or EngineKinds()
        self._options = DialogueOptions()
        self._words = self._kinds.words(parts, self._tell)
        self._input = self._kinds.ear(parts, self._words, self)
        self._playing = Playing(playout, self._tell, lambda: self._input.position_s)
        self._sound: deque[AudioIn | Configure | CommitInput | ClearInput] = deque()
        self._backlog_s = 0.0
        self._quiet = QuietSound()
        self._hearing = False
        """Is a command about the sound being obeyed? What comes meanwhile comes behind it."""
        self._commits = 0
        """Of the client that wait among the sound: all of it up to there is one turn, whatever pauses it has."""
        self._wake = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._closed = False
        self._faults = 0
        """In a row, of the ear."""
        self._judged_from: tuple[float, float] | None = None
        """When the judges began, on the loop's clock, and up to where the sound was let through then; None: nobody judges."""
        self._ended: deque[HeardTurn] = deque()
        """Turns that were reported and that nobody has made an item of."""
        self._answers: dict[str, AnswerLike] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        """Of answers, the cancelled ones included, as long as they hold anything."""
        self._expected: Respond | None = None
        self._early: AnswerLike | None = None
        """The answer that was begun before the turn was certain."""

    @property
    def backlog_s(self) -> float:
        """Seconds of sound that were received and not heard yet; a transport that goes on reading piles up more."""
        return self._backlog_s

    async def run(self) -> None:
        """Listen until ``aclose``. Raises EngineError where nothing can listen."""
        self._running = asyncio.current_task()
        while not self._closed:
            if self._sound:
                self._hearing = True
                await self._take(self._next())
                self._hearing = False
            else:
                self._wake.clear()
                await self._wake.wait()

    def command(self, command: Command) -> None:
        """Take it; returns at once. After ``aclose`` nothing happens."""
        if self._closed:
            return
        match command:
            case AudioIn():
                if not self._may_wait(command):
                    self._backlog_s += len(command.samples) / command.sample_rate
                    self._queue(command)
            case Configure():
                self._configure(command)
            case CommitInput() if self._ended:
                self._words.settle(command.item_id, self._ended.popleft())
            case CommitInput():
                self._words.expect(command.item_id)
                self._commits += 1
                self._input.hold(True)
                self._queue(command)
            case ClearInput():
                self._queue(command)
            case Respond():
                self._respond(command)
            case Expect():
                self._expected = command.answer
            case CancelAnswer():
                self._cancel(command.response_id)
            case FlushPlayout():
                self._playing.flush()

    async def aclose(self) -> None:
        """End everything; nothing is reported any more. What was said and is not written down stays on disk. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._wake.set()
        self._sound.clear()
        self._playing.close()
        self._drop_early()
        for answer in [*self._answers.values()]:
            answer.cancel()
        running = self._running
        if running is not None and running is not asyncio.current_task():
            running.cancel()
            await asyncio.wait({running})
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._input.aclose()
        await self._words.aclose()
        self._ended.clear()
        await self._parts.answerer.leave(self._parts.session_id)

    # -- as TurnWatcher

    def speech_started(self, at_ms: int) -> None:
        self._drop_early()
        self._playing.nobody_idles()
        if not self._commits:  # else the client has called it a turn already
            self._tell(SpeechStarted(at_ms))

    def words_grew(self, text: str, at_ms: int) -> None:
        if self._options.transcribe:
            self._tell(InputTranscriptGrew(at_ms, text))

    def likely_over(self, text: str) -> None:
        expected = self._expected
        if self._early is not None or expected is None or not self._options.answers or self._parts.answerer.acts:
            return
        history = self._known_history(expected)
        if history is not None:
            self._early = self._new_answer(expected, asked_by(expected, self._parts, (*history, Message("user", text))))

    def speech_resumed(self) -> None:
        self._drop_early()

    def turn_ended(self, turn: HeardTurn, at_ms: int) -> None:
        if len(self._ended) == _MOST_ENDED:
            self._words.drop(self._ended.popleft())
        self._ended.append(turn)
        self._tell(SpeechStopped(at_ms))

    # -- the sound

    def _queue(self, command: AudioIn | Configure | CommitInput | ClearInput) -> None:
        self._sound.append(command)
        self._wake.set()

    def _configure(self, command: Configure) -> None:
        self._options = command.options
        self._words.language, self._words.wanted = command.options.language, command.options.transcribe
        self._queue(command)

    def _next(self) -> AudioIn | Configure | CommitInput | ClearInput:
        """The next command; on a busy machine all sound that has come meanwhile, up to 0.1 s."""
        command = self._sound.popleft()
        if not isinstance(command, AudioIn):
            return command
        sounds, most = [command], _SLICE * command.sample_rate // CAPTURE_RATE - len(command.samples)
        while self._sound and isinstance(more := self._sound[0], AudioIn) and more.sample_rate == command.sample_rate:
            most -= len(more.samples)
            if most < 0:
                break
            sounds.append(more)
            self._sound.popleft()
        return joined(sounds)

    async def _take(self, command: AudioIn | Configure | CommitInput | ClearInput) -> None:
        try:
            if isinstance(command, AudioIn):
                await self._attend(command)
            else:
                await self._hear(self._quiet.flush())
                self._obey(command)
        except EngineError:
            raise  # nothing at hand can listen
        except Exception as error:
            self._faults += 1
            if self._faults >= _MOST_FAULTS:
                raise
            self._repair(command, error)
        else:
            self._faults = 0

    def _obey(self, command: Configure | CommitInput | ClearInput) -> None:
        match command:
            case Configure():
                self._input.configure(command.options)
            case CommitInput():
                self._drop_early()
                self._words.settle(command.item_id, self._input.commit())
                self._committed()
            case ClearInput():
                self._drop_early()
                self._input.clear()

    def _committed(self) -> None:
        self._commits -= 1
        self._input.hold(self._commits > 0)

    def _repair(self, command: AudioIn | Configure | CommitInput | ClearInput, error: Exception) -> None:
        """The ear broke: go on with another, and lose nothing that was said silently."""
        code, message = fault_of(error)
        turn = self._input.recover()
        if isinstance(command, CommitInput):
            self._words.fail(command.item_id, NoWordsError(code, message))
            self._committed()
        elif turn is not None:
            self.turn_ended(turn, round(self._input.position_s * 1000))

    def _may_wait(self, audio: AudioIn) -> bool:
        """Sound of which nothing can come, nothing being queued or heard: no task need wake up for it."""
        if self._sound or self._hearing or self._quiet.rate not in (None, audio.sample_rate):
            return False
        return self._quiet.keep(audio, self._input.room_dbfs, self._input.calm_s)

    async def _attend(self, audio: AudioIn) -> None:
        """Hear it, with what waited."""
        self._backlog_s = max(self._backlog_s - len(audio.samples) / audio.sample_rate, 0.0)
        waited = self._quiet.flush()
        if waited is not None and waited.sample_rate == audio.sample_rate:
            audio = joined([waited, audio])
        else:
            await self._hear(waited)
        await self._hear(audio)

    async def _hear(self, audio: AudioIn | None) -> None:
        if audio is None:
            return
        samples = self._input.convert(audio)
        for at in range(0, len(samples), _SLICE):
            part = samples[at : at + _SLICE]
            await self._let_judge((len(samples) - at) / CAPTURE_RATE, len(part) / CAPTURE_RATE)
            self._input.hear(part)
            self._playing.look(self._options.idle_timeout_ms, speaking=self._input.is_speaking or bool(self._answers))
            if at + _SLICE < len(samples):
                await asyncio.sleep(0)

    async def _let_judge(self, rest_s: float, part_s: float) -> None:
        """Hold the sound back while it comes faster than real time and somebody judges the silence before it."""
        clock = asyncio.get_running_loop().time
        while self._input.is_judging:
            if self._judged_from is None:
                self._judged_from = (clock(), self._input.position_s + min(rest_s, _SLACK_S))
            began, allowed_s = self._judged_from
            early_s = self._input.position_s + part_s - (allowed_s + clock() - began)
            if early_s <= _ROUNDING_S:
                return
            await self._input.judged(early_s)
        self._judged_from = None

    # -- answers

    def _respond(self, request: Respond) -> None:
        self._playing.nobody_idles()
        answer = self._claim_early(request) or self._new_answer(request, None)
        self._answers[request.response_id] = answer
        if answer.is_held:
            answer.open(request)

    def _new_answer(self, request: Respond, asked: AnswerRequest | None) -> AnswerLike:
        answer = self._kinds.answer(
            self._parts,
            request,
            lambda report: self._answered(answer, report),
            words=self._words,
            ahead_s=self._playing.ahead_s,
            most_ahead_s=self._playing.most_ahead_s,
            asked=asked,
        )
        answer.begin()
        assert answer.task is not None  # noqa: S101 - it has just begun
        self._tasks.add(answer.task)
        answer.task.add_done_callback(self._tasks.discard)
        return answer

    def _claim_early(self, request: Respond) -> AnswerLike | None:
        """The answer that was begun early, if it is what is asked for now."""
        early, self._early = self._early, None
        if early is None:
            return None
        history = self._known_history(request)
        if history is not None and early.asked is not None:
            asked = asked_by(request, self._parts, history)
            if _same(asked, early.asked) and _alike(request, early.request):
                return early
        early.cancel()
        return None

    def _known_history(self, request: Respond) -> tuple[Message | ToolCall | ToolResult, ...] | None:
        """In words; None while some are being written down."""
        known: list[Message | ToolCall | ToolResult] = []
        for entry in request.history:
            if not isinstance(entry, UserTurn):
                known.append(entry)
                continue
            text = self._words.known(entry.item_id)
            if text is None:
                return None
            if text:
                known.append(Message("user", text, entry.item_id))
        return tuple(known)

    def _drop_early(self) -> None:
        early, self._early = self._early, None
        if early is not None:
            early.cancel()

    def _cancel(self, response_id: str) -> None:
        answer = self._answers.pop(response_id, None)
        if answer is not None:
            answer.cancel()
            self._input.said = answer.text
            self._playing.ended(answer)

    def _answered(self, answer: AnswerLike, report: AnswerReport) -> None:
        if isinstance(report, AnswerDone | AnswerFailed):
            self._answers.pop(answer.response_id, None)
            self._input.said = answer.text
        if isinstance(report, AnswerAudio):
            self._playing.sound(answer, report.samples)
        self._tell(report)
        if isinstance(report, AnswerDone | AnswerFailed):
            self._playing.ended(answer)

    def _tell(self, report: Report) -> None:
        if not self._closed:
            self._report(report)


def _same(asked: AnswerRequest, early: AnswerRequest) -> bool:
    """But for the items' names, which nobody knew."""
    return _unnamed(asked) == _unnamed(early)


def _unnamed(asked: AnswerRequest) -> AnswerRequest:
    entries = (replace(entry, item_id="") if isinstance(entry, Message) else entry for entry in asked.history)
    return replace(asked, history=tuple(entries))


def _alike(request: Respond, early: Respond) -> bool:
    return (request.audio, request.voice, request.speed) == (early.audio, early.voice, early.speed)
