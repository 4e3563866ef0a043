"""What is asked of the OpenAI chat completions API: a conversation in its shapes.

Bodies follow the published reference: https://platform.openai.com/docs/api-reference/chat. It wants each message with calls of
functions followed at once by the results of all of them. A conversation by voice is not so tidy: people speak while a function
runs, and results come late. So a call that has no result yet gets one that says so, and a call whose result came after
other words is told where the result came.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from voicemode.answers import AnswerRequest, Turn
from voicemode.dialogue import Message, Tool, ToolCall, ToolResult

__all__ = ["CHAT_PATH", "DIALECTS", "Dialect", "chat_body", "chat_messages"]

CHAT_PATH = "/chat/completions"

PENDING = "The result is not there yet."

_GO_ON = {"role": "user", "content": "Your answer was cut off. Go on exactly where it stopped, without repeating any of it."}


@dataclass(frozen=True, slots=True)
class Dialect:
    """In what endpoints differ."""

    usage: bool = True
    """It takes stream_options, and so tells the usage of a streamed answer."""
    limit: str = "max_tokens"
    """What it calls the most tokens of an answer. OpenAI's newer models refuse this older name, others know only it."""


DIALECTS = (Dialect(), Dialect(limit="max_completion_tokens"), Dialect(usage=False))
"""To be tried in this order."""


def chat_body(request: AnswerRequest, *, model: str, dialect: Dialect = DIALECTS[0], ask_to_go_on: bool = False) -> bytes:
    """The JSON body of ``POST /chat/completions``. An empty ``model`` lets the endpoint choose, as servers of one model do.

    A partial answer goes last, as the assistant's own words, from which most servers go on. ``ask_to_go_on`` says it in words
    after that, for those who want the person to have the last one.
    """
    messages: list[dict[str, object]] = chat_messages(request)
    if request.partial:
        # White space at the end is refused by some, and leads models astray which write it before each word.
        messages.append({"role": "assistant", "content": request.partial.rstrip()})
        messages += [dict(_GO_ON)] if ask_to_go_on else []
    body: dict[str, object] = {"model": model} if model else {}
    body |= {"messages": messages, "stream": True}
    if dialect.usage:
        body["stream_options"] = {"include_usage": True}
    if request.max_tokens is not None:
        body[dialect.limit] = request.max_tokens
    body |= _tools(request)
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


def chat_messages(request: AnswerRequest) -> list[dict[str, object]]:
    """The instructions and the history as the API's messages. Empty words are left out, and results without a call."""
    instructions: list[dict[str, object]] = [{"role": "system", "content": request.instructions}]
    return (instructions if request.instructions else []) + list(_joined(_messages(_in_place(request.history))))


def _tools(request: AnswerRequest) -> dict[str, object]:
    """Nothing that is the default, since not every server knows every field."""
    if not request.tools:
        return {}
    body: dict[str, object] = {"tools": [_tool(tool) for tool in request.tools]}
    if request.tool_choice.startswith("function:"):
        name = request.tool_choice.removeprefix("function:")
        body["tool_choice"] = {"type": "function", "function": {"name": name}}
    elif request.tool_choice != "auto":
        body["tool_choice"] = request.tool_choice
    if not request.parallel_tool_calls:
        body["parallel_tool_calls"] = False
    return body


def _tool(tool: Tool) -> dict[str, object]:
    function: dict[str, object] = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return {"type": "function", "function": function}


@dataclass(frozen=True, slots=True)
class _Called:
    """Calls that follow one another, each with what came of it."""

    pairs: tuple[tuple[ToolCall, str], ...]


def _in_place(history: Sequence[Turn]) -> Iterator[Message | _Called]:
    """Calls beside their results: where the calls are, unless somebody spoke before the result came."""
    calls = {turn.call_id: (at, turn) for at, turn in enumerate(history) if isinstance(turn, ToolCall)}
    results = {turn.call_id: (at, turn.output) for at, turn in enumerate(history) if isinstance(turn, ToolResult)}
    words = [at for at, turn in enumerate(history) if isinstance(turn, Message) and turn.text.strip()]
    late = {
        call_id
        for call_id, (at, _) in results.items()
        if call_id in calls and any(calls[call_id][0] < word < at for word in words)
    }
    gathered: list[tuple[ToolCall, str]] = []
    for at, turn in enumerate(history):
        if isinstance(turn, Message):
            if at in words:
                if gathered:
                    yield _Called(tuple(gathered))
                    gathered = []
                yield turn
        elif isinstance(turn, ToolCall):
            if turn.call_id not in late and calls[turn.call_id][0] == at:
                gathered.append((turn, results.get(turn.call_id, (0, PENDING))[1]))
        elif turn.call_id in late and results[turn.call_id][0] == at:
            gathered.append((calls[turn.call_id][1], turn.output))
    if gathered:
        yield _Called(tuple(gathered))


def _messages(turns: Iterator[Message | _Called]) -> Iterator[dict[str, object]]:
    for turn in turns:
        if isinstance(turn, Message):
            yield {"role": turn.role, "content": turn.text}
            continue
        yield {"role": "assistant", "content": None, "tool_calls": [_call(call) for call, _ in turn.pairs]}
        for call, output in turn.pairs:
            yield {"role": "tool", "tool_call_id": call.call_id, "content": output}


def _call(call: ToolCall) -> dict[str, object]:
    function = {"name": call.name, "arguments": call.arguments or "{}"}
    return {"id": call.call_id, "type": "function", "function": function}


def _joined(messages: Iterator[dict[str, object]]) -> Iterator[dict[str, object]]:
    """Words of the assistant and the calls right after them are one message, as the model wrote them."""
    words: dict[str, object] | None = None
    for message in messages:
        if words is not None and "tool_calls" in message:
            message["content"], words = words["content"], None
        if words is not None:
            yield words
        words = message if message["role"] == "assistant" and "tool_calls" not in message else None
        if words is None:
            yield message
    if words is not None:
        yield words
