"""Say one message, hear one answer: one exchange, with every device and task it needs.

Whatever ends it, a result, an error or a cancellation, frees them all. The microphone opens together with the loudspeaker, so
that nothing said early is lost, and so that the person can interrupt.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import replace

from voicemode.audio import AudioChunk
from voicemode.core.commands import Adjustments, Command, is_backchannel, read_command
from voicemode.core.endpointing import EndpointEvent, EndReason, FrameFacts
from voicemode.core.interruption import Stop
from voicemode.core.latency import Mark
from voicemode.core.level import is_clipped
from voicemode.core.listener import Listener
from voicemode.core.questions import answers_early, offered_in
from voicemode.core.sentences import split
from voicemode.core.speakable import speakable
from voicemode.errors import MicrophoneSilentError, SpeechFailedError
from voicemode.events import Interrupted, ListeningStarted, MicrophoneQuiet
from voicemode.interfaces import Microphone, SpeechDetector, SpeechRequest, Transcript
from voicemode.runtime.acknowledgement import acknowledged
from voicemode.runtime.barge_in import BargeIn, Overhearing
from voicemode.runtime.ear import Ear, Overheard
from voicemode.runtime.echoed_words import EchoedWords
from voicemode.runtime.endpointing_for import endpointing_for
from voicemode.runtime.listening import Heard, Listening, NothingHeard
from voicemode.runtime.parts import TurnParts
from voicemode.runtime.result import Status, TurnRequest, TurnResult
from voicemode.runtime.saying import Saying
from voicemode.runtime.turn_log import TurnLog
from voicemode.runtime.writing_down import WritingDown
from voicemode.wire.control import ControlAction, ControlAnswer, ControlState

__all__ = ["Exchange"]

_HOLD_ON_S = 300.0
"""How long somebody who said "hold on" may be silent. The client's patience ends earlier; it gets a handle to go on."""
_SPEEDS = (0.25, 4.0)
"""As in ``SpeechRequest.speed``."""


class Exchange:
    """One message and its answer under way; ``run`` may be called once."""

    def __init__(self, parts: TurnParts, request: TurnRequest, log: TurnLog) -> None:
        self._parts, self._request, self._log = parts, request, log
        self._phrases = parts.phrases(request.language)
        self._offered = offered_in(request.message, options=request.options, language=request.language)
        self._saying: Saying | None = None
        """None when there is nothing to say."""
        self._listening: Listening | None = None
        self._barge_in: BargeIn | None = None
        """None while nothing is said that could be stopped."""
        self._scorer = ""
        self._echoed = EchoedWords(log, parts.session.echo_path)
        self._clipped = False
        self._thinking = False
        """Are words being found that the turn waits for?"""
        self.command: Command | None = None
        """What the person asked of the conversation itself, in the place of an answer."""
        self._writing = WritingDown(
            parts.transcriber,
            parts.journal,
            parts.session,
            log,
            language=request.language,
            options=request.options,
            streams=parts.streams,
        )

    async def run(self) -> TurnResult:
        """Speak and listen. Raises any VoicemodeError; frees both devices in every case."""
        pieces = split(speakable(self._request.message, self._request.language or "en"))
        waits = self._request.wait_for_response
        chimes = waits and (self._parts.chime == "true" or (self._parts.chime == "auto" and not pieces))
        async with contextlib.AsyncExitStack() as stack:
            if pieces or chimes:
                speaker = self._parts.make_speaker()
                stack.push_async_callback(speaker.close)
                self._saying = Saying(
                    speaker,
                    pieces,
                    self._log,
                    chime=chimes,
                    gain_db=self._adjusted.gain_db,
                    letter_s=self._parts.session.letter_s.get(self._voice),
                )
            if waits:
                return await self._converse(stack)
            await self._only_say()
        return self._result(Status.SPOKEN)

    def finish_listening(self) -> None:
        """Take what was heard so far as the utterance. Who only tells something goes on, unless that is paused."""
        if self._barge_in is not None and (self._listening is not None or self.state is ControlState.PAUSED):
            self._barge_in.stop(skip=True)
            if self._listening is not None:
                self._barge_in.hand_over(self._listening)
        if self._listening is not None:
            self._listening.finish()

    # -- by key

    @property
    def state(self) -> ControlState:
        """What is going on."""
        if self._listening is not None and self._listening.held:
            return ControlState.TALKING
        if self._barge_in is not None and self._saying is not None and self._barge_in.stopped is None:
            return ControlState.PAUSED if self._saying.speaker.paused else ControlState.SPEAKING
        if self._listening is None:
            return ControlState.IDLE
        return ControlState.THINKING if self._thinking else ControlState.LISTENING

    async def control(self, action: ControlAction) -> ControlAnswer:
        """As ``Controllable.control``. Raises DeviceLostError."""
        held = self._listening is not None and self._listening.held
        if action is ControlAction.TALK:
            action = ControlAction.TALK_END if held else ControlAction.TALK_START
        match action:
            case ControlAction.PAUSE | ControlAction.RESUME | ControlAction.STOP | ControlAction.SKIP:
                return await self._control_message(action)
            case ControlAction.TALK_START:
                if self._listening is None or self._thinking:
                    why = "your words are being written down" if self._thinking else "nobody was asked to speak"
                    return ControlAnswer(ok=False, state=self.state, detail=why)
                self._listening.hold()
                if self._barge_in is not None:
                    self._barge_in.stop()
                    self._barge_in.hand_over(self._listening)  # the key may be up again before it is silent
            case ControlAction.TALK_END if self._listening is not None:
                self._listening.release()
            case _:
                pass
        return ControlAnswer(ok=True, state=self.state)

    async def _control_message(self, action: ControlAction) -> ControlAnswer:
        barge_in = self._barge_in
        if barge_in is None:
            return ControlAnswer(ok=False, state=self.state, detail="nothing is being said")
        match action:
            case ControlAction.PAUSE:
                done = await barge_in.pause()
            case ControlAction.RESUME:
                done = await barge_in.resume()
            case _:
                barge_in.stop(skip=action is ControlAction.SKIP)
                done = True
        return ControlAnswer(ok=done, state=self.state, detail="" if done else "nothing is audible now")

    # -- speaking and listening

    async def _only_say(self) -> None:
        barge_in = self._barge_in = self._make_barge_in(_Deaf())
        saying = asyncio.create_task(self._say())
        stopping = asyncio.create_task(barge_in.run() if barge_in is not None else _never())
        try:
            await asyncio.wait({saying, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not stopping.done():
                await saying
            else:
                await self._cut(saying, barge_in)
        finally:
            self._barge_in = None
            await _reap(saying, stopping)

    async def _cut(self, saying: asyncio.Task[None], barge_in: BargeIn | None) -> None:
        """The message was stopped: free the loudspeaker, and know what was heard."""
        await _reap(saying)
        if self._saying is not None and barge_in is not None:
            await self._saying.cut(barge_in.played_s or 0.0)
            self._echoed.cut(barge_in)
        self._log.tell(Interrupted(self._log.now()))

    async def _converse(self, stack: contextlib.AsyncExitStack) -> TurnResult:
        detector = self._parts.make_detector()
        microphone = self._parts.make_microphone()
        stack.push_async_callback(microphone.close)
        listening = self._listening = self._make_listening(microphone, detector)
        stack.callback(self._writing.withdraw)
        stack.push_async_callback(self._writing.live.aclose)
        outcome, stop = await self._speak_and_listen(microphone, listening)
        patient_until = time.monotonic() + self._parts.start_timeout_s
        patience_s: float | None = None
        transcript: Transcript | None = None
        while isinstance(outcome, Heard):
            self._thinking = True
            self._clipped = is_clipped(outcome.utterance.samples)
            async with acknowledged(self._parts, self._log):
                transcript = await self._words_of(outcome)
            self._thinking = False
            if self._echoed.explains(transcript.text, outcome, self._saying):
                transcript = replace(transcript, text="")
            if transcript.confidence != "low":
                self._parts.session.understood(transcript.text)
            self.command = self._command_in(transcript)
            if self.command is Command.WAIT:
                patience_s, patient_until = _HOLD_ON_S, time.monotonic() + _HOLD_ON_S
                outcome = await listening.again(outcome, start_timeout_s=patience_s)
                transcript = None
                continue
            if transcript.text or outcome.reason is not EndReason.SILENCE or time.monotonic() > patient_until:
                break
            # A door, a cough, a chair: somebody made a sound and said nothing. The person may still be thinking.
            outcome = await listening.again(outcome, start_timeout_s=patience_s)
        await microphone.close()
        if isinstance(outcome, Heard) and outcome.lost is not None:
            if not (transcript and transcript.text):
                raise outcome.lost
            self._writing.failed[str(outcome.lost)] = None
        if isinstance(outcome, NothingHeard) and outcome.only_zeros:
            raise MicrophoneSilentError(microphone.name)
        ended_by = str(outcome.reason.value) if isinstance(outcome, Heard) else ""
        return self._heard_result(transcript, stop, vad=detector.name, ended_by=ended_by)

    async def _words_of(self, heard: Heard) -> Transcript:
        """Raises SpeechFailedError, which tells what was heard of the message."""
        try:
            return await self._writing.words_of(heard)
        except SpeechFailedError as error:
            if self._saying is not None:
                error.heard, error.unheard = self._saying.heard
            raise

    async def _speak_and_listen(self, microphone: Microphone, listening: Listening) -> tuple[Heard | NothingHeard, Stop | None]:
        barge_in = self._barge_in = self._make_barge_in(listening)
        saying = asyncio.create_task(self._say())
        hearing = asyncio.create_task(self._hear(microphone, listening))
        stopping = asyncio.create_task(barge_in.run() if barge_in is not None else _never())
        preparing = asyncio.create_task(self._prepare())
        try:
            # A microphone that fails while the message is spoken must not wait for the end of the message.
            await asyncio.wait({hearing, saying, stopping}, return_when=asyncio.FIRST_COMPLETED)
            decided = stopping.done() or (barge_in is not None and barge_in.stopped is not None)
            stop = await stopping if decided else None
            if hearing.done() and not saying.done() and stop is None:
                return hearing.result(), None
            if barge_in is None or stop is None:
                await saying
                listening.begin_at(self._log.marks.get(Mark.LAST_SOUND) or time.monotonic())
            else:
                await self._cut(saying, barge_in)
                if barge_in.by_voice:
                    await listening.hear_again()
                barge_in.hand_over(listening)
            self._barge_in = None
            self._log.tell(ListeningStarted(self._log.now()))
            return await hearing, None if barge_in is not None and barge_in.skipped else stop
        finally:
            self._barge_in = None
            await _reap(saying, hearing, stopping, preparing)

    async def _say(self) -> None:
        if self._saying is not None:
            voice, speed = self._voice
            request = SpeechRequest(
                "", voice=voice, speed=speed, language=self._request.language, on_remote=self._log.on_remote
            )
            await self._saying.run(self._parts.synthesizer, request)
            self._parts.session.letter_s[self._voice] = self._saying.pace()

    async def _hear(self, microphone: Microphone, listening: Listening) -> Heard | NothingHeard:
        await microphone.open()
        self._log.mark(Mark.MICROPHONE_OPEN)
        return await listening.run()

    async def _prepare(self) -> None:
        await asyncio.gather(self._parts.transcriber.prepare(self._request.options), self._parts.scorer.prepare())

    def _make_listening(self, microphone: Microphone, detector: SpeechDetector) -> Listening:
        scorer = self._parts.scorer if self._request.silence_s is None else None
        listener = Listener(detector, endpointing_for(self._request, self._parts), pauses=self._parts.session.pauses)
        return Listening(microphone, listener, self, scorer=scorer, ear=self._make_ear(), live=self._writing.live)

    def _make_ear(self) -> Ear | None:
        far_end = None if self._saying is None else self._saying.speaker.far_end
        canceller = None if far_end is None else self._parts.make_canceller()
        return None if far_end is None or canceller is None else Ear(canceller, far_end, self._parts.session.echo_path)

    def _make_barge_in(self, listening: Overhearing) -> BargeIn | None:
        saying = self._saying
        if saying is None or not self._request.message:
            return None
        return BargeIn(
            saying.speaker,
            listening,
            self._log,
            is_backchannel=self._is_backchannel,
            residual=self._parts.session.residual,
            transcribe=self._writing.snippet,
            replay_from=saying.replay_from,
            audible=lambda start_s, end_s: self._echoed.audible(saying, start_s, end_s),
            is_open=lambda: saying.is_open,
        )

    def _is_backchannel(self, text: str) -> bool:
        unheard = self._saying.unheard_now if self._saying else ""
        early = answers_early(text, self._request.message, unheard, language=self._request.language)
        return not early and is_backchannel(text, self._phrases, offered=self._offered)

    # -- listening.Attendant

    def transcribe(self, utterance: AudioChunk) -> asyncio.Task[Transcript]:
        return self._writing.begin(utterance)

    def far_end_active(self) -> bool:
        return self._saying is not None and self._saying.active

    def heard_frames(self, facts: Sequence[FrameFacts], overheard: Sequence[Overheard], ends_at: float) -> None:
        self._log.frames(facts, overheard, ends_at)
        if self._barge_in is not None and overheard and self._request.interruptible:
            self._barge_in.heard_frames(facts, overheard, ends_at)

    def heard_event(self, event: EndpointEvent, anchor: float) -> None:
        self._log.endpoint(event, anchor)

    def heard_zeros(self) -> None:
        self._log.tell(MicrophoneQuiet(self._log.now()))

    def scored(self, probability: float, silence_until: float, who: str) -> None:
        self._scorer = who
        self._log.score(probability, silence_until, who)

    def understood(self, text: str) -> None:
        self._log.understood(text)

    # -- what came of it

    @property
    def _voice(self) -> tuple[str | None, float]:
        """Who speaks, and how fast."""
        speed = self._request.speed * self._adjusted.speed
        return self._request.voice, min(max(speed, _SPEEDS[0]), _SPEEDS[1])

    @property
    def _adjusted(self) -> Adjustments:
        return self._parts.session.adjustments

    def _command_in(self, transcript: Transcript) -> Command | None:
        if transcript.confidence == "low" or not self._request.commands:
            return None
        return read_command(transcript.text, self._phrases, offered=self._offered)

    def _heard_result(self, transcript: Transcript | None, stop: Stop | None, *, vad: str, ended_by: str) -> TurnResult:
        if transcript is None or not transcript.text:
            return self._result(Status.NO_SPEECH, transcript=transcript, vad=vad)
        status = Status.ANSWERED if stop is None else Status.INTERRUPTED
        return self._result(status, transcript=transcript, vad=vad, ended_by=ended_by)

    def _result(self, status: Status, *, transcript: Transcript | None = None, vad: str = "", ended_by: str = "") -> TurnResult:
        self._log.mark(Mark.RESULT)
        saying = self._saying
        failed = (*(saying.failed if saying else ()), *self._writing.failed, self._writing.unkept)
        heard, unheard = saying.heard if saying else ("", "")
        return TurnResult(
            status=status,
            text=transcript.text if transcript else "",
            confidence=transcript.confidence if transcript and transcript.text else "",
            ended_by=ended_by,
            heard=heard,
            unheard=unheard,
            tts=saying.engine if saying else "",
            stt=transcript.engine if transcript else "",
            vad=vad,
            audio=self._writing.kept,
            clipped=self._clipped,
            scorer=self._scorer,
            failed=tuple(filter(None, failed)),
            cloud=tuple(self._log.cloud),
            timings_ms=self._log.marks.timings_ms(),
        )


class _Deaf:
    """Nobody listens."""

    anchor = 0.0

    def speech_since(self, seconds: float) -> AudioChunk:
        raise AssertionError(f"nothing was heard since {seconds}")


async def _never() -> Stop:
    """For who cannot be stopped."""
    await asyncio.Event().wait()
    raise AssertionError("nobody sets it")


async def _reap(*tasks: asyncio.Task[None] | asyncio.Task[Stop] | asyncio.Task[Heard | NothingHeard]) -> None:
    """Cancel what still runs and wait until it is gone. What the tasks raised was reported elsewhere or is unwanted."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
