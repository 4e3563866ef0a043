"""The person's side of a session: the input buffer, turns that begin and end, and their words."""

from __future__ import annotations

from dataclasses import dataclass

from voicemode.core.settled_words import growth, remainder
from voicemode.dialogue import (
    AudioIn,
    ClearInput,
    CommitInput,
    IdleTimedOut,
    InputTranscribed,
    InputTranscriptFailed,
    InputTranscriptGrew,
    SpeechStarted,
    SpeechStopped,
)
from voicemode.wire.realtime.errors import ClientError
from voicemode.wire.realtime.formats import read_base64
from voicemode.wire.realtime.input_buffer import InputBuffer
from voicemode.wire.realtime.items import TurnItem
from voicemode.wire.realtime.state import SessionState
from voicemode.wire.realtime.step import Outbox, Playout

__all__ = ["TranscriptReport", "Turns"]

TranscriptReport = InputTranscriptGrew | InputTranscribed | InputTranscriptFailed

_LEAST_COMMIT_MS = 100
"""OpenAI's; nobody says a word in less."""
_TRANSCRIPTION = "conversation.item.input_audio_transcription"


@dataclass(frozen=True, slots=True)
class _Speech:
    """An utterance under way."""

    item_id: str
    at_ms: int


class Turns:
    def __init__(self, state: SessionState) -> None:
        self._state = state
        self._buffer = InputBuffer(state.config.defaults.kept_audio_bytes)
        self._speech: _Speech | None = None
        self._told: dict[str, str] = {}
        """By item, the words that were sent before all of them were known."""
        self._cleared_until_ms = -1.0
        """Sound before this is nobody's, though the engine may still be hearing it."""
        self._turn_ended_ms = 0.0
        """When the last turn ended or the buffer was cleared, on the session's clock."""

    def begin(self, now_ms: float) -> None:
        """The session opens: where the sound does not come through us, it flows from now on."""
        self._turn_ended_ms = now_ms

    def append(self, audio: str) -> AudioIn | None:
        """Sound in an event, for the engine, if it has any. Raises ClientError, and then took nothing."""
        wire_format = self._state.config.input_format
        data = read_base64(audio, wire_format)
        if not data:
            return None
        waits = self._speech is not None or self._state.config.turn_detection is None
        self._buffer.append(data, wire_format, speaking=waits)
        return AudioIn(wire_format.decode(data), wire_format.rate)

    def commit(self, out: Outbox, now_ms: float) -> None:
        """The client says that the turn is over; nothing answers it by itself. Raises ClientError."""
        through_us = self._state.playout is Playout.CLIENT
        # Elsewhere sound comes by RTP, in real time, and the engine has it.
        length_ms = self._buffer.since_turn_ms if through_us else now_ms - self._turn_ended_ms
        if length_ms < _LEAST_COMMIT_MS:
            sentence = (
                f"Error committing input audio buffer: buffer too small. Expected at least {_LEAST_COMMIT_MS}ms of audio, "
                f"but buffer only has {length_ms:.2f}ms of audio."
            )
            raise ClientError("input_audio_buffer_commit_empty", sentence)
        end_ms = self._buffer.position_ms
        begin_ms = end_ms - length_ms if self._speech is None else self._speech.at_ms
        item_id = self._end_speech() or out.new_id("item")
        self._add_turn(out, item_id, begin_ms, end_ms if through_us else begin_ms + length_ms)
        self._turn_ended_ms = now_ms
        out.command(CommitInput(item_id))

    def clear(self, out: Outbox, now_ms: float) -> None:
        self._told.pop(self._end_speech(), None)
        self._cleared_until_ms = self._buffer.position_ms
        self._buffer.clear()
        self._turn_ended_ms = now_ms
        out.command(ClearInput())
        out.event("input_audio_buffer.cleared")

    def started(self, out: Outbox, report: SpeechStarted) -> None:
        self._speech = _Speech(out.new_id("item"), report.at_ms)
        out.event("input_audio_buffer.speech_started", audio_start_ms=report.at_ms, item_id=self._speech.item_id)

    def stopped(self, out: Outbox, report: SpeechStopped, now_ms: float) -> bool:
        """Whether that is a turn for the conversation: not where the client has cleared its sound in the meantime.

        Where it committed in the middle of it, the engine tells with which sound that was; here is what came before or after.
        """
        begin_ms = self._speech.at_ms if self._speech else report.at_ms
        item_id = self._end_speech() or out.new_id("item")
        if report.at_ms <= self._cleared_until_ms:
            # The engine has the turn all the same, and waits for its name.
            out.command(CommitInput(item_id))
            return False
        out.event("input_audio_buffer.speech_stopped", audio_end_ms=report.at_ms, item_id=item_id)
        self._add_turn(out, item_id, begin_ms, report.at_ms)
        self._turn_ended_ms = now_ms
        out.command(CommitInput(item_id))
        return True

    def idle(self, out: Outbox, report: IdleTimedOut) -> None:
        """Nobody said anything: the silence becomes an item without words, as OpenAI has it."""
        item = TurnItem(
            out.new_id("item"),
            seconds=(report.end_ms - report.start_ms) / 1000,
            transcript="",
            shows_transcript=self._shows_words,
            idle=True,
        )
        out.event(
            "input_audio_buffer.timeout_triggered",
            audio_start_ms=report.start_ms,
            audio_end_ms=report.end_ms,
            item_id=item.id,
        )
        self._add_item(out, item)
        if item.shows_transcript:
            out.event(f"{_TRANSCRIPTION}.completed", **_words(item.id), transcript="", usage=_duration(item.seconds))

    def transcript(self, out: Outbox, report: TranscriptReport) -> None:
        if isinstance(report, InputTranscriptGrew):
            self._grew(out, report)
            return
        told = self._told.pop(report.item_id, "")
        item = self._state.conversation.get(report.item_id)
        if not isinstance(item, TurnItem):
            return
        match report:
            case InputTranscribed():
                item.transcript, item.seconds = report.text, report.seconds
                self._state.note(item)
                if item.shows_transcript:
                    self._tell_more(out, item.id, remainder(told, report.text))
                    usage = _duration(report.seconds)
                    out.event(f"{_TRANSCRIPTION}.completed", **_words(item.id), transcript=report.text, usage=usage)
            case InputTranscriptFailed():
                item.failed = True
                self._state.note(item)
                if item.shows_transcript:
                    error = {"type": "transcription_error", "code": report.code, "message": report.message, "param": None}
                    out.event(f"{_TRANSCRIPTION}.failed", **_words(item.id), error=error)

    def _grew(self, out: Outbox, report: InputTranscriptGrew) -> None:
        """Words under the id that speech_started gave: the item is there when the turn is over."""
        speech = self._speech
        if speech is None or speech.at_ms != report.at_ms or not self._shows_words:
            return  # the client has committed or cleared it in the meantime
        told = self._told.get(speech.item_id, "")
        more = growth(told, report.text)
        if more:
            self._told[speech.item_id] = told + more
            self._tell_more(out, speech.item_id, more)

    def _tell_more(self, out: Outbox, item_id: str, delta: str) -> None:
        if delta:
            out.event(f"{_TRANSCRIPTION}.delta", **_words(item_id), delta=delta)

    @property
    def is_speaking(self) -> bool:
        return self._speech is not None

    @property
    def _shows_words(self) -> bool:
        return self._state.config.transcription is not None

    def _end_speech(self) -> str:
        """The id that the utterance under way was given; "" where there is none."""
        speech, self._speech = self._speech, None
        return speech.item_id if speech else ""

    def _add_turn(self, out: Outbox, item_id: str, begin_ms: float, end_ms: float) -> None:
        sound = self._buffer.take(begin_ms, end_ms)
        if sound is not None:
            self._state.kept.add(item_id, sound)
        seconds = max(end_ms - begin_ms, 0) / 1000
        self._add_item(out, TurnItem(item_id, seconds=seconds, shows_transcript=self._shows_words))

    def _add_item(self, out: Outbox, item: TurnItem) -> None:
        conversation = self._state.conversation
        previous_id = conversation.last_id
        conversation.append(item)
        self._state.note(item)
        shown = item.wire()
        out.event("input_audio_buffer.committed", previous_item_id=previous_id, item_id=item.id)
        out.event("conversation.item.added", previous_item_id=previous_id, item=shown)
        out.event("conversation.item.done", previous_item_id=previous_id, item=shown)


def _words(item_id: str) -> dict[str, object]:
    return {"item_id": item_id, "content_index": 0}


def _duration(seconds: float) -> dict[str, object]:
    return {"type": "duration", "seconds": seconds}
