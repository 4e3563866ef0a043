"""An answer that was interrupted: what was heard of it stays in the conversation, and nothing else."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.wire.realtime.wire_client import WireClient, kinds, one, sound
from voicemode.dialogue import (
    AnswerAudio,
    AnswerDone,
    AnswerFailed,
    AnswerText,
    FlushPlayout,
    Message,
    PlayoutCleared,
    PlayoutStarted,
    PlayoutStopped,
    SpeechStarted,
    SpeechStopped,
)
from voicemode.wire.realtime import Playout
from voicemode.wire.realtime.items import AnswerItem

WORDS = ("One", "two", "six", "ten", "few")
"""Of as many letters each: where a word ends that was broken off is reckoned by the letters of those before it."""
WORD_MS = 400
OFFSETS = st.integers(0, 4_000).filter(lambda ms: abs(ms % WORD_MS - WORD_MS // 2) > 10)
"""Not in the very middle of a word, where rounding decides."""


def answering(client: WireClient, *, words: Sequence[str] = WORDS, finished: bool = True) -> tuple[str, str]:
    """An answer of words of 400 ms each, sent at once; its response and its item."""
    client.say("Count.")
    response_id = client.respond()
    client.hear(AnswerText(response_id, " ".join(words)))
    client.hear(*(AnswerAudio(response_id, sound(WORD_MS), word) for word in words))
    if finished:
        client.hear(AnswerDone(response_id))
    item_id = next(event["item_id"] for event in client.log if event["type"] == "response.content_part.added")
    return response_id, item_id


def told(client: WireClient) -> str:
    """What the next responder is told that the assistant said."""
    client.respond()
    return " ".join(entry.text for entry in client.history() if isinstance(entry, Message) and entry.role == "assistant")


def words_heard(ms: float) -> str:
    """A word counts when most of it was audible."""
    return " ".join(word for number, word in enumerate(WORDS) if ms >= (number + 0.5) * WORD_MS)


@settings(deadline=None)
@given(OFFSETS.filter(lambda ms: ms <= len(WORDS) * WORD_MS), st.booleans())
@example(1_811, False)
@example(1_789, False)
def test_a_truncate_leaves_exactly_the_words_that_were_heard(end_ms: int, finished: bool) -> None:
    """Whether or not the response had ended."""
    client = WireClient()
    _, item_id = answering(client, finished=finished)
    events = client.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=end_ms)
    assert (
        one(events, "conversation.item.truncated").items()
        >= {
            "item_id": item_id,
            "content_index": 0,
            "audio_end_ms": end_ms,
        }.items()
    )
    if not finished:
        client.send("response.cancel")
    assert told(client) == words_heard(end_ms)


@pytest.mark.parametrize(
    ("finished", "end_ms", "heard"),
    [(True, 599, "One"), (True, 601, "One three"), (False, 713, "One"), (False, 715, "One three")],
)
def test_of_a_word_that_may_go_on_more_has_to_be_heard(finished: bool, end_ms: int, heard: str) -> None:
    """Of five letters at the pace of three in 400 ms, it would last 629 ms. Where nothing follows, it lasted 400."""
    client = WireClient()
    _, item_id = answering(client, words=("One", "three"), finished=finished)
    client.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=end_ms)
    if not finished:
        client.send("response.cancel")
    assert told(client) == heard


@settings(deadline=None)
@given(OFFSETS.filter(lambda ms: ms <= len(WORDS) * WORD_MS), st.integers(0, 5_000))
def test_the_engines_word_on_what_was_heard_counts(heard_ms: int, clock_ms: int) -> None:
    """Where we own the playout: the item is truncated without anybody's asking, before the next turn is answered."""
    client = WireClient(playout=Playout.SERVER)
    response_id, item_id = answering(client, finished=False)
    client.hear(PlayoutStarted(response_id))
    client.now_ms = clock_ms
    client.hear(SpeechStarted(0))
    assert FlushPlayout() in client.commands
    events = client.hear(PlayoutCleared(response_id, heard_ms))
    assert kinds(events) == ["output_audio_buffer.cleared", "conversation.item.truncated"]
    assert (events[0]["response_id"], events[1]["item_id"], events[1]["audio_end_ms"]) == (response_id, item_id, heard_ms)
    client.hear(SpeechStopped(900))
    assert [entry.text for entry in client.history()[1:] if isinstance(entry, Message)] == list(
        filter(None, [words_heard(heard_ms)])
    )


@settings(deadline=None)
@given(OFFSETS)
def test_without_a_truncate_the_clock_tells_what_was_heard(elapsed_ms: int) -> None:
    """A client that plays in real time and says nothing, interrupted in the middle of what it got; never more than there is."""
    client = WireClient()
    answering(client)
    client.now_ms = elapsed_ms
    client.hear(SpeechStarted(0), SpeechStopped(900))
    assert [entry.text for entry in client.history() if isinstance(entry, Message)][1:] == list(
        filter(None, [words_heard(elapsed_ms)])
    )


def test_a_truncate_knows_better_than_the_clock() -> None:
    """It comes a moment after the interruption."""
    client = WireClient()
    _, item_id = answering(client)
    client.now_ms = 1_700
    client.hear(SpeechStarted(0))
    client.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=900)
    assert told(client) == "One two"


def test_an_answer_that_nobody_interrupted_is_told_whole() -> None:
    """Also when the next response is asked for while it still plays, as after a function call."""
    client = WireClient()
    answering(client)
    assert told(client) == " ".join(WORDS)


def test_sound_that_waits_behind_other_sound_was_not_heard_yet() -> None:
    """A client plays answers one after the other."""
    client = WireClient()
    answering(client)
    response_id = client.respond()
    client.hear(AnswerText(response_id, "Six"), AnswerAudio(response_id, sound(400), "Six"), AnswerDone(response_id))
    client.now_ms = 2_100
    client.hear(SpeechStarted(0))
    assert told(client) == " ".join(WORDS)


def test_a_cancel_by_the_client_ends_what_it_plays() -> None:
    """It stops playing when it cancels."""
    client = WireClient()
    answering(client, finished=False)
    client.now_ms = 850
    client.send("response.cancel")
    assert told(client) == "One two"


def test_where_we_play_a_cancel_alone_lets_what_was_made_be_heard() -> None:
    """Until the client clears the output buffer."""
    client = WireClient(playout=Playout.SERVER)
    response_id, _ = answering(client, finished=False)
    client.hear(PlayoutStarted(response_id))
    client.send("response.cancel")
    assert FlushPlayout() not in client.commands
    client.hear(PlayoutStopped(response_id))
    assert told(client) == " ".join(WORDS)


def test_the_output_buffer_is_cleared_at_the_clients_wish() -> None:
    """What is being said ends too, as OpenAI documents it."""
    client = WireClient(playout=Playout.SERVER)
    response_id, _ = answering(client, finished=False)
    client.hear(PlayoutStarted(response_id))
    assert kinds(client.send("output_audio_buffer.clear"))[-1] == "response.done"
    assert FlushPlayout() in client.commands
    assert kinds(client.hear(PlayoutCleared(response_id, 800))) == [
        "output_audio_buffer.cleared",
        "conversation.item.truncated",
    ]
    assert told(client) == "One two"


def test_where_the_client_plays_there_is_no_output_buffer() -> None:
    """It is told what to do instead."""
    assert "conversation.item.truncate" in WireClient().error("output_audio_buffer.clear")["message"]


def test_playout_is_told_where_it_is_ours() -> None:
    """Started and stopped; a whole answer is not truncated."""
    client = WireClient(playout=Playout.SERVER)
    response_id, _ = answering(client)
    events = client.hear(PlayoutStarted(response_id), PlayoutStopped(response_id))
    assert kinds(events) == ["output_audio_buffer.started", "output_audio_buffer.stopped"]
    assert kinds(client.hear(PlayoutCleared(response_id, 2_000))) == ["output_audio_buffer.cleared"]
    assert told(client) == " ".join(WORDS)


def test_speech_flushes_what_still_plays_of_an_answer_that_has_ended() -> None:
    """Generation is faster than speech: most interruptions come after response.done."""
    client = WireClient(playout=Playout.SERVER)
    response_id, _ = answering(client)
    client.hear(PlayoutStarted(response_id))
    client.now_ms = 10_000
    client.hear(SpeechStarted(0))
    assert FlushPlayout() in client.commands
    client.hear(PlayoutCleared(response_id, 450))
    assert told(client) == "One"


@pytest.mark.parametrize(("end_ms", "works"), [(2_000, True), (2_099, True), (2_101, False)])
def test_a_little_beyond_the_end_is_the_end(end_ms: int, works: bool) -> None:
    """Clients overshoot by the buffer they play from, and one dies of the error."""
    client = WireClient()
    _, item_id = answering(client)
    events = client.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=end_ms)
    if works:
        assert events[0]["audio_end_ms"] == 2_000
    else:
        assert events[0]["error"]["message"] == "Audio content of 2000ms is already shorter than 2101ms"
    assert told(client) == " ".join(WORDS)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"item_id": "nope"}, "item_truncate_invalid_item_id"),
        ({"content_index": 1}, "invalid_value"),
        ({"audio_end_ms": -1}, "invalid_value"),
        ({"audio_end_ms": "1"}, "invalid_type"),
        ({"audio_end_ms": True}, "invalid_type"),
    ],
)
def test_a_wrong_truncate_changes_nothing(fields: dict[str, object], code: str) -> None:
    """And says why."""
    client = WireClient()
    _, item_id = answering(client)
    given = {"item_id": item_id, "content_index": 0, "audio_end_ms": 500, **fields}
    assert client.error("conversation.item.truncate", **given)["code"] == code
    assert told(client) == " ".join(WORDS)


def test_only_spoken_answers_can_be_truncated() -> None:
    """Neither what the client wrote nor a written answer."""
    client = WireClient()
    item_id = client.say("Hi.")[0]["item"]["id"]
    assert (
        "Only model output audio"
        in client.error("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=0)["message"]
    )


def test_a_truncated_answer_is_retrieved_as_it_was_heard() -> None:
    """Its words and its sound."""
    client = WireClient()
    _, item_id = answering(client)
    whole = one(client.send("conversation.item.retrieve", item_id=item_id), "conversation.item.retrieved")["item"]["content"][0]
    assert whole["transcript"] == " ".join(WORDS)
    assert len(base64.b64decode(whole["audio"])) == 2_000 * 48
    client.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=800)
    heard = one(client.send("conversation.item.retrieve", item_id=item_id), "conversation.item.retrieved")["item"]["content"][0]
    assert heard["transcript"] == "One two"
    assert base64.b64decode(whole["audio"]).startswith(base64.b64decode(heard["audio"]))
    assert len(base64.b64decode(heard["audio"])) == 800 * 48


def test_an_answer_that_was_heard_to_its_end_is_not_cut_later() -> None:
    """Also what stands in it that nobody can pronounce."""
    client = WireClient()
    response_id = client.respond()
    client.hear(AnswerText(response_id, "One ☺"), AnswerAudio(response_id, sound(400), "One"), AnswerDone(response_id))
    client.now_ms = 401
    client.hear(SpeechStarted(0))
    assert told(client) == "One ☺"


def test_words_that_never_became_sound_were_not_heard() -> None:
    """The synthesizer broke in the middle; what was made is played to its end."""
    client = WireClient()
    response_id = client.respond()
    client.hear(AnswerText(response_id, "One two"), AnswerAudio(response_id, sound(400), "One"))
    client.hear(AnswerFailed(response_id, "speech_failed", "Nobody speaks."))
    assert told(client) == "One"


def test_an_interrupted_answer_keeps_no_sound() -> None:
    """Ten seconds of it are half a megabyte, and an hour has many interruptions."""
    client = WireClient()
    response_id = client.respond()
    client.hear(AnswerText(response_id, "Well then."), AnswerAudio(response_id, sound(400), "Well then."), SpeechStarted(0))
    item = next(item for item in client.session._state.conversation if isinstance(item, AnswerItem))  # type: ignore[union-attr]
    assert item.status == "incomplete"
    assert item.spoken is not None
    assert item.spoken._open is None
