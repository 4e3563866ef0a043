"""Responses: their events in their order, one at a time, and nothing after the end."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from tests.wire.realtime.answer_reports import call, done, spoken
from tests.wire.realtime.wire_client import WireClient, encoded, kinds, one, sound, without_ids
from voicemode.core.g711 import ulaw_decode
from voicemode.dialogue import (
    AnswerAudio,
    AnswerDone,
    AnswerFailed,
    AnswerText,
    CancelAnswer,
    CancelReason,
    Message,
    Respond,
    SpeechStarted,
    Usage,
)
from voicemode.wire.realtime import Playout

SPOKEN = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_audio_transcript.delta",
    "response.output_audio.delta",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "response.output_item.done",
    "conversation.item.done",
    "response.done",
]


def test_a_spoken_answer_in_its_order() -> None:
    """One item with one part; transcript and sound in between."""
    client = WireClient()
    client.say("Hi.")
    response_id = client.respond()
    client.hear(*spoken(response_id), AnswerDone(response_id, Usage(7, 3)))
    events = client.log[-len(SPOKEN) :]
    assert kinds(events) == SPOKEN
    item_id = events[1]["item"]["id"]
    place = {"response_id": response_id, "item_id": item_id, "output_index": 0, "content_index": 0}
    for event in events[3:9]:
        assert place.items() <= event.items()
    assert events[2]["previous_item_id"] == events[10]["previous_item_id"] is not None
    assert events[3]["part"] == {"type": "audio", "transcript": ""}
    assert events[5]["delta"] == encoded(sound(400))
    assert events[8]["part"] == {"type": "audio", "transcript": "Hello there."}
    assert events[9]["item"]["content"] == [{"type": "output_audio", "transcript": "Hello there."}]
    assert without_ids(events[-1])["response"] == {
        "object": "realtime.response",
        "id": response_id,
        "status": "completed",
        "status_details": None,
        "output": [events[9]["item"]],
        "conversation_id": client.opening[1]["conversation"]["id"],
        "output_modalities": ["audio"],
        "max_output_tokens": "inf",
        "audio": {"output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "marin"}},
        "metadata": None,
        "usage": {
            "total_tokens": 10,
            "input_tokens": 7,
            "output_tokens": 3,
            "input_token_details": {
                "text_tokens": 7,
                "audio_tokens": 0,
                "image_tokens": 0,
                "cached_tokens": 0,
                "cached_tokens_details": {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0},
            },
            "output_token_details": {"text_tokens": 3, "audio_tokens": 0},
        },
    }


def test_a_written_answer_in_its_order() -> None:
    """Text only: no sound on the wire, whatever the engine sends."""
    client = WireClient()
    response_id = client.respond(output_modalities=["text"])
    asked = client.commands[0]
    assert isinstance(asked, Respond)
    assert not asked.audio
    events = client.hear(*spoken(response_id), AnswerDone(response_id))
    assert kinds(events) == [
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
    ]
    assert events[2]["part"] == {"type": "text", "text": ""}
    assert events[4]["text"] == "Hello there."
    assert events[-1]["response"]["output"][0]["content"] == [{"type": "output_text", "text": "Hello there."}]


def test_where_we_play_the_answer_the_messages_carry_no_sound() -> None:
    """It goes by RTP; all other events are the same."""
    client = WireClient(playout=Playout.SERVER)
    response_id = client.respond()
    events = client.hear(*spoken(response_id), AnswerDone(response_id))
    assert kinds(events) == [kind for kind in SPOKEN[1:] if kind != "response.output_audio.delta"]


def test_long_sound_is_cut_into_small_messages() -> None:
    """Nothing is lost, and no message is larger than half a second of sound."""
    client = WireClient()
    response_id = client.respond()
    events = client.hear(*spoken(response_id, ms=3_210), AnswerDone(response_id))
    deltas = [base64.b64decode(event["delta"]) for event in events if event["type"] == "response.output_audio.delta"]
    assert b"".join(deltas) == sound(3_210).astype("<i2").tobytes()
    assert max(map(len, deltas)) == 24_000


def test_telephones_get_eight_kilohertz() -> None:
    """Resampled as a stream: as long as what was said, to the sample."""
    client = WireClient()
    client.update(audio={"output": {"format": {"type": "audio/pcmu"}}})
    response_id = client.respond()
    said = sound(1_000)
    chunks = [AnswerAudio(response_id, part, "Hello." if at == 0 else "") for at, part in enumerate(np.array_split(said, 7))]
    events = client.hear(AnswerText(response_id, "Hello."), *chunks, AnswerDone(response_id))
    data = b"".join(base64.b64decode(event["delta"]) for event in events if event["type"] == "response.output_audio.delta")
    assert len(data) == 8_000
    heard, wanted = ulaw_decode(data).astype(int), said[::3].astype(int)
    # The resampler is within a third of a millisecond, G.711 within one step of its coarsest segment.
    assert min(np.max(np.abs(heard[2_000:6_000] - wanted[2_000 + lag : 6_000 + lag])) for lag in range(-2, 3)) < 900


def test_nothing_is_said_after_the_end() -> None:
    """What the engine reports late is dropped."""
    client = WireClient()
    response_id = client.respond()
    client.hear(*spoken(response_id))
    client.send("response.cancel")
    assert (
        client.hear(*spoken(response_id), *call(response_id, "c"), AnswerDone(response_id), AnswerFailed(response_id, "a", "b"))
        == []
    )


def test_all_that_is_open_is_closed_on_cancel() -> None:
    """In the same order as at a natural end; the message is incomplete, and the usage is there."""
    client = WireClient()
    response_id = client.respond()
    client.hear(*spoken(response_id))
    events = client.send("response.cancel")
    assert kinds(events) == SPOKEN[6:]
    assert client.commands == (CancelAnswer(response_id, CancelReason.CLIENT),)
    response = done(events)
    assert (response["status"], response["status_details"]) == (
        "cancelled",
        {"type": "cancelled", "reason": "client_cancelled"},
    )
    assert response["output"][0]["status"] == "incomplete"
    assert response["usage"]["output_tokens"] > 0


def test_a_cancel_followed_at_once_by_a_create_succeeds() -> None:
    """The cancel is finished when its step is; clients race here."""
    client = WireClient()
    first = client.respond()
    assert done(client.send("response.cancel"))["id"] == first
    assert client.respond() != first


def test_a_cancel_of_nothing_says_so() -> None:
    """With the code and the words by which clients know that it is harmless."""
    client = WireClient()
    response_id = client.respond()
    client.hear(AnswerDone(response_id))
    for fields in ({}, {"response_id": response_id}):
        error = client.error("response.cancel", **fields)
        assert error["code"] == "response_cancel_not_active"
        assert error["message"].startswith("Cancellation failed")


def test_one_response_at_a_time() -> None:
    """In the conversation; the second one is refused, the first goes on."""
    client = WireClient()
    response_id = client.respond()
    error = client.error("response.create", event_id="evt_1")
    assert (error["code"], error["event_id"]) == ("conversation_already_has_active_response", "evt_1")
    assert done(client.hear(AnswerDone(response_id)))["status"] == "completed"


def test_responses_beside_the_conversation() -> None:
    """They run in parallel, leave no item in it, and belong to no conversation."""
    client = WireClient()
    client.say("Hi.")
    first = client.respond()
    second = client.respond(conversation="none", output_modalities=["text"], metadata={"topic": "x"})
    events = client.hear(AnswerText(second, "Aside."), AnswerDone(second))
    assert not [kind for kind in kinds(events) if kind.startswith("conversation.")]
    assert (done(events)["conversation_id"], done(events)["metadata"]) == (None, {"topic": "x"})
    client.hear(*spoken(first), AnswerDone(first))
    client.respond()
    assert [entry.text for entry in client.history() if isinstance(entry, Message)] == ["Hi.", "Hello there."]


def test_not_any_number_of_responses_beside_the_conversation() -> None:
    """Each is a request to a model."""
    client = WireClient()
    for _ in range(16):
        client.respond(conversation="none")
    assert client.error("response.create", response={"conversation": "none"})["code"] == "rate_limit_exceeded"


def test_a_response_may_bring_its_own_context() -> None:
    """Items of its own and references to those of the session, instead of the conversation; [] is none."""
    client = WireClient()
    item_id = client.say("Secret word: plum.")[0]["item"]["id"]
    client.say("And this is not told.")
    new = {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "Translate."}]}
    client.respond(conversation="none", input=[new, {"type": "item_reference", "id": item_id}])
    assert [entry.text for entry in client.history() if isinstance(entry, Message)] == ["Translate.", "Secret word: plum."]
    client.respond(conversation="none", input=[])
    assert client.history() == ()
    error = client.error("response.create", response={"input": [{"type": "item_reference", "id": "nope"}]})
    assert error["param"] == "response.input[0].id"


def test_a_response_may_differ_from_the_session() -> None:
    """For itself only: instructions, voice, tools, tokens."""
    client = WireClient()
    client.update(instructions="Be brief.")
    events = client.send(
        "response.create",
        response={
            "instructions": "Sing.",
            "max_output_tokens": 50,
            "audio": {"output": {"voice": "ash"}},
            "tools": [{"type": "function", "name": "f"}],
            "metadata": {"client_event_id": "e1"},
        },
    )
    asked = client.commands[0]
    assert isinstance(asked, Respond)
    assert (asked.instructions, asked.max_tokens, asked.voice, asked.tools[0].name) == ("Sing.", 50, "ash", "f")
    created = one(events, "response.created")["response"]
    assert (created["metadata"], created["max_output_tokens"]) == ({"client_event_id": "e1"}, 50)
    assert created["audio"]["output"]["voice"] == "ash"
    client.hear(AnswerDone(asked.response_id))
    client.respond()
    again = client.commands[0]
    assert isinstance(again, Respond)
    assert (again.instructions, again.max_tokens, again.tools) == ("Be brief.", None, ())


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"conversation": "conv_7"}, "response.conversation"),
        ({"metadata": {"a": 1}}, "response.metadata.a"),
        ({"metadata": {str(number): "" for number in range(17)}}, "response.metadata"),
        ({"input": [1]}, "response.input[0]"),
        ({"input": {}}, "response.input"),
        ({"modalities": ["text"]}, "response.modalities"),
        ({"output_modalities": ["image"]}, "response.output_modalities"),
        ({"tools": [{"type": "mcp"}]}, "response.tools[0].server_label"),
    ],
)
def test_a_wrong_create_names_its_field(given: dict[str, object], param: str) -> None:
    """And begins nothing."""
    client = WireClient()
    assert client.error("response.create", response=given)["param"] == param
    assert client.commands == ()


def test_an_answer_that_breaks_off_is_told() -> None:
    """With the reason; the words that came stand."""
    client = WireClient()
    response_id = client.respond()
    response = done(client.hear(*spoken(response_id), AnswerFailed(response_id, "endpoint", "The model went away.")))
    assert response["status"] == "failed"
    assert response["status_details"] == {
        "type": "failed",
        "error": {"type": "server_error", "code": "endpoint", "message": "The model went away."},
    }
    assert response["output"][0]["status"] == "incomplete"


@pytest.mark.parametrize("reason", ["max_output_tokens", "content_filter"])
def test_an_answer_that_was_cut_short_is_told(reason: str) -> None:
    """As incomplete, with the reason."""
    client = WireClient()
    response_id = client.respond()
    response = done(client.hear(*spoken(response_id), AnswerDone(response_id, incomplete=reason)))  # type: ignore[arg-type]
    assert (response["status"], response["status_details"]) == ("incomplete", {"type": "incomplete", "reason": reason})


def test_an_answer_of_nothing_ends() -> None:
    """Deliberate silence: created and done, without an item."""
    client = WireClient()
    response_id = client.respond()
    assert done(client.hear(AnswerDone(response_id)))["output"] == []


# -- where we own the playout


def test_where_we_play_one_speaks_at_a_time() -> None:
    """A spoken response beside the conversation waits for its turn; a written one does not."""
    client = WireClient(playout=Playout.SERVER)
    client.respond()
    error = client.error("response.create", response={"conversation": "none"})
    assert error["code"] == "conversation_already_has_active_response"
    client.respond(conversation="none", output_modalities=["text"])


def test_where_we_play_speech_ends_all_that_speaks() -> None:
    """Also what speaks beside the conversation; what is written there goes on."""
    client = WireClient(playout=Playout.SERVER)
    aside = client.respond(conversation="none")
    written = client.respond(conversation="none", output_modalities=["text"])
    assert done(client.hear(SpeechStarted(0)))["id"] == aside
    assert done(client.hear(AnswerDone(written)))["status"] == "completed"
