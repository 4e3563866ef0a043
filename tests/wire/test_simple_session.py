"""Protocols that know sound and little else, on the session behind them: what goes in, and what is told."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

from tests.wire.realtime.answer_reports import spoken
from tests.wire.realtime.wire_client import sound
from voicemode.dialogue import (
    AnswerDone,
    AnswerFailed,
    AudioIn,
    Command,
    CommitInput,
    FlushPlayout,
    InputTranscribed,
    InputTranscriptFailed,
    Message,
    PlayoutCleared,
    PlayoutStarted,
    PlayoutStopped,
    Report,
    Respond,
    SpeechStarted,
    SpeechStopped,
)
from voicemode.playout import PlayoutSound
from voicemode.record import Entry, Role, Standing
from voicemode.wire.realtime import Playout, RealtimeSession
from voicemode.wire.simple_session import (
    INNER_OPTIONS,
    AnswerBegan,
    AnswerCut,
    AnswerHeard,
    AnswerNow,
    ClientInput,
    EndTurn,
    Frame,
    HangUp,
    Output,
    PersonSpeaks,
    Problem,
    SimpleSession,
    SimpleStep,
    Sound,
    Transcript,
    Typed,
)

RATE = 16_000


class Told:
    """A protocol whose messages are the names of what was put in, and that keeps what is told."""

    def __init__(self) -> None:
        self.inputs: dict[str, ClientInput] = {}
        self.outputs: list[Output] = []

    def opening(self) -> Iterable[Frame]:
        return [{"type": "hello"}]

    def read(self, message: str | bytes) -> Iterable[ClientInput]:
        return [self.inputs[str(message)]]

    def write(self, output: Output) -> Iterable[Frame]:
        self.outputs.append(output)
        return [b"sound"] if isinstance(output, PlayoutSound) else []


class Talk:
    """A conversation by hand."""

    def __init__(self, on_entry: Callable[[Entry], None] = lambda _: None) -> None:
        ids = itertools.count(1)
        self.protocol = Told()
        inner = RealtimeSession(
            "sess_1", playout=Playout.SERVER, new_id=lambda word: f"{word}_{next(ids)}", options=INNER_OPTIONS
        )
        self.session = SimpleSession(inner, self.protocol, on_entry)
        self.now_ms = 0
        self.commands: list[Command] = []
        self.opening = self._took(self.session.open(0))

    def send(self, what: ClientInput) -> SimpleStep:
        self.protocol.inputs["it"] = what
        return self._took(self.session.receive("it", self.now_ms))

    def sound(self, ms: int) -> None:
        self.now_ms += ms
        self.send(Sound(sound(ms, RATE), RATE))

    def hear(self, *reports: Report) -> list[Output]:
        """What is told of these."""
        before = len(self.told)
        for report in reports:
            self._took(self.session.report(report, self.now_ms))
        return self.told[before:]

    def turn(self, text: str = "Hello?") -> str:
        """The person says this; the response that answers."""
        begins_ms = self.now_ms + 200
        self.sound(1500)
        self.hear(SpeechStarted(begins_ms), SpeechStopped(begins_ms + 1000))
        self.hear(InputTranscribed(self.last(CommitInput).item_id, text, 1.0))
        return str(self.last(Respond).response_id)

    def last(self, kind: Any) -> Any:
        return next(each for each in reversed(self.commands) if isinstance(each, kind))

    def count(self, kind: type) -> int:
        return sum(isinstance(each, kind) for each in self.commands)

    @property
    def told(self) -> list[Output]:
        return self.protocol.outputs

    def _took(self, step: SimpleStep) -> SimpleStep:
        self.commands += step.commands
        return step


def test_the_protocol_speaks_first() -> None:
    """Before anything of the conversation; the engine is told how to listen."""
    assert Talk().opening.events == ({"type": "hello"},)


def test_a_whole_turn_is_told_in_order() -> None:
    """The person, the answer's beginning, its sound, its end when it was heard, and both sides' words."""
    talk = Talk()
    answer = talk.turn("How are you?")
    assert talk.told == [PersonSpeaks(True), PersonSpeaks(False), Transcript("user", "How are you?")]
    piece = PlayoutSound(sound(100))
    assert talk.hear(*spoken(answer, "Fine."), AnswerDone(answer)) == []
    assert talk.hear(PlayoutStarted(answer), piece) == [AnswerBegan(), piece]
    assert talk.hear(PlayoutStopped(answer)) == [AnswerHeard(), Transcript("assistant", "Fine.")]


def test_sound_of_the_playout_is_sent_as_the_protocol_writes_it() -> None:
    """As frames of the step."""
    talk = Talk()
    assert talk.session.report(PlayoutSound(sound(20)), 0).events == (b"sound",)


def test_the_persons_sound_reaches_the_engine_at_its_own_rate() -> None:
    """Nothing is resampled on the way."""
    talk = Talk()
    talk.sound(20)
    heard: AudioIn = talk.last(AudioIn)
    assert (len(heard.samples), heard.sample_rate) == (320, RATE)


def test_an_interruption_silences_and_leaves_what_was_heard() -> None:
    """The words up to there are told, and are all that the next answer knows."""
    talk = Talk()
    answer = talk.turn()
    talk.hear(*spoken(answer, "First.", 500), *spoken(answer, " Second.", 500), AnswerDone(answer), PlayoutStarted(answer))
    talk.sound(500)
    talk.hear(SpeechStarted(talk.now_ms - 100))
    assert talk.count(FlushPlayout) == 1
    assert talk.hear(PlayoutCleared(answer, 500)) == [AnswerCut(), Transcript("assistant", "First.", interrupted=True)]
    talk.sound(1000)
    talk.hear(SpeechStopped(talk.now_ms))
    told = [entry for entry in talk.last(Respond).history if isinstance(entry, Message) and entry.role == "assistant"]
    assert [message.text.strip() for message in told] == ["First."]


def test_an_answer_that_waited_behind_another_is_not_told_as_interrupted() -> None:
    """It had not begun."""
    talk = Talk()
    answer = talk.turn()
    talk.hear(*spoken(answer), PlayoutStarted(answer))
    assert talk.hear(PlayoutCleared(answer, 0), PlayoutCleared("resp_x", 0)) == [AnswerCut()]


def test_a_turn_that_the_client_ends_is_answered_at_once() -> None:
    """Although the detector still waits."""
    talk = Talk()
    talk.sound(1500)
    talk.hear(SpeechStarted(200))
    talk.send(EndTurn())
    assert (talk.count(CommitInput), talk.count(Respond)) == (1, 1)
    assert talk.told == [PersonSpeaks(True), PersonSpeaks(False)]


def test_an_end_without_speech_is_no_turn() -> None:
    """gptme's page says it after each answer: taken for a turn, the assistant would talk to itself for ever."""
    talk = Talk()
    talk.sound(3000)
    talk.send(EndTurn())
    assert (talk.count(CommitInput), talk.count(Respond)) == (0, 0)


def test_speech_that_was_not_noticed_yet_when_its_end_came_is_answered() -> None:
    """Who holds a key while they speak sends the end with the last sound, and the engine may be behind."""
    talk = Talk()
    talk.sound(1500)
    talk.send(EndTurn())
    talk.hear(SpeechStarted(200))
    assert (talk.count(CommitInput), talk.count(Respond)) == (1, 1)


def test_speech_that_began_after_an_end_goes_on() -> None:
    """It is the next turn, even with the sound before it that counts as its beginning."""
    talk = Talk()
    talk.sound(1500)
    talk.send(EndTurn())
    talk.sound(500)
    talk.hear(SpeechStarted(1300))
    assert talk.count(CommitInput) == 0


def test_typed_words_and_greetings_are_answered() -> None:
    """Without any sound of the person."""
    talk = Talk()
    talk.send(Typed("What is new?"))
    assert talk.last(Respond).history[-1].text == "What is new?"
    talk.hear(AnswerDone(talk.last(Respond).response_id))
    talk.send(AnswerNow("Say hello."))
    assert talk.last(Respond).instructions == "Say hello."


def test_problems_are_told() -> None:
    """Of the answer, and of the words."""
    talk = Talk()
    talk.sound(1500)
    talk.hear(SpeechStarted(200), SpeechStopped(1000))
    item = talk.last(CommitInput).item_id
    assert talk.hear(InputTranscriptFailed(item, "stt", "Nobody listens.")) == [Problem("stt", "Nobody listens.")]
    failed = AnswerFailed(talk.last(Respond).response_id, "chat", "Nobody answers.")
    assert talk.hear(failed) == [Problem("chat", "Nobody answers.")]


def test_hanging_up_closes() -> None:
    """With the protocol's code."""
    assert Talk().send(HangUp(1000, "bye")).close == (1000, "bye")


def test_a_session_that_lasted_too_long_says_so() -> None:
    """And closes with 1001."""
    talk = Talk()
    step = talk.session.expire()
    assert step.close is not None
    assert step.close[0] == 1001
    assert [each.code for each in talk.told if isinstance(each, Problem)] == ["session_expired"]


def test_who_types_interrupts() -> None:
    """What is being said ends, and what was typed is answered."""
    talk = Talk()
    first = talk.turn()
    talk.hear(*spoken(first), PlayoutStarted(first))
    talk.send(Typed("Stop."))
    assert talk.count(FlushPlayout) == 1
    second = talk.last(Respond).response_id
    assert second != first
    assert AnswerCut() in talk.hear(PlayoutCleared(first, 100))
    assert [each.text for each in talk.last(Respond).history if isinstance(each, Message)][-1] == "Stop."
    assert not any(isinstance(each, Problem) for each in talk.told)


def test_whoever_wants_to_hear_what_was_said_is_told_as_the_record_is() -> None:
    """Each turn once, in order; an answer that was under way when the call ended, as far as it was heard."""
    said: dict[str, Entry] = {}
    talk = Talk(lambda entry: said.update({entry.key: entry}))
    answer = talk.turn("How are you?")
    talk.hear(*spoken(answer, "Fine.", 500), *spoken(answer, " And you?", 500), AnswerDone(answer), PlayoutStarted(answer))
    talk.sound(500)
    told = talk.session.leave(talk.now_ms).entries
    assert told == tuple(entry for entry in said.values() if entry.role is Role.ASSISTANT)
    assert [(entry.role, entry.text.strip(), entry.standing) for entry in said.values()] == [
        (Role.USER, "How are you?", Standing.WHOLE),
        (Role.ASSISTANT, "Fine.", Standing.INTERRUPTED),
    ]
