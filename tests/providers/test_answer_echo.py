"""The answer of a server for which nobody answers."""

from __future__ import annotations

import pytest

from voicemode.answers import Answerer, AnswerRequest, Finished, Turn
from voicemode.dialogue import Message, ToolResult, Usage
from voicemode.providers.answer_echo import EchoAnswerer
from voicemode.testing import texts

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def said(*history: Turn, partial: str = "") -> AnswerRequest:
    return AnswerRequest(history, partial=partial)


async def test_it_says_what_was_said_and_that_nobody_answers() -> None:
    """Word by word, with an end; its name says what to do."""
    echo: Answerer = EchoAnswerer()
    flow = echo.answer(said(Message("user", "Hello, you two.")))
    *words, last = [delta async for delta in flow]
    assert ("".join(getattr(word, "text", "") for word in words), len(words)) == ("You said: Hello, you two.", 5)
    assert last == Finished("stop", Usage())
    assert (echo.name, echo.acts) == ("echo (no responder is configured)", False)
    assert (flow.engine, flow.engines, flow.failed) == (echo.name, (echo.name,), ())


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (said(), "You have said nothing yet."),
        (said(Message("user", "One."), Message("assistant", "Two."), Message("user", "Three.")), "You said: Three."),
        (said(Message("user", "One."), Message("user", " "), ToolResult("a", "x")), "You said: One."),
        (said(Message("user", "One."), partial="You said:"), " One."),
    ],
)
async def test_the_last_words_of_the_person_count(request_: AnswerRequest, words: str) -> None:
    """And it goes on where it was."""
    assert "".join([text async for text in texts(EchoAnswerer().answer(request_))]) == words


async def test_one_that_is_closed_says_no_more() -> None:
    """Nor an end."""
    flow = EchoAnswerer().answer(said(Message("user", "Hello.")))
    deltas = aiter(flow)
    await anext(deltas)
    await flow.aclose()
    assert [delta async for delta in deltas] == []
