"""The client's side of an upstream: commands become its events, its events become reports."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.upstream.vendor import Conversation, asked, sound
from voicemode.dialogue import (
    AnswerAudio,
    AnswerDone,
    AnswerFailed,
    AnswerText,
    DialogueOptions,
    InputTranscribed,
    Message,
    Tool,
    ToolCall,
    ToolCallBegan,
    ToolCallDone,
    ToolCallGrew,
    ToolResult,
    TurnTaking,
    Usage,
    UserTurn,
)
from voicemode.wire.upstream import GROK, OPENAI, TheirSpeech, UpstreamOptions, UpstreamSession


@pytest.mark.parametrize("beta", [False, True])
def test_an_answer_is_reported_as_it_comes(beta: bool) -> None:
    """By today's names and by those of before: words, sound with the words that begin there, and the end with its tokens."""
    talk = Conversation(beta=beta)
    talk.open()
    talk.respond(asked("r1"))
    talk.begin("r1")
    talk.say("Paris.", 0.5)
    usage = {"input_tokens": 7, "output_tokens": 3}
    talk.tell("response.done", response={"id": "up", "status": "completed", "usage": usage})
    first, second, *rest = talk.reports
    assert first == AnswerText("r1", "Paris.")
    assert isinstance(second, AnswerAudio)
    assert (second.text, len(second.samples), str(second.samples.dtype)) == ("Paris.", 12_000, "int16")
    assert rest == [AnswerDone("r1", Usage(7, 3))]


def test_an_answer_is_asked_for_with_what_it_must_know() -> None:
    """Instructions and tools, then the items, then the question; what the upstream knows is not told again."""
    talk = Conversation(voice="verse")
    opened = talk.open()
    assert opened[0]["session"]["audio"]["output"]["voice"] == "verse"
    tool = Tool("weather", "Tells it", {"type": "object"})
    request = asked("r1", instructions="Be kind.", tools=(tool,), tool_choice="function:weather", max_tokens=50)
    update, item, question = talk.respond(request)
    assert update["session"]["instructions"] == "Be kind."
    assert update["session"]["tools"] == [
        {"type": "function", "name": "weather", "description": "Tells it", "parameters": {"type": "object"}}
    ]
    assert update["session"]["tool_choice"] == {"type": "function", "name": "weather"}
    assert item["item"]["content"] == [{"type": "input_text", "text": "Hello"}]
    assert question["response"]["max_output_tokens"] == 50
    talk.begin("r1")
    talk.say("Hi.", 0.1)
    talk.done()
    history = (*request.history, Message("assistant", "Hi.", "item_2", "r1"))
    again = talk.respond(asked("r2", *history, instructions="Be kind.", tools=(tool,), tool_choice="function:weather"))
    assert talk.kinds(again) == ["response.create"]


def test_grok_is_told_in_its_own_dialect() -> None:
    """Its session is flat and knows no metadata; answers are told from one another by their order."""
    talk = Conversation(GROK, voice="rex")
    (update,) = talk.open()
    assert (update["session"]["voice"], update["session"]["turn_detection"]) == ("rex", None)
    assert "transcription" not in update["session"]["audio"]["input"]
    question = talk.respond(asked("r1"))[-1]
    assert question["response"] == {"modalities": ["text", "audio"]}
    talk.begin("r1")
    talk.say("Yes.")
    assert talk.send(talk.session.cancel("r1", 0)) == [{"type": "response.cancel"}]
    assert talk.reports == [AnswerText("r1", "Yes.")]


def test_a_function_is_called_and_its_result_goes_up() -> None:
    """Nothing of the call is told twice, and the result is an item behind it."""
    talk = Conversation()
    talk.open()
    talk.respond(asked("r1"))
    talk.tell("response.created", response={"id": "up", "metadata": {"voicemode_response": "r1"}})
    item = {"id": "call_item", "type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"a":1}'}
    talk.tell("response.output_item.added", response_id="up", item=item)
    place = {"response_id": "up", "item_id": "call_item", "call_id": "c1"}
    talk.tell("response.function_call_arguments.delta", **place, delta='{"a"')
    talk.tell("response.function_call_arguments.delta", **place, delta=":1}")
    talk.tell("response.function_call_arguments.done", **place, arguments='{"a":1}', name="weather")
    talk.tell("response.output_item.done", response_id="up", item={**item, "status": "completed"})
    talk.done()
    grown = [ToolCallGrew("r1", "c1", '{"a"'), ToolCallGrew("r1", "c1", ":1}")]
    assert talk.reports == [ToolCallBegan("r1", "c1", "weather"), *grown, ToolCallDone("r1", "c1"), AnswerDone("r1")]
    history = (Message("user", "Hello", "item_hello"), ToolCall("c1", "weather", '{"a":1}'), ToolResult("c1", "sunny"))
    result, _ = talk.respond(asked("r2", *history))
    assert result["item"] == {"id": result["item"]["id"], "type": "function_call_output", "call_id": "c1", "output": "sunny"}


def test_arguments_that_come_whole_are_told_whole() -> None:
    """Some upstreams send no deltas."""
    talk = Conversation(GROK)
    talk.open()
    talk.respond(asked("r1"))
    talk.tell("response.created", response={"id": "up"})
    talk.tell("response.function_call_arguments.done", response_id="up", item_id="i", call_id="c1", name="f", arguments="{}")
    assert talk.reports == [ToolCallBegan("r1", "c1", "f"), ToolCallGrew("r1", "c1", "{}"), ToolCallDone("r1", "c1")]


def test_a_turn_is_sent_and_gets_its_words() -> None:
    """Its commit is one event, and the upstream's words come back under our name."""
    talk = Conversation()
    talk.open()
    assert talk.kinds(talk.turn("item_1", "up_1")) == ["input_audio_buffer.commit"]
    talk.tell("conversation.item.input_audio_transcription.completed", item_id="up_1", transcript=" Hello there ")
    assert talk.reports == [InputTranscribed("item_1", "Hello there", 1.0)]
    assert talk.kinds(talk.respond(asked("r1", UserTurn("item_1")))) == ["response.create"]


def test_a_turn_that_is_too_short_for_the_upstream_is_filled_up() -> None:
    """It refuses less than 100 ms; a "no" by a quick speaker is a turn all the same."""
    talk = Conversation()
    talk.open()
    events = talk.turn("item_1", seconds=0.04)
    assert talk.kinds(events) == ["input_audio_buffer.append", "input_audio_buffer.commit"]
    assert len(base64.b64decode(events[0]["audio"])) / 48_000 >= 0.06


def test_what_was_not_heard_is_cut_at_once_and_again_when_more_is_known() -> None:
    """By the time that was played; then by the words that the conversation holds."""
    talk = Conversation()
    talk.open()
    talk.respond(asked("r1"))
    talk.begin("r1")
    for word in ("one ", "two ", "three ", "four "):
        talk.say(word, 0.5)
    cancel, cut = talk.send(talk.session.cancel("r1", 1500))
    assert cancel == {"type": "response.cancel", "response_id": "up"}
    assert cut == {"type": "conversation.item.truncate", "item_id": "up_item", "content_index": 0, "audio_end_ms": 1500}
    talk.done(status="cancelled")
    heard = Message("assistant", "one two", "item_a", "r1")
    again, _ = talk.respond(asked("r2", Message("user", "Hello", "item_hello"), heard))
    assert again["type"] == "conversation.item.truncate"
    assert 700 < again["audio_end_ms"] < 1200


def test_an_answer_of_which_nothing_was_heard_is_deleted() -> None:
    """The conversation has no words of it."""
    talk = Conversation()
    talk.open()
    talk.respond(asked("r1"))
    talk.begin("r1")
    talk.say("one", 0.5)
    talk.session.cancel("r1", 0)
    assert {"type": "conversation.item.delete", "item_id": "up_item"} in talk.respond(asked("r2"))


def test_an_item_in_the_middle_is_put_there() -> None:
    """Behind the item that it follows here, or at the root."""
    talk = Conversation()
    talk.open()
    first, last = Message("user", "a", "a"), Message("user", "c", "c")
    names = [event["item"]["id"] for event in talk.respond(asked("r1", first, last))[:-1]]
    new = (Message("system", "0", "0"), first, Message("user", "b", "b"), last)
    events = talk.respond(asked("r2", *new))
    assert [event.get("previous_item_id") for event in events[:2]] == ["root", names[0]]


def test_an_answer_that_stands_beside_the_conversation_leaves_it_alone() -> None:
    """It gets its own items and deletes none."""
    talk = Conversation()
    talk.open()
    talk.respond(asked("r1"))
    talk.begin("r1")
    beside = asked("r2", Message("user", "Summarize", ""), instructions="Short.", in_conversation=False, audio=False)
    (question,) = talk.respond(beside)
    assert question["response"]["conversation"] == "none"
    assert question["response"]["input"][0]["content"] == [{"type": "input_text", "text": "Summarize"}]
    assert question["response"]["output_modalities"] == ["text"]
    talk.begin("r2", "beside")
    talk.tell("response.output_text.delta", response_id="beside", delta="In short")
    talk.say("one")
    assert talk.reports == [AnswerText("r2", "In short"), AnswerText("r1", "one")]


def test_a_question_that_comes_too_early_is_asked_again() -> None:
    """An upstream that is still ending a cancelled answer refuses the next one; nobody notices."""
    talk = Conversation()
    talk.open()
    talk.respond(asked("r1"))
    talk.begin("r1")
    talk.session.cancel("r1", 0)
    talk.respond(asked("r2"))
    error = {"code": "conversation_already_has_active_response", "event_id": "create:r2"}
    talk.tell("error", error=error)
    received = talk.done(status="cancelled")
    assert talk.kinds(received.events) == ["response.create"]
    talk.begin("r2", "second")
    talk.say("Yes", upstream_id="second")
    assert talk.reports == [AnswerText("r2", "Yes")]


def test_another_connection_is_told_everything() -> None:
    """Words where they are known, the sound where not, and what was being said."""
    talk = Conversation()
    talk.open()
    talk.turn("item_1", "up_1")
    talk.tell("conversation.item.input_audio_transcription.completed", item_id="up_1", transcript="First")
    talk.turn("item_2", "up_2")
    talk.respond(asked("r1", UserTurn("item_1"), UserTurn("item_2")))
    talk.begin("r1")
    talk.done()
    talk.send(talk.session.audio(sound(0.3), speaking=True))
    talk.session.lost()
    _, first, second, rest = talk.open()
    assert first["item"]["content"] == [{"type": "input_text", "text": "First"}]
    assert second["item"]["content"][0]["type"] == "input_audio"
    assert len(base64.b64decode(second["item"]["content"][0]["audio"])) == 48_000
    assert len(base64.b64decode(rest["audio"])) == 14_400


def test_an_answer_that_had_not_begun_is_asked_for_again() -> None:
    """Nobody hears that the connection broke; one that had begun has failed, in words."""
    talk = Conversation()
    talk.open()
    talk.respond(asked("r1"))
    talk.session.lost()
    assert talk.reports == []
    assert talk.kinds(talk.open())[-1] == "response.create"
    talk.begin("r1", "again")
    talk.say("Yes", upstream_id="again")
    talk.session.lost()
    assert talk.reports[0] == AnswerText("r1", "Yes")
    assert isinstance(talk.reports[1], AnswerFailed)
    assert talk.reports[1].code == "upstream_lost"
    assert "response.create" not in talk.kinds(talk.open())


def test_their_turns_are_named_by_us() -> None:
    """In whichever order it tells that a turn is over and that it is committed; nothing is committed twice."""
    for order in (("input_audio_buffer.speech_stopped", "input_audio_buffer.committed"),) * 2:
        talk = Conversation(their_turns=True)
        (update,) = talk.open()
        detection = update["session"]["audio"]["input"]["turn_detection"]
        assert detection == {
            "type": "semantic_vad",
            "eagerness": "auto",
            "create_response": False,
            "interrupt_response": False,
        }
        talk.tell("input_audio_buffer.speech_started", audio_start_ms=300, item_id="up_1")
        for kind in order:
            talk.tell(kind, audio_end_ms=900, item_id="up_1")
        assert talk.reports == [TheirSpeech(True, 300), TheirSpeech(False, 900)]
        assert talk.session.commit("item_1") == []
        assert talk.kinds(talk.respond(asked("r1", UserTurn("item_1")))) == ["response.create"]


def test_an_answer_that_nobody_asked_for_is_the_one_that_is_then_asked_for() -> None:
    """Some upstreams answer at once whatever one wishes: what they said meanwhile is not lost."""
    talk = Conversation(GROK, their_turns=True)
    talk.open()
    talk.tell("input_audio_buffer.speech_stopped", item_id="up_1")
    talk.tell("input_audio_buffer.committed", item_id="up_1")
    talk.tell("response.created", response={"id": "own"})
    talk.tell("response.output_audio_transcript.delta", response_id="own", delta="Hello")
    talk.session.commit("item_1")
    assert talk.respond(asked("r1", UserTurn("item_1"))) == []
    assert talk.reports[-1] == AnswerText("r1", "Hello")


@pytest.mark.parametrize(
    ("code", "kind"), [("session_expired", "expired"), ("insufficient_quota", "quota"), ("invalid_api_key", "key")]
)
def test_trouble_is_told_by_its_kind(code: str, kind: str) -> None:
    """A question that was not answered yet waits for what comes of it."""
    talk = Conversation()
    talk.open()
    talk.respond(asked("r1"))
    received = talk.tell("error", error={"code": code, "message": "sk-secret"})
    assert received.trouble is not None
    assert (received.trouble.kind, talk.reports) == (kind, [])


def test_a_refused_question_fails_in_words_of_ours() -> None:
    """The upstream's own may hold anything."""
    talk = Conversation()
    talk.open()
    talk.respond(asked("r1"))
    talk.tell("error", error={"code": "invalid_value", "message": "key sk-secret", "event_id": "create:r1"})
    (failed,) = talk.reports
    assert isinstance(failed, AnswerFailed)
    assert (failed.code, "sk-" in failed.message) == ("invalid_value", False)


def test_a_failed_answer_is_told_as_one() -> None:
    """With the upstream's code."""
    talk = Conversation()
    talk.open()
    talk.respond(asked("r1"))
    talk.begin("r1")
    talk.done(status="failed", error={"code": "server_error"})
    assert [type(report) for report in talk.reports] == [AnswerFailed]


@pytest.mark.parametrize("junk", ["", "[]", "null", "{", '{"type": 5}', '{"type":"response.done","response":7}', "[" * 9999])
def test_junk_changes_nothing(junk: str) -> None:
    """Also bytes, depth and wrong kinds."""
    talk = Conversation()
    talk.open()
    received = talk.session.receive(junk)
    assert (received.events, received.reports, received.trouble) == ([], [], None)


def test_what_was_on_its_way_when_an_answer_was_cancelled_is_dropped() -> None:
    """Words, sound, calls and the end."""
    talk = Conversation()
    talk.open()
    talk.respond(asked("r1"))
    talk.begin("r1")
    talk.session.cancel("r1", 0)
    talk.say("Too late.", 0.5)
    place = {"response_id": "up", "item_id": "i", "call_id": "c1", "name": "f"}
    talk.tell("response.function_call_arguments.done", **place, arguments="{}")
    talk.tell("response.output_audio.done", **place)
    talk.done()
    assert talk.reports == []


KINDS = (
    *("response.created", "response.output_item.added", "response.output_audio.delta", "response.done"),
    *("response.output_audio_transcript.delta", "response.function_call_arguments.done", "response.output_audio.done", "error"),
    *("input_audio_buffer.committed", "input_audio_buffer.speech_started", "conversation.item.added"),
)
STEP = st.tuples(st.sampled_from([*KINDS, "cancel", "ask", "commit", "lost", "opened"]), st.integers(0, 3))


@given(st.lists(STEP, max_size=60), st.booleans(), st.booleans())
def test_nothing_of_a_cancelled_answer_is_reported(steps: list[tuple[str, int]], xai: bool, theirs: bool) -> None:
    """Whatever comes in whichever order; and each answer ends at most once."""
    session = UpstreamSession(GROK if xai else OPENAI, UpstreamOptions(their_turns=theirs))
    session.configure(DialogueOptions(turn_taking=TurnTaking.SILENCE))
    over: set[str] = set()
    count = 0

    def told(report: Any) -> None:
        assert report.response_id not in over
        if isinstance(report, AnswerDone | AnswerFailed):
            over.add(report.response_id)

    for number, (step, which) in enumerate([("ask", 0), ("response.created", 0), *steps]):
        name = f"r{max(count - which, 0)}"
        match step:
            case "ask":
                count += 1
                session.respond(asked(f"r{count}", UserTurn(f"item_{number}")), told)
            case "cancel":
                session.cancel(name, 100.0 * which)
                over.add(name)
            case "commit":
                session.commit(f"item_{number}")
            case "lost":
                session.lost()
            case "opened":
                session.opened()
            case kind:
                response = {"id": f"up{which}", "status": "completed", "metadata": {"voicemode_response": name}}
                item = {"id": f"i{which}", "type": ("message", "function_call")[which % 2], "call_id": f"c{which}"}
                fields = {"response_id": f"up{which}", "item_id": f"i{which}", "delta": "AAAA", "arguments": "{}"}
                error = {"code": "conversation_already_has_active_response", "event_id": f"create:{name}"}
                event = {"type": kind, "response": response, "item": item, "error": error, **fields}
                session.receive(json.dumps(event))
