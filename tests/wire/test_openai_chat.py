"""Answers of chat completions on the wire: deltas as soon as their bytes are there, however they are cut."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicemode.answers import Finished, TextDelta, ToolDelta
from voicemode.dialogue import Usage
from voicemode.wire.openai_audio import AnswerError
from voicemode.wire.openai_chat import EVENT_LIMIT, TEXT_LIMIT, AnswerReader, RefusalError

# The example of a streamed answer in OpenAI's API reference, with the end of the stream that its text describes.
REFERENCE = b"""\
data: {"id":"chatcmpl-123","object":"chat.completion.chunk","created":1694268190,"model":"gpt-4o-mini", \
"system_fingerprint": "fp_44709d6fcb", \
"choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}

data: {"id":"chatcmpl-123","object":"chat.completion.chunk","created":1694268190,"model":"gpt-4o-mini", \
"system_fingerprint": "fp_44709d6fcb", \
"choices":[{"index":0,"delta":{"content":"Hello"},"logprobs":null,"finish_reason":null}]}

data: {"id":"chatcmpl-123","object":"chat.completion.chunk","created":1694268190,"model":"gpt-4o-mini", \
"system_fingerprint": "fp_44709d6fcb", "choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}

data: [DONE]

"""
# And of one that is not streamed.
WHOLE = b"""{
  "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT", "object": "chat.completion", "created": 1741569952,
  "model": "gpt-4.1-2025-04-14",
  "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello! How can I assist you today?",
    "refusal": null, "annotations": []}, "logprobs": null, "finish_reason": "stop"}],
  "usage": {"prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29}, "service_tier": "default"
}"""


def event(delta: object, reason: str | None = None, **more: object) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return b"data: " + json.dumps({"choices": [choice]} | more, ensure_ascii=False).encode() + b"\n\n"


def said(*words: str) -> bytes:
    return b"".join(event({"content": word}) for word in words)


END = event({}, "stop")
DONE = b"data: [DONE]\n\n"


def read(*pieces: bytes, label: str = "text/event-stream") -> tuple[list[str], AnswerReader]:
    """The words, and the reader."""
    deltas, reader = read_all(*pieces, label=label)
    assert all(isinstance(delta, TextDelta) for delta in deltas)
    return [delta.text for delta in deltas if isinstance(delta, TextDelta)], reader


def read_all(*pieces: bytes, label: str = "text/event-stream") -> tuple[list[TextDelta | ToolDelta], AnswerReader]:
    """The deltas, with ids of ours numbered, and the reader."""
    reader = new_reader(label)
    deltas = [delta for piece in pieces for delta in reader.feed(piece)]
    return [*deltas, *reader.close()], reader


def new_reader(label: str = "text/event-stream") -> AnswerReader:
    numbers = itertools.count()
    return AnswerReader(label, lambda: f"ours_{next(numbers)}")


def fails(*pieces: bytes, label: str = "text/event-stream") -> tuple[list[str], AnswerError]:
    """The words before the error, and the error."""
    reader = new_reader(label)
    words: list[str] = []

    def parts() -> Iterator[str]:
        for piece in pieces:
            yield from (delta.text for delta in reader.feed(piece) if isinstance(delta, TextDelta))
        yield from (delta.text for delta in reader.close() if isinstance(delta, TextDelta))

    with pytest.raises(AnswerError) as caught:
        words.extend(parts())
    return words, caught.value


class TestAStream:
    """Server-sent events, as they arrive."""

    def test_the_references_example_is_read(self) -> None:
        """Role and end are no text."""
        words, reader = read(REFERENCE)
        assert (words, reader.finish_reason, reader.ended) == (["Hello"], "stop", True)

    def test_a_word_is_there_with_the_byte_that_ends_its_line(self) -> None:
        """Nothing waits for the event after it."""
        reader = new_reader()
        line = said("Hello").rstrip(b"\n")
        assert list(reader.feed(line)) == []
        assert list(reader.feed(b"\n")) == [TextDelta("Hello")]
        assert reader.begun
        assert not reader.ended

    @settings(max_examples=300)
    @given(st.data())
    def test_however_the_bytes_are_cut_the_text_is_the_same(self, data: st.DataObject) -> None:
        """In the middle of a letter, of an end of line, of the mark of byte order."""
        split = b'data: {"choices": [{"index": 0,\r\ndata: "delta": {"content": "Two "}}]}\r\n\r\n'
        whole = b"\xef\xbb\xbf" + said("Grüße, ", "日本 🙂").replace(b"\n", b"\r\n") + split + said(" end") + END + DONE
        cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=12)))
        pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
        assert read(*pieces)[0] == ["Grüße, ", "日本 🙂", "Two ", " end"]

    @pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
    def test_each_of_the_three_ends_of_line_is_one(self, end: bytes) -> None:
        """As the standard has it."""
        assert read((said("a", "b") + END + DONE).replace(b"\n", end))[0] == ["a", "b"]

    def test_comments_other_fields_and_empty_lines_are_passed_over(self) -> None:
        """Gateways keep connections alive with them."""
        noise = b": OPENROUTER PROCESSING\n\nid: 7\nretry: 10\nevent: message\n\n\n"
        assert read(noise, said("a"), noise, said("b"), END)[0] == ["a", "b"]

    def test_json_over_several_lines_is_one_event(self) -> None:
        """The standard joins the data of an event."""
        split = b'data: {"choices": [{"index": 0,\ndata: "delta": {"content": "a"}, "finish_reason": "stop"}]}\n\n'
        assert read(split)[0] == ["a"]

    def test_events_without_the_empty_line_between_them_are_read(self) -> None:
        """Some servers forget it."""
        assert read((said("a", "b") + END + DONE).replace(b"\n\n", b"\n"))[0] == ["a", "b"]

    def test_a_last_line_without_an_end_counts(self) -> None:
        """Some end the stream with the mark itself."""
        assert read(said("a"), b"data: [DONE]")[0] == ["a"]

    @pytest.mark.parametrize(
        "delta",
        [{}, {"role": "assistant"}, {"content": None}, {"tool_calls": []}, {"reasoning_content": "hm"}, None, "x"],
    )
    def test_a_delta_without_text_is_passed_over(self, delta: object) -> None:
        """Reasoning is not said."""
        assert read(said("a"), event(delta), END)[0] == ["a"]

    @pytest.mark.parametrize("choices", [[], None, "x", [None], [{"index": 1, "delta": {"content": "other"}}]])
    def test_an_event_without_our_choice_is_passed_over(self, choices: object) -> None:
        """The event with the usage has none."""
        assert read(said("a"), b"data: " + json.dumps({"choices": choices}).encode() + b"\n\n", END)[0] == ["a"]

    def test_text_beside_the_reason_is_read(self) -> None:
        """Some give their last words with it."""
        words, reader = read(said("a"), event({"content": " end."}, "length"))
        assert (words, reader.finish_reason) == (["a", " end."], "length")

    def test_an_empty_reason_is_none(self) -> None:
        """Some send one with each delta."""
        assert fails(event({"content": "a"}, ""))[0] == ["a"]

    def test_of_content_in_parts_the_text_is_read(self) -> None:
        """Reasoning models of Mistral send what they think beside it."""
        parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "a"}]
        assert read(event({"content": parts}), END)[0] == ["a"]

    def test_half_a_character_becomes_a_mark_that_can_be_written(self) -> None:
        """Text that nothing can encode would break whoever comes next."""
        assert read(b'data: {"choices":[{"delta":{"content":"a\\ud83d"}}]}\n\n', END)[0] == ["a\ufffd"]

    def test_after_the_mark_nothing_counts(self) -> None:
        """Whatever follows is not of the answer."""
        assert read(said("a"), DONE, said("b"), b"data: {")[0] == ["a"]


class TestUsage:
    """How many tokens it was, as far as it is told."""

    def test_it_comes_after_the_reason_in_an_event_without_choices(self) -> None:
        """As the reference has it with stream_options."""
        told = b'data: {"choices": [], "usage": {"prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29}}\n\n'
        assert read(said("a"), END, told, DONE)[1].finished == Finished("stop", Usage(19, 10))

    def test_of_several_the_last_counts(self) -> None:
        """Some tell with each delta how many there were so far."""
        growing = [event({"content": "a"}, usage={"prompt_tokens": 3, "completion_tokens": n}) for n in (1, 2)]
        assert read(*growing, END)[1].finished.usage == Usage(3, 2)

    @pytest.mark.parametrize("usage", [None, {}, "x", {"prompt_tokens": -1, "completion_tokens": 2}, {"prompt_tokens": 1}])
    def test_what_is_no_usage_is_none(self, usage: object) -> None:
        """All events but the last have null."""
        assert read(event({"content": "a"}, "stop", usage=usage))[1].finished == Finished("stop", Usage())

    def test_a_whole_answer_tells_it_too(self) -> None:
        """Beside the choices."""
        assert read(WHOLE, label="application/json")[1].finished == Finished("stop", Usage(19, 10))

    @pytest.mark.parametrize(("told", "reason"), [("length", "length"), ("content_filter", "content_filter"), ("eos", "stop")])
    def test_reasons_are_the_references_and_others_are_an_end(self, told: str, reason: str) -> None:
        """Servers have words of their own for having finished."""
        assert read(event({"content": "a"}, told))[1].finished.reason == reason


class TestTheEnd:
    """A reason or the mark says that this was all; without either the answer broke off."""

    @pytest.mark.parametrize("ends", [END, DONE, END + DONE])
    def test_a_reason_or_the_mark_is_enough(self, ends: bytes) -> None:
        """Some never send the one, some never the other."""
        assert read(said("a"), ends)[1].ended

    @pytest.mark.parametrize("rest", [b"", b'data: {"choices": [{"del', b": bye\n\n", b"data: [DO"])
    def test_a_stream_that_just_stops_broke_off(self, rest: bytes) -> None:
        """Its words were said; the error says that there were more."""
        words, error = fails(said("a", "b"), rest)
        assert words == ["a", "b"]
        assert "without saying that it was complete" in str(error)


class TestAnswersThatAreNone:
    """Each is an error that says what came, and repeats nothing of it."""

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ({"error": {"message": "quota of s3cret", "type": "server_error", "code": None}}, None),
            ({"error": {"message": "slow down", "code": 429}}, 429),
            ({"object": "error", "message": "no", "code": 400}, 400),
            ({"error": "broken"}, None),
        ],
    )
    def test_an_error_in_the_stream_carries_the_object_and_its_status(self, body: object, status: int | None) -> None:
        """After the words before it; whoever tells it takes out what is private."""
        raw = json.dumps(body).encode()
        words, error = fails(said("a"), b"data: " + raw + b"\n\n")
        assert words == ["a"]
        assert isinstance(error, RefusalError)
        assert (error.body, error.status) == (raw, status)
        assert "s3cret" not in str(error)

    def test_an_event_of_the_type_error_is_one_whatever_it_says(self) -> None:
        """Some name it there only."""
        assert isinstance(fails(b'event: error\ndata: {"message": "no"}\n\n')[1], RefusalError)

    def test_a_reason_that_says_error_is_no_end(self) -> None:
        """Gateways give it when the model behind them broke."""
        words, error = fails(event({"content": "a"}, "error"))
        assert words == ["a"]
        assert isinstance(error, RefusalError)

    @pytest.mark.parametrize(
        ("body", "told"),
        [
            (b"", "nothing"),
            (b"  \n\n", "nothing"),
            (b"<html>Sign in</html>", "a web page"),
            (b"data: {nope\n\n", "not JSON"),
            (b"data: 7\n\n", "another kind"),
            (b"data: \xff\xfe\n\n", "not JSON"),
            (b"data: " + b"[" * 100_000 + b"\n\n", "not JSON"),
            (b"out of memory", "without saying that it was complete"),
            (b'{"choices": [', "not JSON"),
            (b'{"detail": "s3cret"}', "without any choice"),
            (b'{"choices": "s3cret"}', "without any choice"),
        ],
    )
    def test_what_is_no_answer_is_told(self, body: bytes, told: str) -> None:
        """In words of ours."""
        words, error = fails(body)
        assert words == []
        assert told in str(error)
        assert "s3cret" not in str(error)

    def test_a_web_page_is_known_by_its_label(self) -> None:
        """Before its first byte."""
        with pytest.raises(AnswerError, match="a web page"):
            new_reader("text/html; charset=utf-8")

    def test_an_event_without_an_end_is_given_up(self) -> None:
        """Memory has a limit."""
        endless = [b"data: "] + [b"x" * 65_536] * (EVENT_LIMIT // 65_536 + 1)
        assert "without an end" in str(fails(*endless)[1])

    def test_an_answer_without_an_end_is_given_up(self) -> None:
        """Nobody listens for hours."""
        words, error = fails(*([said("x" * 65_536)] * (TEXT_LIMIT // 65_536 + 1)))
        assert len("".join(words)) <= TEXT_LIMIT
        assert "characters" in str(error)


class TestAnAnswerInOnePiece:
    """Of endpoints that do not stream, whatever they were asked for."""

    @pytest.mark.parametrize("label", ["application/json", "text/event-stream", ""])
    def test_the_references_example_is_read_whatever_its_label(self, label: str) -> None:
        """What it begins with shows what it is."""
        words, reader = read(WHOLE[:100], WHOLE[100:], label=label)
        assert (words, reader.finish_reason) == (["Hello! How can I assist you today?"], "stop")

    def test_one_without_a_reason_is_complete_all_the_same(self) -> None:
        """Its last brace says so."""
        words, reader = read(b'{"choices": [{"message": {"content": "a"}}]}')
        assert (words, reader.ended) == (["a"], True)

    def test_an_error_with_status_200_is_one(self) -> None:
        """It happens."""
        assert isinstance(fails(b'{"error": {"message": "out of memory"}}')[1], RefusalError)
