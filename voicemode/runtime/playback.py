"""Speak a message: text goes in pieces to the synthesizer, sound comes out of the loudspeaker without a gap.

There is no queue here: ``Speaker.play`` returns at once while less than 10 s wait, so the next piece is synthesized while the
one before it plays, and a long message never piles up.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from voicemode.audio import AudioChunk
from voicemode.errors import EndpointError, EngineError, VoicemodeError
from voicemode.interfaces import SpeechRequest, Synthesizer

__all__ = ["Player", "Spoken", "speak"]

_TRIES_PER_PIECE = 3
"""A piece that breaks off is spoken again from its start by the next engine; more often would be stuttering."""


class Player(Protocol):
    """The part of a Speaker that is needed here."""

    async def play(self, chunk: AudioChunk) -> None:
        """As ``Speaker.play``."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """What became of a message."""

    engine: str
    """Who spoke the last piece."""
    failed: tuple[str, ...]
    """Engines that broke off, each with its reason."""


async def speak(
    pieces: Sequence[str],
    request: SpeechRequest,
    synthesizer: Synthesizer,
    speaker: Player,
    on_first_chunk: Callable[[str], None],
) -> Spoken:
    """Queue every piece on the loudspeaker; returns when all is queued, not when it was heard.

    ``request`` gives voice, speed and language. ``on_first_chunk`` is called once with the engine's name.
    Raises SpeechFailedError, SoundError, RequestError, LanguageError.
    """
    engine = ""
    failed: list[str] = []
    for piece in pieces:
        first = on_first_chunk if not engine else None
        engine = await _speak_piece(replace(request, text=piece), synthesizer, speaker, first, failed)
    return Spoken(engine, tuple(failed))


async def _speak_piece(
    request: SpeechRequest,
    synthesizer: Synthesizer,
    speaker: Player,
    on_first_chunk: Callable[[str], None] | None,
    failed: list[str],
) -> str:
    last: VoicemodeError | None = None
    for _ in range(_TRIES_PER_PIECE):
        synthesis = synthesizer.synthesize(request)
        try:
            async with contextlib.aclosing(synthesis):
                async for chunk in synthesis:
                    if on_first_chunk is not None:
                        on_first_chunk(synthesis.engine)
                        on_first_chunk = None
                    await speaker.play(chunk)
        except (EndpointError, EngineError) as error:
            # It broke off in the middle: the chain remembers that and offers another engine for the same piece.
            failed.append(error.problem)
            last = error
        else:
            failed += [reason for reason in synthesis.failed if reason not in failed]
            return synthesis.engine
    assert last is not None  # noqa: S101  (the loop ran at least once)
    raise last
