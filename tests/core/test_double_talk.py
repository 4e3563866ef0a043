"""Who speaks with the loudspeaker is heard, and the loudspeaker is not: whatever the blocks, the room and the headphones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.core.double_talk_scene import SPOKEN_S, scene, silence_where_cancelled, somebody, spoken
from tests.core.rooms import as_pcm, echo_of, level_db, noise, room, voice
from voicemode.audio import CAPTURE_RATE, FULL_SCALE, Samples
from voicemode.core.double_talk import DoubleTalk, Found
from voicemode.core.level import levels_dbfs
from voicemode.core.linear_echo import FRAME, Floats
from voicemode.core.presence import FOUND_S, SURE_S, Presence


def levels_of(sound: Samples) -> NDArray[np.float64]:
    """In dBFS, of each frame."""
    return np.array(levels_dbfs(sound[: len(sound) // FRAME * FRAME].reshape(-1, FRAME)))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("under_db", [0.0, 6.0])
def test_a_voice_as_loud_as_the_echo_or_softer_is_heard(seed: int, under_db: float) -> None:
    """Though the canceller leaves nothing of it: two thirds of its power at least, and little else."""
    person = somebody(seed, 0.1 * 0.3 * 10 ** (-under_db / 20))
    out = spoken(silence_where_cancelled(*scene(seed, person=person)))
    heard = as_pcm(person)
    assert level_db(out) > level_db(heard) - 2
    there = out != 0
    assert level_db(out[there] - heard[there]) < level_db(heard) - 6


@pytest.mark.parametrize("seed", range(12))
def test_an_echo_alone_is_left_to_the_canceller(seed: int) -> None:
    """Nothing of it comes by the other way, from the first sample on."""
    assert not silence_where_cancelled(*scene(seed)).any()


@pytest.mark.parametrize("seed", range(6))
def test_a_room_that_changes_is_no_voice(seed: int) -> None:
    """The echo is back, but no louder than it was before it was cancelled."""
    near, far = scene(seed)
    changed, _ = scene(seed, answer=0.9 * room(seed) + 0.4 * np.roll(room(seed + 100), 0))
    near[round(SPOKEN_S * CAPTURE_RATE) :] = spoken(changed)
    assert not silence_where_cancelled(near, far).any()


@pytest.mark.parametrize("seed", range(3))
def test_with_headphones_the_cancellers_sound_is_taken(seed: int) -> None:
    """There is no echo to tell from a voice, and the first one after they are taken off would pass for it."""
    near, far = scene(seed, gain=0.0, person=somebody(seed, 0.05))
    assert not silence_where_cancelled(near, far).any()


def test_while_the_place_of_the_echo_is_not_known_the_cancellers_sound_is_taken() -> None:
    """Even of a voice."""
    near, far = scene(1, person=somebody(1, 0.03))
    assert not silence_where_cancelled(near, far, known=False).any()


def test_an_echo_that_moved_is_left_to_the_canceller_until_it_is_learnt() -> None:
    """For a second and a half of sound, after a frame in which the one fades into the other."""
    double_talk = DoubleTalk()
    near, far = scene(2, person=somebody(2, 0.03))
    assert spoken(silence_where_cancelled(near, far, double_talk=double_talk)).any()
    moved = double_talk.process(near[:16_000], far[:16_000], np.zeros(16_000, np.int16), delay=800, known=True)
    assert not moved[FRAME:].any()


def relearns(gain: float, *, delay_after: int) -> list[bool]:
    """After six seconds, and after each of five more in which the echo is elsewhere."""
    double_talk, told = DoubleTalk(), []
    near, far = scene(2, gain=gain)
    silence_where_cancelled(near, far, double_talk=double_talk)
    told.append(double_talk.relearns)
    for at in range(0, 5 * CAPTURE_RATE, CAPTURE_RATE):
        part = slice(at, at + CAPTURE_RATE)
        double_talk.process(near[part], far[part], np.zeros(CAPTURE_RATE, np.int16), delay=delay_after, known=True)
        told.append(double_talk.relearns)
    return told


def test_what_the_filter_forgot_it_is_said_to_learn_anew() -> None:
    """For as long as it takes, and three seconds at most; not at the beginning, nor with headphones."""
    told = relearns(0.3, delay_after=800)
    assert told[:2] == [False, True]
    assert not told[-1]
    assert not any(relearns(0.3, delay_after=0))
    assert not any(relearns(0.0, delay_after=800))


@settings(max_examples=6, deadline=None)
@given(frames=st.lists(st.integers(1, 80), min_size=1, max_size=20))
def test_blocks_of_any_size_give_the_same_samples(frames: list[int]) -> None:
    """To the bit, the canceller's and the other."""
    near, far = scene(3, person=somebody(3, 0.03))
    cleaned = as_pcm(noise(6.0, 9, 0.01))
    whole = DoubleTalk().process(near, far, cleaned, delay=0, known=True)
    double_talk, parts, at = DoubleTalk(), [], 0
    for count in [*frames, *[frames[-1]] * len(near)]:
        part = slice(at, at + count * FRAME)
        parts.append(double_talk.process(near[part], far[part], cleaned[part], delay=0, known=True))
        at += count * FRAME
        if at >= len(near):
            break
    assert np.concatenate(parts).tolist() == whole.tolist()


@pytest.mark.parametrize("seed", range(6))
def test_the_beginning_that_passed_before_the_proof_is_recalled(seed: int) -> None:
    """What was said until then is in it, where the canceller had left nothing, and what differs from it is softer."""
    person = somebody(seed, 0.1 * 0.3 / 2)
    (begins, sound), *more = recalls(DoubleTalk(), *scene(seed, person=person))
    assert len(more) < 20
    assert begins >= (SPOKEN_S - 0.25) * CAPTURE_RATE
    voiced = np.concatenate([np.zeros(round(SPOKEN_S * CAPTURE_RATE), np.float32), person])[begins : begins + len(sound)]
    loud = np.abs(voiced).reshape(-1, FRAME).max(axis=1) > 0.01
    said, got = as_pcm(voiced).reshape(-1, FRAME)[loud], sound.reshape(-1, FRAME)[loud]
    assert level_db(got - said) < level_db(said) - 3


@pytest.mark.parametrize("seed", range(10))
def test_a_second_hearing_has_every_loud_moment_of_the_first_word(seed: int) -> None:
    """Also those in which the filter took hardly anything away, as there was hardly an echo, and nothing spoke for anybody."""
    person = somebody(seed, 0.1 * 0.3 / 2)[: round(1.6 * CAPTURE_RATE)]
    end = round(SPOKEN_S * CAPTURE_RATE) + len(person)
    near, far = (sound[:end] for sound in scene(seed, person=somebody(seed, 0.1 * 0.3 / 2)))
    double_talk = DoubleTalk()
    silence_where_cancelled(near, far, double_talk=double_talk)
    *_, heard = double_talk.second_hearing()
    assert heard is not None
    assert heard.age == len(heard.sound)
    heard_again = np.concatenate((np.zeros(end, np.int16), heard.sound))[-end:]
    word = slice(round(SPOKEN_S * CAPTURE_RATE), round((SPOKEN_S + 0.4) * CAPTURE_RATE))
    said = np.abs(as_pcm(person)[: word.stop - word.start]).reshape(-1, FRAME).max(axis=1)
    got = np.abs(heard_again[word]).reshape(-1, FRAME).max(axis=1) > 0
    assert got[said > 0.1 * said.max()].all()


def recalls(double_talk: DoubleTalk, near: Samples, far: Samples, frames: int = 1) -> list[tuple[int, Samples]]:
    """Where each begins, and its sound; of blocks of so many frames."""
    found = []
    for at in range(0, len(near), frames * FRAME):
        part = slice(at, at + frames * FRAME)
        silence_where_cancelled(near[part], far[part], double_talk=double_talk)
        if double_talk.recalled is not None:
            found.append((min(part.stop, len(near)) - double_talk.recalled.age, double_talk.recalled.sound))
    return found


@pytest.mark.parametrize("seed", range(6))
def test_nothing_is_recalled_where_nobody_spoke(seed: int) -> None:
    """Of an echo alone."""
    assert not recalls(DoubleTalk(), *scene(seed))


@pytest.mark.parametrize("frames", [3, 7])
def test_what_is_recalled_does_not_depend_on_the_blocks(frames: int) -> None:
    """But that of one block only the last is told."""
    near, far = scene(2, person=somebody(2, 0.015))
    single = dict(recalls_by_end(recalls(DoubleTalk(), near, far)))
    found = recalls_by_end(recalls(DoubleTalk(), near, far, frames))
    assert found
    for end, sound in found:
        assert single[end] == sound


def test_whoever_speaks_is_no_louder_than_what_the_filter_leaves() -> None:
    """Of an echo much softer than itself, of a person all."""
    begins, voiced = round(SPOKEN_S * 100), somebody(2, 0.03)
    near, far = scene(2, person=voiced)
    left = np.array([each.left_dbfs for each in evidence(near, far)])
    person, heard = levels_of(as_pcm(voiced)), levels_of(near)
    loud = np.flatnonzero(person > -35)
    assert len(loud) > 30
    assert np.mean(left[begins + loud] > person[loud] - 3) > 0.95
    echo = np.flatnonzero(heard[:begins] > -35)[-100:]
    assert np.median(heard[echo] - left[echo]) > 10


def recalls_by_end(found: list[tuple[int, Samples]]) -> list[tuple[int, list[int]]]:
    return [(begins + len(sound), sound.tolist()) for begins, sound in found]


def evidence(near: Samples, far: Samples) -> list[Found]:
    """Of each frame."""
    double_talk, told = DoubleTalk(), list[Found]()
    silence_where_cancelled(near, far, double_talk=double_talk)
    told += double_talk.found
    return told


@pytest.mark.parametrize("seed", range(6))
def test_a_voice_under_the_echo_is_found_within_a_quarter_of_a_second_and_has_a_pitch(seed: int) -> None:
    """From its first sound on, of which the first syllable may be a hiss."""
    told = evidence(*scene(seed, person=somebody(seed, 0.1 * 0.3 / 2)))
    presence, found = Presence(), []
    for each in told:
        presence.push(each.evidence)
        found.append(presence.reached(FOUND_S))
    assert not any(found[200 : round(SPOKEN_S * 100)])
    assert any(found[round(SPOKEN_S * 100) : round(SPOKEN_S * 100) + 25])
    assert sum(each.voiced for each in told) > 20


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("over", [4, 8])
def test_who_is_much_louder_than_the_echo_is_written_down_from_the_first_syllable_on(seed: int, over: int) -> None:
    """A canceller may take a word of theirs away as well. They do not make the filter look worthless, nor misplaced."""
    person = somebody(seed, 0.1 * 0.3 * over)
    written = spoken(silence_where_cancelled(*scene(seed, person=person)))[: CAPTURE_RATE // 2].astype(np.float32) / FULL_SCALE
    said = person[: len(written)]
    loud = np.abs(said).reshape(-1, FRAME).max(axis=1) > 0.1
    kept = [
        level_db(left) < level_db(frame) - 3
        for left, frame in zip((written - said).reshape(-1, FRAME)[loud], said.reshape(-1, FRAME)[loud], strict=True)
    ]
    assert np.mean(kept) > 0.8


@pytest.mark.parametrize("seed", range(6))
def test_where_samples_were_lost_nobody_is_found_for_long(seed: int) -> None:
    """Ten milliseconds of the microphone: a third of a second later there is hardly any evidence."""
    near, far = scene(seed)
    at = round(SPOKEN_S * CAPTURE_RATE)
    lost = np.concatenate([near[:at], near[at + FRAME :]])
    told = evidence(lost, far[: len(lost)])
    assert sum(each.evidence for each in told[round(SPOKEN_S * 100) + 33 :]) < 3


@pytest.mark.parametrize("frames", [1, 8])
@pytest.mark.parametrize("seed", range(6))
def test_where_samples_were_lost_the_echo_is_said_to_be_torn(seed: int, frames: int) -> None:
    """Within a sixth of a second of sound, and not before, whatever the blocks."""
    near, far = scene(seed)
    levels = levels_of(near)
    at = FRAME * next(frame for frame in range(round(SPOKEN_S * 100), len(levels), 8) if levels[frame] > -35)
    lost = np.concatenate([near[:at], near[at + FRAME :]])
    double_talk, told = DoubleTalk(), []
    for begin in range(0, len(lost) - frames * FRAME, frames * FRAME):
        part = slice(begin, begin + frames * FRAME)
        double_talk.process(lost[part], far[part], lost[part], delay=0, known=True)
        told.append(double_talk.torn)
    assert not any(told[: at // (frames * FRAME)])
    assert any(told[at // (frames * FRAME) :][: 16 // frames])


@pytest.mark.parametrize("seed", range(3))
def test_keystrokes_are_not_sure_to_be_a_voice(seed: int) -> None:
    """They are no echo, but have no pitch; a few frames may seem to."""
    chance = np.random.default_rng(seed)
    keys = np.zeros(round(2.0 * CAPTURE_RATE), np.float32)
    for at in range(0, len(keys) - 480, 2_000):
        keys[at : at + 480] = 0.1 * chance.standard_normal(480) * np.exp(-np.arange(480) / 100)
    told = evidence(*scene(seed, person=keys))[round(SPOKEN_S * 100) :]
    assert sum(each.evidence > 0.3 for each in told) > 10
    presence = Presence()
    for each in told:
        presence.push(each.evidence if each.voiced else 0.0)
        assert not presence.reached(SURE_S)


def test_the_cancellers_sound_is_not_changed_in_place() -> None:
    """Whoever hands it over may keep it."""
    near, far = scene(1, person=somebody(1, 0.03))
    cleaned = np.zeros_like(near)
    DoubleTalk().process(near, far, cleaned, delay=0, known=True)
    assert not cleaned.any()


def reopened(seed: int, *, person: Floats | None, room_after: int | None = None) -> list[Found]:
    """Of a second message, from its beginning on; somebody may speak from 0.8 s on."""
    double_talk = DoubleTalk()
    silence_where_cancelled(*scene(seed), double_talk=double_talk)
    double_talk.reopen()
    far = voice(2.0, seed + 50)
    near = echo_of(far, room(seed if room_after is None else room_after, 0.3)) + noise(2.0, seed, 3e-4)
    if person is not None:
        near[CAPTURE_RATE * 4 // 5 :] += person[: CAPTURE_RATE * 6 // 5]
    found, block = list[Found](), 10 * FRAME
    for at in range(0, len(near) - block + 1, block):
        known = at >= 2 * block  # the lag is found after two tenths of a second
        silence_where_cancelled(
            as_pcm(near)[at : at + block], as_pcm(far)[at : at + block], known=known, double_talk=double_talk
        )
        found += double_talk.found
    return found


@pytest.mark.parametrize("seed", range(6))
def test_at_the_beginning_of_the_next_message_somebody_is_found_as_in_the_middle_of_one(seed: int) -> None:
    """What was learnt of the room is still worth something; without anybody, nobody is found."""
    alone = reopened(seed, person=None)
    assert sum(each.evidence for each in alone) < 1
    told = reopened(seed, person=somebody(seed, 0.1 * 0.3 / 2))
    presence, found = Presence(), []
    for each in told[80:]:
        presence.push(each.evidence)
        found.append(presence.reached(FOUND_S))
    assert any(found[:50])


@pytest.mark.parametrize("seed", range(6))
def test_another_room_in_the_next_message_is_nobody(seed: int) -> None:
    """Another loudspeaker was chosen meanwhile."""
    assert sum(each.evidence for each in reopened(seed, person=None, room_after=seed + 30)) < 1


def test_nothing_is_left_open_after_a_rest() -> None:
    """The next message begins with the canceller's sound."""
    double_talk = DoubleTalk()
    near, far = scene(1, person=somebody(1, 0.03))
    for at in range(0, len(near), FRAME):
        silence_where_cancelled(near[at : at + FRAME], far[at : at + FRAME], double_talk=double_talk)
        if double_talk.near_only:
            break
    assert double_talk.near_only
    double_talk.rest(np.zeros(FRAME, np.int16))
    assert not double_talk.near_only
