"""What is put down of a turn: what the assistant said as far as it was heard, and what the person answered."""

from __future__ import annotations

from voicemode.errors import SpeechFailedError
from voicemode.record import Entry, Role, Standing
from voicemode.runtime.result import Recovered, Status, TurnRequest, TurnResult

__all__ = ["begun", "broken", "over", "recovered"]


def begun(key: str, request: TurnRequest) -> tuple[Entry, ...]:
    """It has begun, and nothing was heard yet."""
    return (_message(key, "", Standing.IN_FLIGHT),) if request.message.strip() else ()


def over(key: str, request: TurnRequest, result: TurnResult) -> tuple[Entry, ...]:
    """It has come to an end."""
    entries = []
    timings = {name: ms / 1000 for name, ms in result.timings_ms.items()}
    if request.message.strip():
        heard = result.heard if result.unheard else request.message
        standing = Standing.INTERRUPTED if result.unheard else Standing.WHOLE
        entries.append(_message(key, heard, standing))
    if result.text:
        standing = Standing.INTERRUPTED if result.status is Status.STILL_LISTENING else Standing.WHOLE
        entries.append(Entry(f"{key}.answer", Role.USER, result.text, standing, timings=timings, audio=result.audio))
    return tuple(entries)


def broken(key: str, request: TurnRequest, error: BaseException) -> tuple[Entry, ...]:
    """It has failed, or was given up. What was heard is not known then, but for an answer that could not be written down:
    who answers has heard."""
    if isinstance(error, SpeechFailedError) and error.recording is not None:
        answer = Entry(f"{key}.answer", Role.USER, "", Standing.FAILED)
        return (*over(key, request, TurnResult(status=Status.SPOKEN, heard=error.heard, unheard=error.unheard)), answer)
    return (_message(key, "", Standing.FAILED),) if request.message.strip() else ()


def recovered(words: Recovered) -> tuple[Entry, ...]:
    """What an earlier recording says, now that somebody could write it down."""
    return (Entry(words.handle, Role.USER, words.text),) if words.text else ()


def _message(key: str, text: str, standing: Standing) -> Entry:
    return Entry(f"{key}.message", Role.ASSISTANT, text, standing)
