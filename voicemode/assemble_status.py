"""Builds what the page's status view is told: the looks of ``doctor``, ``status``, ``service list`` and ``config list``."""

from __future__ import annotations

import asyncio
import functools
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import voicemode
from voicemode.assemble_engines import Engines
from voicemode.engines.builtin import builtin_available
from voicemode.engines.choose_vad import choose_detector
from voicemode.engines.devices import Device, find_input, find_output, list_devices
from voicemode.engines.echo_canceller import choose_echo_canceller
from voicemode.http.api_status import StatusBoard
from voicemode.http.health import Part as Answering
from voicemode.load_config import LoadedSettings
from voicemode.runtime.check_speech import judge_speech
from voicemode.runtime.checks import Part, in_thread
from voicemode.runtime.diagnosis import Subject, diagnose_machine
from voicemode.runtime.floor import Floor
from voicemode.runtime.survey import Seen, survey
from voicemode.settings import Settings
from voicemode.settings_file import MASK, describe

__all__ = ["build_status"]

_PASSWORD = re.compile(r"(?<=://)[^/@\s]+(?=@)")
"""Of an address; keys are masked where they are described."""


def build_status(
    loaded: LoadedSettings,
    environ: Mapping[str, str],
    engines: Engines,
    *,
    conversations: Callable[[], int],
    answers: Callable[[], Answering],
) -> StatusBoard:
    """Looks at nothing yet. ``conversations`` says how many are held, ``answers`` who answers in them."""
    began = time.time()
    subject = _subject(loaded, engines)
    installed = functools.partial(_installed, loaded, environ)
    return StatusBoard(
        {
            "server": lambda: _server(loaded.settings, began, conversations(), answers()),
            "speech": lambda: _speech(subject),
            "services": lambda: in_thread(installed),
            "models": lambda: in_thread(functools.partial(_models, loaded.settings)),
            "devices": lambda: in_thread(_devices),
            "settings": lambda: _settings(loaded),
        }
    )


def _subject(loaded: LoadedSettings, engines: Engines) -> Subject:
    settings = loaded.settings

    @functools.cache  # each choice loads a library or a model, and what is installed does not change meanwhile
    def canceller() -> tuple[str, str]:
        found = choose_echo_canceller()
        return found.canceller.name if found.canceller is not None else "", found.reason

    @functools.cache
    def detector() -> tuple[str, str]:
        found = choose_detector(settings.vad)
        return found.detector.name, found.reason

    return Subject(
        settings=settings,
        registry=engines.registry,
        floor=Floor(settings.base_dir, "voicemode serve", 0),
        journal=engines.journal,
        find_input=lambda: find_input(settings.input_device).name,
        find_output=lambda: find_output(settings.output_device).name,
        find_detector=detector,
        find_scorer=lambda: (engines.scorer.name, engines.scorer_reason),
        find_canceller=canceller,
        find_builtin=builtin_available,
        look_now=engines.watch.look_now,
        openai_key_elsewhere=loaded.openai_key_elsewhere,
        warnings=loaded.warnings,
    )


async def _server(settings: Settings, began: float, conversations: int, answers: Answering) -> dict[str, Any]:
    return {
        "version": voicemode.__version__,
        "pid": os.getpid(),
        "began_at": began,
        "conversations": conversations,
        "most_conversations": settings.serve_max_sessions,
        "processes": settings.serve_processes,
        "answers": {"ready": answers.ready, "by": list(answers.by), "remark": answers.remark},
        "upstream": _PASSWORD.sub(MASK, settings.upstream),
        "memory": settings.memory,
        "keep_audio": settings.keep_audio,
        "retention_days": settings.retention_days,
        "folder": str(settings.base_dir),
        "open_to_others": settings.serve_allow_remote,
    }


async def _speech(subject: Subject) -> dict[str, Any]:
    """One look at the endpoints for both: how they stand, and what to do about it."""
    installed = await in_thread(subject.find_builtin)
    machine, seen = await asyncio.gather(diagnose_machine(subject), survey(subject.registry, subject.look_now, installed))
    checks = [
        *machine,
        *judge_speech(seen, installed, subject.settings, openai_key_elsewhere=subject.openai_key_elsewhere),
    ]
    checks.sort(key=lambda check: list(Part).index(check.name))
    return {"checks": [asdict(check) for check in checks], "endpoints": [_endpoint(each) for each in seen]}


def _endpoint(seen: Seen) -> dict[str, Any]:
    report = seen.report.as_json()
    many = ("models", "voices", "formats", "languages")
    return {
        **{name: value for name, value in report.items() if name not in many},
        "place": seen.place,
        "works": seen.look.works,
        "usable": seen.usable,
        "words": seen.look.words,
        "remedy": seen.look.remedy,
        "reasons": list(seen.reasons),
        "voice": seen.voice,
        **{name: len(report[name]) if report[name] is not None else None for name in many},
    }


def _installed(loaded: LoadedSettings, environ: Mapping[str, str]) -> list[dict[str, Any]]:
    # Here and not above: it loads what only machines with a local service need.
    from voicemode.supervise.manager import Services

    services = Services(loaded.settings, loaded.services, environ)
    return [services.status(name).as_json() for name in services.known]


def _models(settings: Settings) -> list[dict[str, Any]]:
    # As above.
    from voicemode.supervise.models import Models

    models = Models(settings)
    return [
        {
            "name": model.name,
            "engine": model.engine,
            "title": model.title,
            "state": str(models.state(model.name)),
            "size_bytes": model.size,
            "languages": model.languages,
            "licence": model.licence,
        }
        for model in models.known
    ]


def _devices() -> list[dict[str, Any]]:
    return [_device(each) for each in list_devices()]


def _device(device: Device) -> dict[str, Any]:
    return {
        "name": device.name,
        "host_api": device.host_api,
        "inputs": device.max_input_channels,
        "outputs": device.max_output_channels,
        "default_input": device.is_default_input,
        "default_output": device.is_default_output,
    }


async def _settings(loaded: LoadedSettings) -> list[dict[str, Any]]:
    """All of them; those of keys say only whether there is one."""
    return [
        {**asdict(facts), "value": _PASSWORD.sub(MASK, facts.value), "changed": facts.source != "default"}
        for facts in describe(loaded)
    ]
