"""Hear one utterance out of a stream of microphone sound: the one object the runtime feeds."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from voicemode.audio import CAPTURE_RATE, AudioChunk, Samples
from voicemode.core.attention import LEAD_FRAMES, Attention
from voicemode.core.echo import EchoMeter
from voicemode.core.endpointing import (
    Endpointer,
    EndpointEvent,
    EndpointingOptions,
    EndReason,
    FrameFacts,
    IllegalTransitionError,
    NobodySpoke,
    State,
    TurnEnded,
)
from voicemode.core.framing import Framer
from voicemode.core.hindsight import PAUSE_S
from voicemode.core.level import LOWEST_DBFS, Leveller, NoiseFloor, levels_dbfs
from voicemode.core.pauses import SpeakerPauses
from voicemode.core.ring import PrerollRing
from voicemode.core.speech_gate import SpeechGate
from voicemode.interfaces import SpeechDetector

__all__ = ["Listener"]

_LEVEL_FRAME = CAPTURE_RATE // 100
"""10 ms: the grain of every decision."""
_LOOK_BACK_S = 6.0
"""How far in the past ``begin`` may lie: an interruption is known 2 s after it began, and 1 s of a busy machine later."""
_ECHO_TAIL_S = 0.2
"""How long a room and the detector go on after the assistant's last word: 0.1 s each."""

_UNJUDGED_S = 0.015
"""What is judged with the next sound besides: less than 10 ms that fill no frame, and what a resampler held back."""

_GATE_WIDTH = 0.15
"""Between opening and closing: Silero's own pair is 0.5 and 0.35."""

_SCORED_S = 8.0
"""As much as smart-turn was trained on; prosody needs less."""


class _Moment(NamedTuple):
    """A remembered frame of 10 ms."""

    start: int
    """Position of its first sample."""
    facts: FrameFacts


class Listener:
    """Before ``begin`` it learns the room and remembers; from then on it looks for one utterance.

    Positions count 16 kHz samples since the first one pushed. The times of its events are positions in seconds
    (position / 16000), so they share their zero with every other utterance of this stream.
    """

    def __init__(
        self,
        detector: SpeechDetector,
        options: EndpointingOptions,
        *,
        pauses: SpeakerPauses | None = None,
        rests: bool = False,
    ) -> None:
        """``detector`` is this listener's alone until the utterance is over; it is reset here.

        ``pauses`` is the speaker's, for all turns of a session. ``rests`` lets the detector rest while nothing is louder than
        the room, for listeners that are many and have little to hear.
        """
        detector.reset()
        self._detector = detector
        self._options = options
        self._pauses = SpeakerPauses() if pauses is None else pauses
        self._preroll = round(options.preroll_s * CAPTURE_RATE)
        remembered = self._preroll + round(_LOOK_BACK_S * CAPTURE_RATE)
        self._ring = PrerollRing(remembered)
        self._moments: deque[_Moment] = deque(maxlen=math.ceil(remembered / _LEVEL_FRAME))
        self._level_framer = Framer(_LEVEL_FRAME)
        self._detector_framer = Framer(detector.frame_samples)
        self._leveller = Leveller()
        self._attention = Attention() if rests else None
        self._unheard: deque[Samples] = deque(maxlen=LEAD_FRAMES)
        """The last frames that the detector was not asked about."""
        self._threshold = 0.5
        self._gate = SpeechGate()
        self._noise_floor = NoiseFloor()
        self._echo = EchoMeter()
        self._heard = 0
        """Samples that were judged: a multiple of 10 ms."""
        self._probability = 0.0
        self._level_dbfs = LOWEST_DBFS
        self._any_sound = False
        self._endpointer: Endpointer | None = None
        """None before the first ``begin``."""
        self._begun_at = 0
        self._earliest = 0
        """The utterance does not reach back beyond this position."""
        self._without_echo = True
        """Was nothing of the loudspeaker heard in the microphone before ``begin``?"""
        self._cut_from = 0
        """Nor does its sound, which may begin with what was said before anybody listened for an answer."""
        self._taken_until = 0
        """The end of the utterance before: what was in it is not heard again."""
        self._amended: deque[range] = deque(maxlen=32)
        """Positions. Who spoke there went on, or paused for less than ``PAUSE_S``."""
        self._from_cut = False
        """Does the utterance's sound begin there, wherever the speech is found to begin?"""
        self._whole: AudioChunk | None = None
        """The utterance, once the turn is over."""
        self._latest: list[FrameFacts] = []
        self._held = False

    @property
    def position(self) -> int:
        """Samples pushed so far."""
        return self._ring.total

    @property
    def only_zeros(self) -> bool:
        """Something was pushed, and every sample of it was exactly 0: muted, or no permission."""
        return self.position > 0 and not self._any_sound

    @property
    def latest(self) -> Sequence[FrameFacts]:
        """What is known about each 10 ms that the last ``push`` completed, oldest first; the last ends at ``judged_s``."""
        return self._latest

    @property
    def calm_s(self) -> float:
        """The next so many seconds of sound may as well be pushed at once: nothing can come of them but that speech goes on."""
        return 0.0 if self._endpointer is None else self._endpointer.calm_s - _UNJUDGED_S

    @property
    def judged_s(self) -> float:
        """Seconds of sound that were judged: all that was pushed but for less than 10 ms."""
        return self._heard / CAPTURE_RATE

    @property
    def level_dbfs(self) -> float:
        """The level of the last whole 10 ms, -96 to 0."""
        return self._level_dbfs

    @property
    def noise_floor_dbfs(self) -> float:
        """The level of the room without speech, -75 to 0."""
        return self._noise_floor.dbfs

    @property
    def is_stirring(self) -> bool:
        """Is there something that may become speech, or is?"""
        return self._gate.is_open

    @property
    def echo_present(self) -> bool | None:
        """Is the loudspeaker audible in the microphone? None while there is too little evidence."""
        return self._echo.echo_present

    @property
    def utterance_began_s(self) -> float | None:
        """Where the sound of the utterance begins, pre-roll included: seconds of position; None without speech."""
        start = self._utterance_start()
        return None if start is None else start / CAPTURE_RATE

    @property
    def faint_until(self) -> float | None:
        """As ``Endpointer.faint_until``."""
        return None if self._endpointer is None else self._endpointer.faint_until

    def push(self, samples: Samples, far_end_active: bool = False) -> list[EndpointEvent]:
        """Hear the next block of 16 kHz mono PCM, of any size; returns what happened, oldest first.

        ``far_end_active`` says whether the loudspeaker was sounding in this block. After the last event of a turn, sound
        is remembered for the next ``begin`` and nothing happens. The events do not depend on the blocks' sizes.
        """
        self._any_sound = self._any_sound or bool(samples.any())
        self._ring.push(samples)
        moments = self._hear(self._level_framer.block(samples), far_end_active)
        self._latest = [moment.facts for moment in moments]
        return self._decide(moments)

    def begin(
        self, position: int, *, is_speech: bool = False, echo: bool = False, start_timeout_s: float | None = None
    ) -> list[EndpointEvent]:
        """From ``position`` on, the person is expected to speak; returns what has happened since then.

        It may lie up to 6 s in the past, or in the future. Speech that began up to ``preroll_s`` earlier counts too, unless the
        loudspeaker is audible in the microphone: then it may be the assistant's own. Where ``echo`` says that it may be,
        earlier speech counts if it goes on after ``position``. ``is_speech`` says that the person is known to have begun there,
        echo or not: the utterance's sound is then that of ``speech_since``, and no earlier speech counts. ``start_timeout_s``
        stands for that of the options. Raises IllegalTransitionError while an utterance is looked for.
        """
        if self._looking():
            raise IllegalTransitionError(State.WAITING, "begin")
        self._begun_at = max(position, 0)
        audible = self._echo.echo_present is True and not is_speech
        self._without_echo = is_speech or not (echo or audible)
        before = self._before_speech(position) if is_speech else position - self._preroll
        self._cut_from = self._begun_at if audible else max(before, self._taken_until)
        self._from_cut = is_speech
        self._earliest = self._begun_at if is_speech else self._cut_from
        self._whole = None
        oldest = self._moments[0].start if self._moments else self._heard
        origin = max(math.ceil(self._earliest / _LEVEL_FRAME) * _LEVEL_FRAME, oldest)
        head_start_s = (self._begun_at - origin) / CAPTURE_RATE
        patience_s = self._options.start_timeout_s if start_timeout_s is None else start_timeout_s
        options = replace(self._options, start_timeout_s=patience_s + max(head_start_s, 0.0))
        self._endpointer = Endpointer(options, origin / CAPTURE_RATE, pauses=self._pauses)
        self._endpointer.held = self._held
        known = self._endpointer.begin_speaking() if is_speech else []
        return [*known, *self._decide(tuple(self._moments))]

    def configure(self, options: EndpointingOptions, *, threshold: float = 0.5) -> None:
        """For utterances that begin from now on. ``threshold``: of the speech gate, 0 to 1.

        The pre-roll reaches back for as long as the first one, plus 6 s, at most.
        """
        self._options = options
        self._preroll = round(options.preroll_s * CAPTURE_RATE)
        if threshold != self._threshold:
            self._threshold = threshold
            self._gate = SpeechGate(threshold, max(threshold - _GATE_WIDTH, threshold / 2))

    def drop(self) -> None:
        """Forget the utterance under way, and all sound so far; the room stays known. ``begin`` is due next."""
        self._endpointer, self._whole = None, None
        self._taken_until = self.position
        self._moments.clear()
        self._ring.release()

    def scored(self, probability: float, silence_since: float) -> None:
        """Answer a ``ScoreWanted``; ignored when that silence, or the turn, is over. Raises ValueError."""
        if self._endpointer is not None:
            self._endpointer.scored(probability, silence_since)

    def partial(self, text: str, silence_since: float) -> None:
        """The words of the turn up to the pause that began at ``silence_since``; ignored when it, or the turn, is over."""
        if self._endpointer is not None:
            self._endpointer.partial(text, silence_since)

    @property
    def held(self) -> bool:
        """While it is, as by push-to-talk, neither silence nor lateness ends a turn."""
        return self._held

    @held.setter
    def held(self, held: bool) -> None:
        self._held = held
        if self._endpointer is not None:
            self._endpointer.held = held

    def finish(self, reason: EndReason = EndReason.SOURCE_ENDED) -> list[EndpointEvent]:
        """The source has ended, or the key was released; returns the last event.

        Without a turn under way there is none but "nobody spoke".
        """
        if self._endpointer is None:
            return [NobodySpoke(self.position / CAPTURE_RATE)]
        if not self._looking():
            return []
        return self._settle(self._endpointer.finish(reason))

    def utterance(self) -> AudioChunk:
        """The speech with its pre-roll, up to now, or to the end of the turn once it is over; empty without speech.

        Not clipped at either end: it starts ``preroll_s`` before the detected beginning, as far as ``begin`` allows.
        """
        if self._whole is not None:
            return self._whole
        start = self._utterance_start()
        samples = np.zeros(0, dtype=np.int16) if start is None else self._ring.since(start)
        return AudioChunk(samples, CAPTURE_RATE)

    def sound_since(self, seconds: float) -> AudioChunk:
        """What was pushed from there on, as far back as ``begin`` may lie: 16 kHz mono."""
        return AudioChunk(self._ring.since(max(round(seconds * CAPTURE_RATE), 0)), CAPTURE_RATE)

    def amend(self, samples: Samples, age: int) -> None:
        """What was pushed, from ``age`` samples ago on, held a person's words, and they were these.

        What was judged stays as it was. An utterance that is looked for, or over, is not changed.
        """
        if not self._looking():
            begin = max(self.position - age, self._taken_until)
            last = self._amended.pop() if self._amended and begin <= self._amended[-1].stop else range(begin, begin)
            self._amended.append(range(min(begin, last.start), max(self.position - age + len(samples), last.stop)))
            self._ring.amend(begin, samples[begin - (self.position - age) :])

    def speech_since(self, seconds: float) -> AudioChunk:
        """What was said up to now by who is known to speak since then: 16 kHz mono, with ``preroll_s`` before it, or more.

        It goes back to what was amended, for then they began there.
        """
        begin = self._before_speech(round(seconds * CAPTURE_RATE))
        return AudioChunk(self._ring.since(max(begin, self._taken_until)), CAPTURE_RATE)

    def speech_so_far(self, seconds: float = _SCORED_S) -> Samples:
        """The last ``seconds`` of the utterance up to now, silence included: 16 kHz mono; empty without speech."""
        return self.utterance().samples[-round(seconds * CAPTURE_RATE) :]

    def _before_speech(self, position: int) -> int:
        """Where the sound of speech begins that was found to begin at ``position``."""
        latest = position - round(PAUSE_S * CAPTURE_RATE)
        return max(min([position - self._preroll, *(each.start for each in self._amended if each.stop >= latest)]), 0)

    def _looking(self) -> bool:
        return self._endpointer is not None and self._endpointer.state is not State.ENDED

    def _hear(self, frames: Samples, far_end_active: bool) -> list[_Moment]:
        """``frames``: (n, 160)."""
        moments = list[_Moment]()
        pending, size = self._detector_framer.pending, self._detector.frame_samples
        due = deque(self._detector_framer.block(frames.reshape(-1)))
        for level_dbfs in levels_dbfs(frames):
            if self._attention is not None:
                self._attention.push(level_dbfs, self._noise_floor.dbfs, _LEVEL_FRAME / CAPTURE_RATE)
            pending += _LEVEL_FRAME
            while pending >= size:
                pending -= size
                self._judge(due.popleft())
            moments.append(self._moment(level_dbfs, far_end_active))
        self._moments.extend(moments)
        return moments

    def _judge(self, frame: Samples) -> None:
        if self._attention is None or self._attention.is_awake or self._gate.is_open:
            if self._unheard:
                self._wake_up()
            self._probability = self._detector.probability(self._leveller.push(frame))
        else:
            self._unheard.append(frame)
            self._probability = 0.0
        self._gate.push(self._probability, len(frame) / CAPTURE_RATE)

    def _wake_up(self) -> None:
        """What the detector remembers is long ago: it hears the last moments anew."""
        self._detector.reset()
        for frame in self._unheard:
            self._detector.probability(self._leveller.push(frame))
        self._unheard.clear()

    def _moment(self, level_dbfs: float, far_end_active: bool) -> _Moment:
        self._level_dbfs = level_dbfs
        floor_dbfs = self._noise_floor.push(level_dbfs, _LEVEL_FRAME / CAPTURE_RATE)
        if far_end_active:
            self._echo.push(level_dbfs, floor_dbfs, far_end_active)
        start, self._heard = self._heard, self._heard + _LEVEL_FRAME
        opened_at = self._gate.opened_at
        age_s = 0.0 if opened_at is None else self._heard / CAPTURE_RATE - opened_at
        # By position: a hundred times a second, names cost more than all else in here.
        return _Moment(start, FrameFacts(level_dbfs, floor_dbfs, opened_at is not None, self._probability, age_s))

    def _decide(self, moments: Sequence[_Moment]) -> list[EndpointEvent]:
        endpointer, events = self._endpointer, list[EndpointEvent]()
        if endpointer is None or not self._looking():
            return events
        for moment in moments:
            if moment.start >= self._earliest:
                events += endpointer.push(moment.facts if self._without_echo else self._beyond_echo(moment))
            if not self._looking():
                break
        return self._settle(events)

    def _beyond_echo(self, moment: _Moment) -> FrameFacts:
        """Close the gate while it may still be open for the assistant's own last word."""
        since_begin_s = (moment.start + _LEVEL_FRAME - self._begun_at) / CAPTURE_RATE
        opened_before = moment.facts.gate_age_s > since_begin_s
        if opened_before and since_begin_s < _ECHO_TAIL_S:
            return moment.facts._replace(gate_open=False, gate_age_s=0.0)
        return moment.facts

    def _settle(self, events: list[EndpointEvent]) -> list[EndpointEvent]:
        """Keep of the sound what the utterance needs, and no more."""
        start = self._utterance_start()
        if start is None:
            self._ring.release()
        else:
            self._ring.keep_from(start)
        for event in events:
            if isinstance(event, TurnEnded):
                self._taken_until = round(event.at * CAPTURE_RATE)
                self._whole = AudioChunk(self._ring.since(start or 0)[: self._taken_until - (start or 0)], CAPTURE_RATE)
                self._ring.release()
        return events

    def _utterance_start(self) -> int | None:
        began = None if self._endpointer is None else self._endpointer.speech_began
        own = 0 if began is None or self._from_cut else round(began * CAPTURE_RATE) - self._preroll
        return None if began is None else max(own, self._cut_from)
