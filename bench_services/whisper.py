"""``python -m bench_services.whisper``: what the Whisper service costs beyond the engine it runs, measured side by side.

The model is a fixture at the dimensions of a true one, whose random and zero weights cost what trained ones cost. Engine and
service take turns within one run, so that what else the machine does falls on both; medians are compared.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
import wave
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
from faster_whisper import WhisperModel

from tests_services.fixtures.whisper_model import BASE, TINY, TOY, Line, Size, make_whisper_fixture
from tests_services.running import CLIP, Running, running

__all__ = ["SIZES", "main"]

SIZES = {"tiny": TINY, "base": BASE, "toy": TOY}
_CLIENTS = 8
_WARM_UP = 200
"""Requests before memory is looked at: pools and caches fill."""


def main() -> int:
    """Prints the figures; always 0."""
    parser = argparse.ArgumentParser(prog="python -m bench_services.whisper", description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="tiny", help="dimensions of the model (default tiny)")
    parser.add_argument("--threads", type=int, default=2, help="of the engine (default 2)")
    parser.add_argument("--seconds", type=float, default=10, help="of sound in a request (default 10)")
    parser.add_argument("-n", type=int, default=20, help="pairs of requests (default 20)")
    parser.add_argument("--requests", type=int, default=0, help="for memory, with a toy model; 2000 takes two minutes")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures = _speed(folder, SIZES[asked.size], asked)
        if asked.requests:
            figures |= _memory(folder, asked.requests)
    json.dump(
        {"size": asked.size, "threads": asked.threads, "seconds_of_sound": asked.seconds, **figures}, sys.stdout, indent=2
    )
    print()
    return 0


def _speed(folder: Path, size: Size, asked: argparse.Namespace) -> dict[str, Any]:
    words = "".join(f" word{n}" for n in range(round(asked.seconds * 2.5)))  # people say 150 a minute
    model = make_whisper_fixture(folder / "speed-fixture", lines=[Line(words, 0.0, 20.0)], size=size)
    sound = _sound(folder / "sound.wav", asked.seconds)
    engine = WhisperModel(str(model), device="cpu", compute_type="int8", cpu_threads=asked.threads)

    def alone() -> None:
        segments, _ = engine.transcribe(
            str(sound), language="en", beam_size=1, vad_filter=True, condition_on_previous_text=False, temperature=0.0
        )
        assert sum(len(segment.text) for segment in segments)  # noqa: S101  (it is lazy: reading it is the work)

    arguments = ["--model", str(model), "--threads", str(asked.threads), "--preload"]
    with running("voicemode_whisper", folder, arguments) as service, httpx2.Client(timeout=120) as client:
        data = sound.read_bytes()

        def served() -> None:
            _post(client, service, data)

        alone()
        served()
        pairs = [(_took(alone), _took(served)) for _ in range(asked.n)]
        return _overhead(pairs) | _together(alone, served, asked.n) | _leaving(service, folder)


def _overhead(pairs: list[tuple[float, float]]) -> dict[str, Any]:
    alone_s, served_s = (statistics.median(times) for times in zip(*pairs, strict=True))
    return {
        "engine_alone_ms": round(alone_s * 1000, 1),
        "service_ms": round(served_s * 1000, 1),
        "overhead_ms": round((served_s - alone_s) * 1000, 1),
        "overhead_ratio": round(served_s / alone_s - 1, 4),
        "median_difference_ms": round(statistics.median(served - alone for alone, served in pairs) * 1000, 1),
    }


def _often(action: Callable[[], None], count: int) -> None:
    for _ in range(count):
        action()


def _at_once(clients: ThreadPoolExecutor, action: Callable[[], None], count: int) -> None:
    for task in [clients.submit(action) for _ in range(count)]:
        task.result()


def _together(alone: Callable[[], None], served: Callable[[], None], count: int) -> dict[str, Any]:
    """Eight clients against the engine run over the same number of files, one after another; turn by turn."""
    turns, count, ratios = max(count // 3, 3), _CLIENTS, []
    with ThreadPoolExecutor(_CLIENTS) as clients:
        for _ in range(turns):
            own_s = _took(lambda: _often(alone, count))
            all_s = _took(lambda: _at_once(clients, served, count))
            ratios.append(own_s / all_s)
    return {
        "clients": _CLIENTS,
        "throughput_ratio": round(statistics.median(ratios), 3),
        "throughput_ratios": [round(ratio, 2) for ratio in sorted(ratios)],
    }


def _leaving(service: Running, folder: Path) -> dict[str, Any]:
    """From the moment a client leaves in mid-stream until the engine is free."""
    data, took = _sound(folder / "long.wav", 180).read_bytes(), []
    url, form = f"{service.url}/v1/audio/transcriptions", {"stream": "true", "language": "en"}
    with httpx2.Client(timeout=60) as client:
        for wait in range(8):
            with client.stream("POST", url, files={"file": data}, data=form) as answer:
                events = answer.iter_raw()  # kept: it closes the connection when it is forgotten
                next(events)
                time.sleep(wait * 0.09)  # at another moment of the engine's work each time
                began = time.monotonic()
            while client.get(f"{service.url}/health").json()["jobs"]:
                time.sleep(0.005)
            took.append(time.monotonic() - began)
    return {"freed_after_leaving_ms": [round(seconds * 1000) for seconds in sorted(took)]}


def _memory(folder: Path, count: int) -> dict[str, Any]:
    model = make_whisper_fixture(folder / "memory-fixture", size=TOY)
    data = CLIP.read_bytes()
    with running("voicemode_whisper", folder, ["--model", str(model)]) as service, httpx2.Client(timeout=60) as client:
        for _ in range(_WARM_UP):
            _post(client, service, data)
        before = service.resident_kb()
        for _ in range(count):
            _post(client, service, data)
        after = service.resident_kb()
    return {"requests": count, "before_kb": before, "after_kb": after, "growth": round(after / before - 1, 4)}


def _post(client: httpx2.Client, service: Running, data: bytes) -> None:
    url = f"{service.url}/v1/audio/transcriptions"
    client.post(url, files={"file": ("a.wav", data)}, data={"language": "en"}).raise_for_status()


def _sound(path: Path, seconds: float) -> Path:
    """Speech of that length: a clip over and over."""
    with wave.open(str(CLIP)) as clip, wave.open(str(path), "wb") as file:
        file.setparams(clip.getparams())
        frames = clip.readframes(clip.getnframes())
        file.writeframes((frames * (int(seconds / 2.7) + 1))[: round(seconds * 32_000)])
    return path


def _took(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
