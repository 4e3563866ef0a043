"""Bodies of requests: JSON objects, and forms with a file, all in memory: what a person said is not written to disk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from voicemode.http.errors import HttpError

__all__ = ["form_texts", "form_with_file", "json_object", "number_of", "text_of"]

_FIELDS = 40
_FIELD_BYTES = 256 << 10


async def json_object(request: Request, *, empty: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The body. ``empty`` stands for none at all. Raises HttpError."""
    data = await request.body()
    if not data.strip() and empty is not None:
        return dict(empty)
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise HttpError(400, "invalid_json", "The body is not JSON.") from None
    if not isinstance(value, dict):
        raise HttpError(400, "invalid_type", "The body is not a JSON object.")
    return value


def text_of(body: Mapping[str, Any], field: str, *, most: int, default: str | None = None) -> str:
    """A text of the body, of at most so many characters. Raises HttpError."""
    value = body.get(field)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise HttpError(400, "invalid_type", "It is a text.", param=field)
    if default is None and not value.strip():
        raise HttpError(400, "invalid_value", "It is empty.", param=field)
    if len(value) > most:
        raise HttpError(400, "string_above_max_length", f"It has more than {most} characters.", param=field)
    try:
        value.encode()
    except UnicodeEncodeError:
        # Half of a letter in UTF-16, which JSON can write: no record, no log and no answer of ours could hold it.
        raise HttpError(400, "invalid_value", "It has half of a letter in it.", param=field) from None
    return value


def number_of(body: Mapping[str, Any], field: str, least: float, most: float, default: float) -> float:
    """A number of the body. Raises HttpError."""
    value = body.get(field, default)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise HttpError(400, "invalid_value", f"It is a number from {least:g} to {most:g}.", param=field)
    return float(value)


class _InMemory(MultiPartParser):
    spool_max_size = 1 << 40
    """More than the guard lets in, so that nothing of it is ever on disk."""


async def form_with_file(request: Request) -> tuple[FormData, UploadFile]:
    """The fields and the one file of a multipart body. Raises HttpError."""
    form = await _form(request, most_files=1)
    file = form.get("file")
    if not isinstance(file, UploadFile):
        await form.close()
        raise HttpError(400, "missing_required_parameter", "The form has no file.", param="file")
    return form, file


async def form_texts(request: Request, *fields: str) -> dict[str, str]:
    """Those of the fields that a multipart body has; clients send them with a file name or without. Raises HttpError."""
    form = await _form(request, most_files=len(fields))
    texts: dict[str, str] = {}
    try:
        for field in fields:
            value = form.get(field)
            if isinstance(value, UploadFile):
                try:
                    value = (await value.read()).decode()
                except UnicodeError:
                    raise HttpError(400, "invalid_value", "It is not UTF-8.", param=field) from None
            if value is not None:
                texts[field] = value
    finally:
        await form.close()
    return texts


async def _form(request: Request, most_files: int) -> FormData:
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise HttpError(400, "invalid_content_type", "The body is not multipart/form-data.")
    parser = _InMemory(request.headers, request.stream(), max_files=most_files, max_fields=_FIELDS, max_part_size=_FIELD_BYTES)
    try:
        return await parser.parse()
    except (MultiPartException, FormParserError, KeyError, UnicodeError):
        raise HttpError(400, "invalid_form", "The form cannot be read.") from None
