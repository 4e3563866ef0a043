"""Whatever happens, answers keep their order, and what needs no answer gets none."""

from __future__ import annotations

import asyncio
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.runtime.dialogue.engines import Scripted, Voice
from tests.runtime.dialogue.stage import Talk, quiet, talk, word
from voicemode.answers import AnswerDelta, Finished, TextDelta, ToolDelta
from voicemode.dialogue import (
    AnswerAudio,
    AnswerDone,
    AnswerFailed,
    AnswerText,
    Respond,
    ToolCallBegan,
    ToolCallDone,
    ToolCallGrew,
)
from voicemode.errors import EndpointError
from voicemode.testing import FakeTranscriber


def test_a_turn_without_words_is_not_answered(tmp_path: Path) -> None:
    """A cough: the answer is empty, and nobody is asked."""

    async def story(held: Talk) -> None:
        await held.hear(quiet(0.5), word(0.4), quiet(1.0))
        await held.answered()
        assert held.kinds[-1] == "AnswerDone"
        assert not held.answerer.requests

    talk(story, tmp_path, transcriber=FakeTranscriber([""]))


_DELTAS = st.lists(
    st.one_of(
        st.builds(TextDelta, st.sampled_from(["Hello. ", "a b c, ", "**x** ", "```\ncode\n```\n", "1. one\n", "Is it? Yes! "])),
        st.builds(ToolDelta, st.sampled_from(["c1", "c2"]), st.just("f"), st.sampled_from(["", "{", "}"])),
        st.just(EndpointError("chat", "gone")),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    deltas=_DELTAS,
    audio=st.booleans(),
    cancel_at=st.integers(0, 30),
    breaks=st.dictionaries(st.integers(1, 4), st.integers(0, 3)),
)
def test_the_order_holds_whatever_happens(
    tmp_path: Path, deltas: list[AnswerDelta | Exception], audio: bool, cancel_at: int, breaks: dict[int, int]
) -> None:
    """One end and nothing behind it; words before their sound; a call begins, grows, is done; nothing after a cancel."""

    async def story(held: Talk) -> None:
        def interrupt(_: object) -> None:
            if len(held.reports) == cancel_at:
                held.cancel("resp_1")

        held.on_report = interrupt
        held.ask("Hello", audio=audio)
        if cancel_at == 0:
            held.cancel("resp_1")
        await asyncio.sleep(120)
        ends = held.of(AnswerDone, AnswerFailed)
        cancelled = cancel_at == 0 or len(held.reports) == cancel_at
        assert len(ends) == 1 or cancelled
        assert not ends or held.reports[-1] is ends[0]
        named, open_calls = list[str](), set[str]()
        for report in held.reports:
            match report:
                case AnswerText():
                    named.append(report.delta.strip())
                case AnswerAudio() if report.text:
                    assert report.text == named[-1]
                case ToolCallBegan():
                    open_calls.add(report.call_id)
                case ToolCallGrew() | ToolCallDone():
                    assert report.call_id in open_calls
                    if isinstance(report, ToolCallDone):
                        open_calls.remove(report.call_id)
                case _:
                    pass
        assert not open_calls or not held.of(AnswerDone)

    script = [(0.05, delta) for delta in deltas]
    talk(story, tmp_path, answerer=Scripted(*script, (0.0, Finished())), synthesizer=Voice(breaks))


def test_an_answer_may_begin_a_conversation(tmp_path: Path) -> None:
    """A greeting: nobody has said anything."""

    async def story(held: Talk) -> None:
        held.command(Respond("resp_1", (), instructions="Greet."))
        await held.answered()
        assert held.answerer.requests[0].instructions == "Greet."
        assert held.answerer.requests[0].session_id == "sess"
        assert held.text()

    talk(story, tmp_path)
