"""Say one message on the loudspeaker, and know how far it was heard."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import numpy as np

from voicemode.audio import AudioChunk, WordOnset, join_onsets
from voicemode.core.chime import listening_chime
from voicemode.core.heard import Piece, Silence, find_silences, heard_until, seconds_per_letter, snap_back
from voicemode.core.latency import Mark
from voicemode.core.level import amplified
from voicemode.errors import SoundError
from voicemode.events import SpeakingEnded, SpeakingStarted
from voicemode.interfaces import Speaker, SpeechRequest, Synthesizer
from voicemode.runtime.playback import Placed, speak
from voicemode.runtime.turn_log import TurnLog

__all__ = ["Saying"]


class Saying:
    """One message under way; ``run`` may be called once. Whoever made it closes the loudspeaker in the end."""

    def __init__(
        self,
        speaker: Speaker,
        pieces: Sequence[str],
        log: TurnLog,
        *,
        chime: bool,
        gain_db: float = 0.0,
        letter_s: float | None = None,
    ) -> None:
        """``chime``: sound it at the end, as a sign that somebody listens. ``gain_db``: how much louder it is to be.

        ``letter_s`` is the pace of this voice as far as it is known, for a first piece that is cut.
        """
        self._speaker, self._pieces, self._log, self._chime, self._gain_db = speaker, pieces, log, chime, gain_db
        self._letter_s = letter_s
        self._placed: list[Placed] = []
        self.is_open = False
        """Is the loudspeaker open for the message?"""
        self.engine = ""
        """Who spoke the last piece so far."""
        self.failed: tuple[str, ...] = ()
        """As ``Spoken.failed``, once all is queued."""
        self.heard = ("", "")
        """What of the message was heard and what was not, where it was cut; both empty when it was not."""

    @property
    def speaker(self) -> Speaker:
        return self._speaker

    @property
    def active(self) -> bool:
        """Is it audible now?"""
        first, until = self._speaker.first_sound_at, self._speaker.audible_until
        if first is None or until is None or self._speaker.paused:
            return False
        return first <= time.monotonic() <= until

    async def run(self, synthesizer: Synthesizer, request: SpeechRequest) -> None:
        """Speak, wait until it was heard, and free the loudspeaker. ``request`` gives voice, speed and language.

        Raises SpeechFailedError, SoundError, RequestError, LanguageError. Cancelled, it falls silent; then ``cut`` is to be
        called.
        """
        speaker = self._speaker
        opening = asyncio.create_task(speaker.open())
        speaking = asyncio.create_task(self._queue(_Opened(speaker, opening, self._gain_db), synthesizer, request))
        try:
            # A loudspeaker that cannot be opened is told at once, not when the first sound of the engine arrives.
            await asyncio.wait({opening, speaking}, return_when=asyncio.FIRST_COMPLETED)
            if opening.done():
                opening.result()
                self.is_open = True
            await speaking
            await speaker.drain()
        except SoundError:
            if self._pieces:
                raise
            return  # the chime was all there was to play; progress tells the client instead
        finally:
            self.is_open = False
            for task in (speaking, opening):
                task.cancel()
            await asyncio.gather(speaking, opening, return_exceptions=True)
        self._note_end(speaker.audible_until)
        await speaker.close()

    async def cut(self, played_s: float) -> None:
        """What was said was broken off when ``played_s`` had been audible: note it, and free the loudspeaker."""
        first = self._speaker.first_sound_at
        # It fell silent when it was paused, which may be a second before it was decided that it would not go on.
        self._note_end(None if first is None else min(first + played_s, time.monotonic()))
        self.heard = self._heard_until(played_s)
        await self._speaker.close()

    @property
    def unheard_now(self) -> str:
        """What of the message has not been audible so far."""
        return self._heard_until(self._speaker.played_s)[1]

    def replay_from(self, played_s: float) -> float:
        """Where to go on after a pause, so that no word is heard in half: seconds, at most 3 s earlier."""
        return snap_back(self._heard_pieces(played_s), played_s, letter_s=self._letter_s)

    def audible(self, start_s: float, end_s: float) -> str:
        """The words that were being said in some of those played seconds, each whole."""
        pieces = self._heard_pieces(end_s)
        before = heard_until(pieces, start_s, letter_s=self._letter_s).heard.split()
        words = " ".join(piece.text for piece in pieces).split()
        until = len(heard_until(pieces, end_s, letter_s=self._letter_s).heard.split())
        return " ".join(words[len(before) : until + 1])

    def last_words(self, seconds: float) -> str:
        """The words that were being said in its last seconds, each whole, where it was said to its end."""
        ends = [place.end_s for place in self._placed if place.end_s is not None]
        return self.audible(max(ends[-1] - seconds, 0.0), ends[-1]) if ends else ""

    def _heard_until(self, played_s: float) -> tuple[str, str]:
        found = heard_until(self._heard_pieces(played_s), played_s, letter_s=self._letter_s)
        rest = (found.unheard, *self._pieces[len(self._placed) :])
        return found.heard, " ".join(filter(None, rest))

    def _heard_pieces(self, played_s: float) -> list[Piece]:
        """Those that were queued; where they are silent is looked for in those that were reached."""
        found = []
        for place in self._placed:
            silences: tuple[Silence, ...] = ()
            onsets: tuple[WordOnset, ...] = ()
            if place.sound and place.start_s <= played_s:
                sound = np.concatenate([chunk.samples for chunk in place.sound])
                silences = find_silences(sound, place.sound[0].sample_rate)
                onsets = join_onsets(place.sound)
            found.append(Piece(place.text, place.start_s, place.end_s, onsets, silences))
        return found

    def pace(self) -> float:
        """Seconds per letter of what was said; see ``core.heard``."""
        return seconds_per_letter([Piece(place.text, place.start_s, place.end_s) for place in self._placed])

    async def _queue(self, speaker: _Opened, synthesizer: Synthesizer, request: SpeechRequest) -> None:
        if self._pieces:
            self._log.mark(Mark.TTS_REQUEST)
            spoken = await speak(self._pieces, request, synthesizer, speaker, self._first_chunk, placed=self._placed)
            self.engine, self.failed = spoken.engine, spoken.failed
        if self._chime:
            await speaker.play(listening_chime())

    def _first_chunk(self, engine: str) -> None:
        self.engine = engine
        self._log.mark(Mark.TTS_FIRST_BYTE)
        self._log.tell(SpeakingStarted(self._log.now(), engine))

    def _note_end(self, ended_at: float | None) -> None:
        first = self._speaker.first_sound_at
        if ended_at is None or first is None:
            return
        self._log.sounded(first, ended_at)
        self._log.tell(SpeakingEnded(self._log.since_call(ended_at)))
        for place in self._placed:
            start = self._log.since_call(first) + place.start_s
            end = ended_at if place.end_s is None else first + place.end_s
            self._log.timeline.piece(start, max(self._log.since_call(min(end, ended_at)), start), place.text)


class _Opened:
    """A loudspeaker that is still opening while the synthesizer already works: the first ``play`` waits for it."""

    def __init__(self, speaker: Speaker, opening: asyncio.Task[None], gain_db: float = 0.0) -> None:
        self._speaker = speaker
        self._opening = opening
        self._gain_db = gain_db

    @property
    def audible_until(self) -> float | None:
        return self._speaker.audible_until

    @property
    def queued_s(self) -> float:
        return self._speaker.queued_s

    async def play(self, chunk: AudioChunk) -> None:
        await self._opening
        await self._speaker.play(AudioChunk(amplified(chunk.samples, self._gain_db), chunk.sample_rate))

    def mark(self) -> int:
        return self._speaker.mark()

    def withdraw(self, mark: int) -> None:
        self._speaker.withdraw(mark)
