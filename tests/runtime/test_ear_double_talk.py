"""Who speaks with the loudspeaker is written down, whatever the canceller swallows, and nothing is decided by it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from tests.core.rooms import as_pcm, echo_of, level_db, noise, room, voice
from tests.runtime.ear_scene import BEGAN_AT, FarSound, Notes, Recorded, blocks_of, heard
from voicemode.audio import CAPTURE_RATE, Samples
from voicemode.core.echo_lag import Echo
from voicemode.core.echo_path import EchoPath
from voicemode.core.endpointing import EndpointingOptions
from voicemode.core.linear_echo import Floats
from voicemode.core.listener import Listener
from voicemode.core.presence import FOUND_S, Presence
from voicemode.interfaces import CapturedBlock
from voicemode.runtime.ear import Ear, Overheard
from voicemode.runtime.listening import Heard, Listening, NothingHeard
from voicemode.testing import FakeDetector, FakeEchoCanceller, tone


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

    def echo(self, delay_s: float, *, direct: float = 0.0, played: Floats = FAR) -> Floats:
        """``direct``: what comes without a detour, relative to the far end; else the correlation finds little to go by."""
        late = np.concatenate([np.zeros(round(delay_s * CAPTURE_RATE), np.float32), played])[: len(played)]
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

    @pytest.mark.parametrize(("size", "plays_s"), [(100, 8.0), (480, 8.0), (160, 3.4)])
    def test_a_second_hearing_has_what_was_said_before_the_echo_was_known(self, size: int, plays_s: float) -> None:
        """Sound goes on coming in meanwhile. Then the utterance begins with it, though it was found to begin a second later.

        So it does where the loudspeaker was paused 0.8 s ago.
        """
        played = np.where(np.arange(len(self.FAR)) < plays_s * CAPTURE_RATE, self.FAR, np.float32(0.0))
        near, began = self.echo(0.1, direct=0.3, played=played), round(1.3 * CAPTURE_RATE)
        near[began : began + len(self.PERSON)] += self.PERSON
        notes, snippets = Notes(), list[tuple[int, Samples]]()

        async def scenario() -> None:
            listener = Listener(FakeDetector(), EndpointingOptions(start_timeout_s=1.0))
            ear = Ear(self.Murmur(), FarSound(as_pcm(played)))
            listening = Listening(Recorded(blocks_of(as_pcm(near), [size])), listener, notes, ear=ear)

            async def look_back() -> None:
                asked_at = listener.position
                await listening.hear_again()
                assert listener.position > asked_at
                sound = listening.speech_since(2.5).samples
                snippets.append((listener.position - len(sound), sound))
                listening.begin_with_speech(2.5)

            looking = list[asyncio.Task[None]]()
            notes.after(4.2, lambda: looking.append(asyncio.create_task(look_back())))
            await listening.run()
            await asyncio.gather(*looking)

        asyncio.run(scenario())
        ((begins, sound),) = snippets
        assert begins <= began
        said = as_pcm(self.PERSON[: CAPTURE_RATE // 2])
        assert level_db(sound[began - begins :][: len(said)] - said) < level_db(said) - 3

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


class Torn(Ear):
    """Its canceller has lost the echo."""

    def hear(self, block: CapturedBlock) -> tuple[Samples, Sequence[Overheard]]:
        samples, overheard = super().hear(block)
        return samples, [each._replace(echo=Echo.LOST) for each in overheard]


@pytest.mark.parametrize(("torn", "goes_on_s", "heard_s"), [(False, 0.0, 0.45), (True, 0.0, None), (True, 0.4, 0.85)])
def test_where_the_echo_is_torn_an_early_answer_is_one_that_goes_on(
    torn: bool, goes_on_s: float, heard_s: float | None
) -> None:
    """What a canceller lets through ends with the message. Of an answer that does not, the beginning is there too."""
    ends, size = 4.0, 480
    blocks = blocks_of(as_pcm(noise(8.0, 4, 3e-4)), [size])
    began = round(3.6 * CAPTURE_RATE)
    for block in blocks:
        first = round((block.captured_at - BEGAN_AT) * CAPTURE_RATE)
        if began <= first < began + round((0.45 + goes_on_s) * CAPTURE_RATE):
            block.chunk.samples[:] = tone(size / CAPTURE_RATE)
    notes = Notes()

    async def scenario() -> Heard | NothingHeard:
        listener = Listener(FakeDetector(), EndpointingOptions(start_timeout_s=1.0))
        ear = (Torn if torn else Ear)(FakeEchoCanceller(echo_gain=0.0), FarSound(as_pcm(voice(ends, 1))))
        listening = Listening(Recorded(blocks), listener, notes, ear=ear)
        notes.after(ends + 0.1, lambda: listening.begin_at(BEGAN_AT + ends))
        outcome = await listening.run()
        if isinstance(outcome, Heard):
            await outcome.transcription
        return outcome

    outcome = asyncio.run(scenario())
    if heard_s is None:
        assert isinstance(outcome, NothingHeard)
    else:
        assert isinstance(outcome, Heard)
        assert outcome.ended_at - outcome.began_at == pytest.approx(heard_s, abs=0.07)
        loud = np.abs(outcome.utterance.samples) > 3_000
        assert np.flatnonzero(loud)[-1] - np.flatnonzero(loud)[0] == pytest.approx(heard_s * CAPTURE_RATE, rel=0.1)
