"""A telephone call on the session behind it: Twilio's messages in, Twilio's messages out."""

from __future__ import annotations

import base64
import itertools
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.realtime.answer_reports import call, spoken
from tests.wire.realtime.wire_client import sound
from voicemode.core.g711 import ulaw_decode, ulaw_encode
from voicemode.dialogue import (
    AnswerDone,
    AudioIn,
    Command,
    FlushPlayout,
    InputTranscribed,
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
from voicemode.wire.hang_up import HANG_UP, HangUpSession
from voicemode.wire.realtime import Playout, RealtimeSession
from voicemode.wire.simple_session import INNER_OPTIONS, SimpleSession
from voicemode.wire.twilio import Digit, Marked, Media, Started, Stopped, TwilioProtocol, read_message

STREAM = "MZ" + "0" * 32


def written(event: str, **fields: object) -> str:
    return json.dumps({"event": event, "streamSid": STREAM, "sequenceNumber": "1", **fields})


def media(ms: int = 20) -> str:
    payload = base64.b64encode(ulaw_encode(np.zeros(8 * ms, np.int16))).decode()
    return written("media", media={"track": "inbound", "chunk": "1", "timestamp": "5", "payload": payload})


def digit(key: str) -> str:
    return written("dtmf", dtmf={"track": "inbound_track", "digit": key})


class Line:
    """A call by hand."""

    def __init__(self) -> None:
        ids = itertools.count(1)
        options = {**INNER_OPTIONS, "tools": [HANG_UP]}
        inner = RealtimeSession("sess_1", playout=Playout.SERVER, new_id=lambda word: f"{word}_{next(ids)}", options=options)
        self.marks: list[int] = []
        self.gone = 0
        protocol = TwilioProtocol(STREAM, played=self.marks.append, stopped=self._stopped)
        self.session = SimpleSession(HangUpSession(inner), protocol)
        self.commands: list[Command] = []
        self.frames: list[Any] = []
        self._close: tuple[int, str] | None = None
        self.now_ms = 0
        self._took(self.session.open(0))

    def hears(self, *messages: str | bytes) -> None:
        for each in messages:
            self.now_ms += 20
            self._took(self.session.receive(each, self.now_ms))

    def reports(self, *reports: Report) -> None:
        for each in reports:
            self._took(self.session.report(each, self.now_ms))

    def asked(self, text: str = "Hello?") -> str:
        """The caller says this; the response that answers."""
        begins_ms = self.now_ms
        self.hears(*[media()] * 50)
        self.reports(SpeechStarted(begins_ms), SpeechStopped(begins_ms + 900))
        self.reports(InputTranscribed("item_x", text, 0.9))
        return self.answer

    @property
    def answer(self) -> str:
        return self.last(Respond).response_id  # type: ignore[no-any-return]

    def last(self, kind: Any) -> Any:
        return next(each for each in reversed(self.commands) if isinstance(each, kind))

    def count(self, kind: type) -> int:
        return sum(isinstance(each, kind) for each in self.commands)

    def ended(self) -> tuple[int, str] | None:
        return self._close

    def _stopped(self) -> None:
        self.gone += 1

    def _took(self, step: Any) -> None:
        self.commands += step.commands
        self.frames += step.events
        self._close = self._close or step.close


def test_messages_are_read_as_twilio_documents_them() -> None:
    """Each kind, with what it says."""
    start = {
        "accountSid": "AC1",
        "streamSid": STREAM,
        "callSid": "CA1",
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {"secret": "s", "number": 5},
    }
    assert read_message('{"event":"connected","protocol":"Call","version":"1.0.0"}') is None
    assert read_message(written("start", start=start)) == Started(STREAM, "CA1", "AC1", {"secret": "s"})
    other = {**start, "mediaFormat": {"encoding": "audio/l16", "sampleRate": 16000}}
    assert read_message(written("start", start=other)) == Started(STREAM, "CA1", "AC1", {"secret": "s"}, understood=False)
    found = read_message(media(40))
    assert isinstance(found, Media)
    assert len(found.samples) == 320
    assert read_message(digit("#")) == Digit("#")
    assert read_message(written("mark", mark={"name": "7"})) == Marked("7")
    assert read_message(written("stop", stop={"accountSid": "AC1", "callSid": "CA1"})) == Stopped()


def test_our_own_sound_is_not_taken_for_the_callers() -> None:
    """Where a stream carries both tracks."""
    assert read_message(media().replace('"inbound"', '"outbound"')) is None


anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
events = st.sampled_from(["connected", "start", "media", "dtmf", "mark", "stop", "other"])
names = st.sampled_from(["payload", "track", "digit", "name", "streamSid", "callSid", "accountSid", "mediaFormat"])
malformed = st.builds(
    lambda event, inner, more: json.dumps({"event": event, **({event: inner} if isinstance(event, str) else {}), **more}),
    events | anything,
    st.dictionaries(names, anything) | anything,
    st.dictionaries(st.text(max_size=10), anything, max_size=2),
)


@given(st.lists(malformed | st.text(max_size=60) | st.binary(max_size=60), max_size=8))
def test_whatever_comes_nothing_breaks(messages: list[str | bytes]) -> None:
    """And the call goes on, unless it was told that it ended."""
    line = Line()
    line.hears(*messages)
    assert line.ended() is None or line.gone
    before = line.count(AudioIn)
    line.hears(media())
    assert line.count(AudioIn) == before + 1


@given(st.lists(st.sampled_from(["media", "1", "#", "mark", "bad"]), max_size=120))
def test_every_key_is_told_once_and_in_order(happenings: list[str]) -> None:
    """In whatever stream of sound, marks and rubbish they come, once a second and a half passed."""
    kinds = {"media": media(), "mark": written("mark", mark={"name": "1"}), "bad": '{"event":"media","media":{"payload":"#"}}'}
    line = Line()
    line.hears(*(kinds.get(each) or digit(each) for each in happenings), *[media()] * 76)
    last = next((each for each in reversed(line.commands) if isinstance(each, Respond)), None)
    words = [each.text for each in (last.history if last else ()) if isinstance(each, Message) and each.role == "user"]
    keys = "".join(word.removeprefix("The caller pressed ").removesuffix(".").replace(" ", "") for word in words)
    assert keys == "".join(each for each in happenings if each in "1#")


@pytest.mark.parametrize("payload", ["", "####", "A", base64.b64encode(bytes(500_000)).decode()])
def test_sound_that_is_none_is_passed_over(payload: str) -> None:
    """Too much of it as well."""
    assert read_message(written("media", media={"payload": payload})) is None


def test_sound_is_heard_and_said_in_mulaw_at_8_khz() -> None:
    """Each piece with a mark behind it, numbered from one."""
    line = Line()
    line.hears(media())
    heard = line.last(AudioIn)
    assert (len(heard.samples), heard.sample_rate) == (160, 8000)
    wave = (10_000 * np.sin(np.arange(4800) * 2 * np.pi * 440 / 24_000)).astype(np.int16)
    line.reports(PlayoutSound(wave[:2400]), PlayoutSound(wave[2400:]))
    assert [each["event"] for each in line.frames] == ["media", "mark"] * 2
    assert [each["mark"]["name"] for each in line.frames[1::2]] == ["1", "2"]
    assert {each["streamSid"] for each in line.frames} == {STREAM}
    said = np.concatenate([ulaw_decode(base64.b64decode(each["media"]["payload"])) for each in line.frames[::2]])
    assert 1400 <= len(said) <= 1600
    assert np.argmax(np.abs(np.fft.rfft(said[:1400]))) == 440 * 1400 // 8000


def test_marks_that_come_back_are_told() -> None:
    """Those that are no numbers of ours are not."""
    line = Line()
    line.hears(*(written("mark", mark={"name": name}) for name in ("3", "x", "", "-1", "9" * 30)))
    assert line.marks == [3]


def test_an_interruption_clears_what_was_sent() -> None:
    """In the step in which it is known."""
    line = Line()
    answer = line.asked()
    line.reports(*spoken(answer), PlayoutStarted(answer), PlayoutSound(sound(100)))
    line.reports(SpeechStarted(line.now_ms))
    assert line.count(FlushPlayout) == 1
    line.reports(PlayoutCleared(answer, 100))
    assert line.frames[-1] == {"event": "clear", "streamSid": STREAM}


def test_keys_interrupt_and_are_answered() -> None:
    """As words, after '#' at once."""
    line = Line()
    answer = line.asked()
    line.reports(*spoken(answer), PlayoutStarted(answer))
    line.hears(digit("4"), digit("2"), digit("#"))
    assert line.count(FlushPlayout) == 1
    assert line.last(Respond).history[-1] == Message(
        "user", "The caller pressed 4 2 #.", line.last(Respond).history[-1].item_id
    )


def test_who_hangs_up_ends_the_call() -> None:
    """And is not hung up on."""
    line = Line()
    line.hears(written("stop", stop={}))
    assert line.ended() == (1000, "the client left")
    assert line.gone == 1


def test_the_assistant_hangs_up_when_its_goodbye_was_heard() -> None:
    """Not before, though no more of the answer comes."""
    line = Line()
    answer = line.asked("Bye!")
    line.reports(*spoken(answer, "Goodbye."), *call(answer, "c1", "hangup"), PlayoutStarted(answer), AnswerDone(answer))
    assert line.ended() is None
    line.reports(PlayoutStopped(answer))
    assert line.ended() == (1000, "hung up")
    assert not line.gone


def test_without_a_word_it_hangs_up_at_once() -> None:
    """Nothing is to be heard first."""
    line = Line()
    answer = line.asked("Bye!")
    line.reports(*call(answer, "c1", "hangup"), AnswerDone(answer))
    assert line.ended() == (1000, "hung up")


def test_who_speaks_into_the_goodbye_is_heard() -> None:
    """The call goes on, and its history has no open call."""
    line = Line()
    answer = line.asked("Bye!")
    line.reports(*spoken(answer, "Goodbye."), *call(answer, "c1", "hangup"), PlayoutStarted(answer), AnswerDone(answer))
    line.reports(SpeechStarted(line.now_ms), PlayoutCleared(answer, 50), SpeechStopped(line.now_ms + 10))
    assert line.ended() is None
    later = line.answer
    assert later != answer
    line.reports(*spoken(later, "Yes?"), PlayoutStarted(later), AnswerDone(later), PlayoutStopped(later))
    assert line.ended() is None


def test_other_functions_do_not_end_the_call() -> None:
    """Only the one of that name."""
    line = Line()
    answer = line.asked()
    line.reports(*call(answer, "c1", "weather"), AnswerDone(answer))
    assert line.ended() is None
