"""What works on this machine, what would be used, and what to do about the rest.

The checks come in the order in which a turn needs the parts. Nothing is printed here. The microphone is opened only when
the caller hands one over, which only a person's command does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from voicemode.interfaces import Microphone
from voicemode.providers.registry import Registry
from voicemode.runtime.check_sound import check_canceller, check_detector, check_scorer, check_sound
from voicemode.runtime.check_speech import check_speech
from voicemode.runtime.checks import Check, Part, State, guarded, in_thread
from voicemode.runtime.floor import Floor
from voicemode.runtime.journal import Journal
from voicemode.runtime.survey import LookNow
from voicemode.settings import Settings

__all__ = ["Subject", "diagnose", "diagnose_machine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is examined, and how its parts are reached. The functions may block and are called in threads."""

    settings: Settings
    registry: Registry
    floor: Floor
    journal: Journal
    find_input: Callable[[], str]
    """Name of the microphone that would be used. Raises SoundError."""
    find_output: Callable[[], str]
    """Name of the loudspeaker that would be used. Raises SoundError."""
    find_detector: Callable[[], tuple[str, str]]
    """Name of the speech detector that would be used, and why it is this one. Raises EngineError."""
    find_scorer: Callable[[], tuple[str, str]]
    """Name of the turn scorer that would be used, and why it is this one."""
    find_canceller: Callable[[], tuple[str, str]]
    """Name of the echo canceller that lets people interrupt, or "", and why."""
    find_builtin: Callable[[], Mapping[str, str]]
    """The built-in engines that are installed, each with its version."""
    look_now: LookNow
    """Finds the services that answer on this machine now, and puts them on the registry's shelves."""
    openai_key_elsewhere: bool = False
    """The environment has an OPENAI_API_KEY, which is another program's; see ``LoadedSettings``."""
    warnings: Sequence[str] = ()
    """What was odd about the settings, sentence by sentence."""
    make_microphone: Callable[[], Microphone] | None = None
    """Gives the microphone to be opened and heard for half a second; None leaves it closed."""


async def diagnose(subject: Subject) -> list[Check]:
    """Look at every part, side by side, each for at most 2 s. Raises no VoicemodeError: errors are what it finds."""
    machine, speech = await asyncio.gather(
        diagnose_machine(subject),
        check_speech(
            subject.registry,
            subject.look_now,
            subject.find_builtin,
            openai_key_elsewhere=subject.openai_key_elsewhere,
        ),
    )
    return sorted([*machine, *speech], key=lambda check: list(Part).index(check.name))


async def diagnose_machine(subject: Subject) -> list[Check]:
    """``diagnose`` without the endpoints."""
    groups = await asyncio.gather(
        _check_settings(subject.warnings),
        check_sound(subject.find_input, subject.find_output, subject.make_microphone),
        guarded(Part.DETECTOR, check_detector(subject.find_detector, subject.settings.vad)),
        guarded(Part.SCORER, check_scorer(subject.find_scorer)),
        guarded(Part.BARGE_IN, check_canceller(subject.find_canceller, wanted=subject.settings.barge_in)),
        guarded(Part.FLOOR, _check_floor(subject.floor)),
        guarded(Part.RECORDINGS, _check_recordings(subject.journal)),
    )
    return [check for group in groups for check in group]


async def _check_settings(warnings: Sequence[str]) -> list[Check]:
    if not warnings:
        return [Check(Part.SETTINGS, State.OK, "all are known and allowed")]
    remedy = "Run: voicemode config edit."
    return [Check(Part.SETTINGS, State.WARNING, warning.rstrip("."), remedy) for warning in warnings]


async def _check_floor(floor: Floor) -> list[Check]:
    holder = await in_thread(floor.taken_by)
    if holder is None:
        return [Check(Part.FLOOR, State.OK, "free: nobody is talking with you now")]
    return [Check(Part.FLOOR, State.WARNING, f"taken by {holder}", "Wait until it has finished, or end that process.")]


async def _check_recordings(journal: Journal) -> list[Check]:
    waiting = await in_thread(journal.pending)
    if not waiting:
        return [Check(Part.RECORDINGS, State.OK, "none waits for its transcript")]
    remedy = "Run: voicemode transcribe --pending."
    detail = f"{len(waiting)} not transcribed yet: {', '.join(waiting[:3])}{' ...' if len(waiting) > 3 else ''}"
    return [Check(Part.RECORDINGS, State.WARNING, detail, remedy)]
