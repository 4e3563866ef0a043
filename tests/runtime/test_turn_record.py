"""What is put down of a turn."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.runtime.parts import Stage, run
from voicemode.errors import EndpointError, SpeechFailedError
from voicemode.record import Entry, Role, Standing
from voicemode.runtime.conversation import Conversations
from voicemode.runtime.result import Recovered, Status, TurnRequest, TurnResult
from voicemode.runtime.turn_record import begun, broken, over, recovered
from voicemode.testing import FakeTranscriber

ASKED = TurnRequest(message="Shall I merge it, or wait?")


def facts(entries: tuple[Entry, ...] | list[Entry]) -> list[tuple[Role, str, Standing]]:
    return [(entry.role, entry.text, entry.standing) for entry in entries]


def test_nothing_of_a_message_is_put_down_before_it_was_heard() -> None:
    """A process that dies in mid-sentence leaves no words that nobody knows of."""
    assert facts(begun("k", ASKED)) == [(Role.ASSISTANT, "", Standing.IN_FLIGHT)]


def test_of_an_interrupted_message_only_what_was_heard() -> None:
    """The responder must not believe that the person knows the rest."""
    result = TurnResult(
        status=Status.INTERRUPTED, text="Merge it", heard="Shall I merge it,", unheard="or wait?", timings_ms={"response": 250}
    )
    message, answer = over("k", ASKED, result)
    assert facts([message, answer]) == [
        (Role.ASSISTANT, "Shall I merge it,", Standing.INTERRUPTED),
        (Role.USER, "Merge it", Standing.WHOLE),
    ]
    assert message.key == begun("k", ASKED)[0].key
    assert answer.timings == {"response": 0.25}


def test_a_message_of_which_nothing_was_heard_has_no_words() -> None:
    """It was interrupted at once."""
    result = TurnResult(status=Status.INTERRUPTED, text="No", heard="", unheard=ASKED.message)
    assert facts(over("k", ASKED, result))[0] == (Role.ASSISTANT, "", Standing.INTERRUPTED)


def test_who_only_listens_says_nothing() -> None:
    """And where nobody answers there is no answer."""
    silent = TurnRequest(message=" ")
    assert begun("k", silent) == ()
    assert over("k", silent, TurnResult(status=Status.NO_SPEECH)) == ()
    assert facts(over("k", ASKED, TurnResult(status=Status.SPOKEN))) == [(Role.ASSISTANT, ASKED.message, Standing.WHOLE)]


def test_an_interruption_that_nobody_could_write_down_is_one_all_the_same() -> None:
    """Of the message stands what was heard."""
    error = SpeechFailedError("speech-to-text", [EndpointError("http://down", "refused")], Path("utt-1.wav"))
    error.heard, error.unheard = "Shall I merge it,", "or wait?"
    assert facts(broken("k", ASKED, error)) == [
        (Role.ASSISTANT, "Shall I merge it,", Standing.INTERRUPTED),
        (Role.USER, "", Standing.FAILED),
    ]


def test_an_answer_that_nobody_could_write_down_failed_and_its_question_was_heard() -> None:
    """The words come later, as what they are."""
    why = [EndpointError("http://down", "refused")]
    lost = broken("k", ASKED, SpeechFailedError("speech-to-text", why, Path("utt-1.wav")))
    assert facts(lost) == [(Role.ASSISTANT, ASKED.message, Standing.WHOLE), (Role.USER, "", Standing.FAILED)]
    later = Recovered(handle="utt-1", text="merge", engine="x", confidence="high")
    assert facts(recovered(later)) == [(Role.USER, "merge", Standing.WHOLE)]
    assert recovered(replace(later, text="")) == ()


@pytest.mark.parametrize("error", [SpeechFailedError("text-to-speech", [], None), asyncio.CancelledError()])
def test_of_a_turn_that_broke_nobody_knows_what_was_heard(error: BaseException) -> None:
    """So no words are claimed."""
    assert facts(broken("k", ASKED, error)) == [(Role.ASSISTANT, "", Standing.FAILED)]


def converse(stage: Stage, put: list[Entry], *messages: str) -> None:
    talk = Conversations(replace(stage.parts, put=put.append), None)
    requests = [TurnRequest(message=message) for message in messages]
    run(lambda: talk.converse(requests, lambda _: None, called_at=time.monotonic(), budget_s=None))


def test_a_conversation_is_put_down_as_it_goes(tmp_path: Path) -> None:
    """Each message begins before it is over, and has a key of its own."""
    put: list[Entry] = []
    converse(Stage(tmp_path), put, "How far?")
    assert facts(put) == [
        (Role.ASSISTANT, "", Standing.IN_FLIGHT),
        (Role.ASSISTANT, "How far?", Standing.WHOLE),
        (Role.USER, "the answer", Standing.WHOLE),
    ]
    assert put[0].key == put[1].key != put[2].key


def test_a_failure_is_put_down_too(tmp_path: Path) -> None:
    """Nothing stays in flight."""
    put: list[Entry] = []
    down = SpeechFailedError("speech-to-text", [EndpointError("http://down", "refused")])
    converse(Stage(tmp_path, transcriber=FakeTranscriber([down])), put, "How far?")
    assert [standing for _, _, standing in facts(put)] == [Standing.IN_FLIGHT, Standing.WHOLE, Standing.FAILED]


class TestSound:
    """VOICEMODE_KEEP_AUDIO: the recording stays, with its entry."""

    def test_by_default_it_is_gone(self, tmp_path: Path) -> None:
        """As always, once the words are there."""
        put: list[Entry] = []
        converse(Stage(tmp_path), put, "How far?")
        assert put[-1].audio == ""
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []

    def test_it_is_kept_for_its_owner(self, tmp_path: Path) -> None:
        """As what was sent to be written down."""
        stage, put = Stage(tmp_path), list[Entry]()
        stage.parts.journal.keep_in = tmp_path / "history" / "audio"
        converse(stage, put, "How far?")
        path = Path(put[-1].audio)
        assert path.parent == tmp_path / "history" / "audio"
        assert path.read_bytes()[:4] == b"RIFF"
        assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        assert stage.parts.journal.pending() == []

    def test_what_has_no_words_is_not_kept(self, tmp_path: Path) -> None:
        """Nobody would find it again, nor forget it."""
        stage = Stage(tmp_path, transcriber=FakeTranscriber([""]))
        stage.parts.journal.keep_in = tmp_path / "history" / "audio"
        converse(stage, [], "How far?")
        assert list(tmp_path.rglob("*.wav")) == []

    def test_where_it_cannot_be_kept_the_conversation_goes_on(self, tmp_path: Path) -> None:
        """And no recording is left behind."""
        (tmp_path / "file").touch()
        stage, put = Stage(tmp_path), list[Entry]()
        stage.parts.journal.keep_in = tmp_path / "file" / "audio"
        converse(stage, put, "How far?")
        assert (put[-1].text, put[-1].audio) == ("the answer", "")
        assert list(tmp_path.rglob("*.wav")) == []
