"""Builds what carries conversations besides OpenAI's protocol: telephone lines, gptme's clients, sessions handed on."""

from __future__ import annotations

from dataclasses import replace

from voicemode.core.handoff import briefing
from voicemode.engines.command_line import THREAD
from voicemode.http.calls import Calls
from voicemode.http.gptme import GptmeCalls
from voicemode.http.handoffs import HandOffs
from voicemode.http.sessions import SessionWish
from voicemode.http.telephone import Telephone
from voicemode.http.tokens import install_secret
from voicemode.providers.address import check_address
from voicemode.providers.gptme import GptmeClient
from voicemode.providers.http import HttpPool
from voicemode.providers.twilio_api import TwilioApi, line_of
from voicemode.runtime.promotion import Promotion
from voicemode.settings import Settings

__all__ = ["build_gptme", "build_handoffs", "build_telephone"]

_SECRET = "handoff-secret"  # noqa: S105  (the name of the file)


def build_handoffs(settings: Settings) -> HandOffs:
    """The secret is made, or read, when it is first needed."""

    def secret() -> bytes:
        kept = install_secret(settings.base_dir, _SECRET, settings.handoff_secret, "VOICEMODE_HANDOFF_SECRET")
        return kept.get_secret_value().encode()

    return HandOffs(settings.base_dir, settings.handoff_agents or ("voicemode",), secret)


def build_telephone(settings: Settings, calls: Calls, pool: HttpPool, handoffs: HandOffs) -> Telephone | None:
    """None where no line is configured. Raises SettingsError."""
    line = line_of(settings)
    return None if line is None else Telephone(line, calls, TwilioApi(line, pool), handoffs)


def build_gptme(settings: Settings, calls: Calls, pool: HttpPool, handoffs: HandOffs) -> GptmeCalls:
    """Raises SettingsError."""

    async def redeem(handoff_id: str, wish: SessionWish) -> SessionWish:
        hand_off = await handoffs.accept(handoff_id)
        known = wish.session.get("instructions")
        told = "\n\n".join(filter(None, [known if isinstance(known, str) else "", briefing(hand_off)]))
        wish = replace(wish, thread=hand_off.thread, identity=hand_off.identity, memory=hand_off.memory or wish.memory)
        return replace(wish, session={**wish.session, "instructions": told})

    promotion = None
    # An agent that answers in the thread's own conversation has heard all of it already.
    if settings.gptme_url and THREAD not in settings.responder_command:
        address = check_address(settings.gptme_url, local_only=settings.local_only, key="VOICEMODE_GPTME_URL", speech=False)
        promotion = Promotion(GptmeClient(pool, address, settings.gptme_token).promote, settings.base_dir / "gptme")
    return GptmeCalls(calls, promotion, persistent=settings.memory == "persistent", redeem=redeem)
