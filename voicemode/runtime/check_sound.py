"""Diagnosis of this machine's sound: PortAudio, microphone, loudspeaker, speech detector."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from voicemode.errors import MicrophoneSilentError, PortAudioMissingError, SoundError, VoicemodeError
from voicemode.interfaces import Microphone
from voicemode.runtime.checks import Check, Part, State, failed, guarded, in_thread

__all__ = ["check_canceller", "check_detector", "check_scorer", "check_sound"]

_LISTEN_S = 0.5
"""A working microphone never delivers half a second of exact zeros: the last bit of a converter is noise."""


async def check_sound(
    find_input: Callable[[], str], find_output: Callable[[], str], make_microphone: Callable[[], Microphone] | None
) -> list[Check]:
    """Look for the devices; the functions are those of ``diagnosis.Subject``."""
    try:
        microphone, loudspeaker = await asyncio.gather(
            guarded(Part.MICROPHONE, _device(Part.MICROPHONE, find_input)),
            guarded(Part.LOUDSPEAKER, _device(Part.LOUDSPEAKER, find_output)),
        )
    except PortAudioMissingError as error:
        unknown = (Check(part, State.FAILED, "unknown without PortAudio") for part in (Part.MICROPHONE, Part.LOUDSPEAKER))
        return [failed(Part.PORTAUDIO, error), *unknown]
    if make_microphone is not None and microphone[0].uses:
        microphone = await guarded(Part.MICROPHONE, _hear(make_microphone(), microphone[0]))
    return [Check(Part.PORTAUDIO, State.OK, "loads"), *microphone, *loudspeaker]


async def _device(name: Part, find: Callable[[], str]) -> list[Check]:
    try:
        device = await in_thread(find)
    except PortAudioMissingError:
        raise
    except SoundError as error:
        return [failed(name, error)]
    return [Check(name, State.OK, device, uses=device)]


async def _hear(microphone: Microphone, found: Check) -> list[Check]:
    """Open the microphone and listen for half a second: does it open, and does anything come out of it?"""
    heard_s, silent = 0.0, True
    try:
        await microphone.open()
        while heard_s < _LISTEN_S and (block := await microphone.read()) is not None:
            heard_s += block.chunk.seconds
            silent = silent and not block.chunk.samples.any()
    except SoundError as error:
        return [failed(Part.MICROPHONE, error)]
    finally:
        await microphone.close()
    if not silent:
        return [replace(found, detail=f"{found.detail}; it delivers sound")]
    detail = f"{found.detail}; it delivers only zeros, so it is muted or may not be used"
    return [replace(found, state=State.WARNING, detail=detail, remedy=MicrophoneSilentError.remedy)]


async def check_detector(find_detector: Callable[[], tuple[str, str]], wanted: str) -> list[Check]:
    """Which speech detector listens, and why. ``wanted`` is the setting: what was not wished for is second best."""
    try:
        name, why = await in_thread(find_detector)
    except VoicemodeError as error:
        return [failed(Part.DETECTOR, error)]
    state = State.WARNING if wanted == "auto" and name != "silero" else State.OK
    detail = why if name in why else f"{name}: {why}"
    return [Check(Part.DETECTOR, state, detail.rstrip("."), uses=name)]


async def check_scorer(find_scorer: Callable[[], tuple[str, str]]) -> list[Check]:
    """Who judges from the sound whether the person has finished, and why. To do without a model is no fault."""
    name, why = await in_thread(find_scorer)
    return [Check(Part.SCORER, State.OK, (why if name in why else f"{name}: {why}").rstrip("."), uses=name)]


async def check_canceller(find_canceller: Callable[[], tuple[str, str]], *, wanted: bool) -> list[Check]:
    """What lets people interrupt by voice, and why nothing does."""
    if not wanted:
        return [Check(Part.BARGE_IN, State.OK, "by key only: VOICEMODE_BARGE_IN is false")]
    name, why = await in_thread(find_canceller)
    return [Check(Part.BARGE_IN, State.OK if name else State.WARNING, why.rstrip("."), uses=name)]
