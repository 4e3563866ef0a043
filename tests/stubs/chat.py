"""What the stub speech server answers to chat completions: the deltas of the published reference, and failures on demand."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from tests.stubs.behaviour import Behaviour

__all__ = ["CHAT_PATH", "chat"]

CHAT_PATH = "/v1/chat/completions"

_HEAD = {"id": "chatcmpl-123", "created": 1694268190, "model": "stub", "system_fingerprint": "fp_44709d6fcb"}


class _Exchange(Protocol):
    """Of the speech server's, as much as chat needs."""

    behaviour: Behaviour
    event: dict[str, Any]
    start: Callable[..., Awaitable[None]]
    write: Callable[[bytes], Awaitable[None]]
    finish: Callable[[], Awaitable[None]]
    answer: Callable[..., Awaitable[None]]
    refuse: Callable[..., Awaitable[None]]
    fails: Callable[[str, str], Awaitable[bool]]


async def chat(exchange: Any, body: dict[str, Any]) -> None:
    """Answer one request.

    Besides the modes that every task knows: json (an error object with status 200), garbage, empty (no words), cut (the
    connection breaks after half of it), truncated (so does one with a Content-Length), unfinished (ends well, but without a
    reason or mark), error (an error object after half of it), stall (nothing after half of it), comments (nothing else),
    pause (comments after half of it), cut_call (the connection breaks in the middle of the first call's arguments).
    """
    b: Behaviour = exchange.behaviour
    exchange.event |= {"at_body": time.monotonic(), "body": body}
    mode = b.chat_modes.pop(0) if b.chat_modes else b.chat_mode
    last = body["messages"][-1]
    if await exchange.fails(mode, last["content"]):
        return
    refused = [field for field in b.chat_refuses if field in body]
    if refused:
        await exchange.refuse(400, f"Unrecognized request argument supplied: {refused[0]}")
        return
    await asyncio.sleep(b.chat_after_s)
    if mode == "json":
        await exchange.answer(200, "application/json", _error(b))
    elif b.chat_goes_on == "refused" and last["role"] == "assistant":
        await exchange.refuse(400, "the last message must be the user's")
    else:
        text = "" if mode == "empty" else _words(body["messages"], b)
        streams = b.chat_streams and body.get("stream") is True
        await (_stream(exchange, body, text, mode) if streams else _whole(exchange, body, text, mode))


def _words(messages: list[dict[str, str]], b: Behaviour) -> str:
    partial = next((m["content"] for m in reversed(messages) if m["role"] == "assistant"), "")
    if b.chat_goes_on == "whole" or not partial or not b.chat_text.startswith(partial):
        return b.chat_text
    if b.chat_goes_on == "sentence":
        return b.chat_text[max((m.end() for m in re.finditer(r"\. ", partial)), default=0) :]
    return b.chat_text[len(partial) :]


def _calls(exchange: _Exchange, body: dict[str, Any]) -> list[dict[str, Any]]:
    calls = exchange.behaviour.chat_calls if body.get("tools") else []
    return [{"id": i, "type": "function", "function": {"name": name, "arguments": args}} for i, name, args in calls]


def _usage(b: Behaviour) -> dict[str, int]:
    asked, answered = b.chat_usage
    return {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}


async def _whole(exchange: _Exchange, body: dict[str, Any], text: str, mode: str) -> None:
    calls = _calls(exchange, body)
    message = {"role": "assistant", "content": text} | ({"tool_calls": calls} if calls else {})
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "tool_calls" if calls else "stop"}
    usage = _usage(exchange.behaviour)
    answer = json.dumps(_HEAD | {"object": "chat.completion", "choices": [choice], "usage": usage}).encode()
    if mode == "garbage":
        answer = answer[:-5]
    if mode in ("cut", "truncated"):
        await exchange.start(200, "application/json", content_length=str(len(answer)))
        await exchange.write(answer[: len(answer) // 2])
        raise ConnectionError("told to break off")
    await exchange.answer(200, "application/json", answer)


async def _stream(exchange: _Exchange, body: dict[str, Any], text: str, mode: str) -> None:
    b = exchange.behaviour
    length = {"content_length": "100000"} if mode == "truncated" else {}
    await exchange.start(200, "text/event-stream; charset=utf-8", **length)
    if mode == "comments":
        await _comments(exchange)
    await exchange.write(_delta({"role": "assistant", "content": ""}))
    words = re.findall(r"\s*\S+", text)
    for number, word in enumerate(words):
        if mode not in ("ok", "cut_call") and number >= len(words) // 2:
            await _fail(exchange, mode)
            return
        await exchange.write(_delta({"content": word}))
        await asyncio.sleep(b.chat_every_s)
    calls = _calls(exchange, body)
    await _stream_calls(exchange, calls, mode)
    await exchange.write(_delta({}, "tool_calls" if calls else "stop"))
    if body.get("stream_options", {}).get("include_usage"):
        told = _HEAD | {"object": "chat.completion.chunk", "choices": [], "usage": _usage(b)}
        await exchange.write(b"data: " + json.dumps(told).encode() + b"\n\n")
    await exchange.write(b"data: [DONE]\n\n")
    await exchange.finish()


async def _stream_calls(exchange: _Exchange, calls: list[dict[str, Any]], mode: str) -> None:
    """As the reference has it: id and name with an empty beginning, then the arguments in pieces."""
    for index, call in enumerate(calls):
        arguments = call["function"]["arguments"]
        begun = call | {"index": index, "function": {"name": call["function"]["name"], "arguments": ""}}
        await exchange.write(_delta({"tool_calls": [begun]}))
        for at in range(0, len(arguments), 5):
            if mode == "cut_call" and at:
                raise ConnectionError("told to break off")
            await exchange.write(_delta({"tool_calls": [{"index": index, "function": {"arguments": arguments[at : at + 5]}}]}))
            await asyncio.sleep(exchange.behaviour.chat_every_s)


async def _fail(exchange: _Exchange, mode: str) -> None:
    match mode:
        case "cut" | "truncated":
            raise ConnectionError("told to break off")  # uvicorn closes the connection
        case "error":
            await exchange.write(b"data: " + _error(exchange.behaviour) + b"\n\n")
        case "garbage":
            await exchange.write(b"data: {not json\n\n")
        case "stall":
            await asyncio.Event().wait()
        case "pause":
            await _comments(exchange)
    await exchange.finish()


async def _comments(exchange: _Exchange) -> None:
    while True:
        await exchange.write(b": still thinking\n\n")
        await asyncio.sleep(0.02)


def _delta(delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return b"data: " + json.dumps(_HEAD | {"object": "chat.completion.chunk", "choices": [choice]}).encode() + b"\n\n"


def _error(b: Behaviour) -> bytes:
    return json.dumps({"error": {"message": b.error_text, "type": "server_error", "param": None, "code": None}}).encode()
