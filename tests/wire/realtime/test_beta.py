"""The beta dialect: the same session under its older names."""

from __future__ import annotations

from tests.wire.realtime.wire_client import WireClient, kinds, one, sound
from voicemode.dialogue import AnswerAudio, AnswerDone, AnswerText, DialogueOptions, Message, Respond, TurnTaking
from voicemode.wire.realtime import session_from_beta


def flat(client: WireClient, **session: object) -> dict[str, object]:
    """The session as it is shown after an update."""
    shown: dict[str, object] = one(client.send("session.update", session=session), "session.updated")["session"]
    return shown


def test_the_session_is_flat() -> None:
    """With the beta's names and words for each field, and no type."""
    client = WireClient(beta=True)
    assert kinds(client.opening) == ["session.created", "conversation.created"]
    shown = flat(
        client,
        modalities=["text", "audio"],
        voice="echo",
        input_audio_format="g711_ulaw",
        output_audio_format="g711_alaw",
        input_audio_transcription={"model": "whisper-1"},
        turn_detection={"type": "server_vad", "threshold": 0.7},
        temperature=0.8,
        max_response_output_tokens=200,
    )
    assert shown["modalities"] == ["audio", "text"]
    assert (shown["input_audio_format"], shown["output_audio_format"], shown["voice"]) == ("g711_ulaw", "g711_alaw", "echo")
    assert shown["max_response_output_tokens"] == 200
    detection = shown["turn_detection"]
    assert isinstance(detection, dict)
    assert (detection["threshold"], detection["silence_duration_ms"]) == (0.7, 500)
    assert not {"audio", "type", "output_modalities", "max_output_tokens"} & set(shown)


def test_turn_detection_is_switched_off_with_null() -> None:
    """As it is in GA."""
    client = WireClient(beta=True)
    assert flat(client, turn_detection=None)["turn_detection"] is None
    options = getattr(client.commands[0], "options", None)
    assert isinstance(options, DialogueOptions)
    assert options.turn_taking is TurnTaking.MANUAL


def test_answers_have_the_older_event_names() -> None:
    """And there is one event for an item instead of two."""
    client = WireClient(beta=True)
    events = client.send("response.create", response={"modalities": ["audio", "text"], "voice": "ash", "temperature": 0.6})
    created = one(events, "response.created")["response"]
    assert (created["voice"], created["output_audio_format"], created["modalities"]) == ("ash", "pcm16", ["audio", "text"])
    response_id = created["id"]
    events = client.hear(AnswerText(response_id, "Hi."), AnswerAudio(response_id, sound(100), "Hi."), AnswerDone(response_id))
    assert kinds(events) == [
        "response.output_item.added",
        "conversation.item.created",
        "response.content_part.added",
        "response.audio_transcript.delta",
        "response.audio.delta",
        "response.audio.done",
        "response.audio_transcript.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.done",
    ]
    assert events[-1]["response"]["output"][0]["content"] == [{"type": "audio", "transcript": "Hi."}]
    asked = client.all_commands[-1]
    assert isinstance(asked, Respond)
    assert asked.voice == "ash"


def test_written_answers_too() -> None:
    """Text deltas, and parts of type text."""
    client = WireClient(beta=True)
    response_id = client.respond(modalities=["text"])
    events = client.hear(AnswerText(response_id, "Hi."), AnswerDone(response_id))
    assert {"response.text.delta", "response.text.done"} < set(kinds(events))
    assert events[-1]["response"]["modalities"] == ["text"]
    assert events[-1]["response"]["output"][0]["content"] == [{"type": "text", "text": "Hi."}]


def test_items_of_the_assistant_have_the_older_parts() -> None:
    """Both ways."""
    client = WireClient(beta=True)
    item = {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "I said."}]}
    (event,) = client.send("conversation.item.create", item=item)
    assert (event["type"], event["item"]["content"]) == ("conversation.item.created", [{"type": "text", "text": "I said."}])
    client.respond()
    assert [entry.text for entry in client.history() if isinstance(entry, Message)] == ["I said."]


def test_transcription_sessions_have_their_own_events() -> None:
    """Created and updated."""
    client = WireClient(beta=True, kind="transcription")
    assert kinds(client.opening) == ["transcription_session.created"]
    events = client.send("transcription_session.update", session={"input_audio_transcription": {"model": "x"}})
    assert kinds(events) == ["transcription_session.updated"]
    assert events[0]["session"]["input_audio_transcription"] == {"model": "x"}


def test_what_is_wrong_is_refused_there_too() -> None:
    """Malformed text, wrong types, wrong values."""
    client = WireClient(beta=True)
    assert kinds(client.send_raw("{")) == ["error"]
    for kind, field in (
        ("session.update", "session"),
        ("transcription_session.update", "session"),
        ("response.create", "response"),
        ("conversation.item.create", "item"),
    ):
        assert kinds(client.send(kind, **{field: 7})) == ["error"]
    assert client.error("session.update", session={"input_audio_format": "opus"})["code"] == "invalid_value"
    assert client.error("session.update", session={"modalities": ["audio", 1]})["code"] == "invalid_value"


def test_a_session_that_moves_to_ga_may_show_both_shapes() -> None:
    """The nested fields stand."""
    nested = {"output": {"voice": "ash"}}
    assert session_from_beta({"voice": "echo", "audio": nested}) == {"audio": nested}
