"""``python -m bench.echo_cancellation``: which library takes the loudspeaker's sound out of the microphone's, and how well.

Rooms by chance (delay, drift, reverberation, distortion) with the level of the echo as given. In each: two messages are
played to the end, the second one while a person talks over it. Each library gets the same sound in frames of 10 ms, without
noise suppression, and has to find the delay by itself; or with the right delay told, or one that is 100 ms wrong.

- **reduction**: by how many dB the echo alone gets softer, after 2 s to learn the room
- **near end lost**: by how many dB the person gets softer while both speak: the part of what is left that the person's voice
  explains, against the voice as it came. Both are measured where the person speaks.
- **residual**: the level of what is left of the echo when nobody speaks, for the thresholds of detectors

A second table gives the chosen library the far end so much before the echo; less than 0 is after it.

The livekit package is not a dependency: it takes part where it is installed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.echo_room import BLOCK, EchoPath, Room, Signal, draw_path, scaled
from voicemode.audio import CAPTURE_RATE, FULL_SCALE, Samples
from voicemode.core.level import rms_dbfs
from voicemode.engines.sound_file import open_sound

__all__ = ["main"]

_CLIPS = Path(__file__).parents[1] / "tests" / "clips"
_LEARNING_S = 2.0
_ECHO_S = 8.0
"""Of echo alone, before somebody talks over it."""
_DOUBLE_TALK_S = 6.0
_PLAYED_DBFS = -20.0
_GAINS_DB = (-6.0, -18.0, -30.0)
_USER_OVER_ECHO_DB = (12.0, 0.0, -6.0)
_LEADS_MS = (-40, -20, -10, 0, 20, 40, 150, 250, 400)

Process = Callable[[Samples, Samples], Samples]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One library in one room."""

    library: str
    gain_db: float
    user_over_echo_db: float
    reduction_db: float
    residual_dbfs: float
    near_lost_db: float
    cpu_ms_per_s: float


def main() -> int:
    """Exit status 0; 69 when a library that was asked for is missing."""
    parser = argparse.ArgumentParser(prog="python -m bench.echo_cancellation", description=__doc__)
    parser.add_argument("--clips", type=Path, default=_CLIPS, metavar="DIR", help="recordings of people")
    parser.add_argument("--rooms", type=int, default=6, help="rooms for each level (default 6)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    arguments = parser.parse_args()
    played, said = _voices(arguments.clips)
    outcomes: list[Outcome] = []
    libraries = {name: make for name, make in _LIBRARIES.items() if _loads(make)}
    for gain_db in _GAINS_DB:
        for over_db in _USER_OVER_ECHO_DB:
            for seed in range(arguments.rooms):
                scene = _scene(played, said, draw_path(seed, gain_db=gain_db), over_db)
                outcomes += [_outcome(name, make, scene, gain_db, over_db) for name, make in libraries.items()]
    leads = {lead_ms: _with_lead(played, said, lead_ms, arguments.rooms) for lead_ms in _LEADS_MS}
    costs = {name: _import_cost(code) for name, code in _IMPORTS.items() if name in libraries}
    _show(outcomes, costs)
    for lead_ms, (reduction, lost) in leads.items():
        print(f"far end {lead_ms:4d} ms before the echo: reduction {reduction:5.1f} dB, near end lost {lost:4.1f} dB")
    if arguments.json:
        arguments.json.write_text(
            json.dumps({"outcomes": [asdict(each) for each in outcomes], "leads": leads, "import": costs}, indent=1)
        )
    return 0


# -- the libraries


def _pywebrtc(delay_ms: Callable[[EchoPath], int]) -> Callable[[EchoPath], Process]:
    def make(path: EchoPath) -> Process:
        import pywebrtc_audio

        canceller = pywebrtc_audio.EchoCanceller(CAPTURE_RATE, 1, delay_ms(path))
        return lambda near, far: canceller.process(near, far)

    return make


def _livekit(path: EchoPath) -> Process:
    from livekit import rtc

    processor = rtc.AudioProcessingModule(echo_cancellation=True, high_pass_filter=True)

    def process(near: Samples, far: Samples) -> Samples:
        frames = [rtc.AudioFrame(part.tobytes(), CAPTURE_RATE, 1, len(part)) for part in (far, near)]
        processor.process_reverse_stream(frames[0])
        processor.set_stream_delay_ms(round(path.delay_s * 1_000))  # it wants one before each frame
        processor.process_stream(frames[1])
        return np.frombuffer(frames[1].data, dtype=np.int16).copy()

    return process


_LIBRARIES: dict[str, Callable[[EchoPath], Process]] = {
    "none": lambda _: lambda near, _far: near,
    "pywebrtc-audio": _pywebrtc(lambda _: 0),
    "pywebrtc-audio, told the delay": _pywebrtc(lambda path: round(path.delay_s * 1_000)),
    "pywebrtc-audio, told 100 ms too much": _pywebrtc(lambda path: round(path.delay_s * 1_000) + 100),
    "livekit, told the delay": _livekit,
}

_IMPORTS = {"pywebrtc-audio": "import pywebrtc_audio", "livekit, told the delay": "import livekit.rtc"}


def _loads(make: Callable[[EchoPath], Process]) -> bool:
    try:
        make(draw_path(0))
    except ImportError as error:
        print(f"not measured: {error}", file=sys.stderr)
        return False
    return True


def _import_cost(code: str) -> dict[str, float]:
    """Milliseconds and megabytes on top of numpy, in a new process: the median of five."""
    script = (
        "import json, time, numpy, psutil\nme = psutil.Process()\nbefore = me.memory_info().rss\nbegan = time.perf_counter()\n"
        f"{code}\n"
        "print(json.dumps([1e3 * (time.perf_counter() - began), (me.memory_info().rss - before) / 1e6]))"
    )
    runs = [
        json.loads(subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout) for _ in range(5)
    ]
    return {"ms": statistics.median(run[0] for run in runs), "megabytes": statistics.median(run[1] for run in runs)}


# -- the scenes


@dataclass(frozen=True, slots=True, eq=False)
class _Scene:
    path: EchoPath
    far: Samples
    near: Samples
    """Echo, person and noise."""
    voice: Samples
    """What of it is the person."""


def _voices(folder: Path) -> tuple[Signal, Signal]:
    """Somebody for the loudspeaker and somebody in front of it."""
    clips = [_read(path) for path in sorted(folder.glob("*.wav"))]
    if len(clips) < 2:
        raise SystemExit(f"{folder}: two recordings are needed, a voice that plays and one that speaks")
    clips.sort(key=len)
    return clips[-1], np.concatenate(clips[:-1])


def _read(path: Path) -> Signal:
    with open_sound(path) as sound:
        return (np.concatenate(list(sound.blocks())) / FULL_SCALE).astype(np.float32)


def _scene(played: Signal, said: Signal, path: EchoPath, over_db: float) -> _Scene:
    seconds = _ECHO_S + _DOUBLE_TALK_S
    message = scaled(np.resize(played, round(seconds * CAPTURE_RATE)), _PLAYED_DBFS)
    silent = np.zeros(round(_ECHO_S * CAPTURE_RATE), np.float32)
    person = scaled(np.resize(said, round(_DOUBLE_TALK_S * CAPTURE_RATE)), _PLAYED_DBFS + path.gain_db + over_db)
    voice = np.concatenate((silent, person))
    room = Room(path, voice)
    near = np.concatenate([room.hear(message[at : at + BLOCK]) for at in range(0, len(message) - BLOCK + 1, BLOCK)])
    far = _pcm(message)[: len(near)]
    return _Scene(path, far, near, _pcm(voice)[: len(near)])


def _pcm(sound: Signal) -> Samples:
    whole: Samples = np.clip(np.rint(sound * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
    return whole


# -- the figures


def _outcome(name: str, make: Callable[[EchoPath], Process], scene: _Scene, gain_db: float, over_db: float) -> Outcome:
    process, starts = make(scene.path), range(0, len(scene.near), BLOCK)
    began = time.process_time()
    out = [process(scene.near[at : at + BLOCK], scene.far[at : at + BLOCK]) for at in starts]
    cpu_s = time.process_time() - began
    cleaned = np.concatenate(out)
    alone = slice(round(_LEARNING_S * CAPTURE_RATE), round(_ECHO_S * CAPTURE_RATE))
    talking = slice(alone.stop, None)
    residual = rms_dbfs(cleaned[alone])
    return Outcome(
        name,
        gain_db,
        over_db,
        rms_dbfs(scene.near[alone]) - residual,
        residual,
        _lost_db(scene.voice[talking], cleaned[talking]),
        1e3 * cpu_s * CAPTURE_RATE / len(scene.near),
    )


def _with_lead(played: Signal, said: Signal, lead_ms: int, rooms: int) -> tuple[float, float]:
    """Reduction and what is lost of the person, dB, when the echo comes so long after the far end; medians."""
    outcomes = []
    for seed in range(rooms):
        path = draw_path(seed, gain_db=-12.0)
        scene = _scene(played, said, path, 0.0)
        late = round(path.delay_s * CAPTURE_RATE) - lead_ms * CAPTURE_RATE // 1_000
        far = np.concatenate((np.zeros(max(late, 0), np.int16), scene.far[max(-late, 0) :], np.zeros(max(-late, 0), np.int16)))
        moved = replace(scene, far=far[: len(scene.near)])
        outcomes.append(_outcome("", _LIBRARIES["pywebrtc-audio"], moved, path.gain_db, 0.0))
    return _median([each.reduction_db for each in outcomes]), _median([each.near_lost_db for each in outcomes])


def _lost_db(voice: Samples, cleaned: Samples) -> float:
    """By how much the voice is softer in what is left of it: the median over frames of 20 ms in which it is loud.

    A canceller delays by some milliseconds and filters, so the voice is looked for in power spectra, not in samples: in the
    bands where the voice is loudest, how much of its power is there.
    """
    frame = CAPTURE_RATE // 50
    spectra = [
        np.abs(np.fft.rfft(signal[: len(signal) // frame * frame].reshape(-1, frame).astype(float) * np.hanning(frame))) ** 2
        for signal in (voice, _aligned(cleaned, voice))
    ]
    power = spectra[0].sum(axis=1)
    loud = power > np.quantile(power, 0.6)
    strongest = spectra[0] >= np.quantile(spectra[0], 0.9, axis=1, keepdims=True)
    kept = (spectra[1] * strongest).sum(axis=1)[loud] / (spectra[0] * strongest).sum(axis=1)[loud]
    return float(-10 * np.log10(max(np.median(kept), 1e-9)))


def _aligned(late: Samples, wanted: Samples) -> Samples:
    """Without the canceller's own delay, at most 10 ms."""
    fits = [float(np.dot(late[lag:].astype(float), wanted[: len(wanted) - lag].astype(float))) for lag in range(BLOCK)]
    lag = int(np.argmax(fits))
    return np.concatenate((late[lag:], np.zeros(lag, np.int16)))


def _show(outcomes: Sequence[Outcome], costs: dict[str, dict[str, float]]) -> None:
    table = Table(
        "library",
        "echo",
        "reduction dB",
        "residual dBFS",
        *(f"lost, user {db:+.0f} dB" for db in _USER_OVER_ECHO_DB),
        "CPU ms/s",
    )
    for name in dict.fromkeys(each.library for each in outcomes):
        for gain_db in _GAINS_DB:
            mine = [each for each in outcomes if (each.library, each.gain_db) == (name, gain_db)]
            lost = [_median([e.near_lost_db for e in mine if e.user_over_echo_db == db]) for db in _USER_OVER_ECHO_DB]
            figures: list[Any] = [
                *(_median([getattr(e, key) for e in mine]) for key in ("reduction_db", "residual_dbfs")),
                *lost,
            ]
            table.add_row(
                name, f"{gain_db:+.0f} dB", *(f"{x:.1f}" for x in figures), f"{_median([e.cpu_ms_per_s for e in mine]):.1f}"
            )
    console = Console(width=150)
    console.print(table)
    for name, cost in costs.items():
        console.print(f"import of {name}: {cost['ms']:.0f} ms, {cost['megabytes']:.1f} MB on top of numpy", highlight=False)


def _median(figures: Sequence[float]) -> float:
    return statistics.median(figures)


if __name__ == "__main__":
    raise SystemExit(main())
