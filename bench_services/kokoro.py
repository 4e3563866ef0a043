"""``python -m bench_services.kokoro``: what the Kokoro service adds to the engine it runs, measured side by side.

The service runs in a process of its own with a fixture that costs what the true model costs (random weights, no speech), and
the engine alone in this one, with the same number of threads, one after the other in pairs, so that what else the machine does
hits both. Ratios are of medians. Nothing here is a test: figures go into docs/services.md with the machine's name.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
from voicemode_kokoro.clauses import clauses
from voicemode_kokoro.engine import Interrupt, OnnxEngine, Spoken
from voicemode_kokoro.voices import read_voice

from tests_services.fixtures.kokoro_model import VOICES, cost_fixture, tone_fixture
from tests_services.running import Running, running

__all__ = ["main"]

TEXT = "Certainly, I have looked at it. The report is finished, and it says that all of the figures are as they should be."
SHORT = "Certainly, I have looked at it. The report is finished."
LONG = TEXT + " " + "There is a great deal more to be said about how these things came to be, and who had a hand in them. " * 20
THREADS = 2


class Alone:
    """The engine without a service."""

    def __init__(self, folder: Path) -> None:
        self._engine = OnnxEngine(next(folder.glob("*.onnx")), folder / "voices-fixture.bin", threads=THREADS)
        self._how = Spoken(read_voice("default", VOICES), "en-us")

    def clause(self, text: str) -> None:
        """Pronounced and spoken."""
        self._engine.speak(self._engine.phonemes(text, "en-us"), self._how, Interrupt())

    def texts(self, text: str, times: int) -> None:
        """One after another."""
        for _ in range(times):
            self.text(text)

    def text(self, text: str) -> None:
        """Clause by clause, as the service does."""
        for clause in clauses(text):
            self.clause(clause)


def timed(action: Callable[[], object]) -> float:
    """Seconds."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def speak(service: Running, text: str) -> float:
    """Speak it whole; seconds until its first sound."""
    began, first = time.perf_counter(), 0.0
    with httpx2.stream(
        "POST", f"{service.url}/v1/audio/speech", json={"input": text, "response_format": "pcm"}, timeout=300
    ) as answer:
        answer.raise_for_status()
        for _ in answer.iter_raw():
            first = first or time.perf_counter() - began
    return first


def first_sound(service: Running, alone: Alone, pairs: int) -> dict[str, float]:
    """The first chunk against the engine's time for the first clause."""
    clause = next(clauses(TEXT))
    engine, served = [], []
    for _ in range(pairs):
        engine.append(timed(lambda: alone.clause(clause)))
        served.append(speak(service, TEXT))
    ratio = statistics.median(served) / statistics.median(engine)
    return {"engine_s": statistics.median(engine), "service_s": statistics.median(served), "ratio": ratio}


def throughput(service: Running, alone: Alone, clients: int, rounds: int) -> dict[str, float]:
    """All of the clients at once, against the engine with the same texts one after another."""
    walls: dict[str, list[float]] = {"engine": [], "service": []}
    processors = dict.fromkeys(walls, 0.0)

    def at_once() -> None:
        with concurrent.futures.ThreadPoolExecutor(clients) as pool:
            list(pool.map(lambda _: speak(service, SHORT), range(clients)))

    for number in range(rounds):
        # In turns, so that a machine that gets busier or slower favours neither.
        for kind in ("engine", "service") if number % 2 else ("service", "engine"):
            process = os.getpid() if kind == "engine" else service.process.pid
            before = processor_s(process)
            walls[kind].append(timed((lambda: alone.texts(SHORT, clients)) if kind == "engine" else at_once))
            processors[kind] += processor_s(process) - before
    return {
        "engine_s": statistics.median(walls["engine"]),
        "service_s": statistics.median(walls["service"]),
        "share": sum(walls["engine"]) / sum(walls["service"]),
        "share_by_processor_time": processors["engine"] / processors["service"],
    }


def processor_s(process: int) -> float:
    """Seconds of processor time it has used: on a machine that others use, more telling than the clock."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def long_text(service: Running) -> Iterator[Callable[[], None]]:
    """A long text is being spoken; yields what makes its client leave."""
    leave, heard, left = threading.Event(), threading.Event(), threading.Event()

    def listen() -> None:
        body = {"input": LONG, "response_format": "pcm"}
        with httpx2.stream("POST", f"{service.url}/v1/audio/speech", json=body, timeout=300) as answer:
            for _ in answer.iter_raw():
                heard.set()
                if leave.is_set():
                    break
        left.set()

    thread = threading.Thread(target=listen)
    thread.start()
    heard.wait(60)
    try:
        yield leave.set
    finally:
        leave.set()
        thread.join(60)


def others(service: Running, rounds: int) -> dict[str, float]:
    """How long somebody else waits for a first sound while a long text is spoken."""
    waits = []
    with long_text(service):
        for number in range(rounds):
            time.sleep(0.37 + number % 5 * 0.31)  # now at this point of a clause, now at that
            waits.append(speak(service, "Yes, of course."))
    return {"median_s": statistics.median(waits), "worst_s": max(waits)}


def cancelling(service: Running, rounds: int) -> dict[str, float]:
    """From the client's closing its connection to no step running."""
    waits = []
    for number in range(rounds):
        with httpx2.Client(timeout=60) as client:
            request = client.build_request(
                "POST", f"{service.url}/v1/audio/speech", json={"input": LONG, "response_format": "pcm"}
            )
            answer = client.send(request, stream=True)
            chunks = answer.iter_raw()  # kept: it closes the connection when it is forgotten
            next(chunks)
            time.sleep(0.4 + number % 4 * 0.2)
            began = time.perf_counter()
            answer.close()
            while service.health()["busy"]:
                time.sleep(0.002)
            waits.append(time.perf_counter() - began)
    return {"median_s": statistics.median(waits), "worst_s": max(waits)}


def memory(service: Running, requests: int) -> dict[str, float]:
    """Growth over many requests, of which a tenth is left in the middle, after a quarter as many to warm up."""

    def some(number: int) -> None:
        with httpx2.Client(timeout=60) as client:
            for n in range(number):
                text = TEXT[: 20 + n * 7 % len(TEXT)]
                body = {"input": text, "response_format": ("pcm", "mp3", "opus", "aac", "flac", "wav")[n % 6]}
                with client.stream("POST", f"{service.url}/v1/audio/speech", json=body) as answer:
                    for _ in answer.iter_raw():
                        if n % 10 == 0:
                            break

    some(requests // 4)
    before = service.resident_kb()
    some(requests)
    after = service.resident_kb()
    return {"requests": requests, "before_kb": before, "after_kb": after, "growth": after / before - 1}


def main() -> int:
    """Prints one JSON object for each thing measured; always 0."""
    parser = argparse.ArgumentParser(prog="python -m bench_services.kokoro", description=__doc__)
    parser.add_argument("--fixture", type=Path, help="folder of the fixture that costs what the true model costs")
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--only", choices=("first", "throughput", "others", "cancel", "memory"), default="")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        cost = chosen.fixture or cost_fixture(folder / "cost")
        alone = Alone(cost)
        alone.text(TEXT)
        with running("voicemode_kokoro", folder, ["--model", str(cost), "--threads", str(THREADS), "--preload"]) as service:
            speak(service, TEXT)
            if chosen.only in ("", "first"):
                tell("first sound", first_sound(service, alone, chosen.pairs))
            if chosen.only in ("", "throughput"):
                tell("eight clients", throughput(service, alone, 8, 4))
            if chosen.only in ("", "others"):
                tell("others during a long text", others(service, 10))
            if chosen.only in ("", "cancel"):
                tell("cancelled to free", cancelling(service, 12))
        if chosen.only not in ("", "memory"):
            return 0
        with running("voicemode_kokoro", folder, ["--model", str(tone_fixture(folder / "tone")), "--threads", "1"]) as service:
            tell("memory", memory(service, chosen.requests))
    return 0


def tell(name: str, figures: dict[str, float]) -> None:
    """One line of JSON as soon as it is known."""
    print(json.dumps({name: {key: round(value, 4) for key, value in figures.items()}}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
