"""A session begins, is configured, refuses what is wrong, and ends."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.realtime.wire_client import WireClient, kinds, one, without_ids
from voicemode.dialogue import AnswerText, Configure, DialogueOptions, Eagerness, Respond, Tool, TurnTaking
from voicemode.wire.realtime import ClientError, Playout, RealtimeSession


def options(client: WireClient) -> DialogueOptions:
    """How the engine was told to listen in the last step."""
    return next(command.options for command in client.commands if isinstance(command, Configure))


def test_a_session_opens_with_all_that_is_in_force() -> None:
    """Clients read defaults from there that OpenAI documents, and interrupt themselves if interrupt_response is not there."""
    client = WireClient()
    assert kinds(client.opening) == ["session.created", "conversation.created"]
    assert client.opening[0]["session"] == {
        "id": "sess_1",
        "object": "realtime.session",
        "expires_at": 2_000,
        "type": "realtime",
        "model": "gpt-realtime",
        "output_modalities": ["audio"],
        "instructions": "",
        "tools": [],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "max_output_tokens": "inf",
        "truncation": "auto",
        "tracing": None,
        "reasoning": None,
        "prompt": None,
        "include": None,
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.5,
                    "prefix_padding_ms": 300,
                    "silence_duration_ms": 500,
                    "idle_timeout_ms": None,
                    "create_response": True,
                    "interrupt_response": True,
                },
            },
            "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "marin", "speed": 1.0},
        },
    }
    assert options(client).turn_taking is TurnTaking.SILENCE
    assert not options(client).transcribe


def test_an_update_changes_only_what_it_names() -> None:
    """And the echo is the whole object."""
    client = WireClient()
    before = client.opening[0]["session"]
    shown = client.update(instructions="Be brief.", audio={"output": {"voice": "ash"}})
    assert shown == {
        **before,
        "instructions": "Be brief.",
        "audio": {**before["audio"], "output": {**before["audio"]["output"], "voice": "ash"}},
    }
    assert client.update(audio={"output": {"speed": 1.25}})["instructions"] == "Be brief."


@pytest.mark.parametrize(
    ("given", "path", "cleared"),
    [
        ({"instructions": ""}, ("instructions",), ""),
        ({"instructions": None}, ("instructions",), ""),
        ({"tools": []}, ("tools",), []),
        ({"tools": None}, ("tools",), []),
        ({"tracing": None}, ("tracing",), None),
        ({"max_output_tokens": None}, ("max_output_tokens",), "inf"),
        ({"audio": {"input": {"turn_detection": None}}}, ("audio", "input", "turn_detection"), None),
        ({"audio": {"input": {"transcription": None}}}, ("audio", "input", "transcription"), None),
        ({"audio": {"input": {"noise_reduction": None}}}, ("audio", "input", "noise_reduction"), None),
        ({"audio": {"output": {"voice": None}}}, ("audio", "output", "voice"), "marin"),
    ],
)
def test_null_and_empty_clear(given: dict[str, object], path: tuple[str, ...], cleared: object) -> None:
    """What was set goes back to nothing, or to the default where there must be something."""
    client = WireClient()
    client.update(
        instructions="x",
        tools=[{"type": "function", "name": "f"}],
        tracing="auto",
        max_output_tokens=100,
        audio={
            "input": {"transcription": {"model": "whisper-1"}, "noise_reduction": {"type": "near_field"}},
            "output": {"voice": "ash"},
        },
    )
    shown: object = client.update(**given)
    for name in path:
        assert isinstance(shown, dict)
        shown = shown[name]
    assert shown == cleared


def test_foreign_names_are_taken_as_they_are() -> None:
    """Models, voices and transcribers of elsewhere are aliases here, never errors; the engine is told the name."""
    client = WireClient()
    shown = client.update(
        model="gpt-realtime-2.1",
        audio={"input": {"transcription": {"model": "gpt-4o-mini-transcribe"}}, "output": {"voice": {"id": "voice_7"}}},
    )
    assert shown["model"] == "gpt-realtime-2.1"
    assert shown["audio"]["output"]["voice"] == {"id": "voice_7"}
    assert options(client).transcribe
    client.respond()
    assert isinstance(client.commands[0], Respond)
    assert (client.commands[0].voice, client.commands[0].model) == ("voice_7", "gpt-realtime-2.1")


def test_what_changes_nothing_here_is_echoed() -> None:
    """Tracing, reasoning, prompt, include and truncation."""
    given = {
        "tracing": "auto",
        "reasoning": {"effort": "low"},
        "prompt": {"id": "pmpt_1"},
        "include": ["item.input_audio_transcription.logprobs"],
        "truncation": {"type": "retention_ratio", "retention_ratio": 0.8},
    }
    assert given.items() <= WireClient().update(**given).items()


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (None, {"turn_taking": TurnTaking.MANUAL, "interrupts": False}),
        ({"type": "semantic_vad"}, {"turn_taking": TurnTaking.SEMANTIC, "eagerness": Eagerness.AUTO, "interrupts": True}),
        ({"type": "semantic_vad", "eagerness": "high"}, {"eagerness": Eagerness.HIGH}),
        ({"type": "semantic_vad", "eagerness": "medium"}, {"eagerness": Eagerness.AUTO}),
        ({"type": "server_vad", "threshold": 0.7, "idle_timeout_ms": 6000}, {"threshold": 0.7, "idle_timeout_ms": 6000}),
        ({"type": "server_vad", "prefix_padding_ms": 200, "silence_duration_ms": 300}, {"prefix_ms": 200, "silence_ms": 300}),
        ({"type": "server_vad", "create_response": False}, {"answers": False}),
        ({"type": "server_vad", "interrupt_response": False}, {"interrupts": False}),
    ],
)
def test_turn_detection_is_told_to_the_engine(given: object, wanted: dict[str, object]) -> None:
    """Each field as the engine calls it."""
    client = WireClient()
    client.update(audio={"input": {"turn_detection": given}})
    told = options(client)
    assert {name: getattr(told, name) for name in wanted} == wanted


def test_turn_detection_of_the_same_kind_is_merged_and_of_another_begins_anew() -> None:
    """A field that is not there stays as it is, unless it belonged to another kind."""
    client = WireClient()
    client.update(audio={"input": {"turn_detection": {"type": "server_vad", "threshold": 0.9, "create_response": False}}})
    merged = client.update(audio={"input": {"turn_detection": {"type": "server_vad", "silence_duration_ms": 200}}})
    assert merged["audio"]["input"]["turn_detection"]["threshold"] == 0.9
    other = client.update(audio={"input": {"turn_detection": {"type": "semantic_vad"}}})
    assert other["audio"]["input"]["turn_detection"] == {
        "type": "semantic_vad",
        "eagerness": "auto",
        "create_response": True,
        "interrupt_response": True,
    }


def test_hearing_is_told_to_the_engine() -> None:
    """Language and noise reduction; of several languages the first."""
    client = WireClient()
    client.update(
        audio={
            "input": {"transcription": {"languages": ["de", "en"]}, "noise_reduction": {"type": "far_field", "strength": 0.5}}
        }
    )
    assert (options(client).language, options(client).noise_reduction) == ("de", "far_field")


@pytest.mark.parametrize(
    ("given", "code", "param"),
    [
        ({"output_modalities": ["text", "audio"]}, "invalid_value", "session.output_modalities"),
        ({"audio": {"output": {"speed": 3}}}, "invalid_value", "session.audio.output.speed"),
        (
            {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 16000}}}},
            "invalid_value",
            "session.audio.input.format.rate",
        ),
        ({"audio": {"input": {"format": {"type": "audio/opus"}}}}, "invalid_value", "session.audio.input.format.type"),
        ({"audio": {"input": {"turn_detection": {"type": "x"}}}}, "invalid_value", "session.audio.input.turn_detection.type"),
        ({"audio": {"input": {"turn_detection": 1}}}, "invalid_type", "session.audio.input.turn_detection"),
        ({"audio": []}, "invalid_type", "session.audio"),
        ({"instructions": 7}, "invalid_type", "session.instructions"),
        ({"max_output_tokens": True}, "invalid_type", "session.max_output_tokens"),
        ({"max_output_tokens": 0}, "invalid_value", "session.max_output_tokens"),
        ({"tools": [{"type": "mcp"}]}, "missing_required_parameter", "session.tools[0].server_label"),
        ({"tools": [{"type": "function"}]}, "missing_required_parameter", "session.tools[0].name"),
        ({"tool_choice": {"type": "mcp"}}, "missing_required_parameter", "session.tool_choice.server_label"),
        ({"tool_choice": "perhaps"}, "invalid_value", "session.tool_choice"),
        ({"turn_detection": None}, "unknown_parameter", "session.turn_detection"),
        ({"modalities": ["audio"]}, "unknown_parameter", "session.modalities"),
        ({"type": "transcription"}, "invalid_value", "session.type"),
    ],
)
def test_a_wrong_update_names_its_field_and_changes_nothing(given: dict[str, object], code: str, param: str) -> None:
    """Also what is right in it."""
    client = WireClient()
    before = client.opening[0]["session"]
    error = client.update(**{"instructions": "x", **given})
    assert (error["code"], error["param"]) == (code, param)
    assert client.update() == before


def test_flat_fields_are_refused_in_words_that_help() -> None:
    """It is told where the beta's fields went."""
    client = WireClient()
    assert "session.audio.input.turn_detection" in client.update(turn_detection=None)["message"]


def test_fields_that_nobody_knows_are_passed_over() -> None:
    """A client that is newer than we are goes on; the echo does not show them."""
    assert "telepathy" not in WireClient().update(telepathy=True)


def test_tools_are_handed_to_the_responder() -> None:
    """With their schema, and the choice among them."""
    client = WireClient()
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    client.update(
        tools=[{"type": "function", "name": "weather", "description": "Now.", "parameters": schema}],
        tool_choice={"type": "function", "name": "weather"},
        parallel_tool_calls=False,
    )
    client.respond()
    asked = client.commands[0]
    assert isinstance(asked, Respond)
    assert asked.tools == (Tool("weather", "Now.", schema),)
    assert (asked.tool_choice, asked.parallel_tool_calls) == ("function:weather", False)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("", "invalid_json"),
        ("{", "invalid_json"),
        (b"\xff\xfe\x00", "invalid_json"),
        ('{"type": NaN}', "invalid_json"),
        ('{"type": "response.create", "x": 1e999}', "invalid_json"),
        ("[" * 100_000, "invalid_json"),
        ('{"type":"session.update","session":' + '{"x":' * 200 + "1" + "}" * 200 + "}", "invalid_json"),
        ("[]", "invalid_type"),
        ('"text"', "invalid_type"),
        ("{}", "missing_required_parameter"),
        ('{"type": 1}', "invalid_type"),
        ('{"type": "session.destroy"}', "invalid_value"),
        ('{"type": "session.update"}', "missing_required_parameter"),
        ('{"type": "session.update", "session": []}', "invalid_type"),
        ('{"type": "input_audio_buffer.append"}', "missing_required_parameter"),
        ('{"type": "conversation.item.create"}', "missing_required_parameter"),
        ('{"type": "conversation.item.truncate", "item_id": "x"}', "missing_required_parameter"),
    ],
)
def test_bad_messages_are_answered_and_the_session_goes_on(message: str | bytes, code: str) -> None:
    """One error event each, with the protocol's code."""
    client = WireClient()
    events = client.send_raw(message)
    assert [event["error"]["code"] for event in events] == [code]
    assert one(client.send("input_audio_buffer.clear"), "input_audio_buffer.cleared")


@settings(deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))
def test_any_json_is_answered(value: object) -> None:
    """With an error and nothing else."""
    events = WireClient().send_raw(json.dumps(value))
    assert kinds(events) == ["error"]


def test_an_error_names_the_event_that_it_answers() -> None:
    """By the client's event_id, also where the type is wrong; what is no id is not echoed."""
    client = WireClient()
    assert client.error("response.cancel", event_id="evt_9")["event_id"] == "evt_9"
    assert client.error("nonsense", event_id="evt_10")["event_id"] == "evt_10"
    assert client.error("nonsense", event_id={"a": 1})["event_id"] is None


def test_an_error_has_all_its_fields() -> None:
    """Clients read each of them."""
    event = WireClient().send("response.cancel")[0]
    assert without_ids(event) == {
        "type": "error",
        "error": {
            "type": "invalid_request_error",
            "code": "response_cancel_not_active",
            "message": "Cancellation failed: no active response found",
            "param": None,
            "event_id": None,
        },
    }


def test_a_session_that_expires_ends_what_is_under_way_and_is_closed() -> None:
    """The error, close code 1001, and silence after it."""
    client = WireClient()
    response_id = client.respond()
    client.hear(AnswerText(response_id, "Well"))
    events = client.expire()
    assert kinds(events)[-2:] == ["response.done", "error"]
    assert events[-1]["error"]["code"] == "session_expired"
    assert client.close is not None
    assert client.close[0] == 1001
    assert (
        client.send("response.create")
        == client.send_raw("{")
        == client.hear(AnswerText(response_id, "x"))
        == client.expire()
        == []
    )


def test_a_transcription_session_shows_its_own_object_and_has_no_responses() -> None:
    """And the engine is told not to expect any."""
    client = WireClient(kind="transcription")
    assert kinds(client.opening) == ["session.created"]
    shown = client.opening[0]["session"]
    assert (shown["type"], shown["object"]) == ("transcription", "realtime.transcription_session")
    assert shown["audio"]["input"]["transcription"] == {"model": "whisper-1"}
    assert set(shown["audio"]) == {"input"}
    assert (options(client).answers, options(client).transcribe) == (False, True)
    assert "no responses" in client.error("response.create")["message"]
    updated = client.send(
        "session.update", session={"type": "transcription", "audio": {"input": {"transcription": {"model": "x"}}}}
    )
    assert updated[0]["session"]["audio"]["input"]["transcription"]["model"] == "x"


def test_what_was_asked_for_when_connecting_is_in_force_from_the_beginning() -> None:
    """From the address, or from a client secret; what is wrong there is an error of whoever opens the session."""
    session = RealtimeSession("s", playout=Playout.CLIENT, new_id=lambda word: word, options={"instructions": "Hi."})
    assert session.open(0).events[0]["session"] == session.session_object()
    assert session.session_object()["instructions"] == "Hi."
    with pytest.raises(ClientError):
        RealtimeSession("s", playout=Playout.CLIENT, new_id=lambda word: word, options={"instructions": 1})
