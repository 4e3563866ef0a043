"""The bounded memory of sound, of both sides."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.realtime.wire_client import sound
from voicemode.audio import WordOnset
from voicemode.wire.realtime.formats import WireFormat
from voicemode.wire.realtime.input_buffer import InputBuffer
from voicemode.wire.realtime.sound import KeptSound, SpokenWords


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 60))))
def test_kept_sound_is_whole_and_within_its_budget(added: list[tuple[str, int]]) -> None:
    """What is given back for an item is all that was added to it, or nothing."""
    kept = KeptSound(100)
    whole: dict[str, bytes] = {}
    for number, (item, size) in enumerate(added):
        data = bytes([number % 256]) * size
        whole[item] = whole.get(item, b"") + data
        kept.add(item, data)
        found = {name: kept.get(name) for name in whole}
        assert sum(len(data) for data in found.values() if data) <= 100
    for name in whole:
        assert kept.get(name) in (None, whole[name])


@settings(deadline=None)
@given(st.lists(st.integers(1, 500), min_size=1, max_size=30), st.data())
def test_an_utterance_is_cut_out_to_the_millisecond(chunks_ms: list[int], data: st.DataObject) -> None:
    """However it was cut into messages; and what lies behind it is there for the next one."""
    samples = np.arange(sum(chunks_ms) * 24, dtype=np.int32).astype(np.int16)
    buffer = InputBuffer(10_000_000)
    at = 0
    for ms in chunks_ms:
        buffer.append(samples[at : at + ms * 24].tobytes(), WireFormat.PCM, speaking=True)
        at += ms * 24
    total = sum(chunks_ms)
    assert buffer.position_ms == buffer.since_turn_ms == total
    start = data.draw(st.integers(0, total - 1))
    end = data.draw(st.integers(start + 1, total))
    assert buffer.take(start, end) == samples[start * 24 : end * 24].tobytes()
    assert buffer.since_turn_ms == total - end
    assert len(buffer._kept) == (total - end) * 48
    if end < total:
        assert buffer.take(end, total) == samples[end * 24 :].tobytes()


def test_an_hour_of_silence_is_not_kept() -> None:
    """Only as much as an utterance may reach back; the positions are right all the same."""
    buffer = InputBuffer(1_000_000)
    second = sound(1_000).tobytes()
    for _ in range(60):
        buffer.append(second, WireFormat.PCM, speaking=False)
    assert len(buffer._kept) <= 3_000 * 48
    assert buffer.take(58_000, 59_000) == second
    assert buffer.take(10_000, 59_500) is None


def test_an_utterance_that_is_too_long_is_not_kept_in_part() -> None:
    """Its end would be taken for the whole."""
    buffer = InputBuffer(48_000)
    for _ in range(3):
        buffer.append(sound(1_000).tobytes(), WireFormat.PCM, speaking=True)
    assert buffer.take(0, 3_000) is None


def test_words_that_are_still_being_made_are_told_by_the_pace_of_those_before() -> None:
    """An answer that is cut while its last stretch has no end yet; and the pace is carried on to the next answer."""
    spoken = SpokenWords()
    spoken.add(sound(1_000), "one two three four")
    spoken.add(sound(500), "five six seven eight")
    assert spoken.heard(1_500) == "one two three four five six"
    assert spoken.letter_s is not None
    again = SpokenWords(spoken.letter_s * 2)
    again.add(sound(500), "five six seven eight")
    assert again.heard(500) == "five"


def test_an_engine_that_tells_its_words_is_believed() -> None:
    """While they are still being made and afterwards, in the second stretch of an answer as in the first."""
    spoken = SpokenWords()
    spoken.add(sound(1_000), "one two three")
    spoken.add(sound(300), "a long day", (WordOnset(0, 0.0), WordOnset(2, 0.1)))
    spoken.add(sound(900), "", (WordOnset(7, 0.7),))
    for _ in ("before its end is known", "and after"):
        assert spoken.heard(1_500) == "one two three a"
        assert spoken.heard(1_950) == "one two three a long"
        assert spoken.heard(2_190) == "one two three a long day"
        spoken.finish()


def test_words_that_were_not_begun_were_not_heard() -> None:
    """Nor anything where there was no sound."""
    spoken = SpokenWords()
    assert spoken.heard(100) == ""
    spoken.add(sound(400), "One")
    spoken.add(sound(400), "two")
    spoken.finish()
    assert spoken.heard(0) == ""
    assert spoken.heard(400) == "One"
    assert (spoken.heard(800), spoken.length_ms) == ("One two", 800)


def test_an_answer_that_was_broken_off_lets_its_sound_go_and_keeps_its_words() -> None:
    """Whoever is interrupted often must not fill the memory, nor make each turn dearer: the sound is looked at once."""
    whole, broken = SpokenWords(), SpokenWords()
    for words in (whole, broken):
        words.add(sound(2_000), "Seven of clubs, and then")
        words.add(sound(1_500), "")
    broken.break_off()
    times = [100, 700, 1_300, 2_400, 3_500]
    assert [broken.heard(ms) for ms in times] == [whole.heard(ms) for ms in times]
    assert (broken.length_ms, broken.letter_s) == (whole.length_ms, whole.letter_s)
    assert broken._open is None
    broken.break_off()
    assert broken.heard(700) == whole.heard(700)
