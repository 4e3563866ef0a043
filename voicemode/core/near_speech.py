"""Is a frame of microphone sound, heard while the assistant plays, speech of the person's?

Three things are known of it: how likely a detector takes it for speech, how far it stands over the noise, and over what is
left of the echo. A voice as loud as the echo reaches the detector in pieces, so small likelihoods count where the level is
beyond what the echo explains.
"""

from __future__ import annotations

from dataclasses import dataclass

from voicemode.core.double_talk import NOBODY, Found
from voicemode.core.echo_lag import Echo
from voicemode.core.presence import FOUND_S, Presence
from voicemode.core.residual import Residual

__all__ = ["NearEnd", "NearSpeech", "Verdict"]

_SPEECH_ON, _SPEECH_OFF = 0.5, 0.35
"""Silero's own pair."""
_SUSPICION = 0.1
"""Enough to duck: AEC3 swallows most of a voice that is as loud as the echo or softer, until the echo falls. In 15 minutes of
simulated playback without anybody, with ``_SUSPICION_DB``, it ducked 3 times; at 0.5, words 6 dB under the echo were found
0.8 s later."""
_SUSPICION_DB = 3.0
"""Over the echo that is left before a frame that may be speech is worth a duck."""
_NOISE_DB = 6.0
"""Over the noise floor: beyond the scatter of 10 ms levels of steady noise."""
_PROOF_DB = 9.0
"""So far over it, it is no echo: the residual's quantile of 95 % and its largest value lie 3 to 6 dB apart."""
_LOUD_DB, _LOUD_NOISE_DB = 6.0, 9.0
"""Over the echo that is left and over the noise: a detector needs up to half a second to take a voice for one of which the
canceller passes only pieces, and that long its level is all there is."""
_LOUD_S = 0.08
"""So much of it is worth a duck, each second of other frames making up for half a second of loud ones: typing, 8 keystrokes of
30 ms a second, never adds up to it. No ducks more in 15 minutes without anybody."""
_ROUNDING_S = 1e-6
"""Sums of frame lengths miss the round figure by less than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NearEnd:
    """What is known about one frame of microphone sound, while the assistant plays, when it has ended. Levels in dBFS."""

    seconds: float = 0.01
    """Its length, > 0."""
    probability: float
    """How likely the detector's newest frame of the CLEANED (echo-cancelled) signal is speech, 0 to 1."""
    cleaned_dbfs: float
    """Level after echo cancellation."""
    raw_dbfs: float
    """Level before it."""
    far_end_dbfs: float
    """Level of what was audible from the loudspeaker in the same 10 ms; -96 while it is silent."""
    echo: Echo = Echo.KNOWN
    found: Found = NOBODY
    """What the linear filter finds to speak for somebody beside the echo, however little of them the canceller leaves."""
    noise_floor_dbfs: float
    """The cleaned signal's level when nobody speaks."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a frame is."""

    suspicious: bool
    """It may be speech."""
    speech: bool
    """It is, unless it is echo."""
    no_echo: bool
    """No echo is so loud; told of frames that are or may be speech."""
    louder: bool
    """So was the microphone before cancellation: louder than the echo is there."""
    voice: float
    """Evidence of a voice, 0 to 1, with which both agree: the linear filter finds somebody with a pitch, and both leave
    more than the noise of the room. Where a sound card loses samples either is wrong, hardly ever both at once."""


class NearSpeech:
    """Judges frame after frame."""

    def __init__(self, residual: Residual) -> None:
        self._residual = residual
        self._speaking = False
        """Was the last frame speech?"""
        self._loud_s = 0.0
        """Seconds of frames too loud for echo and noise, less half of those since that were not."""
        self._loud_for_s = 0.0
        """Seconds since the first of them began; it means nothing while there are none."""
        self._presence = Presence()

    @property
    def suspect_for_s(self) -> float:
        """Of a suspicious frame: for how long it has been like this, itself included; at least 0."""
        return max(self._loud_for_s if self._loud_s > 0 else 0.0, self._presence.for_s)

    def push(self, facts: NearEnd, *, patient: bool) -> Verdict:
        """Judge the next frame. What is not suspicious teaches how much echo is left, and all does unless ``patient``."""
        self._residual.push(facts.far_end_dbfs, facts.seconds, echo=facts.echo)
        common_dbfs = min(facts.cleaned_dbfs, facts.found.left_dbfs)  # whoever speaks is in what either canceller leaves
        over_db = common_dbfs - self._residual.expected_dbfs
        over_noise_db = common_dbfs - facts.noise_floor_dbfs
        beyond = over_db >= _SUSPICION_DB and over_noise_db >= _NOISE_DB
        self._presence.push(facts.found.evidence, facts.seconds)
        found = self._presence.reached(FOUND_S)
        loud = self._add_loudness(facts.seconds, over_db >= _LOUD_DB and over_noise_db >= _LOUD_NOISE_DB) or found
        likely = beyond and facts.probability >= _SUSPICION
        self._speaking = beyond and facts.probability >= (_SPEECH_OFF if self._speaking else _SPEECH_ON)
        voice = facts.found.evidence if facts.found.voiced and over_noise_db >= _NOISE_DB else 0.0
        if not self._speaking and not (patient and (loud or likely or self._leaks(facts, common_dbfs))):
            doubtful = facts.probability >= _SUSPICION
            self._residual.learn(facts.cleaned_dbfs, facts.raw_dbfs, facts.seconds, doubtful=doubtful)
        no_echo, louder = likely and over_db >= _PROOF_DB, facts.raw_dbfs > self._residual.raw_dbfs
        return Verdict(loud or likely, self._speaking, no_echo, louder, voice)

    def _leaks(self, facts: NearEnd, common_dbfs: float) -> bool:
        """Would it be suspicious, had not the linear filter taken it away? It says nothing about what is usually left."""
        if facts.cleaned_dbfs <= common_dbfs:
            return False
        over_db = facts.cleaned_dbfs - self._residual.expected_dbfs
        over_noise_db = facts.cleaned_dbfs - facts.noise_floor_dbfs
        likely = facts.probability >= _SUSPICION and over_db >= _SUSPICION_DB and over_noise_db >= _NOISE_DB
        return likely or (over_db >= _LOUD_DB and over_noise_db >= _LOUD_NOISE_DB)

    def _add_loudness(self, seconds: float, loud: bool) -> bool:
        """Has it been too loud for echo and noise for long enough?"""
        self._loud_for_s += seconds
        if not loud:
            self._loud_s = max(self._loud_s - seconds / 2, 0.0)
            return False
        if self._loud_s == 0:
            self._loud_for_s = seconds
        self._loud_s = min(self._loud_s + seconds, _LOUD_S)
        return self._loud_s >= _LOUD_S - _ROUNDING_S
