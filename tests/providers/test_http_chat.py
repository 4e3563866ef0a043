"""Answers of a chat endpoint, over real sockets; the stub fails on demand."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from tests.stubs.behaviour import Behaviour
from tests.stubs.client import SpeechStub
from voicemode.answers import AnswerDelta, Answerer, AnswerRequest, Finished, TextDelta, ToolDelta
from voicemode.core.failover import Declared
from voicemode.dialogue import Message, Tool, ToolCall, ToolResult, Usage
from voicemode.errors import EndpointError, SettingsError
from voicemode.providers.http import HttpPool
from voicemode.providers.http_chat import HttpAnswerer
from voicemode.settings import Settings
from voicemode.testing import texts

pytestmark = pytest.mark.anyio

ASKED = (Message("system", "You are Dr. Paddington."), Message("user", "Tell me of the city of Paris, please."))
REQUEST = AnswerRequest(ASKED)
TEXT = Behaviour().chat_text


async def answer(responder: Answerer, request: AnswerRequest = REQUEST) -> str:
    return "".join([text async for text in texts(responder.answer(request))])


async def fails(responder: Answerer, request: AnswerRequest = REQUEST) -> tuple[EndpointError, str]:
    """The error, and the words before it. No error repeats what was said."""
    words: list[str] = []

    async def listen() -> None:
        async with asyncio.timeout(10):
            async for text in texts(responder.answer(request)):
                words.append(text)

    with pytest.raises(EndpointError) as caught:
        await listen()
    assert caught.value.endpoint == responder.name
    assert "Paddington" not in str(caught.value)
    assert "city of Paris" not in str(caught.value)
    assert str(caught.value).isprintable()
    return caught.value, "".join(words)


async def test_an_endpoint_answers(stub: SpeechStub, pool: HttpPool) -> None:
    """Every word arrives, the request is what the API's reference says, and why it ended is known."""
    responder = HttpAnswerer(stub.url, pool, models=("llama",))
    stream = responder.answer(REQUEST)
    assert "".join([text async for text in texts(stream)]) == TEXT
    assert (stream.engine, stream.engines, stream.failed) == (stub.url, (stub.url,), ())
    assert stub.events("chat")[0]["body"] == {
        "model": "llama",
        "messages": [
            {"role": "system", "content": "You are Dr. Paddington."},
            {"role": "user", "content": "Tell me of the city of Paris, please."},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_words_leave_before_the_endpoint_has_finished(stub: SpeechStub, pool: HttpPool) -> None:
    """Speech begins with the first sentence, not with the last."""
    stub.configure(chat_mode="stall")
    stream = HttpAnswerer(stub.url, pool).answer(REQUEST)
    words = texts(stream)
    assert await anext(words) == "Paris"
    assert "at_done" not in stub.events("chat")[0]
    await stream.aclose()


async def test_an_endpoint_that_does_not_stream_answers_too(stub: SpeechStub, pool: HttpPool) -> None:
    """In one piece."""
    stub.configure(chat_streams=False)
    assert [text async for text in texts(HttpAnswerer(stub.url, pool).answer(REQUEST))] == [TEXT]


async def test_the_connection_is_kept_for_the_next_request(stub: SpeechStub, pool: HttpPool) -> None:
    """What follows the last word is read as well."""
    responder = HttpAnswerer(stub.url, pool)
    await answer(responder)
    await answer(responder)
    assert len({event["client_port"] for event in stub.events("chat")}) == 1


async def test_of_several_models_the_first_that_the_endpoint_has_is_used(stub: SpeechStub, pool: HttpPool) -> None:
    """And without any configured the first that it names."""
    declared = Declared(models=("small", "large"))
    await answer(HttpAnswerer(stub.url, pool, models=("gpt", "large"), declared=lambda: declared))
    await answer(HttpAnswerer(stub.url, pool, declared=lambda: declared))
    assert [event["body"]["model"] for event in stub.events("chat")] == ["large", "small"]


async def test_nothing_happens_until_the_answer_is_listened_to(stub: SpeechStub, pool: HttpPool) -> None:
    """Making one, and closing it unheard, opens nothing."""
    await HttpAnswerer(stub.url, pool).answer(REQUEST).aclose()
    assert stub.events() == []


async def test_an_answer_that_is_closed_stops_the_endpoint(stub: SpeechStub, pool: HttpPool) -> None:
    """Nobody pays for words that nobody hears."""
    stub.configure(chat_mode="stall")
    stream = HttpAnswerer(stub.url, pool).answer(REQUEST)
    async for _ in stream:
        break
    await stream.aclose()
    asked = await asyncio.to_thread(stub.wait_for, lambda events: "gone_at" in events[0])
    assert len(asked) == 1


FAILURES: dict[str, tuple[dict[str, Any], str, int | None]] = {
    "nothing listens": ({"refuse": True}, "connection refused", None),
    "no answer": ({"chat_mode": "hang"}, "within 0.5 s", None),
    "no first word": ({"chat_mode": "comments"}, "sent no word within 0.5 s", None),
    "400": ({"chat_mode": "400"}, "does not accept the request: stub: told to fail", 400),
    "401": ({"chat_mode": "401"}, "VOICEMODE_CHAT_API_KEY", 401),
    "404": ({"chat_mode": "404"}, "does not know the path or the model", 404),
    "405": ({"chat_mode": "405"}, "does not take such requests", 405),
    "429": ({"chat_mode": "429"}, "too many requests", 429),
    "500": ({"chat_mode": "500"}, "failed", 500),
    "redirect": ({"chat_mode": "redirect", "redirect_to": "http://elsewhere.invalid/"}, "redirects", 307),
    "a web page": ({"chat_mode": "html"}, "a web page", 200),
    "an error with status 200": ({"chat_mode": "json"}, "answered an error: stub: told to fail", 200),
    "no words": ({"chat_mode": "empty"}, "without any words (stop)", 200),
    "half a json": ({"chat_mode": "garbage", "chat_streams": False}, "not JSON", 200),
    "shorter than announced, whole": ({"chat_mode": "truncated", "chat_streams": False}, "broke off", None),
}
BREAKS: dict[str, tuple[str, int | None]] = {
    "cut": ("broke off in mid-answer", None),
    "truncated": ("broke off in mid-answer", None),
    "unfinished": ("without saying that it was complete", 200),
    "error": ("answered an error: stub: told to fail", 200),
    "garbage": ("not JSON", 200),
    "stall": ("paused for more than 0.3 s in mid-answer", None),
    "pause": ("paused for more than 0.3 s in mid-answer", None),
}


@pytest.mark.parametrize("behaviour", FAILURES)
async def test_every_failure_names_endpoint_and_cause_and_the_next_call_works(
    stub: SpeechStub, hasty_pool: HttpPool, behaviour: str
) -> None:
    """Nothing of a failure stays behind, in the client or on the connection."""
    order, cause, status = FAILURES[behaviour]
    responder = HttpAnswerer(stub.url, hasty_pool)
    stub.configure(**order)
    error, words = await fails(responder)
    assert words == ""
    assert cause in str(error)
    assert error.status == status
    stub.reset()
    assert await answer(responder) == TEXT


@pytest.mark.parametrize("mode", BREAKS)
async def test_words_that_arrived_before_a_failure_are_there(stub: SpeechStub, hasty_pool: HttpPool, mode: str) -> None:
    """The error comes after them; a comment is no word and keeps nobody waiting."""
    cause, status = BREAKS[mode]
    stub.configure(chat_mode=mode)
    error, words = await fails(HttpAnswerer(stub.url, hasty_pool))
    assert words == "Paris is the capital of France. It lies on the"
    assert cause in str(error)
    assert error.status == status


WEATHER = Tool("weather", "Tells the weather.", {"type": "object", "properties": {"city": {"type": "string"}}})
CALLS = [["call_a", "weather", '{"city": "Paris"}'], ["call_b", "weather", '{"city": "Rome"}']]


def calls(deltas: Sequence[AnswerDelta]) -> list[list[str]]:
    """Each call of an answer, put together."""
    found: dict[tuple[str, str], str] = {}
    for delta in deltas:
        if isinstance(delta, ToolDelta):
            found[delta.call_id, delta.name] = found.get((delta.call_id, delta.name), "") + delta.arguments
    return [[call_id, name, arguments] for (call_id, name), arguments in found.items()]


@pytest.mark.parametrize("streams", [True, False])
async def test_words_and_calls_of_functions_arrive_and_usage_and_reason(
    stub: SpeechStub, pool: HttpPool, streams: bool
) -> None:
    """Several calls in one answer; the end is the last delta."""
    stub.configure(chat_calls=CALLS, chat_streams=streams)
    request = replace(REQUEST, tools=(WEATHER,), tool_choice="required", parallel_tool_calls=False)
    deltas = [delta async for delta in HttpAnswerer(stub.url, pool).answer(request)]
    assert "".join(delta.text for delta in deltas if isinstance(delta, TextDelta)) == TEXT
    assert calls(deltas) == CALLS
    assert deltas[-1] == Finished("tool_calls", Usage(19, 10))
    body = stub.events("chat")[0]["body"]
    assert [tool["function"]["name"] for tool in body["tools"]] == ["weather"]
    assert (body["tool_choice"], body["parallel_tool_calls"]) == ("required", False)


async def test_a_call_without_words_is_an_answer(stub: SpeechStub, pool: HttpPool) -> None:
    """As most are."""
    stub.configure(chat_calls=CALLS, chat_mode="empty")
    deltas = [delta async for delta in HttpAnswerer(stub.url, pool).answer(replace(REQUEST, tools=(WEATHER,)))]
    assert calls(deltas) == CALLS


async def test_calls_and_their_results_go_back_as_the_api_has_them(stub: SpeechStub, pool: HttpPool) -> None:
    """And nothing needs to be said to them: the function may have done all that was wanted."""
    stub.configure(chat_mode="empty")
    history = (*ASKED, ToolCall("call_a", "weather", "{}"), ToolResult("call_a", "sun"))
    deltas = [delta async for delta in HttpAnswerer(stub.url, pool).answer(AnswerRequest(history))]
    assert deltas == [Finished("stop", Usage(19, 10))]
    assert stub.events("chat")[0]["body"]["messages"][-1] == {"role": "tool", "tool_call_id": "call_a", "content": "sun"}


async def test_a_call_that_breaks_off_is_an_error_after_its_pieces(stub: SpeechStub, pool: HttpPool) -> None:
    """There is no end."""
    stub.configure(chat_calls=CALLS, chat_mode="cut_call")
    deltas: list[AnswerDelta] = []

    async def listen() -> None:
        async for delta in HttpAnswerer(stub.url, pool).answer(replace(REQUEST, tools=(WEATHER,))):
            deltas.append(delta)

    with pytest.raises(EndpointError, match="broke off"):
        await listen()
    assert calls(deltas) == [["call_a", "weather", '{"cit']]


@pytest.mark.parametrize(
    ("refused", "told"),
    [
        ([], {"stream_options", "max_tokens"}),
        (["max_tokens"], {"stream_options", "max_completion_tokens"}),
        (["stream_options"], {"max_tokens"}),
    ],
)
async def test_an_endpoint_that_refuses_a_field_is_asked_without_it_from_then_on(
    stub: SpeechStub, pool: HttpPool, refused: list[str], told: set[str]
) -> None:
    """The person waits for that once."""
    stub.configure(chat_refuses=refused)
    answerer = HttpAnswerer(stub.url, pool)
    for _ in range(2):
        assert await answer(answerer, replace(REQUEST, max_tokens=99)) == TEXT
    bodies = [event["body"] for event in stub.events("chat")]
    assert [set(body) - {"messages", "stream"} for body in bodies[-2:]] == [told, told]
    assert len(bodies) == 2 + {"": 0, "max_tokens": 1, "stream_options": 2}["".join(refused)]


async def test_a_model_that_the_client_names_is_used_if_the_endpoint_has_it(stub: SpeechStub, pool: HttpPool) -> None:
    """Clients of the realtime API name models that nobody else has."""
    answerer = HttpAnswerer(stub.url, pool, models=("small",), declared=lambda: Declared(models=("small", "large")))
    for model in ("large", "gpt-realtime-2", ""):
        await answer(answerer, replace(REQUEST, model=model))
    assert [event["body"]["model"] for event in stub.events("chat")] == ["large", "small", "small"]


async def test_a_partial_answer_is_gone_on_with(stub: SpeechStub, pool: HttpPool) -> None:
    """It is sent as the assistant's own words, and the endpoint says the rest."""
    partial = "Paris is the capital of France."
    assert await answer(HttpAnswerer(stub.url, pool), AnswerRequest(ASKED, partial=partial)) == TEXT.removeprefix(partial)
    assert stub.events("chat")[0]["body"]["messages"][-1] == {"role": "assistant", "content": partial}


async def test_an_endpoint_that_refuses_a_partial_answer_is_asked_in_words(stub: SpeechStub, pool: HttpPool) -> None:
    """Not all let the assistant have the last word."""
    stub.configure(chat_goes_on="refused")
    partial = "Paris is the capital of France."
    assert await answer(HttpAnswerer(stub.url, pool), AnswerRequest(ASKED, partial=partial)) == TEXT.removeprefix(partial)
    assert [event["body"]["messages"][-1]["role"] for event in stub.events("chat")] == ["assistant", "user"]


async def test_nothing_more_to_say_is_an_answer_to_a_partial_one(stub: SpeechStub, pool: HttpPool) -> None:
    """It was whole but for its mark."""
    stub.configure(chat_mode="empty")
    assert await answer(HttpAnswerer(stub.url, pool), AnswerRequest(ASKED, partial=TEXT)) == ""


@pytest.mark.parametrize("mode", ["500", "error", "json"])
async def test_neither_key_nor_conversation_comes_back_in_an_error(stub: SpeechStub, pool: HttpPool, mode: str) -> None:
    """Also not where the endpoint quotes them in the middle of a stream."""
    quoted = "bad key top-secret-77 for 'Tell me of the city of Paris, please.' by You are Dr. Paddington."
    stub.configure(chat_mode=mode, error_text=quoted)
    error, _ = await fails(HttpAnswerer(stub.url, pool, key=SecretStr("top-secret-77")))
    assert "bad key" in str(error)
    assert "top-secret" not in f"{error} {error!r}"
    assert stub.events("chat")[0]["authorization"] == "Bearer top-secret-77"


async def test_local_only_refuses_a_foreign_endpoint_before_anything_is_opened() -> None:
    """The setting is named; a name is not even looked up."""
    pool = HttpPool(Settings.model_validate({"local_only": True}))
    with pytest.raises(SettingsError) as caught:
        HttpAnswerer("https://api.openai.com/v1", pool)
    assert caught.value.key == "VOICEMODE_CHAT_BASE_URLS"
