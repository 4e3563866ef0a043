"""Read an item that a client sends, in ``conversation.item.create`` or as input of a response."""

from __future__ import annotations

from typing import Literal

from voicemode.wire.realtime.errors import ClientError, missing, not_supported, wrong_value
from voicemode.wire.realtime.fields import Fields
from voicemode.wire.realtime.items import CallItem, Item, MessageItem, OutputItem
from voicemode.wire.realtime.mcp_items import ApprovalItem
from voicemode.wire.realtime.step import NewId

__all__ = ["read_item"]

_KINDS = ("message", "function_call", "function_call_output", "mcp_approval_response")
_PARTS = {
    "user": ("input_text", "input_audio", "input_image"),
    "assistant": ("output_text", "output_audio"),
    "system": ("input_text",),
}
"""Which parts a message of each role may have."""
_ROLES: dict[str, Literal["system", "user", "assistant"]] = {"user": "user", "assistant": "assistant", "system": "system"}


def read_item(fields: Fields, new_id: NewId) -> Item:
    """A new item with the client's id, or one of ours. Raises ClientError."""
    kind = fields.need_text("type")
    fields.choice("type", _KINDS)
    item_id = fields.name("id") or new_id("item")
    match kind:
        case "function_call":
            return CallItem(
                item_id,
                call_id=fields.name("call_id") or new_id("call"),
                name=fields.need_text("name"),
                pieces=[fields.need_text("arguments")],
            )
        case "function_call_output":
            fields.need_text("call_id")
            return OutputItem(item_id, call_id=fields.name("call_id") or "", output=fields.need_text("output"))
        case "mcp_approval_response":
            request_id, approve = fields.name("approval_request_id"), fields.flag("approve")
            if request_id is None or approve is None:
                raise missing(fields.path_of("approval_request_id" if request_id is None else "approve"))
            return ApprovalItem(item_id, request_id=request_id, approve=approve, reason=fields.text("reason"))
        case _:
            return _read_message(fields, item_id)


def _read_message(fields: Fields, item_id: str) -> MessageItem:
    role = fields.need_text("role")
    if role not in _PARTS:
        raise wrong_value(fields.path_of("role"), role, ", ".join(_PARTS))
    if fields.array("content") is None:
        raise missing(fields.path_of("content"))
    content = tuple(_read_part(part, role) for part in fields.objects("content"))
    return MessageItem(item_id, role=_ROLES[role], content=content)


def _read_part(part: Fields, role: str) -> dict[str, object]:
    kind = part.need_text("type")
    if kind not in _PARTS[role]:
        raise wrong_value(part.path_of("type"), kind, ", ".join(_PARTS[role]))
    if kind == "input_image":
        raise not_supported(part.path_of("type"), "images", "Describe it in an input_text part.")
    if kind in {"input_text", "output_text"}:
        return {"type": kind, "text": part.need_text("text")}
    transcript = part.text("transcript")
    if transcript is None:
        instead = "Give its transcript, or append it to the input audio buffer and commit it."
        raise not_supported(part.path_of("type"), "sound in an item without its words", instead)
    if part.text("audio") is not None and role == "assistant":
        raise ClientError("invalid_value", "Assistant messages cannot be created with audio.", part.path_of("audio"))
    return {"type": kind, "transcript": transcript}
