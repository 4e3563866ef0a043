"""Is the record whole when the server is killed? ``python -m bench.serve_kill [-n 100] [--json FILE]``.

A ``voicemode serve`` of its own holds a conversation that is kept, one thread all the time. A client asks in writing, one turn
after another, each answered word by word over about half a second; at a random moment the server is killed (SIGKILL). The next
one opens the same store. Judged after each kill: the store opens; every turn but the one in flight is there, whole, in order
and once; nothing is still said to be going on; and what was in flight, as far as it is there, is marked as lost.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from bench.realtime_server import RealtimeProcess, realtime_server
from bench.source import commit
from tests.stubs.client import SpeechStub

__all__ = ["Report", "kill_often", "main"]

_ROOT = Path(__file__).parents[1]
_ANSWER = " ".join(f"word{number}" for number in range(25)) + "."
_WORD_S = 0.02
_EARLIEST_S, _LATEST_S = 0.05, 2.5
"""Of the kill, after the first question: some turns, and every part of one."""
_THREAD = "killed"
_STEP_S = 20.0


@dataclass(slots=True)
class Report:
    """What was found, over all kills."""

    kills: int = 0
    answered: int = 0
    """Turns whose whole answer the client had."""
    in_flight: int = 0
    """Kills in the middle of a turn."""
    lost_marked: int = 0
    """Entries that were in flight, and are marked so."""
    missing_in_flight: int = 0
    """Turns in flight of which nothing is there: allowed."""
    faults: list[str] = field(default_factory=list)
    """What must not be."""
    open_s: list[float] = field(default_factory=list)
    """From the connection to the first event, with the thread read from the store."""


@dataclass(slots=True)
class _Life:
    """What a client knows of one life of the server."""

    asked: list[str] = field(default_factory=list)
    answered: int = 0


def kill_often(folder: Path, times: int, seed: int = 1) -> Report:
    """Kill it that often, and look at the record each time."""
    report, chance, lives = Report(), random.Random(seed), list[_Life]()
    with SpeechStub(chat_text=_ANSWER, chat_every_s=_WORD_S, chat_goes_on="whole") as stub:
        engines = dict.fromkeys(("chat_base_urls", "stt_base_urls", "tts_base_urls"), stub.url)
        for number in range(times + 1):
            with realtime_server(folder, memory="persistent", **engines) as server:
                secret = _ask(server, "session", thread_id=_THREAD, memory_mode="persistent")["client_secret"]
                began = time.monotonic()
                with connect(server.socket_url, additional_headers={"Authorization": f"Bearer {secret}"}) as socket:
                    json.loads(socket.recv(_STEP_S))
                    report.open_s.append(time.monotonic() - began)
                    if lives:
                        _judge(_entries(server), lives, report)
                    if number < times:
                        lives.append(_live(socket, server, number, chance.uniform(_EARLIEST_S, _LATEST_S)))
                        report.kills += 1
    return report


def _live(socket: ClientConnection, server: RealtimeProcess, number: int, after_s: float) -> _Life:
    """Ask until the server is dead."""
    life = _Life()
    killing = threading.Timer(after_s, server.process.kill)
    killing.start()
    try:
        while True:
            life.asked.append(f"question {len(life.asked)} of life {number}")
            item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": life.asked[-1]}]}
            socket.send(json.dumps({"type": "conversation.item.create", "item": item}))
            socket.send(json.dumps({"type": "response.create", "response": {"output_modalities": ["text"]}}))
            while json.loads(socket.recv(_STEP_S))["type"] != "response.done":
                pass
            life.answered += 1
    except (WebSocketException, OSError):
        return life
    finally:
        killing.join()
        server.process.wait()


def _judge(entries: Sequence[dict[str, Any]], lives: Sequence[_Life], report: Report) -> None:
    """The last life is news; the others have to be as they were."""
    said = Counter(each["text"] for each in entries if each["role"] == "user")
    order = [each["text"] for each in entries if each["role"] == "user"]
    asked = [text for life in lives for text in life.asked]
    if order != [text for text in asked if said[text]]:
        report.faults.append(f"kill {len(lives)}: the order is not that of the questions, or one is there twice")
    for number, life in enumerate(lives):
        for text in life.asked[:-1]:
            at = order.index(text) if said[text] else -1
            place = entries.index(next(each for each in entries if each["text"] == text)) if at >= 0 else -1
            answer = entries[place + 1] if 0 <= place < len(entries) - 1 else {}
            if answer.get("role") != "assistant" or answer.get("text") != _ANSWER or answer.get("standing", "whole") != "whole":
                report.faults.append(f"kill {len(lives)}: '{text}' of life {number} is not there whole")
    if any(each.get("standing") == "in_flight" for each in entries):
        report.faults.append(f"kill {len(lives)}: something is said to be still going on")
    last = lives[-1]
    report.answered += last.answered
    report.in_flight += last.answered < len(last.asked)
    report.missing_in_flight += not said[last.asked[-1]]
    report.lost_marked = sum(each.get("standing") == "lost" for each in entries)


def _entries(server: RealtimeProcess) -> list[dict[str, Any]]:
    request = Request(f"{server.url}/api/sessions/{_THREAD}/export?format=json", headers=server.headers)
    with urlopen(request, timeout=_STEP_S) as answer:
        found: list[dict[str, Any]] = json.load(answer)["entries"]
    return found


def _ask(server: RealtimeProcess, path: str, **body: str) -> dict[str, Any]:
    headers = {**server.headers, "Content-Type": "application/json"}
    request = Request(f"{server.url}/api/sessions/{path}", data=json.dumps(body).encode(), headers=headers, method="POST")
    with urlopen(request, timeout=_STEP_S) as answer:
        told: dict[str, Any] = json.load(answer)
    return told


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 when nothing was found that must not be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-n", type=int, default=100, help="kills")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the figures there")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        report = kill_often(Path(folder), asked.n, asked.seed)
    figures = {**asdict(report), "commit": commit(_ROOT)}
    print(f"{report.kills} kills, {report.in_flight} in mid-turn, {report.answered} turns answered")
    print(f"marked as lost: {report.lost_marked}; in flight and not there at all: {report.missing_in_flight}")
    print(f"slowest opening: {max(report.open_s) * 1000:.0f} ms; faults: {len(report.faults)}")
    for fault in report.faults:
        print(f"  {fault}")
    if asked.json is not None:
        asked.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
