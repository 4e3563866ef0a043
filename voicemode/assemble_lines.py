"""Builds what carries conversations besides WebSocket and WebRTC: telephone lines, and sessions handed to other agents."""

from __future__ import annotations

from voicemode.http.calls import Calls
from voicemode.http.handoffs import HandOffs
from voicemode.http.telephone import Telephone
from voicemode.http.tokens import install_secret
from voicemode.providers.http import HttpPool
from voicemode.providers.twilio_api import TwilioApi, line_of
from voicemode.settings import Settings

__all__ = ["build_handoffs", "build_telephone"]

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
