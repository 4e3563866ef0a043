"""Resources: what an agent or a person may read without calling a tool."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mcp.server import MCPServer

if TYPE_CHECKING:
    from voicemode.serving.app import App

__all__ = ["register_resources"]

_QUICK_START = """\
# voicemode in one minute

1. `converse(message="Hello, can you hear me?")` speaks and returns the reply.
2. `converse(message="Done.", wait_for_response=false)` only speaks.
3. `converse()` only listens.
4. `voice_status()` tells what would be used and what is wrong.

Good engines: point VOICEMODE_TTS_BASE_URLS and VOICEMODE_STT_BASE_URLS at any OpenAI-compatible speech endpoint, for instance
`voicemode config set VOICEMODE_STT_BASE_URLS http://127.0.0.1:2022/v1`. Without them the built-in engines work offline;
they are a last resort.
"""


def register_resources(server: MCPServer[Any], app: App) -> None:
    """Add the resources to the server."""

    @server.resource("voicemode://quick-start", mime_type="text/markdown", description="How to begin.")
    def quick_start() -> str:
        return _QUICK_START

    @server.resource("voicemode://settings", mime_type="application/json", description="Settings; secrets are masked.")
    def settings() -> str:
        return app.loaded.settings.model_dump_json(indent=1)

    @server.resource("voicemode://status", mime_type="application/json", description="What would be used, and problems.")
    async def status() -> str:
        voice = await app.voice()
        checks = [asdict(check) for check in await voice.diagnose()]
        return json.dumps({"checks": checks, "endpoints": [each.as_json() for each in voice.endpoints()]}, indent=1)

    @server.resource("voicemode://voices", mime_type="application/json", description="Voices that can be asked for.")
    async def voices() -> str:
        voice = await app.voice()
        return json.dumps({"preferred": app.loaded.settings.voices, "builtin": await voice.builtin_voices()})
