"""The person's turns: sound in, items out, with their words."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from tests.wire.realtime.wire_client import Event, WireClient, encoded, kinds, one, sound, without_ids
from voicemode.core.g711 import alaw_encode, ulaw_encode
from voicemode.dialogue import (
    AnswerDone,
    AudioIn,
    CancelAnswer,
    CancelReason,
    ClearInput,
    CommitInput,
    Expect,
    IdleTimedOut,
    InputTranscribed,
    InputTranscriptFailed,
    InputTranscriptGrew,
    Message,
    Respond,
    SpeechStarted,
    SpeechStopped,
    UserTurn,
)
from voicemode.wire.realtime import Playout

MANUAL = {"input": {"turn_detection": None}}
WORDS = {"input": {"transcription": {"model": "whisper-1"}}}


def test_a_turn_becomes_an_item_and_is_answered() -> None:
    """In OpenAI's order, under the id that speech_started gave it."""
    client = WireClient()
    client.append(2_000)
    events = client.hear(SpeechStarted(500), SpeechStopped(1_500))
    assert kinds(events) == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ]
    started, stopped, committed, added = events[:4]
    item_id = started["item_id"]
    assert without_ids(started)["audio_start_ms"] == 500
    assert (stopped["audio_end_ms"], stopped["item_id"]) == (1_500, item_id)
    assert (committed["item_id"], committed["previous_item_id"]) == (item_id, None)
    assert added["item"] == {
        "id": item_id,
        "object": "realtime.item",
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": [{"type": "input_audio", "transcript": None}],
    }
    assert [type(command) for command in client.commands] == [CommitInput, Respond]
    assert client.history() == (UserTurn(item_id),)


def test_a_turn_is_not_answered_where_the_client_answers() -> None:
    """create_response false: the turn is committed, and the rest is left to the client."""
    client = WireClient()
    client.update(audio={"input": {"turn_detection": {"type": "server_vad", "create_response": False}}})
    events = client.hear(SpeechStarted(0), SpeechStopped(900))
    assert kinds(events)[-1] == "conversation.item.done"
    assert [type(command) for command in client.commands] == [CommitInput]


def test_speech_interrupts() -> None:
    """The response ends before anything else is sent, and the engine is told why."""
    client = WireClient()
    response_id = client.respond()
    events = client.hear(SpeechStarted(0))
    assert kinds(events) == ["input_audio_buffer.speech_started", "response.done"]
    assert events[1]["response"]["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert client.commands[0] == CancelAnswer(response_id, CancelReason.TURN_DETECTED)


def test_speech_that_may_not_interrupt_is_answered_afterwards() -> None:
    """No sentence is lost: its response follows the one that is under way."""
    client = WireClient()
    client.update(audio={"input": {"turn_detection": {"type": "server_vad", "interrupt_response": False}}})
    response_id = client.respond()
    events = client.hear(SpeechStarted(0), SpeechStopped(900))
    assert not {"response.done", "response.created", "error"} & set(kinds(events))
    assert kinds(client.hear(AnswerDone(response_id))) == ["response.done", "response.created"]


def test_the_engine_is_told_how_the_turn_would_be_answered() -> None:
    """So that it may begin early; said again when it changes, and not otherwise."""
    client = WireClient()
    client.say("Hello.")
    client.hear(SpeechStarted(0))
    (expected,) = client.commands
    assert isinstance(expected, Expect)
    assert expected.answer is not None
    assert [entry.text for entry in expected.answer.history if isinstance(entry, Message)] == ["Hello."]
    client.update(audio={"input": {"noise_reduction": None}})
    assert not [command for command in client.commands if isinstance(command, Expect)]
    client.update(instructions="Sing.")
    assert [command.answer.instructions for command in client.commands if isinstance(command, Expect) and command.answer] == [
        "Sing."
    ]
    client.update(audio={"input": {"turn_detection": {"type": "server_vad", "create_response": False}}})
    assert client.commands[-1] == Expect(None)


def test_a_client_commits_its_own_turn() -> None:
    """An item, the command, and no response."""
    client = WireClient()
    client.update(audio=MANUAL)
    client.append(600)
    events = client.send("input_audio_buffer.commit")
    assert kinds(events) == ["input_audio_buffer.committed", "conversation.item.added", "conversation.item.done"]
    assert client.commands == (CommitInput(events[0]["item_id"]),)


@pytest.mark.parametrize("ms", [0, 99])
def test_a_commit_of_next_to_nothing_is_an_error(ms: int) -> None:
    """Less than 100 ms: nobody says a word in that."""
    client = WireClient()
    client.append(ms)
    error = client.error("input_audio_buffer.commit")
    assert error["code"] == "input_audio_buffer_commit_empty"
    assert f"only has {ms}.00ms" in error["message"]
    assert client.commands == ()


def test_a_commit_takes_what_was_appended_since_the_last_turn() -> None:
    """Neither what a turn before it had, nor what was cleared, counts again."""
    client = WireClient()
    client.append(600)
    client.hear(SpeechStarted(100), SpeechStopped(560))
    assert client.error("input_audio_buffer.commit")["code"] == "input_audio_buffer_commit_empty"
    client.append(200)
    client.send("input_audio_buffer.clear")
    assert client.commands == (ClearInput(),)
    assert client.error("input_audio_buffer.commit")["code"] == "input_audio_buffer_commit_empty"


def test_a_commit_in_the_middle_of_speech_takes_its_id() -> None:
    """The item that speech_started promised is the one that is committed."""
    client = WireClient()
    client.append(1_000)
    started = client.hear(SpeechStarted(200))[0]
    assert client.send("input_audio_buffer.commit")[0]["item_id"] == started["item_id"]


def test_where_sound_comes_by_rtp_a_commit_counts_the_time() -> None:
    """The sound is not in the messages, but it flows in real time."""
    client = WireClient(playout=Playout.SERVER)
    client.now_ms = 50
    assert client.error("input_audio_buffer.commit")["code"] == "input_audio_buffer_commit_empty"
    client.now_ms = 2_000
    assert kinds(client.send("input_audio_buffer.commit"))[0] == "input_audio_buffer.committed"


def test_a_turn_that_the_engine_tells_of_after_a_commit_is_not_lost() -> None:
    """It heard more than the client's commit took: what is left is a turn of its own."""
    client = WireClient()
    client.append(2_000)
    client.hear(SpeechStarted(0))
    first = client.send("input_audio_buffer.commit")[0]["item_id"]
    second = one(client.hear(SpeechStopped(1_900)), "input_audio_buffer.committed")
    assert second["item_id"] != first
    assert second["previous_item_id"] == first


def test_a_turn_that_was_cleared_is_nobodys() -> None:
    """The engine hears late that it was cleared; it gets a name for the turn, and the client hears nothing of it."""
    client = WireClient()
    client.append(2_000)
    client.hear(SpeechStarted(0))
    client.send("input_audio_buffer.clear")
    assert client.hear(SpeechStopped(1_500)) == []
    (command,) = client.commands
    assert isinstance(command, CommitInput)
    assert client.hear(InputTranscribed(command.item_id, "Secret.", 1.0)) == []


@pytest.mark.parametrize("given", [encoded(sound(40)), ""])
def test_sound_reaches_the_engine(given: str) -> None:
    """As it was sent; nothing is acknowledged."""
    client = WireClient()
    assert client.send("input_audio_buffer.append", audio=given) == []
    heard = [command.samples for command in client.commands if isinstance(command, AudioIn)]
    assert np.array_equal(np.concatenate([np.zeros(0, np.int16), *heard]), sound(40) if given else np.zeros(0, np.int16))


@pytest.mark.parametrize(("name", "encode"), [("audio/pcmu", ulaw_encode), ("audio/pcma", alaw_encode)])
def test_telephone_sound_reaches_the_engine_at_its_own_rate(name: str, encode: object) -> None:
    """8 kHz, decoded."""
    client = WireClient()
    client.update(audio={"input": {"format": {"type": name}}})
    said = sound(100, 8_000)
    client.send("input_audio_buffer.append", audio=base64.b64encode(encode(said)).decode())  # type: ignore[operator]
    (heard,) = client.commands
    assert isinstance(heard, AudioIn)
    assert heard.sample_rate == 8_000
    assert np.max(np.abs(heard.samples.astype(int) - said)) < 300
    assert one(client.send("input_audio_buffer.commit"), "input_audio_buffer.committed")


@pytest.mark.parametrize("audio", ["not base64!", "AAA", encoded(sound(10)) + "AA==", "é"])
def test_sound_that_is_none_is_refused_and_nothing_before_it_is_lost(audio: str) -> None:
    """Neither letters that base64 has not, nor half a sample; what was appended before can be committed."""
    client = WireClient()
    client.append(150)
    error = client.error("input_audio_buffer.append", audio=audio)
    assert (error["code"], error["param"]) == ("invalid_value", "audio")
    assert client.commands == ()
    assert one(client.send("input_audio_buffer.commit"), "input_audio_buffer.committed")


def test_fifteen_mebibytes_are_the_most_in_one_event() -> None:
    """One sample more is refused before it is decoded."""
    client = WireClient()
    most = base64.b64encode(bytes(15 * 1024 * 1024)).decode()
    assert client.send("input_audio_buffer.append", audio=most) == []
    assert client.error("input_audio_buffer.append", audio=most + "AAAA")["code"] == "string_above_max_length"


def told(events: list[Event], item_id: str) -> list[str]:
    """What was told of the words of this item: each delta, and the whole of them as "= whole"."""
    return [
        event["delta"] if event["type"].endswith("delta") else f"= {event['transcript']}"
        for event in events
        if event["type"].startswith("conversation.item.input_audio_transcription.") and event["item_id"] == item_id
    ]


def test_the_words_of_a_turn_are_told_as_they_come() -> None:
    """Under the id that speech_started gave, appended only; then the rest, and all of them with how long the sound was."""
    client = WireClient()
    client.update(audio=WORDS)
    item_id = client.hear(SpeechStarted(0))[0]["item_id"]
    events = [
        *client.hear(InputTranscriptGrew(0, "Good"), InputTranscriptGrew(0, "Good mor"), InputTranscriptGrew(0, "Good mor")),
        *client.hear(SpeechStopped(900)),
        *client.hear(InputTranscribed(item_id, "Good morning.", 0.9)),
    ]
    words = [event for event in events if event["type"].startswith("conversation.item.input_audio_transcription.")]
    delta = {"type": "conversation.item.input_audio_transcription.delta", "item_id": item_id, "content_index": 0}
    assert [without_ids(event) for event in words] == [
        {**delta, "delta": "Good"},
        {**delta, "delta": " mor"},
        {**delta, "delta": "ning."},
        {
            "type": "conversation.item.input_audio_transcription.completed",
            "item_id": item_id,
            "content_index": 0,
            "transcript": "Good morning.",
            "usage": {"type": "duration", "seconds": 0.9},
        },
    ]
    assert kinds(events)[2] == "input_audio_buffer.speech_stopped"
    shown = one(client.send("conversation.item.retrieve", item_id=item_id), "conversation.item.retrieved")
    assert shown["item"]["content"][0]["transcript"] == "Good morning."


def test_words_that_come_as_a_whole_are_told_once() -> None:
    """Where nobody wrote them down while they were spoken, there is no delta."""
    client = WireClient()
    client.update(audio=WORDS)
    item_id = client.hear(SpeechStarted(0), SpeechStopped(900))[0]["item_id"]
    assert told(client.hear(InputTranscribed(item_id, "Good morning.", 0.9)), item_id) == ["= Good morning."]


def test_words_that_turn_out_otherwise_are_told_as_a_whole() -> None:
    """No delta follows that would make the sentence worse."""
    client = WireClient()
    client.update(audio=WORDS)
    item_id = client.hear(SpeechStarted(0))[0]["item_id"]
    client.hear(InputTranscriptGrew(0, "Could"), InputTranscriptGrew(0, "God morning"), SpeechStopped(900))
    client.hear(InputTranscribed(item_id, "Good morning.", 0.9))
    assert told(client.log, item_id) == ["Could", "= Good morning."]


@pytest.mark.parametrize("kind", ["input_audio_buffer.clear", "input_audio_buffer.commit"])
def test_words_of_speech_that_the_client_ended_are_nobodys(kind: str) -> None:
    """The engine hears of it late: neither that turn nor the next one gets them; what was committed still gets its rest."""
    client = WireClient()
    client.update(audio=WORDS)
    client.append(1_000)
    first = client.hear(SpeechStarted(200), InputTranscriptGrew(200, "Good"))[0]["item_id"]
    client.send(kind)
    assert client.hear(InputTranscriptGrew(200, "Good morning")) == []
    (started,) = client.hear(SpeechStarted(900), InputTranscriptGrew(200, "Good morning"))
    client.hear(InputTranscribed(first, "Good morning", 0.9))
    assert told(client.log, first) == (["Good", " morning", "= Good morning"] if kind.endswith("commit") else ["Good"])
    assert told(client.hear(InputTranscriptGrew(900, "Bye")), started["item_id"]) == ["Bye"]


def test_words_that_nobody_asked_for_are_not_told() -> None:
    """The engine writes them down for the responder in any case."""
    client = WireClient()
    item_id = client.hear(SpeechStarted(0))[0]["item_id"]
    assert client.hear(InputTranscriptGrew(0, "Good")) == []
    client.hear(SpeechStopped(900))
    assert client.hear(InputTranscribed(item_id, "Good", 0.9), InputTranscriptFailed(item_id, "x", "y")) == []
    shown = one(client.send("conversation.item.retrieve", item_id=item_id), "conversation.item.retrieved")
    assert shown["item"]["content"][0]["transcript"] is None


def test_words_that_could_not_be_written_down_are_told() -> None:
    """With the reason."""
    client = WireClient()
    client.update(audio=WORDS)
    item_id = client.hear(SpeechStarted(0), SpeechStopped(900))[0]["item_id"]
    (event,) = client.hear(InputTranscriptFailed(item_id, "speech_failed", "Nobody could."))
    assert event["type"] == "conversation.item.input_audio_transcription.failed"
    assert event["error"] == {"type": "transcription_error", "code": "speech_failed", "message": "Nobody could.", "param": None}


def test_a_silence_that_is_too_long_is_answered() -> None:
    """As OpenAI does: the silence is an item, and the responder is told of it in words."""
    client = WireClient()
    client.update(audio=WORDS)
    events = client.hear(IdleTimedOut(1_000, 7_000))
    assert kinds(events) == [
        "input_audio_buffer.timeout_triggered",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.input_audio_transcription.completed",
        "response.created",
    ]
    assert (events[0]["audio_start_ms"], events[0]["audio_end_ms"]) == (1_000, 7_000)
    assert [entry.text for entry in client.history() if isinstance(entry, Message)] == [
        "The user has been silent for 6 seconds."
    ]


def test_nobody_is_asked_whether_they_are_there_while_somebody_talks() -> None:
    """Neither while they speak nor while they are answered."""
    client = WireClient()
    client.hear(SpeechStarted(0))
    assert client.hear(IdleTimedOut(0, 5_000)) == []
    client.hear(SpeechStopped(900))
    assert client.hear(IdleTimedOut(0, 5_000)) == []


def test_turns_are_retrieved_with_their_sound() -> None:
    """Exactly what lies between the beginning and the end of the speech, as it was sent."""
    client = WireClient()
    said = np.arange(48_000, dtype=np.int16)
    client.send("input_audio_buffer.append", audio=encoded(said))
    item_id = client.hear(SpeechStarted(500), SpeechStopped(1_500))[0]["item_id"]
    shown = one(client.send("conversation.item.retrieve", item_id=item_id), "conversation.item.retrieved")
    assert shown["item"]["content"][0]["audio"] == encoded(said[12_000:36_000])
