"""One MCP tool per file; a file is found by being here."""

from voicemode.serving.spec import ToolSpec

__all__ = ["ToolSpec"]
