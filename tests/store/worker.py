"""A process that keeps a conversation: ``python worker.py FOLDER THREAD WHAT [NUMBER]``. It prints a line when it is ready."""

from __future__ import annotations

import asyncio
import resource
import sys
from pathlib import Path

from voicemode.record import Entry, Role, Standing, Surface
from voicemode.store.sqlite import SqliteRecords


async def talk(records: SqliteRecords, thread: str, turns: int) -> None:
    """So many turns, one after another, each awaited to be on disk."""
    record = await records.open(thread, surface=Surface.API)
    for number in range(turns):
        record.put(Entry(f"{record.session}-{number}", Role.USER, f"turn {number} of {record.session}"))
        await asyncio.sleep(0)
    await record.aclose()
    await records.aclose()
    print("done", record.problem, flush=True)


async def hang(records: SqliteRecords, thread: str) -> None:
    """One whole turn, and one in flight; then it waits to be killed."""
    record = await records.open(thread, surface=Surface.API)
    record.put(Entry("whole", Role.USER, "said before"))
    record.put(Entry("flying", Role.ASSISTANT, "as far as", Standing.IN_FLIGHT))
    await records.history.threads(identity="owner")
    print("ready", flush=True)
    await asyncio.sleep(60)


async def fill(records: SqliteRecords, thread: str, most: int) -> None:
    """Write until no file may grow any further, look around, get room again, and close."""
    record = await records.open(thread, surface=Surface.API)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
    for number in range(200):
        record.put(Entry(f"k{number}", Role.USER, f"turn {number} " + "x" * 5_000))
    for _ in range(400):
        await asyncio.sleep(0.01)
        if record.problem:
            break
    print("full", record.problem, flush=True)
    record.put(Entry("last", Role.USER, "still talking"))
    entries = await record.history()
    print("seen", len(entries), entries[-1].text, flush=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    record.put(Entry("after", Role.USER, "room again"))
    await record.aclose()
    print("end", repr(record.problem), flush=True)
    await records.aclose()


def main() -> None:
    """Do what the arguments say."""
    folder, thread, what, *number = sys.argv[1:]
    records = SqliteRecords(Path(folder))
    if what == "talk":
        asyncio.run(talk(records, thread, int(number[0])))
    elif what == "fill":
        asyncio.run(fill(records, thread, int(number[0])))
    else:
        asyncio.run(hang(records, thread))


if __name__ == "__main__":
    main()
