"""Where the person wants it, a call is allowed aloud: by a clear yes to a question that was heard, and by nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.realtime.answer_reports import call, spoken
from tests.wire.realtime.tool_servers import commands, listed_client, mcp
from tests.wire.realtime.wire_client import Event, WireClient, kinds, one, sound
from voicemode.dialogue import (
    AnswerAudio,
    AnswerDone,
    AnswerText,
    Configure,
    Expect,
    InputTranscribed,
    InputTranscriptFailed,
    Message,
    PlayoutCleared,
    PlayoutStarted,
    PlayoutStopped,
    Respond,
    SpeechStarted,
    SpeechStopped,
    ToolResult,
)
from voicemode.dialogue_tools import CallServerTool, ServerToolDone, Word
from voicemode.wire.realtime import Playout, SessionDefaults

ALOUD = SessionDefaults(approval_aloud=True)
QUESTION = "May I use weather of home, with city: Bonn?"
QUESTION_MS = 2_000


def aloud_client(playout: Playout = Playout.CLIENT) -> WireClient:
    return listed_client(mcp(), client=WireClient(playout=playout, defaults=ALOUD))


def latest(client: WireClient) -> Respond:
    found: Respond = commands(client, Respond)[-1]
    return found


def asks(client: WireClient, calls: int = 1) -> Event:
    """An answer wants a call, and is over: the first request for the user."""
    response_id = client.respond()
    events = client.hear(*(report for number in range(calls) for report in call(response_id, f"c{number}")))
    client.hear(AnswerDone(response_id))
    request: Event = next(event["item"] for event in events if event["type"] == "conversation.item.added")
    return request


def ask_aloud(client: WireClient, ms: int = QUESTION_MS) -> str:
    """The question is spoken, all at once, and played in real time up to its end; its response."""
    asked = latest(client)
    assert asked.script, asked
    client.hear(*spoken(asked.response_id, asked.script, ms), AnswerDone(asked.response_id))
    client.now_ms += ms
    return asked.response_id


def say(client: WireClient, text: str) -> list[Event]:
    """A turn of the person: the events of its words."""
    started = client.hear(SpeechStarted(client.now_ms))
    item_id = one(started, "input_audio_buffer.speech_started")["item_id"]
    client.hear(SpeechStopped(client.now_ms + 500))
    return client.hear(InputTranscribed(item_id, text, 0.5))


def test_without_the_setting_nobody_is_asked_aloud() -> None:
    """The event alone, and each turn is answered."""
    client = listed_client(mcp())
    asks(client)
    assert not latest(client).script
    say(client, "Yes.")
    assert commands(client, CallServerTool) == []
    assert len(commands(client, Respond)) == 2


def test_the_question_takes_the_responders_place() -> None:
    """It names server, function and some of the arguments; no function is offered with it; it is a response like others."""
    client = aloud_client()
    request = asks(client)
    asked = latest(client)
    assert (asked.script, asked.tools, asked.history, asked.audio) == (QUESTION, (), (), True)
    ask_aloud(client)
    said = [event["item"] for event in client.log if event["type"] == "conversation.item.done"][-1]
    assert said["content"][0]["transcript"] == QUESTION
    assert request["type"] == "mcp_approval_request"
    assert commands(client, CallServerTool) == []


def test_the_words_are_wanted_for_it() -> None:
    """Also where the client does not want to see them."""
    client = aloud_client()
    assert all(command.options.transcribe for command in commands(client, Configure))


def test_a_yes_makes_the_call_and_nobody_else_answers_it() -> None:
    """The client sees it allowed as if it had done it itself; the answer goes on with the result."""
    client = aloud_client()
    request = asks(client)
    ask_aloud(client)
    events = say(client, "Yes, please.")
    assert kinds(events) == [
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.added",
        "response.mcp_call.in_progress",
    ]
    shown = events[0]["item"]
    assert (shown["type"], shown["approval_request_id"], shown["approve"]) == ("mcp_approval_response", request["id"], True)
    (made,) = commands(client, CallServerTool)
    assert made.arguments == '{"city":"Bonn"}'
    assert len(commands(client, Respond)) == 2
    client.hear(ServerToolDone(made.item_id, "Rain."))
    assert len(commands(client, Respond)) == 3
    assert Message("assistant", QUESTION) in [
        Message(entry.role, entry.text) for entry in client.history() if isinstance(entry, Message)
    ]


def test_a_no_is_told_to_the_responder() -> None:
    """And nothing is called."""
    client = aloud_client()
    asks(client)
    ask_aloud(client)
    assert "response.created" in kinds(say(client, "No, thanks."))
    assert commands(client, CallServerTool) == []
    assert "did not allow this" in next(entry.output for entry in client.history() if isinstance(entry, ToolResult))


@pytest.mark.parametrize("text", ["What would it do?", "Yes, but only in June.", ""])
def test_anything_else_is_answered_and_the_request_stays_open(text: str) -> None:
    """It is asked once more behind that answer, and then never again; the event still works."""
    client = aloud_client()
    request = asks(client)
    ask_aloud(client)
    assert kinds(say(client, text)) == ["response.created"]
    answer = latest(client)
    assert not answer.script
    client.hear(AnswerDone(answer.response_id))
    ask_aloud(client)
    say(client, "Hm.")
    client.hear(AnswerDone(latest(client).response_id))
    assert not latest(client).script
    assert commands(client, CallServerTool) == []
    item = {"type": "mcp_approval_response", "approval_request_id": request["id"], "approve": True}
    client.send("conversation.item.create", item=item)
    assert len(commands(client, CallServerTool)) == 1


def test_words_that_nobody_can_write_down_are_no_yes() -> None:
    """They are answered as they always are."""
    client = aloud_client()
    asks(client)
    ask_aloud(client)
    item_id = one(client.hear(SpeechStarted(0)), "input_audio_buffer.speech_started")["item_id"]
    assert "response.created" not in kinds(client.hear(SpeechStopped(500)))
    assert "response.created" in kinds(client.hear(InputTranscriptFailed(item_id, "no_speech_to_text", "Nobody.")))
    assert commands(client, CallServerTool) == []


def test_a_yes_after_something_else_was_answered_is_to_that() -> None:
    """Even where it comes before the question is repeated."""
    client = aloud_client()
    asks(client)
    ask_aloud(client)
    say(client, "Wait, what day is it?")
    response_id = latest(client).response_id
    client.hear(*spoken(response_id, "Monday. Do you want to know more?"))
    say(client, "Yes.")
    assert commands(client, CallServerTool) == []


@pytest.mark.parametrize(("heard_ms", "counts"), [(400, False), (1_500, True)])
@pytest.mark.parametrize("playout", Playout)
def test_who_interrupts_the_question_has_to_have_heard_what_it_is_about(playout: Playout, heard_ms: int, counts: bool) -> None:
    """The person knows server and function after 1.2 s of these."""
    client = aloud_client(playout)
    asks(client)
    asked = latest(client)
    client.hear(*spoken(asked.response_id, asked.script, QUESTION_MS))
    if playout is Playout.SERVER:
        client.hear(PlayoutStarted(asked.response_id))
    client.now_ms += heard_ms
    item_id = one(client.hear(SpeechStarted(heard_ms)), "input_audio_buffer.speech_started")["item_id"]
    if playout is Playout.SERVER:
        client.hear(PlayoutCleared(asked.response_id, heard_ms))
    client.hear(SpeechStopped(heard_ms + 500), InputTranscribed(item_id, "Yes.", 0.5))
    assert bool(commands(client, CallServerTool)) is counts


@pytest.mark.parametrize("client_asks", [False, True])
def test_who_goes_on_speaking_is_heard_to_the_end(client_asks: bool) -> None:
    """A yes that is taken back in the next breath is none, also where the client has asked for an answer meanwhile."""
    client = aloud_client()
    asks(client)
    ask_aloud(client)
    first = one(client.hear(SpeechStarted(0)), "input_audio_buffer.speech_started")["item_id"]
    client.hear(SpeechStopped(500))
    if client_asks:
        client.respond()
    second = one(client.hear(SpeechStarted(900)), "input_audio_buffer.speech_started")["item_id"]
    client.hear(InputTranscribed(first, "Yes.", 0.5))
    assert commands(client, CallServerTool) == []
    client.hear(SpeechStopped(1_500))
    assert "response.created" in kinds(client.hear(InputTranscribed(second, "No, wait.", 0.5)))
    assert commands(client, CallServerTool) == []


def test_nothing_else_is_begun_while_it_is_not_known_what_was_said() -> None:
    """News wait until the turn is decided."""
    client = aloud_client()
    asks(client)
    ask_aloud(client)
    item_id = one(client.hear(SpeechStarted(0)), "input_audio_buffer.speech_started")["item_id"]
    client.hear(SpeechStopped(500))
    assert client.hear(Word("A job is done.")) == []
    assert "response.mcp_call.in_progress" in kinds(client.hear(InputTranscribed(item_id, "Yes.", 0.5)))


def test_several_requests_are_asked_one_after_the_other() -> None:
    """Each has its own yes, and the answer goes on after the last."""
    client = aloud_client()
    asks(client, calls=2)
    ask_aloud(client)
    say(client, "Yes.")
    assert len(commands(client, CallServerTool)) == 1
    ask_aloud(client)
    say(client, "No.")
    (made,) = commands(client, CallServerTool)
    assert "response.created" in kinds(client.hear(ServerToolDone(made.item_id, "Rain.")))


def test_who_answers_by_event_is_not_asked_again_and_a_late_yes_is_answered() -> None:
    """Whichever comes first decides."""
    client = aloud_client()
    request = asks(client)
    ask_aloud(client)
    item = {"type": "mcp_approval_response", "approval_request_id": request["id"], "approve": False}
    client.send("conversation.item.create", item=item)
    client.hear(AnswerDone(latest(client).response_id))
    say(client, "Yes.")
    assert commands(client, CallServerTool) == []
    assert not latest(client).script


def test_while_a_yes_may_come_no_answer_is_prepared() -> None:
    """It would be thought of in vain."""
    client = aloud_client()
    asks(client)
    ask_aloud(client)
    client.hear(SpeechStarted(0))
    assert [command.answer for command in commands(client, Expect)][-1:] in ([], [None])


def test_nothing_is_asked_of_somebody_who_speaks_or_reads_or_ends_their_turns_themselves() -> None:
    """A silence is waited for; where answers are text, or the client commits, the event alone is there."""
    client = aloud_client()
    response_id = client.respond()
    client.hear(*call(response_id, "c1"), SpeechStarted(0), AnswerDone(response_id))
    assert not latest(client).script
    for session in ({"output_modalities": ["text"]}, {"audio": {"input": {"turn_detection": None}}}):
        client = aloud_client()
        client.update(**session)
        asks(client)
        assert not latest(client).script


def test_a_question_is_asked_in_the_language_of_the_conversation() -> None:
    """The client's, else the settings'."""
    client = listed_client(mcp(), client=WireClient(defaults=SessionDefaults(approval_aloud=True, language="fr")))
    asks(client)
    assert latest(client).script.startswith("Puis-je utiliser weather de home")
    client = aloud_client()
    client.update(audio={"input": {"transcription": {"model": "whisper-1", "language": "de"}}})
    asks(client)
    assert latest(client).script.startswith("Darf ich weather von home benutzen")


@dataclass
class Model:
    """What the test knows of the conversation."""

    client: WireClient
    speaking: str = ""
    unknown: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    """Since the last question began."""
    after_question: bool = False
    """The first of these followed the question, and no other answer."""
    made: int = 0
    calls: int = 0


def step(model: Model, action: str) -> None:
    """One thing happens; a call that it leads to has to be one that was allowed."""
    client, before = model.client, len(commands(model.client, Respond))
    client.now_ms += 700
    responds = commands(client, Respond)
    last = responds[-1] if responds else None
    allowed = False
    match action:
        case "call" if last is None or not last.script:
            model.calls += 1
            events = client.send("response.create")
            for event in events:
                if event["type"] == "response.created":
                    response_id = event["response"]["id"]
                    client.hear(*call(response_id, f"c{model.calls}"), AnswerDone(response_id))
        case "some" | "all" if last is not None:
            text = last.script or "Something else."
            if action == "all":
                client.hear(AnswerText(last.response_id, text), AnswerAudio(last.response_id, sound(600), text))
                client.hear(PlayoutStarted(last.response_id), AnswerDone(last.response_id), PlayoutStopped(last.response_id))
            else:
                client.hear(AnswerText(last.response_id, text[:8]), AnswerAudio(last.response_id, sound(200), text[:8]))
        case "start" if not model.speaking:
            model.after_question = bool(last and last.script) if not model.said else model.after_question
            model.speaking = one(client.hear(SpeechStarted(client.now_ms)), "input_audio_buffer.speech_started")["item_id"]
        case "stop" if model.speaking:
            client.hear(SpeechStopped(client.now_ms))
            model.unknown.append(model.speaking)
            model.speaking = ""
        case "Yes." | "No." | "Well, the weather." if model.unknown:
            model.said.append(action)
            allowed = model.after_question and set(model.said) == {"Yes."} and not model.unknown[1:] and not model.speaking
            client.hear(InputTranscribed(model.unknown.pop(0), action, 0.5))
        case "word":
            client.hear(Word("A job is done."))
        case _:
            pass
    made = len(commands(client, CallServerTool))
    assert made == model.made or (allowed and made == model.made + 1), action
    model.made = made
    if any(each.script for each in commands(client, Respond)[before:]):
        model.said = []


ACTIONS = ("call", "all", "all", "some", "start", "stop", "Yes.", "Yes.", "No.", "Well, the weather.", "word")


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(Playout), st.lists(st.sampled_from(ACTIONS), min_size=4, max_size=40))
def test_a_call_is_never_made_without_a_yes(playout: Playout, actions: list[str]) -> None:
    """Of a turn after the question, in which nothing else was said, whatever happens beside it and in whatever order."""
    model = Model(aloud_client(playout))
    for action in ("call", *actions):
        step(model, action)
