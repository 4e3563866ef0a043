"""Builds what holds conversations that an upstream realtime API answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from pydantic import SecretStr

from voicemode.answers import Answerer, AnswerFlow, AnswerRequest
from voicemode.dialogue import Report
from voicemode.errors import SettingsError
from voicemode.playout import PlayoutSink
from voicemode.providers.address import check_address
from voicemode.providers.answer_choice import ChosenAnswerer
from voicemode.providers.realtime_upstream import UpstreamTarget
from voicemode.runtime.dialogue_parts import DialogueParts
from voicemode.runtime.realtime_parts import DialogueEngineLike
from voicemode.runtime.upstream_engine import UpstreamEngine, UpstreamPlan
from voicemode.runtime.upstream_link import LinkTimes
from voicemode.settings import Settings
from voicemode.wire.upstream import GROK, OPENAI, Profile, UpstreamOptions

__all__ = ["upstream_engine", "upstream_plan"]

_PROFILES: Mapping[str, tuple[Profile, str]] = {"openai": (OPENAI, "OPENAI_API_KEY"), "grok": (GROK, "XAI_API_KEY")}
"""By name, with the variable in which other programs have their key."""
_KEY = "VOICEMODE_UPSTREAM"
_ALLOWED = "openai, grok, or ws(s)://host[:port][/path]"


def upstream_plan(settings: Settings, environ: Mapping[str, str], answerer: ChosenAnswerer) -> UpstreamPlan | None:
    """None where no upstream is named. Calls nobody. Raises SettingsError."""
    named = settings.upstream.strip()
    if not named:
        return None
    profile, variable = _PROFILES.get(named.lower(), (None, ""))
    if profile is None:
        profile = _of_address(named)
    url = "http" + profile.url.removeprefix("ws")
    address = check_address(url, local_only=settings.local_only, key=_KEY, speech=False)
    if settings.upstream_models:
        profile = replace(profile, models=settings.upstream_models)
    return UpstreamPlan(
        profile,
        UpstreamTarget(
            profile.name,
            address.base_url,
            profile.models,
            _key(settings, environ, variable),
            use_proxy=not (address.loopback or settings.local_only),
            connect_s=settings.connect_timeout_s,
        ),
        UpstreamOptions(voice=settings.upstream_voice, their_turns=settings.upstream_turns == "theirs"),
        LinkTimes(renew_s=settings.upstream_session_s, answer_s=settings.first_byte_timeout_s),
        falls_back=lambda: settings.upstream_fallback and not answerer.choice.is_echo,
    )


def upstream_engine(
    plan: UpstreamPlan, parts: DialogueParts, report: Callable[[Report], None], playout: PlayoutSink | None
) -> DialogueEngineLike:
    """One conversation's."""
    certain = replace(parts, answerer=_Certain(parts.answerer))
    return UpstreamEngine(plan, certain, report=report, playout=playout)


def _of_address(named: str) -> Profile:
    if not named.startswith(("ws://", "wss://")):
        raise SettingsError(_KEY, f"'{named[:80]}' is no upstream", _ALLOWED)
    if "?" in named:
        raise SettingsError(_KEY, "its address has a query; the model is told by VOICEMODE_UPSTREAM_MODELS", _ALLOWED)
    # Its dialect is that of today, and what it can besides is not known.
    return replace(OPENAI, name=urlsplit(named).netloc.rpartition("@")[2], url=named, models=())


def _key(settings: Settings, environ: Mapping[str, str], variable: str) -> SecretStr | None:
    """To name an upstream is the consent to use its own key, wherever that is."""
    if settings.upstream_api_key is not None:
        return settings.upstream_api_key
    if variable == "OPENAI_API_KEY" and settings.openai_api_key is not None:
        return settings.openai_api_key
    found = environ.get(variable, "").strip() if variable else ""
    return SecretStr(found) if found else None


class _Certain:
    """An answerer that is asked about turns only that are certain: what the upstream answers is not thought of twice."""

    def __init__(self, answerer: Answerer) -> None:
        self._answerer = answerer

    @property
    def name(self) -> str:
        return self._answerer.name

    @property
    def acts(self) -> bool:
        return True

    def answer(self, request: AnswerRequest) -> AnswerFlow:
        return self._answerer.answer(request)

    async def leave(self, session_id: str) -> None:
        await self._answerer.leave(session_id)

    async def aclose(self) -> None:
        await self._answerer.aclose()
