"""Is a frame of 10 ms part of somebody's speech? The finest clock that the end of a turn is read from."""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

__all__ = ["FrameFacts", "Voicing"]

_CLEAN_SNR_DB = 15.0
"""Speech this far over the noise can be told from it by level alone; nearer, only the detector can."""
_MARGIN_LEAST_DB, _MARGIN_MOST_DB = 6.0, 12.0
"""A voiced frame stands a third of the way from the noise to the speech, within these: 6 dB are beyond the scatter of
10 ms levels of steady noise, and 12 dB still hear a last syllable that fades."""
_LEVEL_MEMORY_S = 3.0
"""A sentence: the talker's level follows when they turn away or come nearer."""

_EVIDENT = 0.85
"""Where speech cannot be told from noise by its level, a frame as likely speech as this is some. Silero comes down from it
0.06 s after the last word, and from the 0.35 that close the gate only after 0.19 s (at 10 dB) or 0.24 s (at 5 dB): medians of
67 ends of ``bench.end_of_turn``."""

_SURE = 0.8
_SURE_AFTER_S = 0.15
"""Silero stays above 0.8 for up to 100 ms after the last word; beyond that it hears a voice that the level missed."""
_SURE_MARGIN_DB = 3.0
"""Steady noise that a detector takes for speech stays under this, once it has become the floor."""

_OTHERS_UNDER_SPEECH_DB = 12.0
"""Other people's voices, a television's or those in the room, are softer than the talker's by this much or more. The talker's
own syllables scatter by 10 dB around their mean, and strong ones come several times a second."""
_STRONG_FRAMES, _STRONG_SHARE = 40, 0.25
"""Of 0.4 s. Half of a talker's frames are strong; single syllables of others are, too."""
_CLOSURE_S = 0.15
"""A weak stretch inside a word, such as the closure of a "t", is shorter."""
_OTHERS_MEMORY_S = 3.0
_OTHERS_EVIDENT_S, _OTHERS_SHARE = 0.4, 0.6
"""Where a talker pauses in a quiet room, the detector hears nothing; where it mostly hears speech then, others are speaking."""
_OTHERS_AFTER_S = 0.3
"""Without a strong frame for so long, whoever speaks is somebody else: an unstressed "of the" takes as long."""
_TAIL_S = 0.25
_TAIL_UNDER_SPEECH_DB = 25.0
"""Detectors close on a final "s" or "f", which are 10 to 20 dB softer than vowels, last up to 0.2 s and belong to it."""

_ROUNDING_S = 1e-6
"""Sums of frame lengths miss the round figure by less than this."""


class FrameFacts(NamedTuple):
    """What is known about one frame of sound when it has ended."""

    # A tuple, which is made in a third of the time: there are a hundred a second.
    level_dbfs: float
    noise_floor_dbfs: float
    gate_open: bool
    """Does the speech gate take it for speech?"""
    probability: float
    """How likely the detector's newest frame is speech, 0 to 1."""
    gate_age_s: float = 0.0
    """Seconds from the start of the speech that opened the gate to the end of this frame; 0 where it is not known."""
    seconds: float = 0.01
    """Its length, > 0."""


class Voicing:
    """Judges frame after frame; one object per utterance."""

    def __init__(self) -> None:
        self._power = 0.0
        self._weight_s = 0.0
        """Power relative to full scale, times seconds, of frames with an open gate, and those seconds; both fade."""
        self._speech_dbfs = -math.inf
        """What they come to."""
        self._unvoiced_s = math.inf
        """Seconds since the last voiced frame."""
        self._tail_s = math.inf
        """Seconds that the gate has been closed while the sound went on; infinite once it has stopped."""
        self._loud = False
        self._faint = False
        self._clean = False
        self._strong: deque[bool] = deque(maxlen=_STRONG_FRAMES)
        """Of the last frames: was it about as loud as the speech?"""
        self._strong_frames = 0
        self._soft_s = self._soft_open_s = 0.0
        """Seconds of weak sound, and how much of it the detector took for speech; both fade."""
        self._weak_s = 0.0
        """Seconds since the last frame that was about as loud as the speech before it."""

    @property
    def faint(self) -> bool:
        """Was there at least something in the last frame that may belong to the speech, such as the breath of a last "s"?

        Where speech cannot be told from noise by its level: whatever the gate takes for speech.
        """
        return self._faint

    @property
    def loud(self) -> bool:
        """Was the last frame as loud as speech, whatever the gate says? Never where level alone cannot tell."""
        return self._loud

    @property
    def clean(self) -> bool:
        """Could the last voiced frame be told from the noise by its level?"""
        return self._clean

    def push(self, facts: FrameFacts) -> bool:
        """Is this frame voiced?"""
        if not (self._power or facts.gate_open):  # nobody has spoken: what follows would come to the same
            self._remember(strong=True)
            self._weak_s, self._tail_s = 0.0, math.inf
            self._faint = self._loud = False
            self._unvoiced_s += facts.seconds
            return False
        others = self._is_somebody_else(facts)
        if facts.gate_open and not others:
            self._learn_speech_level(facts)
        speech_dbfs = self._speech_dbfs
        # The floor needs 50 ms to fall: where a long vowel has become the floor, its end must not wait for that.
        fallen = facts.level_dbfs < facts.noise_floor_dbfs - _MARGIN_LEAST_DB
        floor_dbfs = facts.level_dbfs if fallen else facts.noise_floor_dbfs
        distance_db = speech_dbfs - floor_dbfs
        over_db = facts.level_dbfs - floor_dbfs
        clean = distance_db >= _CLEAN_SNR_DB
        audible = over_db > _MARGIN_LEAST_DB and facts.level_dbfs > speech_dbfs - _TAIL_UNDER_SPEECH_DB
        self._faint = audible if clean else facts.gate_open and not others
        self._loud = clean and not others and over_db > min(max(distance_db / 3, _MARGIN_LEAST_DB), _MARGIN_MOST_DB)
        self._tail_s = self._tail_after(facts, speech_dbfs)
        heard = self._loud or (not clean and facts.probability >= _EVIDENT) or self._surely_missed(facts, over_db)
        voiced = (heard and not others) if facts.gate_open else self._tail_s <= _TAIL_S + _ROUNDING_S
        if voiced:
            self._clean = clean
        self._unvoiced_s = 0.0 if voiced else self._unvoiced_s + facts.seconds
        return voiced

    def _is_somebody_else(self, facts: FrameFacts) -> bool:
        """Does the gate stay open for voices in the background, after the talker has stopped?"""
        strong = facts.level_dbfs >= self._speech_dbfs - _OTHERS_UNDER_SPEECH_DB
        self._remember(strong=strong)
        if strong and self._strong_frames >= _STRONG_SHARE * len(self._strong):
            self._weak_s = 0.0
            return False
        self._weak_s += facts.seconds
        if self._weak_s > _CLOSURE_S + _ROUNDING_S:
            fading = math.exp(-facts.seconds / _OTHERS_MEMORY_S)
            self._soft_s = self._soft_s * fading + facts.seconds
            self._soft_open_s = self._soft_open_s * fading + (facts.seconds if facts.gate_open else 0.0)
        evident = self._soft_open_s >= max(_OTHERS_EVIDENT_S, _OTHERS_SHARE * self._soft_s)
        return evident and self._weak_s > _OTHERS_AFTER_S + _ROUNDING_S

    def _remember(self, *, strong: bool) -> None:
        if len(self._strong) == _STRONG_FRAMES:
            self._strong_frames -= self._strong[0]
        self._strong.append(strong)
        self._strong_frames += strong

    def _learn_speech_level(self, facts: FrameFacts) -> None:
        fading = math.exp(-facts.seconds / _LEVEL_MEMORY_S)
        self._power = self._power * fading + 10 ** (facts.level_dbfs / 10) * facts.seconds
        self._weight_s = self._weight_s * fading + facts.seconds
        self._speech_dbfs = 10 * math.log10(self._power / self._weight_s) if self._power > 0 else -math.inf

    def _surely_missed(self, facts: FrameFacts, over_db: float) -> bool:
        return facts.probability >= _SURE and self._unvoiced_s >= _SURE_AFTER_S - _ROUNDING_S and over_db > _SURE_MARGIN_DB

    def _tail_after(self, facts: FrameFacts, speech_dbfs: float) -> float:
        if not self._loud or facts.level_dbfs < speech_dbfs - _TAIL_UNDER_SPEECH_DB:
            return math.inf
        return 0.0 if facts.gate_open else self._tail_s + facts.seconds
