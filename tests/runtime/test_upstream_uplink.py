"""Which of the person's sound an upstream gets."""

from __future__ import annotations

import numpy as np

from voicemode.audio import Samples
from voicemode.dialogue import AudioIn
from voicemode.runtime.upstream_uplink import Uplink

RATE = 24_000


class Sent:
    """A session of 24 kHz whose samples are numbered by the hundredth of a second."""

    def __init__(self) -> None:
        self.heard_s = 0.0
        self.parts: list[Samples] = []
        self.uplink = Uplink(self.parts.append, lambda: self.heard_s)
        self.pushed = 0

    def push(self, seconds: float, *, heard: bool = True) -> None:
        """Sound in chunks of 10 ms, which our ear hears at once, or has still to hear."""
        for _ in range(round(seconds * 100)):
            self.uplink.push(AudioIn(np.full(RATE // 100, self.pushed, np.int16), RATE))
            self.pushed += 1
            if heard:
                self.heard_s = self.pushed / 100

    @property
    def numbers(self) -> list[int]:
        return [] if not self.parts else [int(each) for each in np.concatenate(self.parts)[:: RATE // 100]]


def test_only_turns_leave_the_machine() -> None:
    """From where one began to where it ended, though that was known only afterwards."""
    sent = Sent()
    sent.push(1.0)
    assert sent.numbers == []
    sent.uplink.speech_began(700)
    sent.push(1.0)
    sent.uplink.speech_ended(1800)
    sent.uplink.commit()
    sent.push(1.0)
    assert sent.numbers == [*range(70, 199)]


def test_sound_that_our_ear_has_not_heard_may_be_another_turns() -> None:
    """A client that sends faster than real time: each turn gets its own."""
    sent = Sent()
    sent.push(4.0, heard=False)
    sent.heard_s = 1.0
    sent.uplink.speech_began(500)
    sent.heard_s = 2.0
    sent.uplink.speech_ended(1500)
    sent.uplink.commit()
    assert sent.numbers == [*range(50, 150)]
    sent.uplink.speech_began(2500)
    sent.heard_s = 3.5
    sent.uplink.speech_ended(3200)
    sent.uplink.commit()
    assert sent.numbers[100:] == [*range(250, 320)]


def test_a_turn_that_the_client_ends_has_all_that_came() -> None:
    """Whether our ear has heard it or not."""
    sent = Sent()
    sent.push(1.0)
    sent.uplink.speech_began(500)
    sent.push(0.5, heard=False)
    sent.uplink.commit()
    assert sent.numbers == [*range(50, 150)]


def test_all_of_it_is_sent_where_the_upstream_finds_the_turns() -> None:
    """Once, as it comes, at 24 kHz."""
    sent = Sent()
    sent.uplink.whole = True
    sent.push(0.5)
    assert sent.numbers == [*range(50)]
    other = Sent()
    other.uplink.whole = True
    for _ in range(50):
        other.uplink.push(AudioIn(np.zeros(160, np.int16), 16_000))
    assert abs(sum(map(len, other.parts)) - RATE // 2) < RATE // 50


def test_what_was_cleared_is_not_sent() -> None:
    """Nor is it as part of the next turn."""
    sent = Sent()
    sent.push(1.0)
    sent.uplink.clear()
    sent.uplink.speech_began(900)
    sent.push(0.1)
    sent.uplink.commit()
    assert sent.numbers == [*range(100, 110)]
