"""What came up beside the conversation is told in a silence, in order, and never over the person."""

from __future__ import annotations

import pytest

from tests.wire.realtime.answer_reports import call, done, spoken
from tests.wire.realtime.tool_servers import commands
from tests.wire.realtime.wire_client import WireClient, kinds, one
from voicemode.dialogue import (
    AnswerDone,
    AudioIn,
    Message,
    PlayoutCleared,
    PlayoutStarted,
    PlayoutStopped,
    Respond,
    SpeechStarted,
    SpeechStopped,
)
from voicemode.dialogue_tools import Word
from voicemode.wire.realtime import Playout


def answered(client: WireClient) -> str:
    """The id of the latest answer."""
    return str(commands(client, Respond)[-1].response_id)


def last_told(client: WireClient) -> str:
    """The end of what the responder was told last."""
    last = client.history()[-1]
    assert isinstance(last, Message)
    return last.text


def test_in_a_silence_it_is_told_at_once() -> None:
    """As an item for the responder, and its answer."""
    client = WireClient()
    events = client.hear(Word("The build is done."))
    assert kinds(events) == ["conversation.item.added", "conversation.item.done", "response.created"]
    assert events[0]["item"]["role"] == "system"
    assert last_told(client) == "The build is done."
    assert client.hear(Word("  ")) == []


def test_it_waits_while_the_person_speaks_and_until_they_were_answered() -> None:
    """Also where they interrupted what it would have followed."""
    client = WireClient()
    client.hear(SpeechStarted(0))
    assert client.hear(Word("Done.")) == []
    assert "response.created" in kinds(client.hear(SpeechStopped(500)))
    first = answered(client)
    assert kinds(client.hear(AnswerDone(first))) == [
        "response.done",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ]


def test_several_are_told_one_by_one_as_they_came() -> None:
    """Each with its own answer."""
    client = WireClient()
    client.hear(Word("One."), Word("Two."), Word("Three."))
    for text in ("One.", "Two.", "Three."):
        assert last_told(client) == text
        done(client.hear(AnswerDone(answered(client))))
    assert len(commands(client, Respond)) == 3


def test_where_we_play_it_waits_until_the_answer_was_heard() -> None:
    """Not only until it was made."""
    client = WireClient(playout=Playout.SERVER)
    response_id = client.respond()
    client.hear(*spoken(response_id), AnswerDone(response_id))
    assert client.hear(Word("Done.")) == []
    client.hear(PlayoutStarted(response_id))
    events = client.hear(PlayoutStopped(response_id))
    assert kinds(events) == [
        "output_audio_buffer.stopped",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ]


@pytest.mark.parametrize("heard", [True, False])
def test_an_answer_that_is_never_heard_is_not_waited_for(heard: bool) -> None:
    """It was interrupted, before its first sound or after."""
    client = WireClient(playout=Playout.SERVER)
    response_id = client.respond()
    client.hear(*spoken(response_id), *([PlayoutStarted(response_id)] if heard else []), Word("Done."))
    client.hear(SpeechStarted(0), *([PlayoutCleared(response_id, 100)] if heard else []), SpeechStopped(500))
    assert one(client.hear(AnswerDone(answered(client))), "response.created")


def test_it_waits_for_a_client_that_answers_turns_itself() -> None:
    """Its response.create would meet one of ours."""
    client = WireClient()
    client.update(audio={"input": {"turn_detection": None}})
    client.append(200)
    client.send("input_audio_buffer.commit")
    assert client.hear(Word("Done.")) == []
    response_id = client.respond()
    assert one(client.hear(AnswerDone(response_id)), "response.created")


def test_after_a_cancel_the_client_is_next() -> None:
    """It may be about to ask for something else. A second later it was not, and the person's sound is occasion enough."""
    client = WireClient()
    client.respond()
    client.hear(Word("Done."))
    assert kinds(client.send("response.cancel")) == ["response.done"]
    assert client.append(20) == []
    client.now_ms += 1_001
    assert "response.created" in kinds(client.append(20))
    assert isinstance(client.commands[0], AudioIn)


def test_it_waits_for_a_client_that_calls_a_function() -> None:
    """Its result comes first."""
    client = WireClient()
    response_id = client.respond()
    client.hear(*call(response_id, "c1"), AnswerDone(response_id))
    assert client.hear(Word("Done.")) == []
    client.send("conversation.item.create", item={"type": "function_call_output", "call_id": "c1", "output": "x"})
    response_id = client.respond()
    assert one(client.hear(AnswerDone(response_id)), "response.created")


def test_a_transcription_session_tells_nothing() -> None:
    """It does not speak."""
    assert WireClient(kind="transcription").hear(Word("Done.")) == []


def test_those_that_nobody_ever_heard_are_bounded() -> None:
    """The newest are kept."""
    client = WireClient()
    response_id = client.respond()
    client.hear(*(Word(str(number)) for number in range(100)), AnswerDone(response_id))
    assert last_told(client) == "36"
