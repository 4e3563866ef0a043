"""Diagnosis of the engines that speak and transcribe: endpoints in the order they are tried, the built-in ones last."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from pydantic import SecretStr

from voicemode.engines.builtin import BETTER_STT, BETTER_TTS, ESPEAK, POCKETSPHINX
from voicemode.errors import EndpointError, SettingsError
from voicemode.providers.address import check_address
from voicemode.providers.http import Answer, Call, HttpPool
from voicemode.runtime.checks import DEADLINE_S, Check, Part, State, failed, in_thread
from voicemode.settings import Settings
from voicemode.wire.openai_audio import MODELS_PATH, is_web_page

__all__ = ["check_speech"]


@dataclass(frozen=True, slots=True)
class _Task:
    """One direction of speech, as the settings describe it."""

    name: Part
    setting: str
    """Its variables begin so: "VOICEMODE_TTS"."""
    urls: tuple[str, ...]
    key: SecretStr | None
    builtin: str
    """Name of its built-in engine."""


async def check_speech(settings: Settings, find_builtin: Callable[[], Mapping[str, str]]) -> list[Check]:
    """Look at every endpoint and both built-in engines; ``find_builtin`` is that of ``diagnosis.Subject``."""
    tts = _Task(Part.TTS, "VOICEMODE_TTS", settings.tts_base_urls, settings.tts_api_key, ESPEAK)
    stt = _Task(Part.STT, "VOICEMODE_STT", settings.stt_base_urls, settings.stt_api_key, POCKETSPHINX)
    installed = await in_thread(find_builtin)
    pool = HttpPool(settings)
    pool.warm()  # its first use loads libraries, which is no fault of the endpoint that is measured
    try:
        groups = await asyncio.gather(*(_check_task(task, installed.get(task.builtin), settings, pool) for task in (tts, stt)))
    finally:
        await pool.aclose()
    return [check for group in groups for check in group]


async def _check_task(task: _Task, installed: str | None, settings: Settings, pool: HttpPool) -> list[Check]:
    checks = list(await asyncio.gather(*(_check_endpoint(url, task, pool) for url in task.urls)))
    alone = not any(check.uses for check in checks)
    checks.append(_check_builtin(task, installed, settings, alone=alone))
    if any(check.uses for check in checks):
        return checks
    # One engine that works is enough; without any, each that does not is a reason why there is no voice.
    return [replace(check, state=State.FAILED) for check in checks]


def _check_builtin(task: _Task, installed: str | None, settings: Settings, *, alone: bool) -> Check:
    """The last resort; a warning when it is all there is and is not good at it. ``installed`` is its version."""
    if not settings.builtin:
        remedy = f"Name an endpoint in {task.setting}_BASE_URLS, or run: voicemode config set VOICEMODE_BUILTIN true."
        return Check(task.name, State.OK, f"{task.builtin} is switched off by VOICEMODE_BUILTIN", remedy if alone else "")
    if task.name is Part.STT and not (settings.language or "en").lower().startswith("en"):
        detail = f"{task.builtin} understands English only, not '{settings.language}'"
        return Check(task.name, State.WARNING if alone else State.OK, detail, _set_url(task) if alone else "")
    if installed is None:
        detail = f"{task.builtin} is not installed, so there is no last resort without a network"
        return Check(task.name, State.WARNING, detail, "Run: pip install 'voicemode[builtin]'.")
    if task.name is Part.STT and alone:
        detail = f"{task.builtin} ({installed}) alone: one word in three is wrong unless the expected answers are given"
        return Check(task.name, State.WARNING, detail, _set_url(task), uses=task.builtin)
    return Check(task.name, State.OK, f"{task.builtin} ({installed}), the last resort", uses=task.builtin)


def _set_url(task: _Task) -> str:
    return f"Run: {BETTER_TTS if task.name is Part.TTS else BETTER_STT} (or any OpenAI-compatible endpoint)."


# -- endpoints


async def _check_endpoint(url: str, task: _Task, pool: HttpPool) -> Check:
    try:
        address = check_address(url, local_only=pool.local_only, key=f"{task.setting}_BASE_URLS")
    except SettingsError as error:
        return failed(task.name, error, State.WARNING)
    headers = {} if task.key is None else {"Authorization": f"Bearer {task.key.get_secret_value()}"}
    began = time.monotonic()
    try:
        async with asyncio.timeout(DEADLINE_S):
            answer = await pool.open(Call(address, address.base_url, MODELS_PATH, method="GET", headers=headers))
    except TimeoutError:
        return _unreachable(task, f"{address.base_url}: no answer within {DEADLINE_S:g} s")
    except EndpointError as error:
        return _unreachable(task, error.problem.rstrip("."))
    took_ms = round((time.monotonic() - began) * 1000)
    await answer.aclose()
    return _judge(answer, address.base_url, task, took_ms)


def _unreachable(task: _Task, detail: str) -> Check:
    return Check(task.name, State.WARNING, detail, f"Start it, or change {task.setting}_BASE_URLS.")


def _judge(answer: Answer, url: str, task: _Task, took_ms: int) -> Check:
    """What an answer to ``GET /models`` tells; many good speech servers do not know that path, and say so with 404."""
    wrong = f"Check {task.setting}_BASE_URLS: it should end before /audio, usually in /v1."
    if answer.status in (401, 403):
        remedy = f"Run: voicemode config set {task.setting}_API_KEY, with a key it accepts."
        what = "wants a key" if task.key is None else "refuses the key"
        return Check(task.name, State.WARNING, f"{url}: {what} (HTTP {answer.status})", remedy)
    if answer.status >= 500:
        return Check(task.name, State.WARNING, f"{url}: is in trouble (HTTP {answer.status})", "Look at its logs.")
    if 300 <= answer.status < 400:
        return Check(task.name, State.WARNING, f"{url}: redirects elsewhere (HTTP {answer.status})", wrong)
    if answer.status < 300 and is_web_page(answer.content_type):
        return Check(task.name, State.WARNING, f"{url}: answers with a web page, not as a speech endpoint", wrong)
    return Check(task.name, State.OK, f"{url}: answers in {took_ms} ms", uses=url)
