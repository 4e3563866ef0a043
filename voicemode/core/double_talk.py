"""Keeps the voice of a person who speaks while the loudspeaker does.

A canceller like AEC3 leaves nothing of the echo, and little of a voice that is softer than it: of one 6 dB under the echo, half
of all frames of 10 ms lose more than 10 dB. The linear filter leaves the voice as it is, and the echo 15 to 25 dB lower, which
still is intelligible. So its residual is taken only where it holds more than an echo can have left, else the canceller's sound.

Two things must say so. What was left of the echo so far, bin by bin, must not explain most of the residual: that finds a voice
10 dB under the echo, but takes a lid that is closed for one as well. So a part of the residual must also be louder than the
echo before it was cancelled; then it is no echo, wherever the lid is. Speech that overlaps leaves such bins free within a
syllable or two. Their geometric mean is the evidence, which is summed up (``core.presence``): half of the frames of a voice
6 dB under the echo show little of either.

Who interrupts early, or softly, has said some words before they are proven, while the filter still learnt. Once it is known
that they interrupt, the last seconds are heard once more with what it has learnt by then.

Where samples were lost the filter subtracts at the wrong place, and what is left looks like somebody for half a second, until
it has learnt anew. But then the microphone is no louder than the echo is taken to be, and echo and residual are alike.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from voicemode.audio import FULL_SCALE, Samples
from voicemode.core.echo_memory import EchoMemory
from voicemode.core.hindsight import Hindsight, Recalled, blend
from voicemode.core.level import LOWEST_DBFS
from voicemode.core.linear_echo import FRAME, Floats, LinearEcho, Way
from voicemode.core.pitch import pitch_track
from voicemode.core.presence import FOUND_S, Presence

__all__ = ["NOBODY", "DoubleTalk", "Found"]

_VOICE = slice(3, 90)
"""Bins of 50 Hz: 150 to 4,500 Hz, where voices and small loudspeakers have something to say."""
_DECAY = np.float32(0.93)
"""In 10 ms, of the echo that may still be in the room beyond the end of the filter: 60 dB in 1.9 s, slower than any living
room's, because a syllable excites its bins unevenly."""
_MARGIN = np.float32(5.0)
"""In power (7 dB), over what the echo has left on average. With it and ``_UNEXPLAINED`` alone, no two frames in a row of three
minutes without anybody passed for a voice after the first ten seconds; with 4, three pairs did."""
_NOISE_MARGIN = np.float32(5.0)
"""The same over the noise of the room, whose floor is looked for, not its mean: about half of it. Of noise alone a ninth is
beyond that. With 10, of 36 voices barely louder than the room a tenth were found after 425 ms and not after 325, and of 14
minutes without anybody no frame less passed for one."""
_UNEXPLAINED, _STILL_UNEXPLAINED = 0.5, 0.3
"""Shares of the residual's power that the echo that is left does not explain: to begin and to go on."""
_MOST_SLIP = -0.15
"""Of the filter: it is subtracted at the wrong place. Where a sound card lost samples it was -0.2 to -1.6 (12 minutes on a busy
machine), with a voice 6 dB under the echo -0.17 at least (64 of them), and -0.04 at that card where nothing was lost."""
_TORN = -0.5
"""Correlation of residual and echo: the echo is not what is subtracted. Where 2 to 25 ms were lost or doubled it fell below
that within 50 ms of sound in 22 of 24 trials, and within 100 ms in all; of a voice -6 to 12 dB over the echo it did so in 2 of
22,560 frames (96 voices)."""
_LOUDER = 1.3
"""In power, the residual over the microphone: subtracting the echo made it louder, so it was none."""
_LIKELY = 0.5
"""Evidence, of a frame that counts as spoken in what is learnt of the echo, though nobody is proven yet."""
_WORTH_A_LOOK = 0.1
"""Evidence, of a frame whose pitch is looked for."""
_HARDLY = 0.3
"""In power, what is left over the microphone: the filter takes 15 to 25 dB of an echo that it has learnt, and leaves 0.2 where
somebody 6 dB under it speaks at the same time."""
_BEYOND = 2.0
"""In power, what is left over what the filter has left of such an echo so far and does not know yet: most of it is no echo, and
there was little to take away. Of the first words of 255 voices 6 dB under the echo 250 were kept without and 253 with (the
drift of the clocks known as badly as before); in 192 of them 4 kept as many as 2, and 8 as many as none."""
_PITCH_FRAMES = 5
"""What that takes: 50 ms, two periods of the lowest voice and a little more."""
_PROVEN_FRAMES = 30
"""For how long that holds: a syllable and the next one."""
_FRAMES = 2
"""In a row: one may be a click."""
_HOLD_FRAMES = 5
"""A voice sinks within a word for less."""
_LEARNT_FRAMES = 150
"""Of audible far end until the filter is worth anything: AEC3's sound is used until then."""
_AGAIN_FRAMES = 15
"""The same at the beginning of the next message, where what was learnt takes the echo away."""
_LONGEST_FRAMES = 300
"""The same, at most, until the canceller is believed again where the filter forgot: it learns a room in that time."""
_WORTH = 4.0
"""In power, the echo over what was left of it, until the filter is believed to have found one. With headphones there is none;
then all that is heard would pass for a voice, the first echo after they are taken off too."""
_AUDIBLE = 0.003
"""The peak of such a frame: -50 dBFS."""
_MEMORY_S, _MEMORY_SPOKEN_S = 2.0, 20.0
"""Of what the echo has left, and the same while somebody speaks, who must not be learnt as echo."""
_MOST_LEFT = np.float32(4)
_FLOOR_RISES = np.float32(10**0.003)
"""3 dB a second."""
_FLOOR_SMOOTHING = np.float32(0.1)
_FRAME_S = 0.01
_STEP = 10 * FRAME
"""Of a second hearing."""
_SOFTEST = 10 ** (LOWEST_DBFS / 10)
_TINY = np.float32(1e-7)


class Found(NamedTuple):
    """What the linear filter has found in a frame."""

    evidence: float
    """Of somebody, 0 to 1; 0 where the filter cannot tell."""
    voiced: bool
    """Does it repeat, as vowels do?"""
    left_dbfs: float
    """Level of what the filter leaves. It suppresses nothing, so nobody is louder than that; 0 where there is no filter."""


NOBODY = Found(0.0, voiced=False, left_dbfs=0.0)


class DoubleTalk:
    """One per microphone."""

    def __init__(self) -> None:
        self._linear = LinearEcho()
        bins = len(self._linear.residual_power)
        self._echo: Floats = np.zeros(bins, np.float32)
        """The loudest echo lately."""
        self._smooth: Floats = np.full(bins, 1e-5, np.float32)
        self._floor: Floats = np.full(bins, 1e-2, np.float32)
        """What is left when nobody speaks and nothing plays."""
        self._relearn()
        self._row = self._proven = self._open = 0
        """Frames in a row that the echo does not explain; frames that a proof and that the linear residual still last."""
        self._evidence = Presence()
        self._latest = 0.0
        """Evidence of somebody in the last frame."""
        self._unexplained = 0.0
        self._is_beyond_echo = False
        """Is what was left of the last frame more than the filter can have left of an echo?"""
        self._learnt = self._worth_keeping = False
        """Was the filter worth anything in the last frame; ever, since it knew nothing?"""
        self._begins = False
        """Were the devices opened anew, and the echo not found since?"""
        self._hindsight = Hindsight()
        self._memory = EchoMemory()
        self._rested = 0
        """Frames since the last ``process``."""
        self._delay: float | None = None
        """As it was told last."""
        self._recalled: Recalled | None = None
        self._found: tuple[Found, ...] = ()
        self._left_dbfs = 0.0
        """Of the last two frames of the residual, the louder: a canceller's sound may come up to 10 ms later."""
        self._torn = self._relearns = False
        self._recent: Floats = np.zeros(_PITCH_FRAMES * FRAME, np.float32)
        """The residual of the last frames."""

    def _relearn(self, *, known_frames: int = 0) -> None:
        self._left: Floats = np.full_like(self._echo, _TINY)
        self._caused: Floats = np.full_like(self._echo, _TINY)
        """Sums of the residual and of the echo; their ratio is what the filter leaves."""
        self._heard = known_frames
        """Frames of far end since the filter knew nothing."""

    @property
    def near_only(self) -> bool:
        """Is the sound of the last frame that of the linear filter?"""
        return self._open > 0

    @property
    def torn(self) -> bool:
        """Was the echo not what was subtracted, in the last ``process``?

        It has left its place, as where a busy machine loses samples, or it has become much softer. Told until the filter has
        learnt it, where its place is ``known``.
        """
        return self._torn

    @property
    def relearns(self) -> bool:
        """Has the filter found that what it knew is of no use, and not learnt the echo anew? For 3 s of sound at most.

        A canceller has to learn it anew as well, and lets pieces of it through for so long.
        """
        return self._relearns

    @property
    def found(self) -> Sequence[Found]:
        """Of each frame of the last ``process``: what speaks for somebody."""
        return self._found

    def rest(self, far: Samples) -> None:
        """Whole frames in which nothing of the loudspeaker can be heard."""
        for frame in _scaled(far).reshape(-1, FRAME):
            self._linear.rest(frame)
        self._row = self._proven = self._open = 0
        self._evidence.reset()
        self._hindsight.forget()
        self._rested += len(far) // FRAME

    def reopen(self) -> None:
        """Loudspeaker or microphone begin anew. What was learnt of the room counts as soon as it proves to be the same."""
        self._linear.reopen(keep=self._worth_keeping)
        self.rest(np.zeros(0, np.int16))
        self._memory.clear()
        self._begins = True
        self._prove_again()

    def process(self, near: Samples, far: Samples, cleaned: Samples, *, delay: float | None, known: bool) -> Samples:
        """The sound to write down. All have the same whole number of frames of 10 ms, 16 kHz mono PCM.

        ``cleaned`` is the canceller's; ``far`` comes ``delay`` samples earlier than 30 ms before its echo, None where none
        was found. ``cleaned`` itself is handed back where nobody speaks, and where the echo's place is not ``known``.
        """
        result, opened, self._delay = cleaned.copy(), False, delay
        self._recalled, self._torn = None, False
        if self._rested:
            self._memory.clear()
            self._rested = 0
        found = []
        nears, fars = _scaled(near).reshape(-1, FRAME), _scaled(far).reshape(-1, FRAME)
        near_pcm, far_pcm = near.reshape(-1, FRAME), far.reshape(-1, FRAME)
        for at, frame in enumerate(result.reshape(-1, FRAME)):
            self._memory.push(near_pcm[at], far_pcm[at], frame)
            before = self._open > 0
            left = self._hear(nears[at], fars[at], delay, known=known)
            now = self._open > 0
            self._torn = self._torn or (known and self._learnt and self._linear.likeness.correlation <= _TORN)
            # Where nothing speaks for anybody, what the filter hardly took away is the assistant's, if it may be.
            taken = self._latest > _WORTH_A_LOOK or float(left @ left) < _HARDLY * float(nears[at] @ nears[at])
            taken = taken or self._is_beyond_echo
            believed = known and self._learnt and bool(nears[at].any()) and taken
            self._hindsight.push(frame, left, self._unexplained if believed else None, self._latest)
            if now and not before:
                self._recall(later=len(result) - (at + 1) * FRAME)
            frame[:] = blend(frame, left, was=before, now=now)
            opened = opened or before or now
            voiced = self._latest > _WORTH_A_LOOK and self._repeats()
            found.append(Found(self._latest, voiced, self._left_dbfs))
        self._found = tuple(found)
        return result if opened else cleaned

    @property
    def recalled(self) -> Recalled | None:
        """Where the last ``process`` found a voice: what had been said until then, as it is now believed to have been.

        It takes the place of what was handed out, the newest of ``process`` included.
        """
        return self._recalled

    def second_hearing(self) -> Iterator[Recalled | None]:
        """Hear the last 5 s once more with what has been learnt since, but for those in which nothing played. Each step is 5 ms
        of CPU, all of them 0.25 s.

        For who is known to have spoken: their first words came before the filter had learnt the echo, or they were proven. The
        last step gives what had been handed out until now, as it is believed to have been then, those before it None. So does
        the last where nothing speaks for anybody, and where the filter knows nothing there is none.
        """
        return copy.deepcopy(self)._hear_again()

    def _hear_again(self) -> Iterator[Recalled | None]:
        rested = self._rested
        past = self._memory.past(but=rested)
        if not (self._worth_keeping and len(past.near)):
            return
        frames = len(past.near) // FRAME
        self._linear.rewind(_scaled(past.before).reshape(-1, FRAME), frames)
        self._hindsight = Hindsight(frames)
        self._row = self._proven = self._open = 0
        self._evidence.reset()
        for at in range(0, len(past.near), _STEP):
            part = slice(at, at + _STEP)
            self.process(past.near[part], past.far[part], past.cleaned[part], delay=self._delay, known=True)
            yield None
        recalled = self._hindsight.look_back()
        yield None if recalled is None else Recalled(recalled.sound, recalled.age + rested * FRAME)

    def _recall(self, *, later: int) -> None:
        recalled = self._hindsight.look_back()
        self._recalled = None if recalled is None else Recalled(recalled.sound, recalled.age + later)

    def _hear(self, near: Floats, far: Floats, delay: float | None, *, known: bool) -> Floats:
        learns = known or not self._worth_keeping
        left, way = self._linear.cancel(near, far, delay, learns=learns)
        self._recent[:-FRAME] = self._recent[FRAME:]
        self._recent[-FRAME:] = left
        energy = max(float(left @ left), float(self._recent[-2 * FRAME : -FRAME] @ self._recent[-2 * FRAME : -FRAME]))
        self._left_dbfs = 10 * math.log10(energy / FRAME + _SOFTEST)
        if way is not Way.KEPT:
            self._hindsight.forget()
            self._memory.forget()
            self._relearns = self._relearns or (self._worth_keeping and way is Way.FORGOTTEN)
            self._prove_again() if way is Way.MOVED and self._begins else self._relearn()
            self._worth_keeping = self._worth_keeping and way is Way.MOVED
        self._heard += learns and bool(np.abs(far).max() > _AUDIBLE)
        unexplained, no_echo = self._shares()
        misplaced = self._linear.likeness.slip <= _MOST_SLIP or float(left @ left) > _LOUDER * float(near @ near)
        learnt = self._learnt = self._has_learnt
        self._relearns = self._relearns and not learnt and self._heard <= _LONGEST_FRAMES
        self._worth_keeping = self._worth_keeping or learnt
        known = known and self._linear.placed
        self._begins = self._begins and not known
        believed = known and learnt and not misplaced
        self._latest = math.sqrt(unexplained * min(no_echo, unexplained)) if believed else 0.0
        self._unexplained = unexplained
        self._is_beyond_echo = not misplaced and self._exceeds_echo()
        self._row = self._row + 1 if unexplained >= _UNEXPLAINED else 0
        self._evidence.push(self._latest)
        self._proven = _PROVEN_FRAMES if self._evidence.reached(FOUND_S) else max(self._proven - 1, 0)
        if learns and self._linear.echo_power.any():
            self._remember(spoken=self._row > 0 and (self._proven > 0 or self._latest >= _LIKELY))
        if not (known and self._proven and learnt):
            self._open = 0
        elif self._row >= _FRAMES or (self._open and unexplained >= _STILL_UNEXPLAINED):
            self._open = _HOLD_FRAMES
        else:
            self._open = max(self._open - 1, 0)
        return left

    def _prove_again(self) -> None:
        self._relearn(known_frames=min(self._heard, _LEARNT_FRAMES - _AGAIN_FRAMES))

    def _repeats(self) -> bool:
        """Has what was left lately a pitch? A keystroke or a cough has none."""
        return bool(np.isfinite(pitch_track(self._recent)).any())

    @property
    def _has_learnt(self) -> bool:
        found = float(self._caused[_VOICE].sum()) >= _WORTH * float(self._left[_VOICE].sum())
        return found and self._heard > _LEARNT_FRAMES

    def _shares(self) -> tuple[float, float]:
        """Of the residual's power: what neither echo that is left nor noise explains, and what the whole echo does not."""
        residual = self._linear.residual_power
        self._smooth += _FLOOR_SMOOTHING * (residual - self._smooth)
        self._floor = np.minimum(self._floor * _FLOOR_RISES, self._smooth)
        self._echo = np.maximum(self._linear.echo_power, self._echo * _DECAY)
        heard = residual[_VOICE]
        noise = _NOISE_MARGIN * self._floor[_VOICE] + self._linear.doubt_power[_VOICE]
        expected = _MARGIN * self._left[_VOICE] / self._caused[_VOICE] * self._echo[_VOICE] + noise
        whole = self._echo[_VOICE] + noise
        alone = np.minimum(heard, self._linear.near_power[_VOICE])
        total = float(heard.sum()) + 1e-9
        return float(np.maximum(heard - expected, 0).sum()) / total, float(np.maximum(alone - whole, 0).sum()) / total

    def _exceeds_echo(self) -> bool:
        linear = self._linear
        remains = self._left[_VOICE] / self._caused[_VOICE] * linear.echo_power[_VOICE] + linear.doubt_power[_VOICE]
        return float(linear.residual_power[_VOICE].sum()) > _BEYOND * float(remains.sum())

    def _remember(self, *, spoken: bool) -> None:
        memory_s = _MEMORY_SPOKEN_S if spoken else _MEMORY_S
        fading = np.float32(math.exp(-_FRAME_S / memory_s))
        weight = np.float32(_MEMORY_S / memory_s)
        most = self._echo if spoken else _MOST_LEFT * self._echo
        self._left = self._left * fading + weight * np.minimum(self._linear.residual_power, most)
        self._caused = self._caused * fading + weight * self._echo


def _scaled(sound: Samples) -> Floats:
    return sound.astype(np.float32) / np.float32(FULL_SCALE)
