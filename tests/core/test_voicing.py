"""A frame is voiced where level and detector agree, and where only one of them can know, that one decides."""

from __future__ import annotations

import pytest

from voicemode.core.voicing import FrameFacts, Voicing

FLOOR = -60.0


def frame(over_db: float, *, gate: bool = True, p: float = 0.9) -> FrameFacts:
    """A frame of 10 ms, ``over_db`` over the noise."""
    return FrameFacts(level_dbfs=FLOOR + over_db, noise_floor_dbfs=FLOOR, gate_open=gate, probability=p)


def after(*speech: FrameFacts) -> Voicing:
    voicing = Voicing()
    for facts in speech:
        voicing.push(facts)
    return voicing


@pytest.mark.parametrize(
    ("speech_db", "frame_db", "voiced"),
    [
        (40, 13, True),
        (40, 11, False),
        (27, 9.5, True),
        (27, 8.5, False),
        (16, 6.5, True),
        (16, 5.5, False),
        (14, 0, True),
        (14, -3, True),
    ],
)
def test_the_margin_follows_the_distance_of_speech_from_noise(speech_db: float, frame_db: float, voiced: bool) -> None:
    """A third of the distance, 6 to 12 dB; under 15 dB of distance an open gate is enough."""
    voicing = after(*[frame(speech_db)] * 100)
    assert voicing.push(frame(frame_db)) is voiced


def test_only_distances_count() -> None:
    """A talker 30 dB quieter in a room 30 dB quieter is judged the same."""
    for offset in (0.0, -30.0):
        voicing = Voicing()
        judged = [
            voicing.push(
                FrameFacts(level_dbfs=-30 + offset + db, noise_floor_dbfs=-60 + offset, gate_open=True, probability=0.9)
            )
            for db in (0, -5, -15, -25, -30)
        ]
        assert judged == [True, True, True, False, False]


def test_a_closed_gate_is_not_voiced() -> None:
    """A door that slams is loud, and no speech."""
    assert after().push(frame(40, gate=False, p=0.1)) is False


def test_a_final_fricative_belongs_to_the_word() -> None:
    """Sound that goes on when the gate closes is voiced, 0.25 s at most."""
    voicing = after(*[frame(40)] * 30)
    judged = [voicing.push(frame(25, gate=False, p=0.1)) for _ in range(40)]
    assert judged == [True] * 25 + [False] * 15


def test_after_a_gap_sound_is_no_tail() -> None:
    """A key that is pressed 20 ms after the last word does not lengthen it."""
    voicing = after(*[frame(40)] * 30, *[frame(0, gate=False, p=0.1)] * 2)
    assert voicing.push(frame(25, gate=False, p=0.1)) is False


def test_background_that_goes_on_is_no_tail() -> None:
    """Music 30 dB under the voice does not lengthen the last word, although it stands over the noise."""
    voicing = after(*[frame(45)] * 30)
    assert voicing.push(frame(15, gate=False, p=0.1)) is False


def test_the_detectors_slow_decay_is_not_voiced() -> None:
    """Silero stays open for 100 ms after the last word; level says at once that it is over."""
    voicing = after(*[frame(40)] * 30)
    assert not any(voicing.push(frame(1, p=0.9)) for _ in range(10))


def test_a_sure_detector_is_believed_in_the_end() -> None:
    """Somebody who lowers the voice under the margin is still heard, as long as anything is to be heard."""
    voicing = after(*[frame(40)] * 30)
    assert any(voicing.push(frame(5, p=0.9)) for _ in range(20))


def test_a_sure_detector_is_not_believed_about_the_noise_itself() -> None:
    """A detector that takes steady noise for speech cannot keep a turn open."""
    voicing = after(*[frame(40)] * 30)
    assert not any(voicing.push(frame(1, p=1.0)) for _ in range(300))


@pytest.mark.parametrize(("over_db", "gate", "loud"), [(20, False, True), (3, True, False), (20, True, True)])
def test_loud_is_a_matter_of_level(over_db: float, gate: bool, loud: bool) -> None:
    """It says what the level alone would say, before the detector has its verdict."""
    voicing = after(*[frame(40)] * 30)
    voicing.push(frame(over_db, gate=gate))
    assert voicing.loud is loud


def test_the_end_of_a_long_vowel_does_not_wait_for_the_floor() -> None:
    """After 1.5 s of one steady tone the floor has risen to it; the silence after it shows at once."""
    voicing, vowel = Voicing(), FrameFacts(level_dbfs=-20, noise_floor_dbfs=-21, gate_open=True, probability=0.9)
    assert [voicing.push(vowel) for _ in range(200)] == [True] * 200
    assert voicing.push(FrameFacts(level_dbfs=-60, noise_floor_dbfs=-22, gate_open=True, probability=0.9)) is False


def test_nothing_is_loud_where_level_cannot_tell() -> None:
    """At 10 dB over the noise, speech and its scatter overlap."""
    voicing = after(*[frame(10)] * 30)
    voicing.push(frame(12))
    assert voicing.loud is False


def test_softer_voices_in_the_background_do_not_go_on_for_the_talker() -> None:
    """A television 20 dB under the talker opens the gate for ever. A second later it is known; the talker may still go on."""
    voicing = after(*[frame(35), frame(30), frame(38), frame(20)] * 50)
    television = [voicing.push(frame(over)) for over in (14, 18, 12, 16) * 100]
    assert television[0] is True
    assert not any(television[100:])
    assert [voicing.push(frame(35)) for _ in range(12)][-1] is True


def test_a_last_phrase_that_is_softer_counts_where_nobody_else_speaks() -> None:
    """In the talker's own pauses before it the detector heard nothing."""
    talk = [frame(35), frame(30), frame(38), frame(20)] * 50
    pause = [frame(0, gate=False, p=0.05)] * 60
    voicing = after(*talk, *pause, *talk, *pause)
    assert all(voicing.push(frame(16)) for _ in range(60))
