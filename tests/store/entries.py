"""Entries as short words."""

from __future__ import annotations

from collections.abc import Iterable

from voicemode.record import Entry, Role, Standing

__all__ = ["begun", "said", "texts", "told"]


def said(key: str, text: str) -> Entry:
    """By the person."""
    return Entry(key, Role.USER, text)


def told(key: str, text: str, standing: Standing = Standing.WHOLE) -> Entry:
    """By the assistant."""
    return Entry(key, Role.ASSISTANT, text, standing)


def begun(key: str) -> Entry:
    """By the assistant, of whom nothing was heard yet."""
    return told(key, "", Standing.IN_FLIGHT)


def texts(entries: Iterable[Entry]) -> list[str]:
    return [entry.text for entry in entries]
