"""The timelines of the last turns, on disk: one file each, 0600 in a folder 0700, and without any words unless asked for.

Several processes write into the same folder. A turn is never hurt: what cannot be written is left out, and nobody waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from voicemode.core.timeline import Timeline, without_words
from voicemode.core.timeline_json import TimelineFormatError, decode, encode
from voicemode.errors import RequestError, TimelineError

__all__ = ["KEPT", "LAST", "KeptTurn", "Timelines", "find_turn", "kept_turns", "read_turn"]

KEPT = 20
"""Files of all processes together: enough for the conversation that somebody wonders about. One is 10 to 100 kB."""
LAST = "last"
"""Stands for the newest turn."""
LARGEST_BYTES = 1 << 21
"""Twice what the longest turn takes."""

_PREFIX, _SUFFIX, _HALF = "turn-", ".json", ".part"
_HALF_WRITTEN_S = 60.0
"""A file that is being written is no older."""
_CLOSE_S = 2.0
"""How long the end of the program waits for a slow disk."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class KeptTurn:
    """A file in the folder; it may be gone, or unreadable, by the time it is read."""

    id: str
    path: Path


class Timelines:
    """Keeps the timelines of this process."""

    def __init__(self, folder: Path, program: str, detail: Literal["off", "no-words", "full"] = "no-words") -> None:
        """``folder`` is made when it is needed. ``program`` is who asks, as the floor calls it."""
        self._folder, self._program = folder, program
        self.detail = detail
        """How much is kept; may be changed at any time."""
        self._writing: set[asyncio.Task[None]] = set()

    def keep(self, timeline: Timeline) -> None:
        """Keep the timeline of a turn that has just ended. Returns at once, never raises; within an event loop."""
        if self.detail == "off":
            return
        now = datetime.now(UTC)
        began = datetime.fromtimestamp(now.timestamp() - timeline.lasted_s).astimezone()
        named = replace(timeline, id=_new_id(now), began=began.isoformat(timespec="milliseconds"), program=self._program)
        writing = asyncio.get_running_loop().create_task(self._write(named if self.detail == "full" else without_words(named)))
        self._writing.add(writing)
        writing.add_done_callback(self._writing.discard)

    async def aclose(self) -> None:
        """Let what is being written be written, for two seconds at most. Idempotent."""
        if self._writing:
            await asyncio.wait(self._writing, timeout=_CLOSE_S)

    async def _write(self, timeline: Timeline) -> None:
        # In a thread: a disk may be slow, and ten minutes take 40 ms to write out.
        try:
            await asyncio.to_thread(_store, self._folder, timeline)
        except OSError as error:  # full or read-only
            _log.debug("the timeline of a turn cannot be kept: %s", error.strerror)


def kept_turns(folder: Path) -> list[KeptTurn]:
    """Those in the folder, the newest first."""
    paths = sorted(folder.glob(f"{_PREFIX}*{_SUFFIX}"), reverse=True)
    return [KeptTurn(path.stem.removeprefix(_PREFIX), path) for path in paths]


def find_turn(folder: Path, wanted: str) -> KeptTurn:
    """The turn with this id, or whose id ends so after a hyphen, or the newest for "last". Raises RequestError."""
    kept = kept_turns(folder)
    if not kept:
        raise RequestError("turn", "none is kept; talk first, and see that VOICEMODE_TURN_TIMELINES is not off")
    if wanted == LAST:
        return kept[0]
    found = [turn for turn in kept if turn.id == wanted] or [turn for turn in kept if turn.id.endswith(f"-{wanted}")]
    if len(found) != 1:
        many = "several turns end" if found else "no turn is called"
        raise RequestError("turn", f"{many} '{wanted[:80]}'", f"{LAST}, or an id of 'voicemode turn list'")
    return found[0]


def read_turn(turn: KeptTurn) -> Timeline:
    """Raises TimelineError when it is gone, damaged, or of another release."""
    try:
        with turn.path.open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        raise TimelineError(turn.id, "its file is gone", "Newer turns have taken its place.") from None
    except OSError as error:
        raise TimelineError(turn.id, f"its file cannot be read: {error.strerror}") from None
    if len(data) > LARGEST_BYTES:
        raise TimelineError(turn.id, "its file is too large to be ours", f"Remove {turn.path}.")
    try:
        return decode(data)
    except TimelineFormatError as error:
        if error.version is not None:
            raise TimelineError(turn.id, f"another release of voicemode wrote it ({error})", "Look at it with that.") from None
        raise TimelineError(turn.id, f"its file is damaged ({error})", f"Remove {turn.path}.") from None


def _new_id(now: datetime) -> str:
    """Sorts by time, also where summer time ends; processes that end a turn in the same millisecond have two."""
    return f"{now:%Y%m%d-%H%M%S}-{now.microsecond // 1000:03d}-{secrets.token_hex(2)}"


def _store(folder: Path, timeline: Timeline) -> None:
    text = encode(timeline)
    # A parent that mkdir makes on the way would be open to others.
    for each in (folder.parent, folder):
        each.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    path = folder / f"{_PREFIX}{timeline.id}{_SUFFIX}"
    half = path.with_suffix(_HALF)
    try:
        # What is no text, half of a surrogate pair, becomes an escape that JSON knows.
        data = text.encode("utf-8", "backslashreplace")
        with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600), "wb") as file:
            file.write(data)
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)
    _make_room(folder, path)


def _make_room(folder: Path, newest: Path) -> None:
    """Remove what is more than KEPT, never the newest (the clock may have been set back), and halves that nobody finished."""
    others = [turn.path for turn in kept_turns(folder) if turn.path != newest]
    for path in others[KEPT - 1 :]:
        with contextlib.suppress(OSError):
            path.unlink()
    for path in folder.glob(f"{_PREFIX}*{_HALF}"):
        with contextlib.suppress(OSError):  # another process was faster
            if time.time() - path.stat().st_mtime > _HALF_WRITTEN_S:
                path.unlink()
