"""The microphone without the loudspeaker: every sample once, at its time, whatever the sizes of the blocks."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.rooms import as_pcm, echo_of, noise, room, voice
from tests.runtime.ear_scene import BEGAN_AT, SILENCE, FarSound, Notes, Recorded, blocks_of, heard
from tests.runtime.parts import quiet
from voicemode.audio import CAPTURE_RATE, Samples
from voicemode.core.echo_lag import Echo
from voicemode.core.echo_path import EchoPath
from voicemode.core.endpointing import EndpointingOptions
from voicemode.core.level import LOWEST_DBFS, rms_dbfs
from voicemode.core.listener import Listener
from voicemode.engines.echo_canceller import WebrtcEchoCanceller
from voicemode.interfaces import CapturedBlock, EchoCanceller
from voicemode.runtime.ear import Ear
from voicemode.runtime.listening import Heard, Listening, NothingHeard
from voicemode.testing import FakeDetector, FakeEchoCanceller, tone

block_sizes = st.lists(st.integers(1, 700), min_size=1, max_size=40)


@settings(max_examples=25, deadline=None)
@given(sizes=block_sizes)
def test_every_sample_comes_out_once_and_in_order(sizes: list[int]) -> None:
    """Whatever the blocks, while the loudspeaker sounds, falls silent and sounds again; less than 10 ms wait."""
    sound = np.arange(1, 16_001).astype(np.int16)
    far = FarSound(np.concatenate([tone(0.2), np.zeros(9_000, np.int16), tone(0.2)]))
    ear = Ear(FakeEchoCanceller(echo_gain=0.0), far)
    blocks = blocks_of(sound, sizes)
    given_in = sum(len(block.chunk.samples) for block in blocks)
    out, _ = heard(ear, blocks)
    assert out.tolist() == sound[: len(out)].tolist()
    assert len(out) + ear.pending == given_in
    assert ear.pending < 160


@settings(max_examples=25, deadline=None)
@given(sizes=block_sizes)
def test_the_echo_of_each_instant_is_taken_out_there(sizes: list[int]) -> None:
    """Near and far end belong together to the sample, and so nothing of the echo is left, whatever the blocks."""
    played = tone(0.6, hertz=700)
    echo = np.concatenate([np.zeros(3_333, np.int16), played, np.zeros(3_000, np.int16)])
    out, _ = heard(Ear(FakeEchoCanceller(), FarSound(played, 3_333 / CAPTURE_RATE)), blocks_of(echo, sizes))
    assert not out.any()


@settings(max_examples=25, deadline=None)
@given(sizes=block_sizes)
def test_levels_are_those_of_their_own_ten_milliseconds(sizes: list[int]) -> None:
    """Of the raw microphone and of the loudspeaker."""
    near, played = tone(0.5, dbfs=-20.0), tone(0.25, dbfs=-6.0)
    _, facts = heard(Ear(FakeEchoCanceller(), FarSound(played)), blocks_of(near, sizes))
    assert [fact.raw_dbfs for fact in facts] == pytest.approx([-23.0] * len(facts), abs=0.6)
    far = [fact.far_end_dbfs for fact in facts]
    assert far[:25] == pytest.approx([-9.0] * len(far[:25]), abs=0.6)
    assert set(far[25:]) <= {LOWEST_DBFS}


def test_the_far_end_is_read_ahead_by_the_cancellers_lead() -> None:
    """It finds no echo that comes before its cause."""
    canceller = FakeEchoCanceller(lead_s=0.04)
    played = tone(0.5)
    heard(Ear(canceller, FarSound(played)), blocks_of(quiet(0.1), [320]))
    assert canceller.heard[0][1].tolist() == played[640:960].tolist()


class TestSilence:
    """Whoever looks for a muted microphone sees that it delivers nothing."""

    class Noisy(FakeEchoCanceller):
        """Puts noise where there was none, as cancellers do."""

        def process(self, near: Samples, far: Samples) -> Samples:
            return super().process(near, far) | np.int16(1)

    @pytest.mark.parametrize("make", [Noisy, WebrtcEchoCanceller])
    def test_digital_silence_stays_digital_silence(self, make: type[EchoCanceller]) -> None:
        """While the loudspeaker plays."""
        out, facts = heard(Ear(make(), FarSound(tone(2.0))), blocks_of(np.zeros(32_000, np.int16), [320]))
        assert not out.any()
        assert {fact.raw_dbfs for fact in facts} == {LOWEST_DBFS}

    def test_a_frame_of_sound_beside_it_is_processed(self) -> None:
        """One such frame does not blank its neighbours in the same block."""
        sound = np.concatenate([np.zeros(160, np.int16), tone(0.01)])
        out, _ = heard(Ear(FakeEchoCanceller(echo_gain=0.0), FarSound(tone(2.0))), blocks_of(sound, [320]))
        assert not out[:160].any()
        assert out[160:].tolist() == sound[160:].tolist()

    def test_where_nothing_plays_the_sound_is_left_as_it_is(self) -> None:
        """A canceller has no say half a second after the last sound, nor before the first."""
        canceller = FakeEchoCanceller()
        ear = Ear(canceller, FarSound(tone(0.1), began=1.0))
        sound = quiet(3.0)
        out, _ = heard(ear, blocks_of(sound, [160]))
        assert len(canceller.heard) == pytest.approx(10 + 50, abs=2)
        assert out[: 99 * 160].tolist() == sound[: 99 * 160].tolist()
        assert out[-100 * 160 :].tolist() == sound[-100 * 160 :].tolist()


def test_after_a_tear_the_canceller_is_not_trusted_until_the_echo_was_found_again() -> None:
    """The loudspeaker begins anew and its sound comes 15 ms later than it says: told, found, delayed, and told again."""
    sound = (np.random.default_rng(1).normal(0, 3_000, 5 * CAPTURE_RATE)).astype(np.int16)
    far = FarSound(sound)
    at = 2 * CAPTURE_RATE
    near = np.concatenate([sound[:at], sound[at - 240 : -240]]) // 4
    ear = Ear(WebrtcEchoCanceller(), far)  # it reads 40 ms ahead
    _, facts = heard(ear, blocks_of(near[:at], [480]))
    assert facts[-1].echo is Echo.KNOWN

    far.tears += 1
    began = len(facts) * 160
    later = [CapturedBlock(b.chunk, b.captured_at + began / CAPTURE_RATE) for b in blocks_of(near[began:], [480])]
    left, facts = heard(ear, later)
    assert facts[0].echo is Echo.LOST
    assert facts[-1].echo is Echo.KNOWN
    told = [fact.echo for fact in facts].index(Echo.KNOWN)
    assert 30 <= told <= 80  # the echo is measured in 0.15 s, and the canceller gets 0.4 s to follow
    assert rms_dbfs(left[told * 160 :]) < rms_dbfs(near) - 12


@pytest.mark.parametrize(("before_s", "after_s"), [(0.4, 0.03), (0.03, 0.4)])
def test_a_loudspeaker_that_lags_less_or_more_when_it_is_opened_anew_is_not_taken_for_silent(
    before_s: float, after_s: float
) -> None:
    """A busy machine lets its sound card fall behind by 0.4 s, and a message later it has caught up.

    As long as it is not known where the echo is, what is played now may be heard, and what was played 0.4 s ago too.
    """
    sound, path = as_pcm(voice(4.0, 1)), EchoPath()
    canceller = WebrtcEchoCanceller()
    for lag_s in (before_s, after_s):
        lag = round(lag_s * CAPTURE_RATE)
        near = np.concatenate([np.zeros(lag, np.int16), sound // 4])[: len(sound)]
        near += as_pcm(noise(4.0, 1, 1e-4))
        _, facts = heard(Ear(canceller, FarSound(sound), path), blocks_of(near, [160]))
    first = [fact for fact in facts[round(after_s * 100) : round(after_s * 100) + 100] if fact.raw_dbfs > -45]
    assert len(first) > 20
    loudest = np.array([fact.far_end_dbfs for fact in facts])
    recently = [max(loudest[max(at - 30, 0) : at + 1]) for at, fact in enumerate(facts) if fact in first]
    assert min(np.array(recently) - [fact.raw_dbfs for fact in first]) > 3


@pytest.mark.parametrize("lost", [160, 400])
def test_where_samples_were_lost_the_canceller_is_not_trusted_after_a_few_frames(lost: int) -> None:
    """Nobody tells of them: what the linear filter leaves does, while AEC3 lets through what would pass for a voice."""
    sound = as_pcm(voice(8.0, 1))
    near = as_pcm(echo_of(voice(8.0, 1), room(1)) + noise(8.0, 1, 3e-4))
    at = 6 * CAPTURE_RATE + 80
    near = np.concatenate([near[:at], near[at + lost :]])
    _, facts = heard(Ear(WebrtcEchoCanceller(), FarSound(sound)), blocks_of(near, [480]))
    torn = at // 160
    assert all(fact.echo is Echo.KNOWN for fact in facts[torn - 30 : torn])
    assert all(fact.echo is Echo.LOST for fact in facts[torn + 7 : torn + 20])
    assert facts[-1].echo is Echo.KNOWN


@settings(max_examples=25, deadline=None)
@given(sizes=block_sizes)
def test_positions_of_the_listener_are_instants_of_the_microphone(sizes: list[int]) -> None:
    """However the blocks are cut: frames end where they end, and a word is found where it was said, whole."""
    word = tone(0.5)
    sound = np.concatenate([quiet(0.5), word, quiet(1.2)])
    notes = Notes()

    async def scenario() -> Heard | NothingHeard:
        listener = Listener(FakeDetector(), EndpointingOptions(silence_s=0.6))
        listening = Listening(Recorded(blocks_of(sound, sizes)), listener, notes, ear=Ear(FakeEchoCanceller(), SILENCE))
        listening.begin_at(BEGAN_AT)
        outcome = await listening.run()
        assert isinstance(outcome, Heard)
        await outcome.transcription
        return outcome

    outcome = asyncio.run(scenario())
    assert isinstance(outcome, Heard)
    assert (outcome.began_at, outcome.ended_at) == pytest.approx((BEGAN_AT + 0.5, BEGAN_AT + 1.0), abs=0.05)
    assert [ends for _, ends in notes.ends] == pytest.approx([BEGAN_AT + 0.01 * frames for frames, _ in notes.ends])
    fit = np.correlate(outcome.utterance.samples.astype(float), word.astype(float), "valid").max()
    assert fit == pytest.approx(float(np.sum(word.astype(float) ** 2)), rel=0.01)


def test_while_the_filter_learns_the_echo_anew_the_canceller_is_not_trusted() -> None:
    """The loudspeaker stands in another room: nobody tells, its place is found, and its echo is learnt."""
    sound = as_pcm(voice(12.0, 1))
    rooms = [echo_of(voice(12.0, 1), room(seed)) + noise(12.0, 1, 3e-4) for seed in (1, 7)]
    at = 6 * CAPTURE_RATE
    near = as_pcm(np.concatenate([rooms[0][:at], rooms[1][at - 1_600 : -1_600]]))
    _, facts = heard(Ear(WebrtcEchoCanceller(), FarSound(sound)), blocks_of(near, [480]))
    trusted = [fact.echo is Echo.KNOWN for fact in facts]
    assert any(trusted[500:600])
    assert not any(trusted[620:900])
    assert any(trusted[-100:])
