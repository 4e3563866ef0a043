"""The microphone without the loudspeaker: every sample once, at its time, whatever the sizes of the blocks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.rooms import as_pcm, echo_of, level_db, noise, room, voice
from tests.runtime.parts import quiet
from voicemode.audio import CAPTURE_RATE, AudioChunk, Samples
from voicemode.core.echo_lag import Echo
from voicemode.core.echo_path import EchoPath
from voicemode.core.endpointing import EndpointEvent, EndpointingOptions, FrameFacts
from voicemode.core.level import LOWEST_DBFS, rms_dbfs
from voicemode.core.linear_echo import Floats
from voicemode.core.listener import Listener
from voicemode.core.presence import FOUND_S, Presence
from voicemode.engines.echo_canceller import WebrtcEchoCanceller
from voicemode.interfaces import CapturedBlock, EchoCanceller, Transcript, TranscriptionRequest
from voicemode.runtime.ear import Ear, Overheard
from voicemode.runtime.listening import Heard, Listening, NothingHeard
from voicemode.testing import FakeDetector, FakeEchoCanceller, FakeTranscriber, tone

BEGAN_AT = 1000.0
"""When sample 0 was in the air."""

block_sizes = st.lists(st.integers(1, 700), min_size=1, max_size=40)


class FarSound:
    """A loudspeaker that makes these samples audible from ``began`` on: seconds after ``BEGAN_AT``."""

    def __init__(self, sound: Samples, began: float = 0.0) -> None:
        self._sound, self._began = sound, BEGAN_AT + began
        self.tears = 0

    def between(self, start: float, samples: int) -> Samples:
        first = round((start - self._began) * CAPTURE_RATE)
        wanted = np.arange(first, first + samples)
        inside = (wanted >= 0) & (wanted < len(self._sound))
        return np.where(inside, self._sound[np.clip(wanted, 0, len(self._sound) - 1)], 0).astype(np.int16)


SILENCE = FarSound(np.zeros(1, np.int16))


def blocks_of(sound: Samples, sizes: Sequence[int]) -> list[CapturedBlock]:
    """The sound in blocks of these sizes, the last of which repeats."""
    blocks, at = [], 0
    for size in [*sizes, *[sizes[-1]] * (len(sound) // sizes[-1])]:
        if at + size > len(sound):
            break
        blocks.append(CapturedBlock(AudioChunk(sound[at : at + size], CAPTURE_RATE), BEGAN_AT + at / CAPTURE_RATE))
        at += size
    return blocks


def heard(ear: Ear, blocks: Sequence[CapturedBlock]) -> tuple[Samples, list[Overheard]]:
    parts = [np.zeros(0, np.int16)]
    facts: list[Overheard] = []
    for block in blocks:
        samples, overheard = ear.hear(block)
        assert len(samples) == 160 * len(overheard)
        parts.append(samples)
        facts += overheard
    return np.concatenate(parts), facts


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


class TestDoubleTalk:
    """Who speaks with the loudspeaker is written down, whatever the canceller swallows, and nothing is decided by it."""

    class Deaf(FakeEchoCanceller):
        """Leaves nothing at all."""

        def process(self, near: Samples, far: Samples) -> Samples:
            return np.zeros_like(near)

    class Murmur(FakeEchoCanceller):
        """Leaves what tells that the microphone is not muted."""

        def process(self, near: Samples, far: Samples) -> Samples:
            return np.ones_like(near)

    FAR = voice(8.0, 1)
    SPOKEN = slice(5 * CAPTURE_RATE, 8 * CAPTURE_RATE)
    PERSON = voice(3.0, 2, 0.02)
    """6 dB under the echo."""

    def written(self, near: Floats, *, tears: int | None = None) -> Samples:
        """What is to be written down. The loudspeaker is torn after so many blocks of 10 ms."""
        far = FarSound(as_pcm(self.FAR))
        ear, written = Ear(self.Deaf(), far), np.zeros(0, np.int16)
        for at, block in enumerate(blocks_of(as_pcm(near), [160])):
            far.tears = int(tears is not None and at >= tears)
            handed_out = ear.hear(block)[0]
            assert not handed_out.any()
            written = np.concatenate([written, handed_out])
            for spoken in ear.spoken:
                begins = len(written) - spoken.age
                written[begins : begins + len(spoken.sound)] = spoken.sound
        return written

    def echo(self, delay_s: float, *, direct: float = 0.0) -> Floats:
        """``direct``: what comes without a detour, relative to the far end; else the correlation finds little to go by."""
        late = np.concatenate([np.zeros(round(delay_s * CAPTURE_RATE), np.float32), self.FAR])[: len(self.FAR)]
        return late * np.float32(direct) + echo_of(late, room(3, 0.2 if direct else 0.4)) + noise(8.0, 4, 3e-4)

    @pytest.mark.parametrize("delay_s", [0.0, 0.1, 0.2])
    def test_a_voice_under_the_echo_is_heard_wherever_the_echo_is(self, delay_s: float) -> None:
        """The filter is told where to look."""
        near = self.echo(delay_s)
        assert not self.written(near).any()
        near[self.SPOKEN] += self.PERSON
        assert level_db(self.written(near)[self.SPOKEN]) > level_db(self.PERSON) - 3

    @pytest.mark.parametrize("size", [160, 333, 480])
    def test_whoever_decides_learns_of_a_voice_that_the_canceller_swallows(self, size: int) -> None:
        """Frame by frame, only where there is one, and never of the echo alone."""
        near = self.echo(0.1)
        _, alone = heard(Ear(self.Deaf(), FarSound(as_pcm(self.FAR))), blocks_of(as_pcm(near), [size]))
        assert sum(fact.found.evidence for fact in alone) < 1
        near[self.SPOKEN] += self.PERSON
        _, facts = heard(Ear(self.Deaf(), FarSound(as_pcm(self.FAR))), blocks_of(as_pcm(near), [size]))
        found = [fact.found for fact in facts]
        assert sum(each.evidence for each in found[:500]) < 1
        assert sum(each.evidence > 0.2 for each in found[500:]) > 50
        assert sum(each.voiced for each in found[500:]) > 50

    def test_after_a_tear_it_is_the_canceller_that_is_heard(self) -> None:
        """Until the echo was found again."""
        near = self.echo(0.1)
        near[self.SPOKEN] += self.PERSON
        out = self.written(near[: 604 * 160], tears=600)
        assert out[595 * 160 : 600 * 160].any()
        assert not out[601 * 160 :].any()

    @pytest.mark.parametrize("size", [100, 480])
    def test_an_interruption_has_the_word_that_passed_before_anybody_knew(self, size: int) -> None:
        """It is known too late to be heard, but not too late to be transcribed: the utterance begins with it."""
        word = np.zeros(CAPTURE_RATE, np.float32)
        word[: CAPTURE_RATE // 4] = self.PERSON[: CAPTURE_RATE // 4]  # 0.25 s, and a pause of 0.75 s
        near = self.echo(0.1)
        near[5 * CAPTURE_RATE : 6 * CAPTURE_RATE] += word
        near[6 * CAPTURE_RATE :] += self.PERSON[: 2 * CAPTURE_RATE]
        notes, snippets = Notes(), list[Samples]()

        async def scenario() -> None:
            listener = Listener(FakeDetector(), EndpointingOptions(start_timeout_s=1.0))
            ear = Ear(self.Murmur(), FarSound(as_pcm(self.FAR)))
            listening = Listening(Recorded(blocks_of(as_pcm(near), [size])), listener, notes, ear=ear)
            notes.after(7.5, lambda: snippets.append(listening.speech_since(6.1).samples))
            notes.after(7.5, lambda: listening.begin_with_speech(6.1))
            await listening.run()

        asyncio.run(scenario())
        snippet = snippets[0]
        begins = len(snippet) - round(7.5 * CAPTURE_RATE)
        assert 0 <= 5 * CAPTURE_RATE + begins < 0.15 * CAPTURE_RATE
        heard_word = snippet[5 * CAPTURE_RATE + begins :][: CAPTURE_RATE // 4]
        said = as_pcm(word)[: CAPTURE_RATE // 4]
        assert level_db(heard_word - said) < level_db(said) - 3

    @pytest.mark.parametrize("later_s", [-0.02, 0.0, 0.05])
    def test_in_the_next_message_nobody_has_to_wait_until_the_room_is_learnt_again(self, later_s: float) -> None:
        """Devices are opened anew, and their echo comes sooner or later: who speaks 0.8 s after its beginning is found."""
        path, first = EchoPath(), self.echo(0.1, direct=0.3)
        heard(Ear(self.Deaf(), FarSound(as_pcm(self.FAR)), path), blocks_of(as_pcm(first), [160]))
        second = self.echo(0.1 + later_s, direct=0.3)[: 2 * CAPTURE_RATE]
        second[4 * CAPTURE_RATE // 5 :] += self.PERSON[: 6 * CAPTURE_RATE // 5]
        for known, found in ((path, True), (EchoPath(), False)):
            ear = Ear(self.Deaf(), FarSound(as_pcm(self.FAR)), known)
            _, facts = heard(ear, blocks_of(as_pcm(second), [160]))
            presence = Presence()
            for fact in facts[80:130]:
                presence.push(fact.found.evidence)
            assert presence.reached(FOUND_S) is found

    def test_where_nothing_was_audible_for_half_a_second_the_microphone_is_handed_on(self) -> None:
        """To the bit, and the next message is cancelled as the one before."""
        far = np.concatenate([self.FAR, np.zeros(CAPTURE_RATE, np.float32), self.FAR])
        near = echo_of(far, room(3, 0.4)) + noise(17.0, 4, 3e-4)
        out, _ = heard(Ear(self.Deaf(), FarSound(as_pcm(far))), blocks_of(as_pcm(near), [480]))
        assert out[140_500:144_000].tolist() == as_pcm(near)[140_500:144_000].tolist()
        assert not out[:135_000].any()
        assert not out[145_000:].any()


class Notes:
    """An attendant of ``Listening`` who writes down what it is told."""

    def __init__(self) -> None:
        self.frames = 0
        self.ends: list[tuple[int, float]] = []
        """After how many frames of 10 ms, and when the last of them ended."""
        self.utterances: list[Samples] = []
        self._due: list[tuple[float, Callable[[], None]]] = []

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """When so much has been heard."""
        self._due.append((BEGAN_AT + seconds, act))

    def transcribe(self, utterance: AudioChunk) -> asyncio.Task[Transcript]:
        self.utterances.append(utterance.samples)
        return asyncio.create_task(FakeTranscriber().transcribe(TranscriptionRequest(utterance)))

    def far_end_active(self) -> bool:
        return False

    def heard_frames(self, facts: Sequence[FrameFacts], overheard: Sequence[Overheard], ends_at: float) -> None:
        assert len(facts) == len(overheard)
        self.frames += len(facts)
        self.ends.append((self.frames, ends_at))
        while self._due and ends_at >= self._due[0][0]:
            self._due.pop(0)[1]()

    def heard_event(self, event: EndpointEvent, anchor: float) -> None:
        assert anchor == pytest.approx(BEGAN_AT)

    def heard_zeros(self) -> None:
        raise AssertionError("there was sound")

    def scored(self, probability: float, silence_until: float, who: str) -> None:
        raise AssertionError("nobody was asked")

    def understood(self, text: str) -> None:
        """It does not matter."""


class Recorded:
    """A microphone that delivers these blocks."""

    name = "recorded"

    def __init__(self, blocks: Sequence[CapturedBlock]) -> None:
        self._blocks = iter(blocks)

    async def open(self) -> None:
        """It is."""

    async def read(self) -> CapturedBlock | None:
        return next(self._blocks, None)

    async def close(self) -> None:
        """Nothing is open."""


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
