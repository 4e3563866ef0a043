"""The person's words where an upstream writes them down; ours where it does not, or fails to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from voicemode.audio import CAPTURE_RATE, AudioChunk
from voicemode.core.resample import StreamResampler
from voicemode.dialogue import InputTranscribed, Report
from voicemode.interfaces import Transcript
from voicemode.runtime.dialogue_parts import DialogueParts
from voicemode.runtime.dialogue_words import HeardTurn, TurnWords
from voicemode.runtime.live_words import LiveWords
from voicemode.runtime.upstream_link import UpstreamLink
from voicemode.wire.upstream import UpstreamSession
from voicemode.wire.upstream.client_events import RATE
from voicemode.wire.upstream.turns import WordsReport

__all__ = ["UpstreamWords"]

_PATIENCE_S = 8.0
"""For the upstream's words of a turn, after its end."""


class UpstreamWords(TurnWords):
    """Whoever writes them down, the upstream's session gets to know them: another connection is told words, not sound."""

    def __init__(
        self,
        parts: DialogueParts,
        tell: Callable[[Report], None],
        *,
        link: UpstreamLink,
        session: UpstreamSession,
        theirs: bool,
    ) -> None:
        """``theirs``: the upstream writes down."""
        super().__init__(parts, tell)
        self._link, self._session, self._theirs = link, session, theirs
        self._from_upstream: dict[str, asyncio.Future[InputTranscribed]] = {}

    @property
    def _listens(self) -> bool:
        return self._theirs and self._link.unavailable is None

    def told(self, report: WordsReport) -> None:
        """The upstream wrote a turn down, or could not."""
        found = self._from_upstream.get(report.item_id)
        if found is None or found.done():
            return
        if isinstance(report, InputTranscribed):
            found.set_result(report)
        else:
            found.cancel()

    def live(self, grown: Callable[[str], None]) -> LiveWords | None:
        return None if self._listens else super().live(grown)

    def begin(self, utterance: AudioChunk, live: LiveWords | None = None) -> asyncio.Task[Transcript]:
        return asyncio.create_task(_nobody()) if self._listens else super().begin(utterance, live)

    def settle(self, item_id: str, turn: HeardTurn) -> None:
        if not self._listens:
            super().settle(item_id, turn)
            return
        self.drop(turn)
        self._from_upstream[item_id] = asyncio.get_running_loop().create_future()
        super().settle(item_id, HeardTurn(turn.utterance))

    async def _write(self, item_id: str, turn: HeardTurn, words: asyncio.Future[str]) -> None:
        awaited = self._from_upstream.get(item_id)
        if awaited is None:
            await super()._write(item_id, turn, words)
            return
        await asyncio.wait({awaited}, timeout=_PATIENCE_S)
        del self._from_upstream[item_id]
        if awaited.done() and not awaited.cancelled():
            told = awaited.result()
            self._succeed(item_id, told.text, HeardTurn(AudioChunk.silence(told.seconds, CAPTURE_RATE)))
            return
        await super()._write(item_id, self._whole(item_id, turn), words)

    def _succeed(self, item_id: str, text: str, turn: HeardTurn) -> None:
        self._session.known(item_id, text)
        super()._succeed(item_id, text, turn)

    def _whole(self, item_id: str, turn: HeardTurn) -> HeardTurn:
        """With its sound, where only the upstream was to hear it."""
        if len(turn.utterance.samples):
            return turn
        sound = self._session.sound_of(item_id)
        if sound is None:
            return turn
        return HeardTurn(AudioChunk(StreamResampler(RATE, CAPTURE_RATE).push(sound), CAPTURE_RATE))


async def _nobody() -> Transcript:
    """Nobody guesses at words before the turn is over."""
    return Transcript("", "upstream", confidence="low")
