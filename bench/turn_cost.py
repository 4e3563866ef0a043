"""What does listening cost? ``python -m bench.turn_cost [--model FILE] [--json FILE]``.

First without a device: a minute of scripted conversation goes through resampling, echo cancellation, detector, listener and
interruption as the runtime feeds them, 10 ms at a time, and pauses go to each judge; the sum is CPU time per second of
conversation, worker included, and each 10 ms has its own. Then a server of the product itself, in whole calls at the virtual
sound card: everything it does, playback, HTTP and JSON included.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import psutil
import soxr
from rich.console import Console
from rich.table import Table

from bench.echo_room import BLOCK, EchoPath
from bench.echo_room import Room as SimulatedRoom
from bench.end_of_turn_sounds import read_clips
from bench.halting import Saying, clip_sayings
from bench.person import Ears
from bench.room import Room
from bench.source import commit
from bench.turn_latency import place_model
from scripts.sound_recorder import CARD_RATE
from scripts.virtual_sound_card import available
from tests.stubs.sound import RATE
from tests.stubs.spoken_words import spoken_words
from voicemode.audio import CAPTURE_RATE, FULL_SCALE, AudioChunk, Samples
from voicemode.core.endpointing import EndpointEvent, EndpointingOptions, PauseBegan, ScoreWanted, TurnEnded
from voicemode.core.far_end import FarEnd
from voicemode.core.interruption import Interruption
from voicemode.core.interruption import State as Playing
from voicemode.core.listener import Listener
from voicemode.core.resample import StreamResampler
from voicemode.core.turn_policy import turn_policy
from voicemode.engines.choose_vad import choose_detector
from voicemode.engines.echo_canceller import WebrtcEchoCanceller
from voicemode.engines.prosody import ProsodyScorer
from voicemode.engines.smart_turn import SmartTurnScorer
from voicemode.interfaces import CapturedBlock, EchoCanceller, SpeechDetector, TurnScorer
from voicemode.runtime.barge_in import near_end
from voicemode.runtime.ear import Ear

__all__ = ["Cost", "Script", "main", "script"]

_ROOT = Path(__file__).parents[1]
_MESSAGE = "I have looked at the build, and two of the tests fail. What would you like me to do about them?"
_SECONDS = 60.0
_THINKS_S = 0.5
_STT_S = 0.3
_ROOM_S = 3.0
"""Behind the person's last word: more than any policy waits."""
_PATH = EchoPath(seed=1, rt60_s=0.35, delay_s=0.06, drift_ppm=20.0, gain_db=-12.0, distortion=0.1, noise_dbfs=-65.0)
_CPU_BAR, _FRAME_BAR_MS = 0.10, 5.0
_CALL_S = 60.0
_MOST_CALLS = 15
_ADDITIONS, _TRANSFORMS = 3_000_000, 20_000


@dataclass(frozen=True, slots=True, eq=False)
class Script:
    """One exchange, block by block of 10 ms."""

    heard: Sequence[Samples]
    """What the microphone hears, at the card's rate."""
    played: Sequence[Samples]
    """What the loudspeaker plays meanwhile, at 16 kHz."""
    message_s: float


@dataclass(slots=True)
class Cost:
    """What was spent."""

    judge: str
    seconds: float = 0.0
    """Of conversation: the time the microphone was open."""
    turns: int = 0
    judgements: int = 0
    failed: int = 0
    """Judgements that prosody gave, because the judge had trouble: on a busy machine it takes too long."""
    frame_s: list[float] = field(default_factory=list)
    """CPU time of each 10 ms, judging left out: it happens beside the frames."""
    judging_s: float = 0.0
    """CPU time of the judge and of its worker, loading left out."""
    slowest_judgement_s: float = 0.0
    """On the clock: how late an answer came."""

    @property
    def share(self) -> float:
        """CPU seconds per second of conversation."""
        return (sum(self.frame_s) + self.judging_s) / self.seconds


def script(message: Samples, saying: Saying) -> Script:
    """The assistant says ``message`` (16 kHz) in a room with an echo; the person answers, and is silent."""
    message_s = len(message) / CAPTURE_RATE
    spoken = soxr.resample(saying.sound.samples.astype(np.float32) / FULL_SCALE, CARD_RATE, CAPTURE_RATE)
    person = np.concatenate([np.zeros(len(message) + round(_THINKS_S * CAPTURE_RATE), np.float32), spoken])
    blocks = (len(person) + round(_ROOM_S * CAPTURE_RATE)) // BLOCK
    padded = np.zeros(blocks * BLOCK, np.int16)
    padded[: len(message)] = message
    room, played = SimulatedRoom(_PATH, person), padded.reshape(-1, BLOCK)
    near = np.concatenate([room.hear(block.astype(np.float32) / FULL_SCALE) for block in played])
    heard = soxr.resample(near, CAPTURE_RATE, CARD_RATE).astype(np.int16).reshape(blocks, -1)
    return Script(list(heard), list(played), message_s)


class _Call:
    """One call, fed as ``runtime.listening`` and ``runtime.barge_in`` do."""

    def __init__(self, cost: Cost, scorer: TurnScorer, detector: SpeechDetector, canceller: EchoCanceller) -> None:
        self._cost, self._scorer = cost, scorer
        self._far_end = FarEnd()
        self._ear = Ear(canceller, self._far_end)
        self._listener = Listener(detector, EndpointingOptions(policy=turn_policy(scorer.used), partials=True))
        self._resampler = StreamResampler(CARD_RATE, CAPTURE_RATE)
        self._interruption = Interruption(lambda _: False)
        self._answers: list[tuple[float, Callable[[], None]]] = []
        """What comes late, and when."""
        self._judging_until = 0.0

    async def run(self, script: Script) -> None:
        """Until the turn is over. Time is that of the sound; answers of the judge come as late as they were made."""
        began, position, now = time.monotonic(), 0, 0.0
        for heard, played in zip(script.heard, script.played, strict=True):
            spent = time.process_time()
            self._far_end.note(played, CAPTURE_RATE, began + now)
            samples = self._resampler.push(heard)
            block = CapturedBlock(AudioChunk(samples, CAPTURE_RATE), began + position / CAPTURE_RATE)
            position += len(samples)
            now += BLOCK / CAPTURE_RATE
            events = self._hear(block, now, script.message_s)
            self._cost.frame_s.append(time.process_time() - spent)
            for event in events:
                await self._heed(event, now)
            if any(isinstance(event, TurnEnded) for event in events):
                self._cost.turns += 1
                break
        self._cost.seconds += now

    def _hear(self, block: CapturedBlock, now: float, message_s: float) -> Sequence[EndpointEvent]:
        speaking = now < message_s
        cleaned, overheard = self._ear.hear(block)
        events = self._listener.push(cleaned, far_end_active=speaking)
        if speaking:
            for frame, other in zip(self._listener.latest, overheard, strict=True):
                if self._interruption.state is not Playing.STOPPED:
                    self._interruption.push(near_end(frame, other))
        elif now - message_s < BLOCK / CAPTURE_RATE:
            events = [*events, *self._listener.begin(round(message_s * CAPTURE_RATE))]
        due = [give for at, give in self._answers if at <= now]
        self._answers = [answer for answer in self._answers if answer[0] > now]
        for give in due:
            give()
        return events

    async def _heed(self, event: EndpointEvent, now: float) -> None:
        match event:
            case PauseBegan(at=since):
                self._listener.utterance()
                self._answers.append((now + _STT_S, lambda: self._listener.partial("", since)))
            case ScoreWanted(silence_since=since) if now >= self._judging_until:
                score, late_s = await self._judge()
                self._judging_until = now + late_s
                self._answers.append((self._judging_until, lambda: self._listener.scored(score, since)))
            case _:
                pass

    async def _judge(self) -> tuple[float, float]:
        began, spent = time.monotonic(), _spent_s()
        score = await self._scorer.score(AudioChunk(self._listener.speech_so_far(), CAPTURE_RATE))
        self._cost.judging_s += _spent_s() - spent
        self._cost.judgements += 1
        self._cost.failed += self._scorer.used != self._scorer.name
        late_s = time.monotonic() - began
        self._cost.slowest_judgement_s = max(self._cost.slowest_judgement_s, late_s)
        return score, late_s


def _spent_s() -> float:
    """CPU time of this process and of its living children, such as the judge's worker."""
    children = 0.0
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = child.cpu_times()
            children += times.user + times.system
    return time.process_time() + children


async def _without_device(scripts: Sequence[Script], scorer: TurnScorer) -> Cost:
    cost = Cost(scorer.name)
    detector, canceller = choose_detector("auto").detector, WebrtcEchoCanceller()
    try:
        for script in itertools.cycle(scripts):
            await scorer.prepare()
            await _Call(cost, scorer, detector, canceller).run(script)
            if cost.seconds >= _SECONDS:
                break
    finally:
        await scorer.aclose()
    return cost


async def _at_the_card(sayings: Sequence[Saying], model: Path | None, judge: str) -> Cost:
    """Whole calls, with headphones, so that none is interrupted; the echo canceller works as hard.

    Only ``seconds``, ``turns`` and ``judging_s`` are filled in, the last with everything the server spent.
    """
    cost = Cost(judge)
    async with Room.open() as room:
        command, variables = room.product_command()
        base = room.folder / "base"
        if model is not None:
            place_model(model, base)
        room.configure(voice="words")
        own = {"VOICEMODE_BASE_DIR": str(base), "VOICEMODE_BARGE_IN": "true"}
        message_s = len(spoken_words(_MESSAGE)[0]) / RATE
        async with room.server(command, **variables, **own) as server:
            await server.initialize()
            for number, saying in enumerate(itertools.cycle(sayings)):
                room.stub.configure(stt_words=[list(word) for word in saying.words])
                ears = Ears(room.card)
                try:
                    await room.mouth.arm()
                    spent = server.cpu_s()
                    call = server.converse(_MESSAGE)
                    first = await ears.first_sound(10.0)
                    await room.mouth.say(saying.sound, first + message_s + _THINKS_S)
                    answer = await call.wait(_CALL_S)
                finally:
                    ears.close()
                if (
                    number and answer.result.get("structuredContent", {}).get("status") == "answered"
                ):  # the first one loads, and starts the worker
                    cost.judging_s += server.cpu_s() - spent
                    cost.seconds += answer.seconds
                    cost.turns += 1
                if cost.seconds >= _SECONDS or number > _MOST_CALLS:
                    break
    return cost


def _pace_s() -> dict[str, float]:
    """CPU time of 3 million additions in Python, and of a Fourier transform of 320 samples: the least of three of each.

    Shares of a core mean little without that of the core. Where others share its caches, the second tells more than the first.
    """
    additions, transforms, samples = list[float](), list[float](), np.zeros(2 * BLOCK, np.float32)
    for _ in range(3):
        spent, total = time.process_time(), 0
        for each in range(_ADDITIONS):
            total += each
        additions.append(time.process_time() - spent)
        spent = time.process_time()
        for _ in range(_TRANSFORMS):
            np.fft.rfft(samples)
        transforms.append((time.process_time() - spent) / _TRANSFORMS)
    return {"additions": min(additions), "transform": min(transforms)}


def _table(costs: Sequence[Cost]) -> Table:
    table = Table(title="without a device: CPU of resampling, echo cancellation, detector, listener, interruption and judge")
    columns = (
        "judge",
        "conversation",
        "turns",
        "judgements",
        "share of a core",
        "judge alone",
        "10 ms: median",
        "p99",
        "largest",
    )
    for column in columns:
        table.add_column(column, justify="left" if column == "judge" else "right")
    for cost in costs:
        frames = np.asarray(cost.frame_s) * 1000
        table.add_row(
            cost.judge,
            f"{cost.seconds:.0f} s",
            str(cost.turns),
            f"{cost.judgements} ({cost.failed} failed)" if cost.failed else str(cost.judgements),
            f"{cost.share:.1%}",
            f"{cost.judging_s / cost.seconds:.1%}",
            f"{np.median(frames):.2f} ms",
            f"{np.percentile(frames, 99):.2f} ms",
            f"{frames.max():.2f} ms",
        )
    return table


def _judges(model: Path | None) -> dict[str, TurnScorer]:
    judges: dict[str, TurnScorer] = {"prosody": ProsodyScorer()}
    if model is not None:
        judges["smart-turn-v3"] = SmartTurnScorer(model, os.environ)
    return judges


async def _measure(arguments: argparse.Namespace) -> tuple[list[Cost], list[Cost]]:
    sayings = clip_sayings(read_clips(arguments.clips))
    message = soxr.resample(spoken_words(_MESSAGE)[0], RATE, CAPTURE_RATE).astype(np.int16)
    scripts = [script(message, saying) for saying in sayings]
    judges = _judges(arguments.model)
    pure = [await _without_device(scripts, judge) for judge in judges.values()]
    if not arguments.card or available() is not None:
        return pure, []
    return pure, [await _at_the_card(sayings, arguments.model if name != "prosody" else None, name) for name in judges]


def main() -> int:
    """Exit status 0, or 1 where a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.turn_cost", description=__doc__)
    parser.add_argument("--clips", type=Path, default=_ROOT / "tests/clips", help="WAV files with a manifest.json")
    parser.add_argument(
        "--model", type=Path, metavar="FILE", help="smart-turn's ONNX file; without it prosody alone is measured"
    )
    parser.add_argument("--no-card", dest="card", action="store_false", help="only what needs no sound card")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    arguments = parser.parse_args()
    load, paces = os.getloadavg()[0], [_pace_s()]
    pure, whole = asyncio.run(_measure(arguments))
    console = Console(width=150)
    console.print(_table(pure))
    for cost in whole:
        console.print(
            f"a server at the card, all it does, {cost.judge}: {cost.judging_s / cost.seconds:.1%} of a core over "
            f"{cost.turns} calls of {cost.seconds / cost.turns:.1f} s",
            highlight=False,
        )
    paces.append(_pace_s())
    console.print(f"voicemode {commit(_ROOT)}, load {load:.1f} before, {os.getloadavg()[0]:.1f} after", highlight=False)
    for when, pace in zip(("before", "after"), paces, strict=True):
        additions = f"3 million additions in Python in {pace['additions']:.2f} s"
        transform = f"a Fourier transform of 320 samples in {pace['transform'] * 1e6:.1f} us"
        console.print(f"this core {when}: {additions}, {transform}", highlight=False)
    if arguments.json is not None:
        rows = {
            "pace_s": paces,
            "without_device": [asdict(cost) for cost in pure],
            "at_the_card": [asdict(cost) for cost in whole],
        }
        arguments.json.write_text(json.dumps(rows) + "\n", "utf-8")
    late = any(np.percentile(cost.frame_s, 99) * 1000 > _FRAME_BAR_MS for cost in pure)
    return int(late or any(cost.share > _CPU_BAR for cost in pure))


if __name__ == "__main__":
    raise SystemExit(main())
