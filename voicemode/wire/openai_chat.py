"""What answers of the OpenAI chat completions API mean, as they arrive.

They follow the published reference: https://platform.openai.com/docs/api-reference/chat. A streamed answer is a stream of
server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html) whose data are JSON objects, ended by
``data: [DONE]``. Text, calls of functions, usage and reason are read; other deltas (a role, reasoning) are passed over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from enum import Enum, auto

from voicemode.answers import Finished, FinishReason, TextDelta, ToolDelta
from voicemode.dialogue import Usage
from voicemode.wire.openai_audio import AnswerError, is_web_page
from voicemode.wire.openai_chat_calls import CallsReader

__all__ = ["AnswerReader", "RefusalError"]

EVENT_LIMIT = 1 << 20
"""Bytes of one event, or of an answer that is not streamed. A delta has some hundred."""

TEXT_LIMIT = 1 << 18
"""Characters of an answer, arguments of functions included: five hours of talking."""

_REASONS: dict[str, FinishReason] = {"length": "length", "content_filter": "content_filter"}
_DONE = b"[DONE]"
_BOM = b"\xef\xbb\xbf"
_HEAD_BYTES = 256
"""Who sends so much white space first is taken for a stream."""
_LINE = re.compile(rb"\r\n|\n|\r")
_FAILED = "error"
"""A finish_reason that OpenRouter and others give when the model broke in mid-answer; the reference has no such value."""


class RefusalError(AnswerError):
    """An error object where an answer belongs, in a stream or instead of one.

    ``body`` is that object as it came, for ``error_reason``; ``status`` is the HTTP status it would have had, if it says so.
    """

    def __init__(self, body: bytes, status: int | None) -> None:
        super().__init__("answered an error")
        self.body, self.status = body, status


class _Shape(Enum):
    UNKNOWN = auto()
    """Nothing but white space came."""
    EVENTS = auto()
    WHOLE = auto()
    """One JSON object: the endpoint does not stream."""


class AnswerReader:
    """Reads an answer as it arrives. Bytes go in, deltas come out as soon as they are there; ``close`` says that no more come.

    What the first byte shows counts, not the label: endpoints that do not stream, and proxies, label at will.
    """

    def __init__(self, content_type: str, new_id: Callable[[], str]) -> None:
        """``new_id`` makes ids of calls for those who leave them out.

        Raises AnswerError when the label alone shows that it is no answer.
        """
        if is_web_page(content_type):
            raise AnswerError("answered a web page instead of words")
        self.finish_reason = ""
        """As it came; empty as long as the endpoint did not tell."""
        self.ended = False
        """The endpoint said that this was all: by a reason, or by the mark at the end of the stream. One of both does."""
        self._shape = _Shape.UNKNOWN
        self._buffer = bytearray()
        """Bytes after the last end of a line; of a whole answer all of it."""
        self._data = bytearray()
        """Data of the event that is not complete yet."""
        self._event = b""
        """Its type; empty as long as none was named."""
        self._after_cr = False
        """The last line ended with CR, so that LF belongs to its end."""
        self._done = False
        self._length = 0
        self._calls = CallsReader(new_id)
        self._usage = Usage()

    @property
    def begun(self) -> bool:
        """Some text was there, or a call."""
        return self._length > 0

    @property
    def finished(self) -> Finished:
        """How it ended. The usage may still be to come after the reason, with the rest of the stream."""
        whatever: FinishReason = "tool_calls" if self._calls.begun else "stop"
        return Finished(_REASONS.get(self.finish_reason, whatever), self._usage)

    def feed(self, data: bytes) -> Iterator[TextDelta | ToolDelta]:
        """The deltas in these bytes, in order; to be iterated to their end before the next bytes.

        Raises AnswerError, after the deltas before it.
        """
        if self._done:
            return
        if self._shape is _Shape.UNKNOWN:
            data = self._recognized(data)
        if self._shape is _Shape.EVENTS:
            for line in self._lines(data):
                yield from self._line(line)
        else:
            self._buffer += data
        self._check(len(self._buffer))

    def close(self) -> Iterator[TextDelta | ToolDelta]:
        """What was still held back. Raises AnswerError, also when the answer was not at its end."""
        if self._shape is _Shape.UNKNOWN:
            raise AnswerError("answered nothing")
        if self._shape is _Shape.WHOLE:
            yield from self._whole(bytes(self._buffer))
        elif self._buffer and not self.ended:
            yield from self._line(bytes(self._buffer))
        if not self.ended:
            raise AnswerError("ended its answer without saying that it was complete")
        self._calls.close()

    # -- bytes to events

    def _recognized(self, data: bytes) -> bytes:
        """See what shape it is of. What is returned is to be read in that shape, if there is one by now."""
        begun = bytes(self._buffer) + data
        self._buffer.clear()
        if begun != _BOM and _BOM.startswith(begun):
            return begun
        begun = begun.removeprefix(_BOM)
        head = begun[:_HEAD_BYTES].lstrip()
        if head.startswith(b"<"):
            raise AnswerError("answered a web page instead of words")
        if head or len(begun) > _HEAD_BYTES:
            self._shape = _Shape.WHOLE if head.startswith(b"{") else _Shape.EVENTS
        return begun

    def _lines(self, data: bytes) -> Iterator[bytes]:
        """Complete lines. One that ends with CR is complete, though the LF of the same end may be still to come."""
        if self._after_cr:
            data = data.removeprefix(b"\n")
        start = 0
        for end in _LINE.finditer(data):
            line = bytes(self._buffer) + data[start : end.start()]
            start = end.end()
            self._buffer.clear()
            yield line
        self._buffer += data[start:]
        self._after_cr = data.endswith(b"\r") or (self._after_cr and not data)

    def _line(self, line: bytes) -> Iterator[TextDelta | ToolDelta]:
        if self._done:
            return
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not line:
            yield from self._dispatch()
        elif field == b"event":
            self._event = value
        elif field == b"data":
            first = not self._data
            self._data += value if first else b"\n" + value
            self._check(len(self._data))
            if first:
                yield from self._take()

    def _dispatch(self) -> Iterator[TextDelta | ToolDelta]:
        if self._data:
            yield from self._take()
        if self._data:
            raise AnswerError("sent an event that is not JSON")
        self._event = b""

    def _take(self) -> Iterator[TextDelta | ToolDelta]:
        """Read the event if its JSON is whole: usually with its first line, before the empty line that some forget."""
        data = bytes(self._data)
        if data.strip() == _DONE:
            self._done = self.ended = True
            self._data.clear()
            return
        try:
            event = json.loads(data)
        except (ValueError, RecursionError):
            return  # it may go on in the next line
        self._data.clear()
        if self._event == b"error":
            raise RefusalError(data, _status(event))
        yield from self._object(event, data, "delta")

    # -- events to deltas

    def _whole(self, body: bytes) -> Iterator[TextDelta | ToolDelta]:
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            raise AnswerError("answered something that is not JSON") from None
        yield from self._object(answer, body, "message")
        if not isinstance(answer, dict) or not isinstance(answer.get("choices"), list):
            raise AnswerError("answered without any choice")
        self.ended = True  # the object is closed; what it says is all there is

    def _object(self, answer: object, raw: bytes, part: str) -> Iterator[TextDelta | ToolDelta]:
        if not isinstance(answer, dict):
            raise AnswerError("answered JSON of another kind")
        if answer.get("error") or answer.get("object") == "error":
            raise RefusalError(raw, _status(answer))
        self._usage = _usage(answer.get("usage")) or self._usage
        choices = answer.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict) and choice.get("index", 0) == 0:
                yield from self._choice(choice, raw, part)

    def _choice(self, choice: dict[str, object], raw: bytes, part: str) -> Iterator[TextDelta | ToolDelta]:
        message = choice.get(part)
        if isinstance(message, dict):
            text = _text(message.get("content"))
            self._grow(len(text))
            if text:
                yield TextDelta(text)
            for delta in self._calls.feed(message.get("tool_calls")):
                self._grow(len(delta.arguments) + 1)
                yield delta
        reason = choice.get("finish_reason")
        if reason == _FAILED:
            raise RefusalError(raw, None)
        if isinstance(reason, str) and reason:  # some send an empty one with each delta
            self.finish_reason = "".join(c for c in reason if c.isprintable())[:40]
            self.ended = True

    def _grow(self, characters: int) -> None:
        self._length += characters
        if self._length > TEXT_LIMIT:
            raise AnswerError(f"answered more than {TEXT_LIMIT} characters")

    def _check(self, size: int) -> None:
        if size > EVENT_LIMIT:
            raise AnswerError(f"sent more than {EVENT_LIMIT} bytes without an end")


def _text(content: object) -> str:
    """Text, or the text among the parts of a content that has several (Mistral's reasoning models)."""
    if isinstance(content, list):
        return "".join(_text(p.get("text")) for p in content if isinstance(p, dict) and p.get("type") == "text")
    if not isinstance(content, str):
        return ""
    # JSON can name halves of characters, which no other encoding can write.
    return content if content.isascii() else content.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _usage(usage: object) -> Usage | None:
    """None where it is not told: most events have no usage, or null."""
    match usage:
        case {"prompt_tokens": int(asked), "completion_tokens": int(answered)} if asked >= 0 and answered >= 0:
            return Usage(asked, answered)
        case _:
            return None


def _status(answer: object) -> int | None:
    """The HTTP status an error object names in ``code`` or ``status``, as OpenRouter and vLLM do."""
    match answer:
        case {"error": {"code": int(code)}} | {"error": {"status": int(code)}} | {"code": int(code)} if 400 <= code <= 599:
            return code
        case _:
            return None
