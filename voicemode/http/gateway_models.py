"""``GET /v1/models``: what the endpoints have, by their own names, and the names that every client knows.

https://platform.openai.com/docs/api-reference/models
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from voicemode.http.errors import HttpError
from voicemode.providers.registry import Registry

__all__ = ["model", "models"]

_ALWAYS = ("gpt-realtime", "tts-1", "whisper-1")
"""Taken for what is there: foreign names are aliases here, never errors."""


def models(registry: Registry) -> dict[str, Any]:
    """The list."""
    owners: dict[str, str] = dict.fromkeys(_ALWAYS, "voicemode")
    for shelf in registry.shelves():
        for entry in shelf:
            for name in entry.declared.models or ():
                owners.setdefault(name, shelf.task)
    settings = registry.settings
    for name in (*settings.tts_models, *settings.stt_models, *settings.chat_models):
        owners.setdefault(name, "settings")
    return {"object": "list", "data": [_row(name, owner) for name, owner in owners.items()]}


def model(registry: Registry, name: str) -> Mapping[str, Any]:
    """One of them. Raises HttpError."""
    for row in models(registry)["data"]:
        if row["id"] == name:
            return dict(row)
    raise HttpError(404, "model_not_found", "There is no model of that name.", param="model")


def _row(name: str, owner: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": owner}
