"""The ear where an upstream says when a turn begins and ends; our own, as long as there is none."""

from __future__ import annotations

import numpy as np

from voicemode.audio import CAPTURE_RATE, AudioChunk, Samples
from voicemode.dialogue import AudioIn
from voicemode.runtime.dialogue_input import TurnInput, TurnWatcher
from voicemode.runtime.dialogue_parts import DialogueParts
from voicemode.runtime.dialogue_words import HeardTurn, TurnWords
from voicemode.runtime.upstream_link import UpstreamLink
from voicemode.wire.upstream import TheirSpeech

__all__ = ["UpstreamEar"]


class UpstreamEar(TurnInput):
    """Counts the sound, and tells what the upstream tells."""

    def __init__(self, parts: DialogueParts, words: TurnWords, watcher: TurnWatcher, link: UpstreamLink) -> None:
        super().__init__(parts, words, watcher)
        self._link, self._offset_ms = link, 0

    def connected(self, open_seconds: float) -> None:
        """Another connection, which will hear the last seconds first."""
        self._offset_ms = max(round((self.position_s - open_seconds) * 1000), 0)

    def their_speech(self, told: TheirSpeech) -> None:
        """The upstream heard the person begin or end."""
        at_ms = round(self.position_s * 1000) if told.at_ms is None else self._offset_ms + told.at_ms
        if told.began == self._speaking:
            return  # heard again, by another connection
        self._speaking = told.began
        if told.began:
            self._watcher.speech_started(at_ms)
        else:
            self._watcher.turn_ended(_NOTHING, at_ms)

    def convert(self, audio: AudioIn) -> Samples:
        if self._link.unavailable is not None:
            return super().convert(audio)
        return np.zeros(len(audio.samples) * CAPTURE_RATE // audio.sample_rate, np.int16)

    def hear(self, samples: Samples) -> None:
        if self._link.unavailable is not None:
            super().hear(samples)
        else:
            self.position += len(samples)

    def commit(self) -> HeardTurn:
        if self._link.unavailable is not None:
            return super().commit()
        self._speaking = False
        return _NOTHING

    def clear(self) -> None:
        if self._link.unavailable is not None:
            super().clear()
        self._speaking = False


_NOTHING = HeardTurn(AudioChunk.silence(0.0, CAPTURE_RATE))
"""Its sound is with the upstream."""
