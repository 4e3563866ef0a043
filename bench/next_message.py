"""``python -m bench.next_message``: can a message be interrupted from its beginning?

Each message of a session opens its devices anew, and they date it anew: the echo comes up to 60 ms sooner or later than in the
message before. Somebody speaks within 0.7 to 2.5 s of the second one; others hear six messages and say nothing. Rooms and
people are those of ``bench.interruption``; canceller, detector, ear and judge are the product's, and so is what they keep
from message to message. With ``--forget`` they keep nothing of the echo's way.
"""

from __future__ import annotations

import argparse
import functools
import json
import multiprocessing
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.echo_room import BLOCK, Device, Loudspeaker, Room, Signal, scaled
from bench.interruption import LEVELS_DB, MESSAGE_DBFS, VOICES, Trial, times, trials
from bench.interruption_sounds import backchannels, clips, messages
from bench.interruption_trial import obey
from voicemode.audio import CAPTURE_RATE, AudioChunk
from voicemode.core.commands import is_backchannel
from voicemode.core.echo_path import EchoPath
from voicemode.core.endpointing import EndpointingOptions
from voicemode.core.interruption import DUCK_DB, Duck, Interruption, InterruptionEvent, Pause, State, Stop, WordsWanted
from voicemode.core.listener import Listener
from voicemode.engines.choose_vad import choose_detector
from voicemode.engines.echo_canceller import WebrtcEchoCanceller
from voicemode.engines.phrase_files import load_phrases
from voicemode.interfaces import CapturedBlock
from voicemode.runtime.barge_in import near_end
from voicemode.runtime.ear import Ear
from voicemode.runtime.parts import Session

__all__ = ["Conversation", "Heard", "main", "summary"]

_MESSAGE_S, _LISTENS_S, _CLOSED_S = 7.0, 1.0, 0.5
_CALL_S = _MESSAGE_S + _LISTENS_S + _CLOSED_S
_EARLIEST_S, _LATEST_S = 0.7, 2.5
_OFF_S = 0.03
"""Devices date their sound so much too early or too late, at most: as the tests of speaker and microphone allow."""
_DELAY_S = 0.02
"""The air, and what devices do not tell."""
_WORDS_S = 0.4
"""As in ``bench.interruption``."""
_QUIET_MESSAGES = 6


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages one after the other in one room; who is there speaks in the last one."""

    trial: Trial
    off: tuple[int, ...]
    """Samples by which each message is dated too late."""


@dataclass(slots=True)
class Heard:
    """What happened, times in seconds after the person's first sound."""

    level_db: float
    yield_s: float | None = None
    pause_s: float | None = None
    stop_s: float | None = None
    ducks: int = 0
    """Where nobody spoke; as with the next two."""
    pauses: int = 0
    stops: int = 0


class _Person:
    """Everything of a session that outlives a message, and the room in which it is held."""

    def __init__(self, planned: Conversation, *, forgets: bool) -> None:
        self._trial, self._forgets = planned.trial, forgets
        self._canceller, self._detector, self._session = WebrtcEchoCanceller(), choose_detector().detector, Session()
        phrases = load_phrases("en")
        self._is_backchannel = functools.partial(is_backchannel, phrases=phrases)
        said = planned.trial.said
        self._speaks_at_s = (len(planned.off) - 1) * _CALL_S + said.at_s if len(said.sound) else float("inf")
        before = np.zeros(round(self._speaks_at_s * CAPTURE_RATE) if len(said.sound) else 0, np.float32)
        self._room = Room(replace(planned.trial.path, delay_s=_DELAY_S), np.concatenate((before, said.sound)))
        self._now_s = 0.0
        self.heard = Heard(said.level_db)

    def hears(self, message: Signal, off: int) -> None:
        """One call: the message, a second of listening, and a pause with closed devices."""
        loudspeaker, device, began_s = Loudspeaker(message, duck_db=DUCK_DB), Device(self._now_s, late=off), self._now_s
        path = EchoPath() if self._forgets else self._session.echo_path
        ear, listener = Ear(self._canceller, device, path), Listener(self._detector, EndpointingOptions())
        judge, asked = Interruption(self._is_backchannel, self._session.residual), None
        for _ in range(round((_MESSAGE_S + _LISTENS_S) * 100)):
            near = self._room.hear(device.play(loudspeaker.next_block()))
            block = CapturedBlock(AudioChunk(near, CAPTURE_RATE), self._now_s)
            self._now_s += BLOCK / CAPTURE_RATE
            cleaned, overheard = ear.hear(block)
            listener.push(cleaned)
            events = list[InterruptionEvent]()
            for frame, other in zip(listener.latest, overheard, strict=True):
                events += judge.push(near_end(frame, other)) if judge.state is not State.STOPPED else []
            if asked is not None and judge.state is State.WEIGHING and self._now_s - began_s >= asked.at + _WORDS_S:
                events += judge.words(self._trial.said.text if self._now_s > self._speaks_at_s else "", asked)
            for event in events:
                obey(loudspeaker, event)
                self._note(event, began_s + event.at)
                asked = event if isinstance(event, WordsWanted) else asked
        for _ in range(round(_CLOSED_S * 100)):
            self._room.hear(np.zeros(BLOCK, np.float32))
            self._now_s += BLOCK / CAPTURE_RATE

    def _note(self, event: InterruptionEvent, at_s: float) -> None:
        heard, after_s = self.heard, at_s - self._speaks_at_s
        if after_s <= 0:
            heard.ducks += isinstance(event, Duck)
            heard.pauses += isinstance(event, Pause)
            heard.stops += isinstance(event, Stop)
            return
        if heard.yield_s is None and isinstance(event, Duck | Pause | Stop):
            heard.yield_s = after_s
        if heard.pause_s is None and isinstance(event, Pause):
            heard.pause_s = after_s
        if isinstance(event, Stop):
            heard.stop_s = after_s


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0, or 1 where nobody spoke and it stopped."""
    parser = argparse.ArgumentParser(prog="python -m bench.next_message", description=__doc__)
    default = Path(__file__).parents[1] / "tests" / "clips"
    parser.add_argument("--clips", type=Path, default=default, help="folder of human recordings (default: the project's own)")
    parser.add_argument("-n", type=int, default=24, help="interruptions at each level (default 24)")
    parser.add_argument("--minutes", type=float, default=10.0, help="of messages without anybody (default 10)")
    parser.add_argument("--seed", type=int, default=1000, help="of rooms and moments (default 1000)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default 2)")
    parser.add_argument("--forget", action="store_true", help="keep nothing of the echo's way")
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args(arguments)
    sentences, words = clips(asked.clips, choose_detector().detector)
    short = backchannels(words)
    quiet = asked.minutes * 60 / (_QUIET_MESSAGES * _CALL_S)
    planned = list(_planned(trials(sentences, short, each=asked.n, minutes=quiet, seed=asked.seed), asked.seed))
    # Not forked: the detector has threads, which a fork would leave waiting for ever.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(asked.jobs, mp_context=context, initializer=_keep, initargs=(messages(VOICES),)) as pool:
        heard = list(pool.map(functools.partial(_run, forgets=asked.forget), planned, chunksize=2))
    report = summary(planned, heard)
    print(json.dumps(report, indent=2))
    if asked.json is not None:
        asked.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    return int(report["nobody"]["stops"] > 0)


def _planned(drawn: Iterator[Trial], seed: int) -> Iterator[Conversation]:
    chance = np.random.default_rng(seed)
    most = round(_OFF_S * CAPTURE_RATE)
    for trial in drawn:
        if trial.said.kind == "interruption":
            early = replace(trial.said, at_s=float(chance.uniform(_EARLIEST_S, _LATEST_S)))
            yield Conversation(replace(trial, said=early), tuple(chance.integers(-most, most + 1, 2).tolist()))
        elif trial.said.kind == "nobody":
            yield Conversation(trial, tuple(chance.integers(-most, most + 1, _QUIET_MESSAGES).tolist()))


_kept: list[Signal] = []
"""The messages, in a process that measures: they are too large to be sent with every trial."""


def _keep(said: Sequence[Signal]) -> None:
    _kept[:] = said


def _run(planned: Conversation, *, forgets: bool) -> Heard:
    whole = scaled(_kept[planned.trial.voice], MESSAGE_DBFS)
    length = round(_MESSAGE_S * CAPTURE_RATE)
    person = _Person(planned, forgets=forgets)
    for number, off in enumerate(planned.off):
        begins = round(planned.trial.begins_s * CAPTURE_RATE) + number * length
        person.hears(np.roll(whole, -begins)[:length], off)
    return person.heard


def summary(planned: Sequence[Conversation], heard: Sequence[Heard]) -> dict[str, Any]:
    """Times in ms after the person's first sound."""
    both = list(zip(planned, heard, strict=True))
    levels = {}
    for level in LEVELS_DB:
        rows = [each for of, each in both if of.trial.said.kind == "interruption" and each.level_db == level]
        levels[f"{level:+g} dB"] = {
            "n": len(rows),
            "missed": sum(each.stop_s is None for each in rows),
            "duck_or_stop": times([each.yield_s for each in rows]),
            "pause": times([each.pause_s for each in rows]),
            "stop": times([each.stop_s for each in rows]),
        }
    quiet = [(of, each) for of, each in both if of.trial.said.kind == "nobody"]
    nobody = {
        "minutes": round(sum(len(of.off) * _CALL_S for of, _ in quiet) / 60, 1),
        "stops": sum(each.stops for each in heard),
        "pauses": sum(each.pauses for each in heard),
        "ducks": sum(each.ducks for each in heard),
    }
    return {"interruptions": levels, "nobody": nobody}


if __name__ == "__main__":
    sys.exit(main())
