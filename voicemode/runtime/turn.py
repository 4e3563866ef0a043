"""One turn of a conversation: speak, listen, transcribe.

It owns the devices and every task it starts: whatever ends it, a result, an error or a cancellation, frees them all.
The microphone opens together with the loudspeaker; half-duplex is a matter of when speech counts, not of when it is recorded.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from voicemode.audio import AudioChunk
from voicemode.core.chime import listening_chime
from voicemode.core.endpointing import (
    EndpointEvent,
    EndpointingOptions,
    EndReason,
    NobodySpoke,
    PauseBegan,
    SpeechBegan,
    TurnEnded,
)
from voicemode.core.failover import Task
from voicemode.core.latency import Mark, Marks
from voicemode.core.listener import Listener
from voicemode.core.sentences import split
from voicemode.core.speakable import speakable
from voicemode.core.speculation import TranscriptionPace
from voicemode.errors import LanguageError, MicrophoneSilentError, RequestError, SoundError, SpeechFailedError
from voicemode.events import (
    EventSink,
    ListeningStarted,
    MicrophoneQuiet,
    SpeakingEnded,
    SpeakingStarted,
    SpeechEnded,
    SpeechPaused,
    SpeechStarted,
    Transcribed,
    TranscriptionStarted,
    TurnEvent,
)
from voicemode.interfaces import (
    Microphone,
    Speaker,
    SpeechDetector,
    SpeechRequest,
    Synthesizer,
    Transcriber,
    Transcript,
    TranscriptionRequest,
)
from voicemode.runtime.journal import Journal
from voicemode.runtime.listening import Heard, Listening, NothingHeard
from voicemode.runtime.playback import Spoken, speak
from voicemode.runtime.result import Status, TurnRequest, TurnResult

__all__ = ["Turn", "TurnParts"]

_CAPTURE_LATENCY_S = 0.02
"""Sound is heard this late: a block of 10 ms and the resampler's 12. When so much less silence than wanted was heard, the
wanted silence has passed in the air."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnParts:
    """What a turn is made of. Devices are made anew for each turn; engines are shared by all."""

    make_microphone: Callable[[], Microphone]
    make_speaker: Callable[[], Speaker]
    make_detector: Callable[[], SpeechDetector]
    synthesizer: Synthesizer
    transcriber: Transcriber
    journal: Journal
    pace: TranscriptionPace
    """What was learnt about the transcriber; shared by all turns."""
    start_timeout_s: float
    chime: str
    """When to chime as the microphone starts to listen: "auto" (only when nothing was spoken), "true" or "false"."""
    presence: Callable[[Task | None], AbstractAsyncContextManager[None]] = lambda _: contextlib.nullcontext()
    """Entered while somebody converses, with what is needed first."""


class Turn:
    """One turn under way. ``run`` may be called once."""

    def __init__(self, parts: TurnParts, request: TurnRequest, on_event: EventSink, called_at: float) -> None:
        """``called_at`` is when the caller asked, in seconds of ``time.monotonic()``; all timings count from there."""
        self._parts = parts
        self._request = request
        self._on_event = on_event
        self._called_at = called_at
        self._marks = Marks()
        self._marks.set(Mark.CALL, called_at)
        self._speaker: Speaker | None = None
        self._listening: Listening | None = None
        self._recording: Path | None = None
        """What was written and may still be withdrawn; None before and after."""
        self._claimed: Path | None = None
        """What was last written and is claimed until the turn ends, or its words are there."""
        self._unkept = ""
        """Why the utterance was not on disk while it was transcribed; empty when it was."""
        self._transcribing_since = self._transcribed_at = called_at
        self._cloud: dict[str, None] = {}
        """Endpoints outside this machine that may have got words of this turn, in order."""

    async def run(self) -> TurnResult:
        """Speak and listen. Raises any VoicemodeError; frees both devices in every case."""
        pieces = split(speakable(self._request.message, self._request.language or "en"))
        waits = self._request.wait_for_response
        chimes = waits and (self._parts.chime == "true" or (self._parts.chime == "auto" and not pieces))
        async with contextlib.AsyncExitStack() as stack:
            if pieces or chimes:
                self._speaker = self._parts.make_speaker()
                stack.push_async_callback(self._speaker.close)
            if waits:
                return await self._converse(pieces, stack, chimes=chimes)
            spoken = await self._say(pieces)
        return self._result(Status.SPOKEN, spoken=spoken)

    def finish_listening(self) -> None:
        """Take what was heard so far as the utterance; harmless at any other time."""
        if self._listening is not None:
            self._listening.finish()

    # -- speaking

    async def _say(self, pieces: list[str], *, then_chime: bool = False) -> Spoken | None:
        """Speak, wait until it was heard, and free the loudspeaker."""
        speaker = self._speaker
        if speaker is None:
            return None
        opening = asyncio.create_task(speaker.open())
        speaking = asyncio.create_task(self._queue(pieces, _Opened(speaker, opening), then_chime=then_chime))
        try:
            # A loudspeaker that cannot be opened is told at once, not when the first sound of the engine arrives.
            await asyncio.wait({opening, speaking}, return_when=asyncio.FIRST_COMPLETED)
            if opening.done():
                opening.result()
            spoken = await speaking
            await speaker.drain()
        except SoundError:
            if pieces:
                raise
            return None  # the chime was all there was to play; progress tells the client instead
        finally:
            await _reap(speaking, opening)
        self._note_playback(speaker)
        await speaker.close()
        return spoken

    async def _queue(self, pieces: list[str], speaker: _Opened, *, then_chime: bool) -> Spoken | None:
        spoken = None
        if pieces:
            asked = self._request
            request = SpeechRequest(
                "", voice=asked.voice, speed=asked.speed, language=asked.language, on_remote=self._on_remote
            )
            self._mark(Mark.TTS_REQUEST)
            spoken = await speak(pieces, request, self._parts.synthesizer, speaker, self._first_chunk)
        if then_chime:
            await speaker.play(listening_chime())
        return spoken

    def _first_chunk(self, engine: str) -> None:
        self._mark(Mark.TTS_FIRST_BYTE)
        self._emit(SpeakingStarted(self._now(), engine))

    def _note_playback(self, speaker: Speaker) -> None:
        if speaker.first_sound_at is not None:
            self._marks.set(Mark.FIRST_SOUND, speaker.first_sound_at)
        if speaker.audible_until is not None:
            self._marks.set(Mark.LAST_SOUND, speaker.audible_until)
            self._emit(SpeakingEnded(speaker.audible_until - self._called_at))

    # -- listening

    async def _converse(self, pieces: list[str], stack: contextlib.AsyncExitStack, *, chimes: bool) -> TurnResult:
        detector = self._parts.make_detector()
        microphone = self._parts.make_microphone()
        stack.push_async_callback(microphone.close)
        listening = self._listening = self._make_listening(microphone, detector)
        stack.callback(self._discard_recording)
        spoken, outcome = await self._speak_and_listen(pieces, microphone, listening, chimes=chimes)
        patient_until = time.monotonic() + self._parts.start_timeout_s
        transcript: Transcript | None = None
        while isinstance(outcome, Heard):
            transcript = await self._transcript(outcome)
            if transcript.text or outcome.reason is not EndReason.SILENCE or time.monotonic() > patient_until:
                break
            # A door, a cough, a chair: somebody made a sound and said nothing. The person may still be thinking.
            outcome = await listening.again(outcome)
        await microphone.close()
        return self._heard_result(outcome, microphone.name, spoken=spoken, transcript=transcript, vad=detector.name)

    def _heard_result(
        self,
        outcome: Heard | NothingHeard,
        microphone: str,
        *,
        spoken: Spoken | None,
        transcript: Transcript | None,
        vad: str,
    ) -> TurnResult:
        if isinstance(outcome, NothingHeard) and outcome.only_zeros:
            raise MicrophoneSilentError(microphone)
        if transcript is None or not transcript.text:
            return self._result(Status.NO_SPEECH, spoken=spoken, transcript=transcript, vad=vad)
        ended_by = str(outcome.reason.value) if isinstance(outcome, Heard) else ""
        return self._result(Status.ANSWERED, spoken=spoken, transcript=transcript, vad=vad, ended_by=ended_by)

    async def _speak_and_listen(
        self, pieces: list[str], microphone: Microphone, listening: Listening, *, chimes: bool
    ) -> tuple[Spoken | None, Heard | NothingHeard]:
        saying = asyncio.create_task(self._say(pieces, then_chime=chimes))
        hearing = asyncio.create_task(self._hear(microphone, listening))
        preparing = asyncio.create_task(self._parts.transcriber.prepare(self._request.options))
        try:
            # A microphone that fails while the message is spoken must not wait for the end of the message.
            await asyncio.wait({hearing, saying}, return_when=asyncio.FIRST_COMPLETED)
            if hearing.done() and not saying.done():
                return None, hearing.result()
            spoken = await saying
            listening.begin_at(self._marks.get(Mark.LAST_SOUND) or time.monotonic())
            self._emit(ListeningStarted(self._now()))
            return spoken, await hearing
        finally:
            await _reap(saying, hearing, preparing)

    async def _hear(self, microphone: Microphone, listening: Listening) -> Heard | NothingHeard:
        await microphone.open()
        self._mark(Mark.MICROPHONE_OPEN)
        return await listening.run()

    def _make_listening(self, microphone: Microphone, detector: SpeechDetector) -> Listening:
        options = EndpointingOptions(
            silence_s=max(self._request.silence_s - _CAPTURE_LATENCY_S, _CAPTURE_LATENCY_S),
            start_timeout_s=self._parts.start_timeout_s,
            max_utterance_s=self._request.listen_duration_max,
            speculate_after_s=self._parts.pace.speculate_after_s(self._request.silence_s),
        )
        return Listening(
            microphone,
            Listener(detector, options),
            self._transcribe,
            far_end_active=self._far_end_active,
            on_event=self._heard,
            on_zeros=lambda: self._emit(MicrophoneQuiet(self._now())),
        )

    def _far_end_active(self) -> bool:
        speaker = self._speaker
        if speaker is None or speaker.first_sound_at is None or speaker.audible_until is None:
            return False
        return speaker.first_sound_at <= time.monotonic() <= speaker.audible_until

    def _heard(self, event: EndpointEvent, instant: float) -> None:
        at = instant - self._called_at
        match event:
            case SpeechBegan():
                self._marks.set(Mark.SPEECH_BEGAN, instant)
                self._emit(SpeechStarted(at))
            case PauseBegan():
                self._emit(SpeechPaused(at))
            case TurnEnded():
                ended = instant + event.speech_ended - event.at
                self._marks.set(Mark.SPEECH_ENDED, ended)
                self._mark(Mark.TURN_COMMITTED)
                self._emit(SpeechEnded(ended - self._called_at, str(event.reason.value)))
            case NobodySpoke():
                pass

    # -- transcribing

    def _transcribe(self, utterance: AudioChunk) -> asyncio.Task[Transcript]:
        self._emit(TranscriptionStarted(self._now()))
        began = self._transcribing_since = time.monotonic()
        self._recording = self._claimed = self._recording or self._parts.journal.new_path()
        # Written here and not in a thread, where it could still be written after the recording was withdrawn:
        # a minute is 2 MB, which takes a few milliseconds.
        try:
            self._parts.journal.keep(self._recording, utterance)
        except OSError as error:  # a full disk is no reason not to listen
            self._recording = None
            self._unkept = f"The recording could not be kept while it was transcribed: {error.strerror or 'no reason given'}."
        request = TranscriptionRequest(utterance, self._request.language, self._request.options, self._on_remote)
        task = asyncio.create_task(self._parts.transcriber.transcribe(request))
        task.add_done_callback(lambda done: self._note_transcribed(done, began))
        return task

    def _note_transcribed(self, task: asyncio.Task[Transcript], began: float) -> None:
        self._transcribed_at = time.monotonic()
        if not task.cancelled() and task.exception() is None:
            self._parts.pace.note(self._transcribed_at - began)

    async def _transcript(self, heard: Heard) -> Transcript:
        """Wait for the words. From here on the recording stays on disk unless they come."""
        recording, self._recording = self._recording, None
        self._marks.set(Mark.STT_REQUEST, self._transcribing_since)
        try:
            transcript = await heard.transcription
        except SpeechFailedError as error:
            raise SpeechFailedError(error.task, error.attempts, recording) from error
        except (LanguageError, RequestError) as error:  # the only endpoint's reason, which is the caller's to mend
            raise SpeechFailedError("speech-to-text", [error], recording) from error
        finally:
            heard.transcription.cancel()
        self._marks.set(Mark.STT_DONE, self._transcribed_at)
        if recording is not None:
            self._parts.journal.discard(recording)
        self._emit(Transcribed(self._now(), transcript.engine))
        return transcript

    def _discard_recording(self) -> None:
        """Withdraw what was written for a turn that never ended."""
        if self._recording is not None:
            self._parts.journal.discard(self._recording)
            self._recording = None
        if self._claimed is not None:
            self._parts.journal.release(self._claimed)  # what stays on disk may be transcribed by anybody now

    # -- telling

    def _result(
        self,
        status: Status,
        *,
        spoken: Spoken | None = None,
        transcript: Transcript | None = None,
        vad: str = "",
        ended_by: str = "",
    ) -> TurnResult:
        self._mark(Mark.RESULT)
        return TurnResult(
            status=status,
            text=transcript.text if transcript else "",
            confidence=transcript.confidence if transcript and transcript.text else "",
            ended_by=ended_by,
            tts=spoken.engine if spoken else "",
            stt=transcript.engine if transcript else "",
            vad=vad,
            failed=tuple(
                filter(None, (*(spoken.failed if spoken else ()), *(transcript.failed if transcript else ()), self._unkept))
            ),
            cloud=tuple(self._cloud),
            timings_ms=self._marks.timings_ms(),
        )

    def _on_remote(self, endpoint: str) -> None:
        self._cloud[endpoint] = None

    def _emit(self, event: TurnEvent) -> None:
        self._on_event(event)

    def _mark(self, mark: Mark) -> None:
        self._marks.set(mark, time.monotonic())

    def _now(self) -> float:
        return time.monotonic() - self._called_at


class _Opened:
    """A loudspeaker that is still opening while the synthesizer already works: the first ``play`` waits for it."""

    def __init__(self, speaker: Speaker, opening: asyncio.Task[None]) -> None:
        self._speaker = speaker
        self._opening = opening

    @property
    def audible_until(self) -> float | None:
        return self._speaker.audible_until

    @property
    def queued_s(self) -> float:
        return self._speaker.queued_s

    async def play(self, chunk: AudioChunk) -> None:
        await self._opening
        await self._speaker.play(chunk)

    def mark(self) -> int:
        return self._speaker.mark()

    def withdraw(self, mark: int) -> None:
        self._speaker.withdraw(mark)


async def _reap(*tasks: asyncio.Task[object] | asyncio.Task[None]) -> None:
    """Cancel what still runs and wait until it is gone. What the tasks raised was reported elsewhere or is unwanted."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
