"""One answer that an upstream was asked for, and what becomes of what it tells of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from voicemode.audio import Samples
from voicemode.dialogue import (
    AnswerAudio,
    AnswerDone,
    AnswerFailed,
    AnswerText,
    Respond,
    ToolCallBegan,
    ToolCallDone,
    ToolCallGrew,
    Usage,
)
from voicemode.wire.upstream.client_events import RATE
from voicemode.wire.upstream.labels import Labels
from voicemode.wire.upstream.server_events import Told

__all__ = ["AnswerReport", "Asked"]

AnswerReport = AnswerText | AnswerAudio | ToolCallBegan | ToolCallGrew | ToolCallDone | AnswerDone | AnswerFailed


@dataclass(slots=True)
class _Call:
    call_id: str
    arguments: str = ""
    done: bool = False


@dataclass(slots=True, eq=False)
class Asked:
    """From the asking to the end."""

    request: Respond
    labels: Labels
    tell: Callable[[AnswerReport], None]
    upstream_id: str = ""
    """The upstream's name of it; empty while it has not told."""
    event_id: str = ""
    """Of the event that asked; empty: it is still to be asked."""
    cancelled: bool = False
    begun: bool = False
    """Was anything told of it?"""
    again: bool = False
    """The upstream had another one under way: ask again when that is over."""
    _calls: dict[str, _Call] = field(default_factory=dict)
    """By the upstream's item."""

    @property
    def id(self) -> str:
        return self.request.response_id

    def heed(self, told: Told) -> None:
        """An event of it. Of a cancelled one nothing is told."""
        if self.cancelled:
            return
        match told.kind:
            case "response.output_audio.delta":
                self._sound(told.sound("delta"))
            case "response.output_audio_transcript.delta" | "response.output_text.delta":
                self._say(told.text("delta"))
            case "response.output_audio.done":
                self._finish_sound()
            case "response.output_item.added":
                self._begin_call(told.child("item"))
            case "response.function_call_arguments.delta":
                self._grow_call(told)
            case "response.function_call_arguments.done":
                self._end_call(told)
            case "response.output_item.done":
                self._end_call_item(told.child("item"))

    def end(self, response: Told) -> None:
        """It is over, as ``response.done`` shows it."""
        if self.cancelled:
            return
        self._finish_sound()
        status, details = response.text("status"), response.child("status_details")
        if status == "failed":
            error = details.child("error")
            self.fail(error.text("code") or error.text("type") or "upstream_failed", "The upstream could not answer.")
            return
        cut: Literal["max_output_tokens", "content_filter"] | None = None
        if status == "incomplete":
            cut = "content_filter" if details.text("reason") == "content_filter" else "max_output_tokens"
        usage = response.child("usage")
        tokens = Usage(usage.number("input_tokens") or 0, usage.number("output_tokens") or 0)
        self._tell(AnswerDone(self.id, tokens, cut))
        self.cancelled = True

    def fail(self, code: str, message: str) -> None:
        if not self.cancelled:
            self._tell(AnswerFailed(self.id, code, message))
            self.cancelled = True

    def _sound(self, samples: Samples) -> None:
        if len(samples) and self.request.audio:
            words = self.labels.sound(len(samples) / RATE)
            self._tell(AnswerAudio(self.id, samples, words))

    def _say(self, delta: str) -> None:
        if delta:
            self.labels.say(delta)
            self._tell(AnswerText(self.id, delta))

    def _finish_sound(self) -> None:
        rest = self.labels.rest() if self.request.audio and self.labels.seconds else ""
        if rest:
            self._tell(AnswerAudio(self.id, Told("", {}).sound(""), rest))

    def _begin_call(self, item: Told) -> None:
        if item.text("type") == "function_call":
            self._call(item.text("id"), item.text("call_id"), item.text("name"))

    def _call(self, item_id: str, call_id: str, name: str) -> _Call:
        call = self._calls.get(item_id)
        if call is None:
            call = self._calls[item_id] = _Call(call_id)
            self._tell(ToolCallBegan(self.id, call_id, name))
        return call

    def _grow_call(self, told: Told) -> None:
        call = self._calls.get(told.text("item_id"))
        delta = told.text("delta")
        if call is not None and delta and not call.done:
            call.arguments += delta
            self._tell(ToolCallGrew(self.id, call.call_id, delta))

    def _end_call(self, told: Told) -> None:
        call = self._call(told.text("item_id"), told.text("call_id"), told.text("name"))
        if call.done:
            return
        rest = told.text("arguments").removeprefix(call.arguments)
        if rest and not call.arguments:
            self._tell(ToolCallGrew(self.id, call.call_id, rest))
        call.done = True
        self._tell(ToolCallDone(self.id, call.call_id))

    def _end_call_item(self, item: Told) -> None:
        if item.text("type") == "function_call" and item.text("status") != "incomplete":
            self._end_call(Told("", {**item.values, "item_id": item.text("id")}))

    def _tell(self, report: AnswerReport) -> None:
        self.begun = True
        self.tell(report)
