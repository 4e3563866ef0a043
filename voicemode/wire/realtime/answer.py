"""One response: its events in their order, from ``response.created`` to the one ``response.done``."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from voicemode.dialogue import AnswerAudio, Usage
from voicemode.wire.realtime.formats import AnswerEncoder
from voicemode.wire.realtime.items import AnswerItem, CallItem, Item, tokens_of_text
from voicemode.wire.realtime.mcp_items import ApprovalRequestItem, McpCallItem
from voicemode.wire.realtime.offer import Offer
from voicemode.wire.realtime.session_config import SessionConfig
from voicemode.wire.realtime.sound import SpokenWords
from voicemode.wire.realtime.state import SessionState
from voicemode.wire.realtime.step import Outbox, Playout

__all__ = ["Answer", "Ending"]

_DELTA_MS = 500
"""The most sound in one event: 32 kB of base64, far below any client's limit on a message."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a response ends."""

    status: Literal["completed", "cancelled", "incomplete", "failed"]
    reason: str | None = None
    error: Mapping[str, str] | None = None
    usage: Usage | None = None
    """None: estimated from what was sent."""

    def details(self) -> dict[str, object] | None:
        if self.status == "completed":
            return None
        details: dict[str, object] = {"type": self.status}
        if self.reason is not None:
            details["reason"] = self.reason
        if self.error is not None:
            details["error"] = dict(self.error)
        return details


class Answer:
    """A response under way. Its message stays open until it ends, since sound lags behind words; calls end one by one."""

    def __init__(
        self,
        state: SessionState,
        config: SessionConfig,
        response_id: str,
        *,
        in_conversation: bool,
        metadata: Mapping[str, object] | None,
        input_tokens: int,
        offer: Offer,
    ) -> None:
        self.id, self.config, self.in_conversation = response_id, config, in_conversation
        self.offer = offer
        """What it may call."""
        self.message: AnswerItem | None = None
        """What it says; None: nothing yet."""
        self._state = state
        self._metadata = metadata
        self._input_tokens = input_tokens
        self._outputs: list[Item] = []
        self._calls: dict[str, CallItem | McpCallItem | ApprovalRequestItem] = {}
        """Those whose arguments are not complete, by the engine's id. A request is shown when they are."""
        self._encoder = AnswerEncoder(config.output_format)

    def begin(self, out: Outbox) -> None:
        out.event("response.created", response=self._wire("in_progress", None))

    def say(self, out: Outbox, delta: str) -> None:
        """More words."""
        if not delta:
            return
        message = self._open_message(out)
        message.text += delta
        kind = "response.output_text.delta" if message.spoken is None else "response.output_audio_transcript.delta"
        out.event(kind, **self._at(message), content_index=0, delta=delta)

    def sound(self, out: Outbox, report: AnswerAudio, now_ms: float) -> None:
        """More sound, or words that lie behind all of it; none is wanted where the answer is text."""
        if not self.config.speaks or not (len(report.samples) or report.text):
            return
        message = self._open_message(out)
        if message.spoken is None:
            return
        before_ms = message.spoken.length_ms
        message.spoken.add(report.samples, report.text, report.onsets)
        message.was_heard = False
        if report.text:
            self._state.note(message)
        message.plays_until_ms = self._state.queue_sound(message.spoken.length_ms - before_ms, now_ms)
        self._send_sound(out, message, self._encoder.push(report.samples))

    def begin_call(self, out: Outbox, call_id: str, name: str) -> None:
        if call_id in self._calls:
            return
        # Small models number their calls anew in each answer; clients and histories need ids that differ.
        shown_id = call_id if call_id and not self._state.knows_call(call_id) else out.new_id("call")
        self._state.note_call(shown_id)
        route, item_id = self.offer.routes.get(name), out.new_id("item")
        if route is not None and route.asks:
            self._calls[call_id] = ApprovalRequestItem(item_id, route=route, call_id=shown_id)
            return
        item: CallItem | McpCallItem
        if route is None:
            item = CallItem(item_id, "in_progress", call_id=shown_id, name=name)
        else:
            item = McpCallItem(item_id, "in_progress", route=route, call_id=shown_id, output_index=len(self._outputs))
        self._calls[call_id] = item
        self._add(out, item)

    def grow_call(self, out: Outbox, call_id: str, delta: str) -> None:
        item = self._calls.get(call_id)
        if item is None or not delta:
            return
        item.pieces.append(delta)
        if isinstance(item, CallItem):
            out.event("response.function_call_arguments.delta", **self._at(item), call_id=item.call_id, delta=delta)
        elif isinstance(item, McpCallItem):
            # @openai/agents does not know the event without the last field, which is optional elsewhere.
            out.event("response.mcp_call_arguments.delta", **self._at(item), delta=delta, obfuscation="")

    def end_call(self, out: Outbox, call_id: str) -> McpCallItem | ApprovalRequestItem | None:
        """Its arguments are complete: clients call the function now, and a server's tool is for us to call, or to ask about."""
        item = self._calls.pop(call_id, None)
        match item:
            case CallItem():
                whole = {"call_id": item.call_id, "name": item.name, "arguments": item.arguments}
                out.event("response.function_call_arguments.done", **self._at(item), **whole)
                self._done(out, item, "completed")
                return None
            case McpCallItem():
                out.event("response.mcp_call_arguments.done", **self._at(item), arguments=item.arguments)
                # Within the conversation it is done when it was called.
                item.status = "completed"
                out.event("response.output_item.done", **self._of(item), item=item.wire())
            case ApprovalRequestItem():
                item.output_index = len(self._outputs)
                self._add(out, item)
                self._done(out, item, "completed")
        return item

    def end(self, out: Outbox, ending: Ending) -> None:
        """All that is open ends, and then the response. Nothing may be told to it any more."""
        whole = ending.status == "completed"
        if self.message is not None:
            self.message.failed = ending.status == "failed"
            self._end_message(out, self.message, whole=whole, flush=ending.status != "cancelled")
        for call in self._calls.values():
            # No arguments.done: there are clients that call the function then, with what is half a JSON object.
            if not isinstance(call, ApprovalRequestItem):
                self._done(out, call, "incomplete")
        out.event("response.done", response=self._wire(ending.status, ending))

    @property
    def calls_functions(self) -> bool:
        """Whether the client has something to call."""
        return any(isinstance(item, CallItem) and item.status == "completed" for item in self._outputs)

    def _open_message(self, out: Outbox) -> AnswerItem:
        if self.message is None:
            spoken = SpokenWords(self._state.letter_s) if self.config.speaks else None
            self.message = AnswerItem(out.new_id("item"), "in_progress", spoken=spoken, response_id=self.id)
            self._add(out, self.message)
            out.event("response.content_part.added", **self._at(self.message), content_index=0, part=self.message.part())
        return self.message

    def _end_message(self, out: Outbox, message: AnswerItem, *, whole: bool, flush: bool) -> None:
        place = {**self._at(message), "content_index": 0}
        if message.spoken is None:
            out.event("response.output_text.done", **place, text=message.text)
        else:
            if flush:
                message.spoken.finish()
                self._send_sound(out, message, self._encoder.flush())
            else:
                message.spoken.break_off()
            out.event("response.output_audio.done", **place)
            out.event("response.output_audio_transcript.done", **place, transcript=message.text)
        out.event("response.content_part.done", **place, part=message.part())
        self._done(out, message, "completed" if whole else "incomplete")

    def _send_sound(self, out: Outbox, message: AnswerItem, data: bytes) -> None:
        if self._state.playout is Playout.SERVER or not data:
            return
        if self.in_conversation:
            self._state.kept.add(message.id, data)
        place = {**self._at(message), "content_index": 0}
        size = _DELTA_MS * self.config.output_format.bytes_per_ms
        for at in range(0, len(data), size):
            delta = base64.b64encode(data[at : at + size]).decode()
            out.event("response.output_audio.delta", **place, delta=delta)

    def _add(self, out: Outbox, item: Item) -> None:
        self._outputs.append(item)
        shown = item.wire()
        out.event("response.output_item.added", **self._of(item), item=shown)
        if self.in_conversation:
            conversation = self._state.conversation
            conversation.append(item)
            self._state.note(item)
            out.event("conversation.item.added", previous_item_id=conversation.before(item.id), item=shown)

    def _done(self, out: Outbox, item: Item, status: str) -> None:
        item.status = status
        shown = item.wire()
        out.event("response.output_item.done", **self._of(item), item=shown)
        if self.in_conversation:
            self._state.note(item)
            previous_id = self._state.conversation.before(item.id)
            out.event("conversation.item.done", previous_item_id=previous_id, item=shown)

    def _of(self, item: Item) -> dict[str, object]:
        return {"response_id": self.id, "output_index": self._outputs.index(item)}

    def _at(self, item: Item) -> dict[str, object]:
        return {"response_id": self.id, "item_id": item.id, "output_index": self._outputs.index(item)}

    def _wire(self, status: str, ending: Ending | None) -> dict[str, object]:
        response: dict[str, object] = {
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": ending and ending.details(),
            "output": [item.wire() for item in self._outputs],
            "conversation_id": self._state.conversation_id if self.in_conversation else None,
            "output_modalities": [self.config.output_modality],
            "max_output_tokens": self.config.wire_max_output_tokens,
            "audio": {"output": self.config.wire_output},
            "metadata": self._metadata,
        }
        return response if ending is None else response | {"usage": self._usage(ending.usage)}

    def _usage(self, usage: Usage | None) -> dict[str, object]:
        """All fields, since clients fail where one is missing. A responder reads and writes text, so all tokens are text."""
        if usage is None or not (usage.input_tokens or usage.output_tokens):
            words = self.message.text if self.message else ""
            calls = "".join(item.name + item.arguments for item in self._outputs if isinstance(item, CallItem | McpCallItem))
            usage = Usage(self._input_tokens, tokens_of_text(words + calls))
        none_cached = {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0}
        return {
            "total_tokens": usage.input_tokens + usage.output_tokens,
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "input_token_details": {
                "text_tokens": usage.input_tokens,
                "audio_tokens": 0,
                "image_tokens": 0,
                "cached_tokens": 0,
                "cached_tokens_details": none_cached,
            },
            "output_token_details": {"text_tokens": usage.output_tokens, "audio_tokens": 0},
        }
