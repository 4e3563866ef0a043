"""Read the ``response`` of a ``response.create``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from voicemode.wire.realtime.conversation import history_of
from voicemode.wire.realtime.errors import ClientError, wrong_type, wrong_value
from voicemode.wire.realtime.fields import Fields
from voicemode.wire.realtime.item_reader import read_item
from voicemode.wire.realtime.items import HistoryEntry, Item
from voicemode.wire.realtime.session_config import SessionConfig, merged_for_response
from voicemode.wire.realtime.state import SessionState
from voicemode.wire.realtime.step import NewId

__all__ = ["Request", "read_request"]

_MOST_METADATA = 16
"""Pairs; 64 characters of a key and 512 of a value, as OpenAI documents it."""
_LONGEST_VALUE = 512


@dataclass(frozen=True, slots=True)
class Request:
    config: SessionConfig
    """What is in force for this response."""
    in_conversation: bool
    metadata: Mapping[str, object] | None
    history: tuple[HistoryEntry, ...] | None
    """Instead of the conversation; None: the conversation."""


def read_request(response: Fields, state: SessionState, new_id: NewId) -> Request:
    """Raises ClientError."""
    conversation = response.choice("conversation", ("auto", "none"))
    config = merged_for_response(state.config, response)
    given = response.array("input")
    items = None if given is None else [_read_input(fields, state, new_id) for fields in response.objects("input")]
    return Request(
        config,
        conversation != "none",
        _metadata(response.child("metadata")),
        None if items is None else history_of(items),
    )


def _read_input(fields: Fields, state: SessionState, new_id: NewId) -> Item:
    if fields.text("type") != "item_reference":
        return read_item(fields, new_id)
    item_id = fields.need_text("id")
    item = state.conversation.get(item_id)
    if item is None:
        path = fields.path_of("id")
        raise ClientError("item_reference_invalid_item_id", f"The item with id '{item_id}' does not exist.", path)
    return item


def _metadata(metadata: Fields | None) -> Mapping[str, object] | None:
    if metadata is None:
        return None
    if len(metadata.values) > _MOST_METADATA:
        raise wrong_value(metadata.path, f"{len(metadata.values)} pairs", f"at most {_MOST_METADATA}")
    for name, value in metadata.values.items():
        if not isinstance(value, str):
            raise wrong_type(metadata.path_of(name), "a string", value)
        if len(value) > _LONGEST_VALUE:
            raise wrong_value(metadata.path_of(name), value, f"at most {_LONGEST_VALUE} characters")
    return metadata.values
