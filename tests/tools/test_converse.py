"""What ``converse`` tells beside the words."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from mcp.types import CallToolResult

from voicemode.load_config import LoadedSettings
from voicemode.runtime.conversation import Outcome
from voicemode.runtime.result import Recovered, Status, TurnResult
from voicemode.settings import Settings
from voicemode.tools.converse import converse

FAR, FARTHER = "https://far.example/v1", "https://farther.example/v1"


def call(*answers: TurnResult, recovered: Sequence[Recovered] = ()) -> CallToolResult:
    """The tool, over conversations that ended so."""
    outcome = Outcome(answers, len(answers))

    class Talk:
        async def converse(self, *_: Any, **__: Any) -> Outcome:
            return outcome

        def hand_over(self, _: Outcome) -> list[Any]:
            return [*recovered]

    class App:
        loaded = LoadedSettings(Settings(), {})
        warning = ""

        @staticmethod
        def client_name(_: Any) -> str:
            return "claude-code"

        async def voice(self, _: Any) -> Any:
            return SimpleNamespace(conversations=Talk())

    async def report_progress(*_: Any, **__: Any) -> None:
        """Nobody watches."""

    context: Any = SimpleNamespace(request_context=SimpleNamespace(lifespan_context=App()), report_progress=report_progress)
    return asyncio.run(converse(context, message="How are you?"))


def said(result: CallToolResult) -> str:
    (block,) = result.content
    assert block.type == "text"
    return block.text


def answered(*cloud: str) -> TurnResult:
    return TurnResult(status=Status.ANSWERED, text="Fine.", confidence="good", tts="x", stt="x", cloud=cloud)


def test_words_that_left_this_machine_are_named() -> None:
    """In a sentence and for programs; each endpoint once, whatever the number of questions."""
    result = call(answered(FAR), answered(FAR, FARTHER))
    assert f"Sent to another machine: {FAR}, {FARTHER}." in said(result)
    assert said(result).count("Sent to") == 1
    assert result.structured_content is not None
    assert result.structured_content["cloud"] == [FAR, FARTHER]


def test_where_no_words_left_nothing_is_said_of_it() -> None:
    """An agent pays for every word."""
    result = call(answered())
    assert "another machine" not in said(result)
    assert result.structured_content is not None
    assert "cloud" not in result.structured_content


def test_what_was_said_earlier_comes_marked_as_spoken_and_unverified() -> None:
    """As every answer, and for programs as a field of its own; where it went is named."""
    earlier = Recovered(handle="utt-1", text="First of all.", engine=FAR, confidence="unknown", cloud=(FAR,))
    result = call(answered(), recovered=[earlier])
    facts = result.structured_content or {}
    assert facts["recovered"] == [{"handle": "utt-1", "text": "First of all.", "engine": FAR, "confidence": "unknown"}]
    assert facts["text"] == "Fine."
    assert facts["cloud"] == [FAR]
    block = result.content[-1]
    assert block.type == "text"
    assert "earlier (spoken, unverified;" in block.text
    assert '"First of all."' in block.text
    assert f"Sent to another machine: {FAR}." in block.text


def test_an_earlier_recording_without_words_is_told_too() -> None:
    """The agent knows its name, and need not ask for it any more."""
    result = call(answered(), recovered=[Recovered(handle="utt-1", text="", engine=FAR, confidence="unknown")])
    assert "utt-1" in getattr(result.content[-1], "text", "")


def test_a_message_that_a_key_ended_is_told_with_what_was_not_heard() -> None:
    """Nobody was asked, but the agent must not believe that all was heard."""
    line = said(call(TurnResult(status=Status.SPOKEN, tts="x", heard="It is", unheard="done.")))
    assert line.startswith("Spoken")
    assert 'they heard up to "...It is", and not: "done."' in line
