"""Whatever a client and an engine do in whatever order, the wire keeps its promises."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.wire.realtime.wire_client import Event, WireClient, encoded, sound
from voicemode.dialogue import (
    AnswerAudio,
    AnswerDone,
    AnswerFailed,
    AnswerText,
    CancelAnswer,
    IdleTimedOut,
    InputTranscribed,
    InputTranscriptGrew,
    PlayoutCleared,
    PlayoutStarted,
    PlayoutStopped,
    Respond,
    SpeechStarted,
    SpeechStopped,
    ToolCallBegan,
    ToolCallDone,
    ToolCallGrew,
)
from voicemode.wire.realtime import Playout, SessionDefaults

IDS = st.sampled_from(["item_a", "item_b", "item_c", "root", "nope"])
BEGINS = {
    "response.output_item.added": "response.output_item.done",
    "response.content_part.added": "response.content_part.done",
}


class Wire(RuleBasedStateMachine):
    """Random steps of both sides; the invariants read what was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.checked = 0
        self.ids: set[str] = set()
        self.open: dict[str, bool] = {}
        """Responses under way: whether they are in the conversation."""
        self.begun: dict[str, list[tuple[str, str]]] = {}
        """Items and parts that are open, by response."""
        self.order: list[str] = []
        """The conversation, as the events tell it."""
        self.speaks = ""
        """The item of the person's speech that is under way."""
        self.told: dict[str, str] = {}
        """What the deltas made of the words of each item."""

    @initialize(playout=st.sampled_from(Playout), voice_only=st.booleans())
    def begin(self, playout: Playout, voice_only: bool) -> None:
        self.client = WireClient(playout=playout, defaults=SessionDefaults(context_tokens=60, kept_audio_bytes=40_000))
        if voice_only:
            self.client.update(audio={"input": {"transcription": {"model": "x"}}})

    @property
    def answers(self) -> list[str]:
        """All there ever were, and one that never was."""
        asked = [command.response_id for command in self.client.all_commands if isinstance(command, Respond)]
        return [*asked, "resp_never"]

    # -- the client

    @rule(detection=st.sampled_from([None, {"type": "semantic_vad"}, {"type": "server_vad", "interrupt_response": False}]))
    def update(self, detection: object) -> None:
        self.client.update(audio={"input": {"turn_detection": detection}})

    @rule(kind=st.sampled_from(["audio/pcm", "audio/pcmu", "audio/pcma"]), modality=st.sampled_from(["audio", "text"]))
    def reformat(self, kind: str, modality: str) -> None:
        audio = {"input": {"format": {"type": kind}}, "output": {"format": {"type": kind}}}
        self.client.update(audio=audio, output_modalities=[modality])

    @rule(ms=st.integers(0, 300), ruined=st.booleans())
    def append(self, ms: int, ruined: bool) -> None:
        self.client.send("input_audio_buffer.append", audio=encoded(sound(ms)) + ("A" if ruined else ""))

    @rule(kind=st.sampled_from(["input_audio_buffer.commit", "input_audio_buffer.clear", "output_audio_buffer.clear"]))
    def buffer(self, kind: str) -> None:
        self.client.send(kind)

    @rule(item_id=IDS, after=st.none() | IDS)
    def create_item(self, item_id: str, after: str | None) -> None:
        item = {"id": item_id, "type": "message", "role": "user", "content": [{"type": "input_text", "text": item_id}]}
        self.client.send("conversation.item.create", item=item, previous_item_id=after)

    @rule(call_id=st.sampled_from(["c0", "c1"]))
    def create_output(self, call_id: str) -> None:
        self.client.send("conversation.item.create", item={"type": "function_call_output", "call_id": call_id, "output": "x"})

    @rule(data=st.data(), kind=st.sampled_from(["retrieve", "delete"]))
    def touch_item(self, data: st.DataObject, kind: str) -> None:
        self.client.send(f"conversation.item.{kind}", item_id=data.draw(st.sampled_from([*self.order, "nope"])))

    @rule(data=st.data(), end_ms=st.integers(-10, 1_000))
    def truncate(self, data: st.DataObject, end_ms: int) -> None:
        item_id = data.draw(st.sampled_from([*self.order, "nope"]))
        self.client.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=end_ms)

    @rule(beside=st.booleans(), modality=st.sampled_from(["audio", "text"]))
    def create_response(self, beside: bool, modality: str) -> None:
        response = {"conversation": "none" if beside else "auto", "output_modalities": [modality]}
        self.client.send("response.create", response=response)

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        named = data.draw(st.booleans())
        self.client.send("response.cancel", **({"response_id": data.draw(st.sampled_from(self.answers))} if named else {}))

    @rule()
    def cancel_and_create(self) -> None:
        assume(any(self.open.values()) and self.client.session.config.output_modality == "audio")  # type: ignore[union-attr]
        assume(not any(not mine for mine in self.open.values()))
        self.client.send("response.cancel")
        assert "response.created" in [event["type"] for event in self.client.send("response.create")]

    @rule(message=st.text(max_size=20) | st.binary(max_size=20))
    def nonsense(self, message: str | bytes) -> None:
        self.client.send_raw(message)

    @rule(ms=st.integers(0, 2_000))
    def wait(self, ms: int) -> None:
        self.client.now_ms += ms

    # -- the engine

    @rule(data=st.data(), text=st.sampled_from(["", "Hello ", "there. "]), ms=st.integers(0, 700))
    def answer(self, data: st.DataObject, text: str, ms: int) -> None:
        response_id = data.draw(st.sampled_from(self.answers))
        self.client.hear(AnswerText(response_id, text), AnswerAudio(response_id, sound(ms), text))

    @rule(data=st.data(), call_id=st.sampled_from(["c0", "c1"]), ends=st.booleans())
    def call(self, data: st.DataObject, call_id: str, ends: bool) -> None:
        response_id = data.draw(st.sampled_from(self.answers))
        self.client.hear(ToolCallBegan(response_id, call_id, "f"), ToolCallGrew(response_id, call_id, "{}"))
        if ends:
            self.client.hear(ToolCallDone(response_id, call_id))

    @rule(data=st.data(), fails=st.booleans(), cut=st.booleans())
    def end_answer(self, data: st.DataObject, fails: bool, cut: bool) -> None:
        response_id = data.draw(st.sampled_from(self.answers))
        done = AnswerDone(response_id, incomplete="max_output_tokens" if cut else None)
        self.client.hear(AnswerFailed(response_id, "x", "y") if fails else done)

    @rule(data=st.data(), heard_ms=st.integers(0, 2_000), which=st.integers(0, 2))
    def playout(self, data: st.DataObject, heard_ms: int, which: int) -> None:
        response_id = data.draw(st.sampled_from(self.answers))
        reports = (PlayoutStarted(response_id), PlayoutStopped(response_id), PlayoutCleared(response_id, heard_ms))
        self.client.hear(reports[which])

    @rule(ms=st.integers(0, 2_000), starts=st.booleans())
    def speech(self, ms: int, starts: bool) -> None:
        self.client.hear(SpeechStarted(ms) if starts else SpeechStopped(ms))

    @rule(start=st.integers(0, 9_000))
    def idle(self, start: int) -> None:
        self.client.hear(IdleTimedOut(start, start + 5_000))

    @rule(data=st.data(), text=st.sampled_from(["", "Yes."]))
    def words(self, data: st.DataObject, text: str) -> None:
        item_id = data.draw(st.sampled_from([*self.order, "nope"]))
        self.client.hear(InputTranscribed(item_id, text, 1.0))

    @rule(ms=st.integers(0, 2_000), text=st.sampled_from(["", "Yes", "Yes and no", "No."]))
    def growing_words(self, ms: int, text: str) -> None:
        started = [event["audio_start_ms"] for event in self.client.log if "audio_start_ms" in event]
        self.client.hear(InputTranscriptGrew(started[-1] if started and ms % 2 else ms, text))

    # -- what holds

    @invariant()
    def the_wire_keeps_its_promises(self) -> None:
        for event in self.client.log[self.checked :]:
            assert event["event_id"] not in self.ids, "an id is given once"
            self.ids.add(event["event_id"])
            self._follow_response(event)
            self._follow_item(event)
            self._follow_words(event)
        self.checked = len(self.client.log)
        assert sum(self.open.values()) <= 1, "one response at a time in the conversation"
        self._compare_with_commands()

    def _compare_with_commands(self) -> None:
        begun = [command.response_id for command in self.client.all_commands if isinstance(command, Respond)]
        assert len(begun) == len(set(begun))
        assert set(self.open) <= set(begun)
        for command in self.client.commands:
            if isinstance(command, CancelAnswer):
                assert command.response_id not in self.open

    def _follow_response(self, event: Event) -> None:
        kind = event["type"]
        if kind == "response.created":
            response = event["response"]
            assert response["id"] not in self.open
            assert response["status"] == "in_progress"
            self.open[response["id"]] = response["conversation_id"] is not None
            self.begun[response["id"]] = []
        elif kind == "response.done":
            response = event["response"]
            assert self.begun.pop(response["id"]) == [], "all that began has ended"
            del self.open[response["id"]]
            assert response["status"] in {"completed", "cancelled", "incomplete", "failed"}
            assert set(response["usage"]) >= {"total_tokens", "input_token_details", "output_token_details"}
            assert all(item["status"] != "in_progress" for item in response["output"])
        elif "response_id" in event and not kind.startswith("output_audio_buffer."):
            assert event["response_id"] in self.open, f"{kind} outside of its response"
            item_id = event.get("item_id") or event["item"]["id"]
            begun = self.begun[event["response_id"]]
            if kind in BEGINS:
                begun.append((BEGINS[kind], item_id))
            elif kind in BEGINS.values():
                begun.remove((kind, item_id))
            else:
                assert ("response.output_item.done", item_id) in begun, f"{kind} outside of its item"

    def _follow_item(self, event: Event) -> None:
        kind = event["type"]
        if kind == "conversation.item.added":
            item_id, previous_id = event["item"]["id"], event["previous_item_id"]
            assert item_id not in self.order
            assert previous_id is None or previous_id in self.order
            self.order.insert(0 if previous_id is None else self.order.index(previous_id) + 1, item_id)
        elif kind == "conversation.item.done":
            at = self.order.index(event["item"]["id"])
            assert event["previous_item_id"] == (self.order[at - 1] if at else None)
        elif kind == "conversation.item.deleted":
            self.order.remove(event["item_id"])
        elif kind == "conversation.item.truncated":
            assert event["item_id"] in self.order

    def _follow_words(self, event: Event) -> None:
        kind = event["type"]
        if kind == "input_audio_buffer.speech_started":
            self.speaks = event["item_id"]
        elif kind in ("input_audio_buffer.committed", "input_audio_buffer.cleared"):
            self.speaks = ""
        elif kind == "conversation.item.input_audio_transcription.delta":
            assert event["delta"]
            item_id = event["item_id"]
            assert item_id == self.speaks or item_id in self.told, "words of a turn that was announced"
            self.told[item_id] = self.told.get(item_id, "") + event["delta"]
        elif kind == "conversation.item.input_audio_transcription.completed":
            words = self.told.pop(event["item_id"], "")
            assert words == event["transcript"] or not event["transcript"].startswith(words) or not words, "the rest is told"

    def teardown(self) -> None:
        if not hasattr(self, "client"):
            return
        self.client.expire()
        self.the_wire_keeps_its_promises()
        assert self.open == {}, "each response has its end"


Wire.TestCase.settings = settings(deadline=None, max_examples=150, stateful_step_count=40)


TestWire = pytest.mark.timeout(300)(Wire.TestCase)


def test_frames_of_a_fuzzer_are_all_answered() -> None:
    """Valid events with one field replaced by something else: an error or an effect, never an exception, and no silence."""
    rng = np.random.default_rng(7)
    client = WireClient()
    samples: list[dict[str, Any]] = [
        {
            "type": "session.update",
            "session": {"type": "realtime", "audio": {"input": {"turn_detection": {"type": "server_vad"}}}},
        },
        {
            "type": "session.update",
            "session": {"tools": [{"type": "function", "name": "f", "parameters": {}}], "truncation": "auto"},
        },
        {
            "type": "conversation.item.create",
            "item": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": ""}]},
        },
        {
            "type": "session.update",
            "session": {
                "tools": [
                    {
                        "type": "mcp",
                        "server_label": "a",
                        "server_url": "https://a.example",
                        "headers": {"b": "c"},
                        "allowed_tools": {"tool_names": ["d"], "read_only": True},
                        "require_approval": {"never": {"tool_names": ["d"]}, "always": {"read_only": False}},
                    }
                ],
                "tool_choice": {"type": "mcp", "server_label": "a", "name": "d"},
            },
        },
        {
            "type": "conversation.item.create",
            "item": {"type": "mcp_approval_response", "approval_request_id": "x", "approve": True, "reason": "r"},
        },
        {"type": "conversation.item.create", "item": {"type": "function_call", "name": "f", "arguments": "", "call_id": "c"}},
        {
            "type": "response.create",
            "response": {"conversation": "none", "input": [], "metadata": {"a": "b"}, "tool_choice": "auto"},
        },
        {"type": "conversation.item.truncate", "item_id": "x", "content_index": 0, "audio_end_ms": 1},
        {"type": "response.cancel", "response_id": "x"},
        {"type": "input_audio_buffer.commit"},
    ]
    others: list[object] = [None, True, -1, 1.5, 10**30, "", "x", "\ud800", [], [None], {}, {"type": "mcp"}, {"type": []}, [[]]]
    for _ in range(3_000):
        event = json.loads(json.dumps(samples[rng.integers(len(samples))]))
        place: Any = event
        while True:
            key = list(place)[rng.integers(len(place))] if isinstance(place, dict) else int(rng.integers(len(place)))
            if not isinstance(place[key], dict | list) or not place[key] or rng.random() < 0.3:
                break
            place = place[key]
        place[key] = others[rng.integers(len(others))]
        events = client.send_raw(json.dumps(event))
        assert events, event
        with contextlib.suppress(KeyError):
            client.hear(AnswerDone(events[0]["response"]["id"]))
