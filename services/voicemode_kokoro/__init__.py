"""Kokoro as a local speech service: OpenAI's speech route on port 8880."""

__version__ = "0.1.0"
