"""``python -m bench_services.live``: how soon all words are known when somebody pauses, by a stream and by an upload.

Speech goes into the Whisper service in real time, as voicemode's own client sends it. 0.2 s after it ends, when voicemode
notices the pause, the stream is flushed, or the whole recording is uploaded with no stream under way. Both take turns within
one run. The model is a fixture at the dimensions of a true one, whose random and zero weights cost what trained ones cost.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
import wave
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import voicemode
from bench_services.whisper import SIZES
from tests_services.fixtures.whisper_model import Line, make_whisper_fixture
from tests_services.running import CLIP, running
from voicemode.audio import AudioChunk
from voicemode.core.failover import Declared
from voicemode.interfaces import PartialTranscript, StreamRequest, TranscriptionRequest
from voicemode.providers.http import HttpPool
from voicemode.providers.http_stt import HttpTranscriber
from voicemode.settings import Settings

__all__ = ["main"]

_RATE = 16_000
_PIECE = _RATE // 10
_NOTICED_S = 0.2
"""As ``core.endpointing`` notices a pause."""
_WORDS_A_SECOND = 2.5
"""People say 150 a minute."""


def main() -> int:
    """Prints the figures; always 0."""
    vars(voicemode)["__version__"] = "bench"  # it is not installed where the services are
    parser = argparse.ArgumentParser(prog="python -m bench_services.live", description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="tiny", help="dimensions of the model (default tiny)")
    parser.add_argument("--threads", type=int, default=2, help="of the engine (default 2)")
    parser.add_argument("--seconds", default="3,10,30", help="of the utterances (default 3,10,30)")
    parser.add_argument("-n", type=int, default=6, help="pairs for each (default 6)")
    asked = parser.parse_args()
    figures = []
    for seconds in map(float, asked.seconds.split(",")):
        with tempfile.TemporaryDirectory() as name:
            figures.append({"seconds": seconds} | asyncio.run(_measured(Path(name), seconds, asked)))
    json.dump({"size": asked.size, "threads": asked.threads, "n": asked.n, "utterances": figures}, sys.stdout, indent=2)
    print()
    return 0


async def _measured(folder: Path, seconds: float, asked: argparse.Namespace) -> dict[str, Any]:
    words = "".join(f" word{n}" for n in range(round(min(seconds, 30.0) * _WORDS_A_SECOND)))
    model = make_whisper_fixture(folder / "speed-fixture", lines=[Line(words, 0.0, min(seconds, 28.0))], size=SIZES[asked.size])
    arguments = ["--model", str(model), "--threads", str(asked.threads), "--preload"]
    pool = HttpPool(Settings.model_validate({"first_byte_timeout_s": 60}))
    with running("voicemode_whisper", folder, arguments) as service:
        transcriber = HttpTranscriber(f"{service.url}/v1", pool, declared=lambda: Declared(models=("whisper-1",), live=True))
        sound = _sound(seconds)
        await _uploaded(transcriber, sound)  # the first one of a process is slower
        streamed, uploaded = [], []
        for _ in range(asked.n):
            streamed.append(await _streamed(transcriber, sound))
            uploaded.append(await _uploaded(transcriber, sound))
        await pool.aclose()
    flushes, firsts, partials = zip(*streamed, strict=True)
    return {
        "stream_ms": _spread(flushes),
        "upload_ms": _spread(uploaded),
        "sooner_ms": _spread([upload - flush for flush, upload in zip(flushes, uploaded, strict=True)]),
        "first_words_after_ms": _spread(firsts) if all(firsts) else None,
        "partials": statistics.median(partials),
    }


async def _streamed(transcriber: HttpTranscriber, sound: NDArray[np.int16]) -> tuple[float, float, int]:
    """Seconds from the pause to the words, from the first sound to the first words, and how often there were more."""
    told: list[float] = []

    def grown(partial: PartialTranscript) -> None:
        if partial.settled or partial.tail:
            told.append(time.monotonic())

    stream = transcriber.stream(StreamRequest(grown, "en"))
    assert stream is not None  # noqa: S101  (it is declared above)
    began = time.monotonic()
    try:
        for at in range(0, len(sound), _PIECE):
            stream.feed(sound[at : at + _PIECE])
            await asyncio.sleep(max(began + (at + _PIECE) / _RATE - time.monotonic(), 0))
        asked_at = time.monotonic()
        await stream.flush()
        return time.monotonic() - asked_at, told[0] - began if told else 0.0, len(told)
    finally:
        await stream.aclose()


async def _uploaded(transcriber: HttpTranscriber, sound: NDArray[np.int16]) -> float:
    await transcriber.prepare()
    await asyncio.sleep(1.0)  # as somebody who speaks leaves the engine alone
    asked_at = time.monotonic()
    await transcriber.transcribe(TranscriptionRequest(AudioChunk(sound, _RATE), "en"))
    return time.monotonic() - asked_at


def _sound(seconds: float) -> NDArray[np.int16]:
    """A person speaks all the time, and is silent for 0.2 s."""
    with wave.open(str(CLIP)) as clip:
        spoken = np.frombuffer(clip.readframes(clip.getnframes()), "<i2").astype(np.int16)
    return np.concatenate([np.resize(spoken, round(seconds * _RATE)), np.zeros(round(_NOTICED_S * _RATE), np.int16)])


def _spread(values: Any) -> dict[str, int]:
    """In milliseconds."""
    ordered = sorted(1000 * value for value in values)
    return {"median": round(statistics.median(ordered)), "least": round(ordered[0]), "most": round(ordered[-1])}


if __name__ == "__main__":
    sys.exit(main())
