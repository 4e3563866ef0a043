"""What a session says for the record, and what it begins with when a thread is gone on with."""

from __future__ import annotations

import json

import pytest

from tests.wire.realtime.answer_reports import call, spoken
from tests.wire.realtime.wire_client import WireClient, encoded, kinds, one, sound
from voicemode.dialogue import (
    AnswerAudio,
    AnswerDone,
    AnswerFailed,
    AnswerText,
    Configure,
    InputTranscribed,
    InputTranscriptFailed,
    Message,
    PlayoutCleared,
    PlayoutStarted,
    PlayoutStopped,
    SpeechStarted,
    SpeechStopped,
    ToolCall,
    ToolCallBegan,
    ToolResult,
)
from voicemode.record import Entry, Role, Standing
from voicemode.wire.realtime import Playout, RealtimeSession, SessionDefaults

USER, ASSISTANT, TOOL, SYSTEM = Role.USER, Role.ASSISTANT, Role.TOOL, Role.SYSTEM
IN_FLIGHT, WHOLE, INTERRUPTED, FAILED = Standing.IN_FLIGHT, Standing.WHOLE, Standing.INTERRUPTED, Standing.FAILED
WORDS, WORD_MS = ("One", "two", "three", "four", "five"), 400


def kept(client: WireClient) -> list[tuple[Role, str, Standing]]:
    """What the record holds after all that was put into it, in its order."""
    held: dict[str, Entry] = {}
    for entry in client.entries:
        held[entry.key] = entry
    return [(each.role, each.text, each.standing) for each in held.values()]


def counting(client: WireClient) -> str:
    """An answer of five words of 400 ms each, sent at once and not finished; its response."""
    response_id = client.respond()
    client.hear(AnswerText(response_id, " ".join(WORDS)))
    client.hear(*(AnswerAudio(response_id, sound(WORD_MS), word) for word in WORDS))
    return response_id


def speak(client: WireClient, at_ms: int = 0) -> str:
    """A turn of the person's; its item."""
    client.append(1_000)
    client.hear(SpeechStarted(at_ms))
    item_id: str = one(client.hear(SpeechStopped(at_ms + 900)), "input_audio_buffer.committed")["item_id"]
    return item_id


def test_a_turn_is_in_flight_until_its_words_are_known() -> None:
    """The key stays, so that the words come into the turn's place."""
    client = WireClient()
    item_id = speak(client)
    assert kept(client) == [(USER, "", IN_FLIGHT)]
    client.hear(InputTranscribed(item_id, "What time is it?", 0.9))
    assert kept(client)[0] == (USER, "What time is it?", WHOLE)


@pytest.mark.parametrize("words", ["", None])
def test_a_turn_without_words_has_failed(words: str | None) -> None:
    """Whether nobody could write it down, or there was nothing to write."""
    client = WireClient()
    item_id = speak(client)
    client.hear(InputTranscriptFailed(item_id, "x", "x") if words is None else InputTranscribed(item_id, words, 0.9))
    assert kept(client)[0] == (USER, "", FAILED)


def test_words_that_the_client_does_not_want_to_see_are_kept_all_the_same() -> None:
    """Transcription is off on the wire."""
    client = WireClient(recorded=True)
    client.update(audio={"input": {"transcription": None}})
    (configured,) = client.commands
    assert isinstance(configured, Configure)
    assert configured.options.transcribe
    client.hear(InputTranscribed(speak(client), "Hello.", 0.9))
    assert "Hello." not in json.dumps(client.log)
    assert (USER, "Hello.", WHOLE) in kept(client)


def test_typed_words_are_kept_as_they_come() -> None:
    """Of each role that a client can write as."""
    client = WireClient()
    client.say("Typed.")
    client.say("Be brief.", role="system")
    client.say("Yes.", role="assistant", content=[{"type": "output_text", "text": "Yes."}])
    assert kept(client) == [(USER, "Typed.", WHOLE), (SYSTEM, "Be brief.", WHOLE), (ASSISTANT, "Yes.", WHOLE)]


def test_an_answer_is_whole_once_it_was_played() -> None:
    """The client plays: as much time as it has sound has to pass, which a step of any kind notices."""
    client = WireClient()
    response_id = client.respond()
    client.hear(*spoken(response_id, ms=400))
    assert kept(client)[0][2] is IN_FLIGHT
    client.hear(AnswerDone(response_id))
    client.now_ms = 399
    client.append(20)
    assert kept(client) == [(ASSISTANT, "Hello there.", IN_FLIGHT)]
    client.now_ms = 400
    client.append(20)
    assert kept(client) == [(ASSISTANT, "Hello there.", WHOLE)]


def test_an_answer_in_writing_is_whole_when_it_ends() -> None:
    """Nobody has to hear it."""
    client = WireClient()
    response_id = client.respond(output_modalities=["text"])
    client.hear(AnswerText(response_id, "Yes."), AnswerDone(response_id))
    assert kept(client) == [(ASSISTANT, "Yes.", WHOLE)]


def test_what_is_put_down_of_an_answer_under_way_are_the_words_that_have_sound() -> None:
    """So that a record whose process died does not hold what cannot have been heard."""
    client = WireClient()
    response_id = client.respond()
    client.hear(AnswerText(response_id, "One two three."), AnswerAudio(response_id, sound(1_000), "One two"))
    client.hear(AnswerAudio(response_id, sound(20), "three."))
    assert kept(client) == [(ASSISTANT, "One two", IN_FLIGHT)]


def test_an_interruption_leaves_what_was_heard_and_a_truncate_knows_better() -> None:
    """First by the clock, then as the client says; the latest counts."""
    client = WireClient()
    counting(client)
    client.now_ms = 1_300
    client.hear(SpeechStarted(0))
    assert kept(client) == [(ASSISTANT, "One two three", INTERRUPTED)]
    item_id = next(event["item_id"] for event in client.log if event["type"] == "response.content_part.added")
    client.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=800)
    assert kept(client) == [(ASSISTANT, "One two", INTERRUPTED)]


def test_a_truncate_behind_the_last_sample_means_it_was_heard() -> None:
    """Though the clock said otherwise."""
    client = WireClient()
    client.hear(AnswerDone(counting(client)))
    client.now_ms = 1_300
    client.hear(SpeechStarted(0))
    assert kept(client)[0][2] is INTERRUPTED
    item_id = next(event["item_id"] for event in client.log if event["type"] == "response.content_part.added")
    client.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=2_000)
    assert kept(client) == [(ASSISTANT, " ".join(WORDS), WHOLE)]


def test_where_we_play_the_playout_tells_what_was_heard() -> None:
    """Whole when the last sample left, cut where it was flushed; the clock means nothing."""
    client = WireClient(playout=Playout.SERVER)
    first = counting(client)
    client.hear(PlayoutStarted(first), AnswerDone(first))
    client.now_ms = 60_000
    client.append(20)
    assert kept(client) == [(ASSISTANT, " ".join(WORDS), IN_FLIGHT)]
    client.hear(PlayoutStopped(first))
    assert kept(client) == [(ASSISTANT, " ".join(WORDS), WHOLE)]
    second = counting(client)
    client.hear(PlayoutStarted(second), SpeechStarted(0), PlayoutCleared(second, 900))
    assert kept(client)[1] == (ASSISTANT, "One two", INTERRUPTED)


def test_an_answer_that_broke_off_has_failed_with_its_words_so_far() -> None:
    """What was said stands."""
    client = WireClient()
    response_id = client.respond()
    client.hear(*spoken(response_id, "Hello"), AnswerFailed(response_id, "x", "x"))
    assert kept(client) == [(ASSISTANT, "Hello", FAILED)]


def test_answers_beside_the_conversation_are_not_kept() -> None:
    """Out of band: nobody said them to anybody."""
    client = WireClient()
    response_id = client.respond(conversation="none", output_modalities=["text"])
    client.hear(AnswerText(response_id, "Yes."), AnswerDone(response_id))
    assert kept(client) == []


def test_a_call_and_what_came_of_it_are_one_entry() -> None:
    """In the place of the call, with its arguments."""
    client = WireClient()
    response_id = client.respond()
    client.hear(*call(response_id, "call_1"))
    assert kept(client) == [(TOOL, "", IN_FLIGHT)]
    client.hear(AnswerDone(response_id))
    output = {"type": "function_call_output", "call_id": "call_1", "output": "sunny"}
    client.send("conversation.item.create", item=output)
    last = client.entries[-1]
    assert kept(client) == [(TOOL, "sunny", WHOLE)]
    assert (last.tool, last.call_id, last.arguments) == ("weather", "call_1", '{"city":"Bonn"}')


def test_a_call_that_broke_off_has_failed() -> None:
    """Nobody will answer it."""
    client = WireClient()
    response_id = client.respond()
    client.hear(ToolCallBegan(response_id, "call_1", "weather"))
    client.send("response.cancel")
    assert kept(client) == [(TOOL, "", FAILED)]


@pytest.mark.parametrize("playout", list(Playout))
@pytest.mark.parametrize("finished", [True, False])
def test_who_leaves_in_the_middle_has_heard_so_much(playout: Playout, *, finished: bool) -> None:
    """Whether or not the answer had been thought to its end. Nothing is in flight afterwards, and nothing is sent."""
    client = WireClient(playout=playout)
    response_id = counting(client)
    if finished:
        client.hear(AnswerDone(response_id))
    client.now_ms = 1_300
    assert client.leave() == []
    assert kept(client) == [(ASSISTANT, "One two three", INTERRUPTED)]
    assert client.say("Too late.") == []


def test_who_leaves_afterwards_has_heard_all() -> None:
    """No step came between the last sample and the end."""
    client = WireClient()
    client.hear(AnswerDone(counting(client)))
    client.now_ms = 2_000
    client.leave()
    assert kept(client) == [(ASSISTANT, " ".join(WORDS), WHOLE)]


def test_keys_are_the_sessions_own_whatever_a_client_calls_its_items() -> None:
    """A second session of the same thread may use the same names."""
    client = WireClient()
    client.say("Hello.", id="item_a")
    assert client.entries[0].key == "sess_1/item_a"


def test_the_beta_dialect_is_kept_alike() -> None:
    """It is the same session."""
    client = WireClient(beta=True)
    client.say("Hello.")
    client.leave()
    assert kept(client) == [(USER, "Hello.", WHOLE)]


HISTORY = (
    Entry("1", USER, "Typed at the command line."),
    Entry("2", ASSISTANT, "I had said", INTERRUPTED),
    Entry("3", USER, "", FAILED),
    Entry("4", SYSTEM, "Be brief."),
    Entry("5", TOOL, "sunny", tool="weather", call_id="call_1", arguments='{"city":"Bonn"}'),
    Entry("6", TOOL, "", Standing.LOST, tool="weather", call_id="call_2", arguments="{}"),
)
TOLD = (
    Message("user", "Typed at the command line."),
    Message("assistant", "I had said"),
    Message("system", "Be brief."),
    ToolCall("call_1", "weather", '{"city":"Bonn"}'),
    ToolResult("call_1", "sunny"),
    ToolCall("call_2", "weather", "{}"),
    ToolResult("call_2", "The conversation broke off before there was a result."),
)


def nameless(history: tuple[object, ...]) -> tuple[object, ...]:
    return tuple(Message(each.role, each.text) if isinstance(each, Message) else each for each in history)


def test_who_goes_on_with_a_thread_is_answered_as_somebody_known() -> None:
    """All of it before what is said now; the client sees none of it begin, and nothing is put down again."""
    client = WireClient(history=HISTORY)
    assert kinds(client.opening) == ["session.created", "conversation.created"]
    added = one(client.say("And now?"), "conversation.item.added")
    assert added["previous_item_id"] is None
    client.respond()
    assert nameless(client.history()) == (*TOLD, Message("user", "And now?"))
    assert [entry.text for entry in client.entries] == ["And now?"]


def test_what_a_client_puts_at_the_root_comes_after_what_it_does_not_know() -> None:
    """Root is the beginning of what the client sees."""
    client = WireClient(history=HISTORY[:1])
    client.say("First.", previous_item_id="root")
    client.respond()
    assert nameless(client.history()) == (TOLD[0], Message("user", "First."))


def test_a_long_thread_is_cut_as_the_session_cuts() -> None:
    """The oldest goes first, and the newest stays whatever its length."""
    history = [Entry(str(number), USER, f"{number} " + "x" * 200) for number in range(100)]
    client = WireClient(history=history, defaults=SessionDefaults(context_tokens=300))
    client.say("And now?")
    client.respond()
    told = [each.text.partition(" ")[0] for each in client.history() if isinstance(each, Message)]
    assert told == ["95", "96", "97", "98", "99", "And"]
    client.send("response.cancel")
    client.say("y" * 2_000)
    client.respond()
    assert [each.text[:1] for each in client.history() if isinstance(each, Message)] == ["y"]


def test_calls_of_before_keep_their_names_from_those_of_now() -> None:
    """Small models number anew in each answer."""
    client = WireClient(history=HISTORY)
    response_id = client.respond()
    events = client.hear(*call(response_id, "call_1"))
    assert one(events, "response.function_call_arguments.done")["call_id"] not in ("call_1", "call_2")


def test_ids_of_earlier_items_are_nobodys() -> None:
    """A client that uses one for an item of its own is not refused for what it cannot know."""
    ids = iter(f"x_{number}" for number in range(1_000))
    session = RealtimeSession("s", playout=Playout.CLIENT, new_id=lambda _: next(ids), history=HISTORY)
    session.open(0)
    item = {"id": "x_1", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi."}]}
    step = session.receive(json.dumps({"type": "conversation.item.create", "item": item}), 0)
    assert [event["type"] for event in step.events] == ["conversation.item.added", "conversation.item.done"]


def test_sound_that_is_appended_brings_no_entries_of_its_own() -> None:
    """It comes fifty times a second."""
    client = WireClient()
    step = client.session.receive(json.dumps({"type": "input_audio_buffer.append", "audio": encoded(sound(20))}), 0)
    assert step.entries == ()
    assert len(step.commands) == 1
