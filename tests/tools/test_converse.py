"""What ``converse`` tells beside the words."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from mcp.types import CallToolResult

from voicemode.assemble_browser import NeedsBrowser
from voicemode.errors import EndpointError, SpeechFailedError, VoicemodeError
from voicemode.load_config import LoadedSettings
from voicemode.runtime.conversation import Outcome
from voicemode.runtime.result import Recovered, Status, TurnResult
from voicemode.settings import Settings
from voicemode.tools.converse import converse

FAR, FARTHER = "https://far.example/v1", "https://farther.example/v1"


class Page:
    """The browser's: what a call is told that asks for it; None: it has a page."""

    def __init__(self, needs: NeedsBrowser | None, *, wanted: bool) -> None:
        self._needs, self._wanted = needs, wanted

    def using(self, parts: Any, messages: Sequence[str]) -> Any:
        """Nothing is held here."""

    async def wanted(self, _: Any, **__: Any) -> bool:
        return self._wanted

    @contextlib.asynccontextmanager
    async def held(self, *_: Any) -> AsyncIterator[NeedsBrowser | None]:
        yield self._needs


def call(
    *answers: TurnResult,
    recovered: Sequence[Recovered] = (),
    needs: NeedsBrowser | None = None,
    browser: bool = False,
    error: VoicemodeError | None = None,
) -> CallToolResult:
    """The tool, over conversations that ended so."""
    outcome = Outcome(answers, len(answers), error=error)

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
            return SimpleNamespace(conversations=Talk(), browser=Page(needs, wanted=browser))

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


INTERRUPTED = TurnResult(
    status=Status.INTERRUPTED,
    text="No, wait.",
    confidence="good",
    stt="x",
    heard="Here is what happened while",
    unheard="everybody was away.",
)


def test_an_interruption_tells_what_the_person_knows_of_the_message() -> None:
    """In a sentence and for programs: their words answer what they heard."""
    result = call(INTERRUPTED)
    assert 'interrupted; they heard up to "...Here is what happened while", and not: "everybody was away."' in said(result)
    assert '"No, wait."' in said(result)
    facts = result.structured_content or {}
    assert facts["status"] == "interrupted"
    assert (facts["heard"], facts["unheard"]) == (INTERRUPTED.heard, INTERRUPTED.unheard)


def test_a_long_message_is_quoted_by_its_end_only() -> None:
    """Enough to find the place; what was not heard is whole."""
    long = replace(INTERRUPTED, heard="word " * 100 + "the end", unheard="rest " * 100)
    sentence = said(call(long))
    assert sentence.count("word ") < 10
    assert "the end" in sentence
    assert sentence.count("rest ") >= 99


def test_an_interruption_before_the_first_word_says_so() -> None:
    """Nothing of it is known to the person."""
    assert "they heard nothing of it" in said(call(replace(INTERRUPTED, heard="", unheard="Everything.")))


def test_where_all_was_heard_nothing_is_said_of_it() -> None:
    """An agent pays for every word."""
    result = call(answered())
    assert "interrupted" not in said(result)
    assert not {"heard", "unheard"} & (result.structured_content or {}).keys()


def test_who_said_stop_is_not_asked_again() -> None:
    """The agent is told to leave it, and what was not heard."""
    stopped = replace(INTERRUPTED, status=Status.CANCELLED, text="stop")
    result = call(stopped)
    assert "The person said stop" in said(result)
    assert "everybody was away." in said(result)
    assert (result.structured_content or {})["status"] == "cancelled"


def test_silence_after_an_interruption_tells_what_was_not_heard_either() -> None:
    """By key: somebody wanted to hear no more, and said nothing."""
    assert "everybody was away." in said(call(replace(INTERRUPTED, status=Status.NO_SPEECH, text="", stt="")))


def test_a_message_that_was_stopped_and_asked_nothing_is_not_called_spoken_without_more() -> None:
    """wait_for_response=false, ended by key: the agent must not think that it was heard."""
    stopped = TurnResult(status=Status.SPOKEN, tts="x", heard="Here is", unheard="what happened.")
    assert "what happened." in said(call(stopped))


def test_an_interruption_that_nobody_could_write_down_tells_what_was_heard() -> None:
    """The words may come later, and then they answer what was heard."""
    error = SpeechFailedError("speech-to-text", [EndpointError("http://down", "refused")], Path("utt-1.wav"))
    error.heard, error.unheard = "Here is", "what happened."
    result = call(error=error)
    assert result.is_error
    assert (result.structured_content or {})["unheard"] == "what happened."
    assert 'they heard up to "...Here is", and not: "what happened."' in said(result)


def test_each_of_several_questions_says_for_itself_what_was_heard() -> None:
    """The first was interrupted, the second was not."""
    result = call(INTERRUPTED, answered())
    first, second = (result.structured_content or {})["answers"]
    assert first["unheard"] == "everybody was away."
    assert "unheard" not in second or second["unheard"] == ""


def test_a_page_that_must_be_opened_first_is_no_error() -> None:
    """The link, the tunnel, and that nothing was said: the agent shows them and calls again."""
    needs = NeedsBrowser("http://127.0.0.1:8765/#key=once", "ssh -N -L 8765:127.0.0.1:8765 10.0.0.5")
    result = call(needs=needs, browser=True)
    assert not result.is_error
    assert result.structured_content == {"status": "needs_browser", "link": "http://127.0.0.1:8765/#key=once"}
    assert "Nothing was said yet." in said(result)
    assert needs.link in said(result)
    assert needs.tunnel in said(result)
    assert "call converse again" in said(result)


def test_a_page_that_is_open_needs_its_button_pressed() -> None:
    """There is no link to give then."""
    result = call(needs=NeedsBrowser(""), browser=True)
    assert result.structured_content == {"status": "needs_browser"}
    assert "press its button" in said(result)


def test_with_a_page_it_is_the_same_conversation() -> None:
    """Only the devices are others."""
    assert "Fine." in said(call(answered(), browser=True))
