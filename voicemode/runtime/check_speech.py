"""Diagnosis of the engines that speak and transcribe: endpoints in the order they would be asked, the built-in ones last."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from voicemode.core.failover import Task
from voicemode.engines.builtin import BETTER_STT, BETTER_TTS, ESPEAK, POCKETSPHINX
from voicemode.providers.registry import Registry
from voicemode.runtime.checks import Check, Part, State, in_thread
from voicemode.runtime.endpoint_report import EndpointReport, known_by
from voicemode.runtime.survey import LookNow, Seen, survey
from voicemode.settings import Settings

__all__ = ["check_speech", "judge_speech"]

_PARTS: Mapping[Task, Part] = {"tts": Part.TTS, "stt": Part.STT, "chat": Part.CHAT}
_BUILTIN: Mapping[Part, str] = {Part.TTS: ESPEAK, Part.STT: POCKETSPHINX}


async def check_speech(
    registry: Registry,
    look_now: LookNow,
    find_builtin: Callable[[], Mapping[str, str]],
    *,
    openai_key_elsewhere: bool = False,
) -> list[Check]:
    """Look at every endpoint and both built-in engines; the parameters are those of ``diagnosis.Subject``."""
    installed = await in_thread(find_builtin)
    seen = await survey(registry, look_now, installed)
    return judge_speech(seen, installed, registry.settings, openai_key_elsewhere=openai_key_elsewhere)


def judge_speech(
    seen: Sequence[Seen], installed: Mapping[str, str], settings: Settings, *, openai_key_elsewhere: bool = False
) -> list[Check]:
    """What a look at the endpoints says, and what to do. ``installed`` are the built-in engines, each with its version."""
    checks: list[Check] = []
    for task, part in _PARTS.items():
        checks += _check_task(part, [each for each in seen if each.report.task == task], installed, settings)
    if openai_key_elsewhere and settings.openai_api_key is None and not settings.local_only:
        checks += _hint_at_cloud(checks)
    return sorted(checks, key=lambda check: list(Part).index(check.name))


def _check_task(part: Part, seen: Sequence[Seen], installed: Mapping[str, str], settings: Settings) -> list[Check]:
    checks = [_check_endpoint(part, each) for each in seen if each.report.origin != "builtin"]
    if part is Part.CHAT:
        return checks
    alone = not any(check.uses for check in checks)
    checks.append(_check_builtin(part, installed.get(_BUILTIN[part]), settings, alone=alone))
    if any(check.uses for check in checks):
        return checks
    # One engine that works is enough; without any, each that does not is a reason why there is no voice.
    return [replace(check, state=State.FAILED) for check in checks]


def _check_endpoint(part: Part, seen: Seen) -> Check:
    report, look = seen.report, seen.look
    origin = "" if report.origin == "named" else f" ({known_by(report.origin, report.name)})"
    what = f"{report.name}{origin}: {look.words}"
    if seen.place is None:
        what += f", but {'; '.join(seen.reasons)}"
    elif report.state != "closed":
        what += f", and is tried again after: {report.last_error.rstrip('.')}"
    well = seen.usable and report.state == "closed"
    uses = report.name if seen.usable else ""
    return Check(part, State.OK if well else State.WARNING, what + _figures(report), look.remedy, uses=uses)


def _figures(report: EndpointReport) -> str:
    if not report.requests or report.success_rate is None:
        return ""
    served = f"; served {report.success_rate:.0%} of {report.requests}"
    if report.first_byte_median_ms is None:
        return served
    return f"{served}, first byte after {report.first_byte_median_ms} ms (p95 {report.first_byte_p95_ms})"


def _check_builtin(part: Part, installed: str | None, settings: Settings, *, alone: bool) -> Check:
    """The last resort; a warning when it is all there is and is not good at it. ``installed`` is its version."""
    engine = _BUILTIN[part]
    if not settings.builtin:
        remedy = f"Name an endpoint in {_setting(part)}, or run: voicemode config set VOICEMODE_BUILTIN true."
        return Check(part, State.OK, f"{engine} is switched off by VOICEMODE_BUILTIN", remedy if alone else "")
    if part is Part.STT and not (settings.language or "en").lower().startswith("en"):
        detail = f"{engine} understands English only, not '{settings.language}'"
        return Check(part, State.WARNING if alone else State.OK, detail, _set_url(part) if alone else "")
    if installed is None:
        detail = f"{engine} is not installed, so there is no last resort without a network"
        return Check(part, State.WARNING, detail, "Run: pip install 'voicemode[builtin]'.")
    if part is Part.STT and alone:
        detail = f"{engine} ({installed}) alone: one word in three is wrong unless the expected answers are given"
        return Check(part, State.WARNING, detail, _set_url(part), uses=engine)
    return Check(part, State.OK, f"{engine} ({installed}), the last resort", uses=engine)


def _hint_at_cloud(checks: Sequence[Check]) -> list[Check]:
    """One remark, at the first part that has nothing but the last resort."""
    for part, builtin in _BUILTIN.items():
        if not any(check.uses not in ("", builtin) for check in checks if check.name is part):
            detail = "OPENAI_API_KEY is in the environment and is not used: what is said would leave this machine"
            return [Check(part, State.OK, detail, "To allow that, run: voicemode config set VOICEMODE_OPENAI_API_KEY.")]
    return []


def _setting(part: Part) -> str:
    return "VOICEMODE_TTS_BASE_URLS" if part is Part.TTS else "VOICEMODE_STT_BASE_URLS"


def _set_url(part: Part) -> str:
    return f"Run: {BETTER_TTS if part is Part.TTS else BETTER_STT} (or any OpenAI-compatible endpoint)."
