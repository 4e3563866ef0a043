"""Words of the message that come back through the microphone: nobody said them.

Only what was audible at the same time can have come back. Whoever speaks later may well use the words of a question.
"""

from __future__ import annotations

from voicemode.core.echo_path import EchoPath
from voicemode.core.latency import Mark
from voicemode.core.own_words import is_own_voice
from voicemode.runtime.barge_in import BargeIn
from voicemode.runtime.listening import Heard
from voicemode.runtime.saying import Saying
from voicemode.runtime.turn_log import TurnLog

__all__ = ["EchoedWords"]

_LATEST_S = 0.5
"""By how much a busy machine plays the end of a message later than it says. Who answers in the words of that end needs longer:
0.2 s until they begin, and 0.3 s for each of three words."""
_TRAILING_S = 1.0
"""How long an engine may be silent behind the last word."""


class EchoedWords:
    """One message's."""

    def __init__(self, log: TurnLog, path: EchoPath) -> None:
        self._log, self._path = log, path
        self._cut = False
        """Was the message broken off?"""
        self._overlap = ""
        """What was audible of it while the person began to interrupt it."""

    def cut(self, barge_in: BargeIn) -> None:
        """The message was broken off, by voice or by key: a key is pressed by somebody, whatever was audible then."""
        self._cut, self._overlap = True, barge_in.overlap if barge_in.by_voice else ""

    def audible(self, saying: Saying, start_s: float, end_s: float) -> str:
        """What of the message can have come back, of what was audible between two positions: nothing, with headphones."""
        return "" if self._path.lag.absent else saying.audible(start_s, end_s)

    def explains(self, text: str, heard: Heard, saying: Saying | None) -> bool:
        """Are these words of an utterance the message's own? To be asked of one after the other, the first one first."""
        audible, self._overlap = self._overlap if self._cut else self._late_words(heard, saying), ""
        return is_own_voice(text, audible)

    def _late_words(self, heard: Heard, saying: Saying | None) -> str:
        """What of a message that was said to its end a loudspeaker that is late may have been saying during ``heard``."""
        last = self._log.marks.get(Mark.LAST_SOUND)
        if saying is None or last is None or heard.ended_at > last + _LATEST_S:
            return ""
        return saying.last_words(last - heard.began_at + _LATEST_S + _TRAILING_S)
