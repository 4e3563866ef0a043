"""One answer in what a command says: text until the answer ends, or the process does."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from voicemode.core.plain_output import EndMarker, PlainOutput
from voicemode.engines.command_options import CommandOptions
from voicemode.engines.command_process import CommandProcess

__all__ = ["WokenError", "answer_text", "settle"]

PROMPT_S = 0.3
"""Seconds after which a marker without an end of line is a prompt. A program writes a line at once."""


class WokenError(Exception):
    """Nobody wants the answer any more."""


async def answer_text(process: CommandProcess, options: CommandOptions, *, begun: bool = False) -> AsyncGenerator[str]:
    """Pieces of text, none empty. ``begun``: some of it was read before.

    Raises TimeoutError when it is silent for too long, WokenError after ``process.wake``.
    """
    plain = PlainOutput()
    marker = EndMarker(options.end, begun=begun) if options.end and not options.per_turn else None
    while marker is None or not marker.ended:
        patience_s = _patience_s(options, marker, begun=begun)
        try:
            data = await process.read(patience_s)
        except TimeoutError:
            if patience_s == options.silence_s:
                raise
            return  # it was the end of the answer
        if data is None:
            raise WokenError
        text = plain.feed(data) if data else plain.finish()
        if marker is not None:
            text = marker.feed(text) + ("" if data else marker.finish())
        begun = begun or bool(text.strip())
        if text:
            yield text
        if not data:
            return


async def settle(process: CommandProcess, options: CommandOptions) -> None:
    """Read what is left of an answer, unheard. Raises TimeoutError."""
    while True:
        try:
            async for _ in answer_text(process, options, begun=True):
                pass
        except WokenError:
            continue
        return


def _patience_s(options: CommandOptions, marker: EndMarker | None, *, begun: bool) -> float:
    if marker is not None and marker.may_be_end:
        return PROMPT_S
    return options.quiet_s if begun and marker is None and not options.per_turn else options.silence_s
