"""What looking for words costs in a million kept turns, and opening a long conversation: ``python -m bench.store``.

The words are made up and as frequent as words are (Zipf); of three identities one has most. Searching and opening go through
what the command line goes through.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from voicemode.record import OWNER, Entry, Role, Surface
from voicemode.store.database import Database
from voicemode.store.sqlite import SqliteRecords

__all__ = ["fill", "main"]

TURNS = 1_000_000
LONG = 10_000
"""Turns of one conversation among the others."""
SEARCH_LIMIT_S, OPEN_LIMIT_S = 0.05, 0.1
REPEATED = 9
_VOCABULARY = 30_000
_USUAL_WORDS = 12
"""Words of a turn, on average."""
_SHARES = {OWNER: 0.8, "ann": 0.1999, "bob": 0.0001}
_THREAD = 200
"""Turns of a usual conversation."""
_BEGAN = 1.7e9
_SYLLABLES = [first + vowel + last for first in "bdfgklmnprstvz" for vowel in "aeiou" for last in ("", "n", "r", "s")]


def main() -> int:
    """Exit status: 1 when a promise is broken."""
    parser = argparse.ArgumentParser(prog="python -m bench.store", description=__doc__)
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--json", type=Path, help="write the figures into this file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        words = fill(Path(folder) / "base" / "history", arguments.turns)
        filled_s = time.perf_counter() - began
        rows = asyncio.run(_measure(Path(folder) / "base" / "history", words))
        size = Database(Path(folder) / "base" / "history").size()
    searches = [row["median_ms"] for row in rows if row["what"].startswith("search")]
    figures: dict[str, Any] = {
        "turns": arguments.turns,
        "size_mb": round(size / 1e6),
        "filled_s": round(filled_s, 1),
        "sqlite": sqlite3.sqlite_version,
        "search_median_ms": round(statistics.median(searches), 2),
        "search_worst_median_ms": max(searches),
        "rows": rows,
    }
    _show(figures)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    opening = next(row["median_ms"] for row in rows if row["what"].startswith("open"))
    return int(figures["search_worst_median_ms"] > 1000 * SEARCH_LIMIT_S or opening > 1000 * OPEN_LIMIT_S)


def fill(folder: Path, turns: int) -> list[str]:
    """Make a store of so many turns, the same ones every time; its words, the most frequent first."""
    chance = np.random.default_rng(7)
    words = _words(chance)
    connection = Database(folder).connect()
    triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    connection.execute("BEGIN")
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    for number, identity in enumerate(_SHARES, 1):
        connection.execute("INSERT INTO identities VALUES (?, ?)", (number, identity))
    threads = max(3, turns // _THREAD)
    owners = 1 + chance.choice(len(_SHARES), threads, p=list(_SHARES.values()))
    owners[:3] = 1, 2, 3
    connection.executemany(
        "INSERT INTO threads VALUES (?, ?, ?, ?, ?)",
        ((n + 1, int(owners[n]), "long" if n == 0 else f"thread {n}", _BEGAN, _BEGAN + n) for n in range(threads)),
    )
    connection.executemany(
        "INSERT INTO sessions (id, thread, holder, surface, began_at, closed_at) VALUES (?, ?, 'nobody', 'cli', ?, ?)",
        ((f"s{n + 1}", n + 1, _BEGAN, _BEGAN) for n in range(threads)),
    )
    connection.executemany(
        "INSERT INTO entries (id, thread, session, key, scope, role, text, standing, began_at, put_at, surface, tool, call_id,"
        " arguments, timings, audio) VALUES (?, ?, ?, ?, ?, ?, ?, 'whole', ?, ?, 'cli', '', '', '', '{}', '')",
        _rows(chance, words, turns, owners),
    )
    connection.execute("UPDATE next_entry SET id = ?", (turns + 1,))
    connection.execute("INSERT INTO found (found) VALUES ('rebuild')")
    for _, sql in triggers:
        connection.execute(sql)
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return words


def _words(chance: np.random.Generator) -> list[str]:
    found: dict[str, None] = {}
    while len(found) < _VOCABULARY:
        found["".join(chance.choice(_SYLLABLES, chance.integers(1, 4)))] = None
    return list(found)


def _rows(chance: np.random.Generator, words: list[str], turns: int, owners: Any) -> Iterator[tuple[object, ...]]:
    """The turns of the long conversation lie among the others, as where several go on for months."""
    weights = 1 / np.arange(1, len(words) + 1)
    weights /= weights.sum()
    long = set(chance.choice(turns, min(LONG, turns // 10), replace=False).tolist())
    others = len(owners) - 1
    block = 10_000
    for begin in range(0, turns, block):
        picked = chance.choice(len(words), block * 2 * _USUAL_WORDS, p=weights)
        lengths = chance.integers(1, 2 * _USUAL_WORDS, block)
        at = 0
        for n in range(begin, min(begin + block, turns)):
            text = " ".join(words[w] for w in picked[at : at + lengths[n - begin]])
            at += int(lengths[n - begin])
            # Twenty conversations at a time go on beside one another.
            thread = 1 if n in long else 2 + min(n // (20 * _THREAD) * 20 + n % 20, others - 1)
            owner = int(owners[thread - 1])
            role = "assistant" if n % 2 else "user"
            yield n + 1, thread, f"s{thread}", f"k{n}", f"i{owner} t{thread}", role, text, _BEGAN + n, _BEGAN + n


async def _measure(folder: Path, words: list[str]) -> list[dict[str, Any]]:
    queries = {
        "the most frequent word": words[0],
        "the 10th": words[9],
        "the 100th": words[99],
        "the 1,000th": words[999],
        "the 10,000th": words[9_999],
        "a word that is nowhere": "xyzzy",
        "the two most frequent": f"{words[0]} {words[1]}",
        "a frequent and a rare one": f"{words[0]} {words[5_000]}",
        "two that are not rare": f"{words[50]} {words[80]}",
        "two that hardly meet": f"{words[300]} {words[700]}",
        "frequent words together": f'"{words[0]} {words[1]} {words[2]}"',
        "five frequent words": " ".join(words[:5]),
    }
    records = SqliteRecords(folder)
    history = records.history
    rows = []
    for what, query in queries.items():
        rows.append(await _row(f"search: {what}", lambda query=query: history.search(query, identity=OWNER)))  # type: ignore[misc]
    rows.append(await _row("search: a frequent word, by who has 0.01 %", lambda: history.search(words[0], identity="bob")))
    rows.append(
        await _row("search: a frequent word, in one thread", lambda: history.search(words[0], identity=OWNER, thread="long"))
    )
    rows.append(await _row("list: 50 conversations", lambda: history.threads(identity=OWNER)))
    await records.aclose()
    rows.append(await _row(f"open: a conversation of {LONG} turns, and read it", lambda: _open(folder)))
    rows.append(await _row("put: 1,000 turns, until they are written", lambda: _put(folder)))
    return rows


async def _open(folder: Path) -> int:
    """As a process does that has just begun."""
    records = SqliteRecords(folder)
    record = await records.open("long", surface=Surface.CLI)
    entries = await record.history()
    # Closing is not what the person waits for, but it must be done.
    closing = asyncio.create_task(_closed(records))
    _CLOSINGS.append(closing)
    return len(entries)


_CLOSINGS: list[asyncio.Task[None]] = []


async def _closed(records: SqliteRecords) -> None:
    await records.aclose()


async def _put(folder: Path) -> int:
    records = SqliteRecords(folder)
    record = await records.open("written", surface=Surface.CLI)
    for number in range(1_000):
        record.put(Entry(f"{record.session}{number}", Role.USER, "some words that somebody said"))
    await record.aclose()
    await records.aclose()
    return 1_000


async def _row(what: str, do: Callable[[], Awaitable[Any]]) -> dict[str, Any]:
    took = []
    found: Any = None
    for _ in range(REPEATED):
        began = time.perf_counter()
        found = await do()
        took.append(1000 * (time.perf_counter() - began))
        if _CLOSINGS:
            await asyncio.gather(*_CLOSINGS)
            _CLOSINGS.clear()
    return {
        "what": what,
        "found": found if isinstance(found, int) else len(found),
        "first_ms": round(took[0], 2),
        "best_ms": round(min(took), 2),
        "median_ms": round(statistics.median(took), 2),
        "worst_ms": round(max(took), 2),
    }


def _show(figures: dict[str, Any]) -> None:
    title = f"{figures['turns']} turns, {figures['size_mb']} MB, filled in {figures['filled_s']} s, SQLite {figures['sqlite']}"
    table = Table(title=title)
    for heading in ("", "found", "first ms", "best ms", "median ms", "worst ms"):
        table.add_column(heading, justify="left" if not heading else "right")
    for row in figures["rows"]:
        table.add_row(row["what"], *(str(row[name]) for name in ("found", "first_ms", "best_ms", "median_ms", "worst_ms")))
    console = Console(width=120)
    console.print(table)
    limits = f"promised {1000 * SEARCH_LIMIT_S:g} ms for a search, {1000 * OPEN_LIMIT_S:g} ms for opening"
    median, worst = figures["search_median_ms"], figures["search_worst_median_ms"]
    console.print(f"search: median {median} ms, the slowest kind {worst} ms; {limits}")


if __name__ == "__main__":
    sys.exit(main())
