"""What an agent asks before it promises a conversation, or after one failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from mcp.server.mcpserver import Context
from mcp.types import CallToolResult, TextContent
from pydantic import BaseModel, Field

from voicemode.errors import VoicemodeError
from voicemode.runtime.checks import Check, Part, State, used
from voicemode.serving.spec import ToolSpec

if TYPE_CHECKING:  # the server hands it over at the call
    from voicemode.runtime.endpoint_report import EndpointReport
    from voicemode.serving.app import App

__all__ = ["TOOL", "Finding", "VoiceStatus", "describe"]


class Finding(BaseModel):
    """What was found out about one part."""

    part: str
    state: State
    detail: str
    remedy: str = ""


class VoiceStatus(BaseModel):
    """The structured result of ``voice_status``."""

    can_speak: bool
    can_listen: bool
    uses: dict[str, str] = Field(description="Device or engine of each part that a conversation would use now")
    findings: list[Finding] = Field(description="Every part in the order it is needed; endpoints in the order they are tried")
    endpoints: list[dict[str, Any]] = Field([], description="State and figures of each endpoint")


async def voice_status(ctx: Context[Any, Any]) -> Annotated[CallToolResult, VoiceStatus]:
    """Tell which devices and speech engines converse would use and why, and what is wrong. Opens no microphone."""
    app: App = ctx.request_context.lifespan_context
    try:
        voice = await app.voice(ctx)
        checks = await voice.diagnose()
    except VoicemodeError as error:
        facts = {"code": error.code, "error": str(error)}
        return CallToolResult(content=[TextContent(type="text", text=str(error))], structured_content=facts, is_error=True)
    status = describe(checks)
    status.endpoints = [_brief(endpoint) for endpoint in voice.endpoints()]
    text = TextContent(type="text", text=_paragraph(status))
    return CallToolResult(content=[text], structured_content=status.model_dump(mode="json", exclude_defaults=True))


TOOL = ToolSpec(function=voice_status, title="Voice status", read_only=True)


def describe(checks: Sequence[Check]) -> VoiceStatus:
    """Sum the checks up."""
    uses = used(checks)
    return VoiceStatus(
        can_speak={Part.LOUDSPEAKER, Part.TTS} <= uses.keys(),
        can_listen={Part.MICROPHONE, Part.DETECTOR, Part.STT} <= uses.keys(),
        uses=uses,
        findings=[Finding(part=check.name, state=check.state, detail=check.detail, remedy=check.remedy) for check in checks],
    )


def _brief(endpoint: EndpointReport) -> dict[str, Any]:
    """What is known of it; its lists of models and voices are long, and the resource has them."""
    facts = endpoint.as_json()
    lists = ("models", "voices", "formats", "languages")
    return {name: value for name, value in facts.items() if name not in lists and value not in (None, "", False)}


def _paragraph(status: VoiceStatus) -> str:
    able = {
        (True, True): "Ready to speak and to listen.",
        (True, False): "Ready to speak, but not to listen.",
        (False, True): "Ready to listen, but not to speak.",
        (False, False): "Neither ready to speak nor to listen.",
    }[status.can_speak, status.can_listen]
    uses = "; ".join(f"{part}: {name}" for part, name in status.uses.items())
    problems = [
        f"{finding.part} {finding.state}: {finding.detail}. {finding.remedy}".strip()
        for finding in status.findings
        if finding.state is not State.OK
    ]
    return " ".join([able, f"In use: {uses}." if uses else "", *(problems or ["No problems."])]).replace("  ", " ")
