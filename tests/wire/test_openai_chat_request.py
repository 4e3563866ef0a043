"""What is asked of chat completions: the reference's shapes, whatever a conversation by voice looks like."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemode.answers import AnswerRequest, Turn
from voicemode.dialogue import Message, Tool, ToolCall, ToolResult
from voicemode.wire.openai_chat_request import DIALECTS, PENDING, Dialect, chat_body, chat_messages

ASKED = (Message("user", "How are you?"),)
WEATHER = Tool("weather", "Tells the weather.", {"type": "object", "properties": {"city": {"type": "string"}}})


def body(request: AnswerRequest, **more: Any) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(chat_body(request, model="", **more))
    return read


def messages(*history: Turn) -> list[dict[str, object]]:
    return chat_messages(AnswerRequest(history))


def call(call_id: str, arguments: str = "{}") -> ToolCall:
    return ToolCall(call_id, "weather", arguments)


def asked(*ids: str, text: str | None = None) -> dict[str, object]:
    """The assistant's message with these calls."""
    calls = [{"id": i, "type": "function", "function": {"name": "weather", "arguments": "{}"}} for i in ids]
    return {"role": "assistant", "content": text, "tool_calls": calls}


def came(call_id: str, output: str) -> dict[str, object]:
    return {"role": "tool", "tool_call_id": call_id, "content": output}


class TestTheBody:
    """POST /chat/completions."""

    def test_it_is_the_references(self) -> None:
        """Instructions first, messages in order, a model, and the wish for a stream that tells its usage."""
        request = AnswerRequest(ASKED, instructions="Be brief.")
        assert json.loads(chat_body(request, model="gpt-4o-mini")) == {
            "model": "gpt-4o-mini",
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How are you?"}],
            "stream": True,
            "stream_options": {"include_usage": True},
        }

    def test_what_is_the_default_is_left_out(self) -> None:
        """An empty name is a model nobody has, and not every server knows every field."""
        assert set(body(AnswerRequest(ASKED), dialect=Dialect(usage=False))) == {"messages", "stream"}

    def test_a_partial_answer_is_the_last_message_without_the_space_at_its_end(self) -> None:
        """So the model goes on from there."""
        assert body(AnswerRequest(ASKED, partial="I am fine. "))["messages"][-1] == {
            "role": "assistant",
            "content": "I am fine.",
        }

    def test_to_those_who_want_the_person_to_speak_last_it_is_said_in_words(self) -> None:
        """The partial answer stays where it was."""
        roles = [m["role"] for m in body(AnswerRequest(ASKED, partial="I am"), ask_to_go_on=True)["messages"]]
        assert roles == ["user", "assistant", "user"]

    def test_letters_that_cannot_be_encoded_do_not_stop_a_request(self) -> None:
        """Half a surrogate pair comes from cut text."""
        assert b"?" in chat_body(AnswerRequest((Message("user", "\ud83d"),)), model="")

    def test_the_limit_has_the_name_of_the_dialect(self) -> None:
        """One of the two every endpoint knows."""
        limited = [body(AnswerRequest(ASKED, max_tokens=7), dialect=dialect) for dialect in DIALECTS]
        assert [one.get("max_tokens") for one in limited] == [7, None, 7]
        assert [one.get("max_completion_tokens") for one in limited] == [None, 7, None]

    def test_functions_are_offered_as_the_reference_has_them(self) -> None:
        """With their schema as it came."""
        offered = body(AnswerRequest(ASKED, tools=(WEATHER,)))
        function = {"name": "weather", "description": "Tells the weather.", "parameters": dict(WEATHER.parameters)}
        assert offered["tools"] == [{"type": "function", "function": function}]
        assert not {"tool_choice", "parallel_tool_calls"} & set(offered)

    @pytest.mark.parametrize(
        ("choice", "told"),
        [
            ("none", "none"),
            ("required", "required"),
            ("function:weather", {"type": "function", "function": {"name": "weather"}}),
        ],
    )
    def test_a_choice_is_told_where_there_are_functions(self, choice: str, told: object) -> None:
        """Without any it would be refused."""
        assert body(AnswerRequest(ASKED, tools=(WEATHER,), tool_choice=choice))["tool_choice"] == told
        assert "tool_choice" not in body(AnswerRequest(ASKED, tool_choice=choice))

    def test_one_call_at_a_time_is_asked_for(self) -> None:
        """Several are the default."""
        assert body(AnswerRequest(ASKED, tools=(WEATHER,), parallel_tool_calls=False))["parallel_tool_calls"] is False


class TestCallsInTheHistory:
    """Each message with calls is followed by the results of all of them, as the API demands."""

    def test_results_follow_their_calls_in_the_order_of_the_calls(self) -> None:
        """Whichever came first."""
        history = (*ASKED, call("a"), call("b"), ToolResult("b", "rain"), ToolResult("a", "sun"))
        assert messages(*history)[1:] == [asked("a", "b"), came("a", "sun"), came("b", "rain")]

    def test_words_before_a_call_are_of_the_same_message(self) -> None:
        """As the model wrote them."""
        history = (*ASKED, Message("assistant", "Let me see."), call("a"), ToolResult("a", "sun"))
        assert messages(*history)[1:] == [asked("a", text="Let me see."), came("a", "sun")]

    def test_a_call_that_still_runs_says_so(self) -> None:
        """Else the model would call it again."""
        history = (*ASKED, call("a"), Message("user", "And?"))
        assert messages(*history)[1:] == [asked("a"), came("a", PENDING), {"role": "user", "content": "And?"}]

    def test_a_late_result_is_told_where_it_came(self) -> None:
        """With its call, and what was said meanwhile before it."""
        history = (*ASKED, call("a"), call("b"), ToolResult("b", "rain"), Message("user", "And?"), ToolResult("a", "sun"))
        meanwhile = {"role": "user", "content": "And?"}
        assert messages(*history)[1:] == [asked("b"), came("b", "rain"), meanwhile, asked("a"), came("a", "sun")]

    def test_a_result_without_its_call_is_left_out(self) -> None:
        """The API refuses it."""
        assert messages(*ASKED, ToolResult("x", "sun")) == messages(*ASKED)

    def test_words_that_nobody_heard_are_left_out(self) -> None:
        """An answer that was stopped before its first word."""
        assert messages(*ASKED, Message("assistant", ""), Message("user", "Hello?")) == messages(
            *ASKED, Message("user", "Hello?")
        )

    @given(
        st.lists(
            st.one_of(
                st.builds(Message, st.sampled_from(["user", "assistant"]), st.sampled_from(["", "Hm.", "Go on."])),
                st.builds(call, st.sampled_from("abcd")),
                st.builds(ToolResult, st.sampled_from("abcd"), st.text(max_size=3)),
            ),
            max_size=14,
        )
    )
    def test_whatever_the_history_it_is_one_that_the_api_takes(self, history: list[Turn]) -> None:
        """Calls once each and answered at once, no result without a call, and all words there in order."""
        told = messages(*history)
        open_calls: list[object] = []
        called: list[object] = []
        for message in told:
            if message["role"] == "tool":
                assert message["tool_call_id"] == open_calls.pop(0)
            else:
                assert open_calls == []
            calls = message.get("tool_calls", [])
            assert isinstance(calls, list)
            open_calls += [one["id"] for one in calls]
            called += [one["id"] for one in calls]
        assert open_calls == []
        assert len(called) == len(set(called))
        assert set(called) == {turn.call_id for turn in history if isinstance(turn, ToolCall)}
        words = [message["content"] for message in told if message["role"] in ("user", "assistant") and message["content"]]
        assert words == [turn.text for turn in history if isinstance(turn, Message) and turn.text]
