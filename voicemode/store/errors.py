"""What can be wrong with what is kept, besides a plain RecordError."""

from __future__ import annotations

from pathlib import Path

from voicemode.record import RecordError

__all__ = ["BusyStoreError", "DamagedStoreError", "FullDiskError", "NewerStoreError", "TracesError"]


class NewerStoreError(RecordError):
    """A newer voicemode made it; this one would break it, so it is not touched."""

    code = "record_newer"
    remedy = "Use the voicemode that made it, or a newer one. Or set VOICEMODE_BASE_DIR to another folder."

    def __init__(self, path: Path, version: int, known: int) -> None:
        super().__init__(f"{path} has version {version}, and this voicemode knows {known}")
        self.path, self.version, self.known = path, version, known


class DamagedStoreError(RecordError):
    """The file is no database any more, or a broken one. The next that is written goes into a new one beside it."""

    code = "record_damaged"
    remedy = (
        "It is set aside, not deleted, when something is next written; 'voicemode history check' names the file. "
        "Restore it from a backup, or read what is left with: sqlite3 FILE .recover"
    )

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is damaged")
        self.path = path


class BusyStoreError(RecordError):
    """Another process has it locked, or the disk is that slow."""

    code = "record_busy"
    remedy = "See whether another program has the file open (lsof FILE). What waits is written once it is free."

    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__(f"{path} was not free for {seconds:g} s")
        self.path, self.seconds = path, seconds


class FullDiskError(RecordError):
    """There is no room for more, or no writing at all."""

    code = "record_disk_full"
    remedy = "Make room, or forget old conversations: voicemode history forget. What waits is written once there is room."

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path} cannot be written: {problem}")
        self.path = path


class TracesError(RecordError):
    """What was to be forgotten is removed, but its traces could not be wiped yet."""

    code = "record_traces"
    remedy = "Run 'voicemode history check' once no other process uses it: that wipes them."

    def __init__(self, path: Path) -> None:
        super().__init__(f"it is forgotten, but another process reads {path}, so its traces on the disk could not be wiped")
        self.path = path
