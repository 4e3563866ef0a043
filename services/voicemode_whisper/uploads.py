"""The form of a transcription request, read and checked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, BinaryIO, Literal

from fastapi import Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException
from voicemode_service.errors import BadRequestError

from voicemode_whisper.engine import Asked
from voicemode_whisper.formats import ResponseFormat

__all__ = ["Form", "TranslationForm", "Upload", "language_code", "request_body", "upload"]

_MAX_FIELDS = 64
_MAX_FIELD_BYTES = 64 << 10
"""Of one field that is no file: these are held in memory."""


def language_code(value: object) -> object:
    """ "EN", "en-US" and "en_GB" are English; nothing is none."""
    return (value.strip().replace("_", "-").partition("-")[0].lower() or None) if isinstance(value, str) else value


class TranslationForm(BaseModel):
    """Fields that OpenAI's API has and this service does not know are ignored, as that API ignores unknown ones."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    model: str = Field("whisper-1", max_length=200, description="A name of the loaded model, or whisper-1.")
    prompt: str | None = Field(None, max_length=10_000, description="Words that may come before; steers spelling and style.")
    response_format: ResponseFormat = "json"
    temperature: float = Field(0.0, ge=0.0, le=1.0, description="0 raises it by itself where the text is unlikely.")
    vad_filter: bool = Field(True, description="Leave silence out, so that nothing is invented for it.")

    def asked(self, *, translate: bool) -> Asked:
        """What the engine is to do."""
        return Asked(prompt=self.prompt, temperature=self.temperature, translate=translate, vad=self.vad_filter)


class Form(TranslationForm):
    """Of a transcription."""

    language: Annotated[str | None, BeforeValidator(language_code)] = Field(
        None, max_length=20, description="ISO 639-1; without it, it is detected."
    )
    stream: bool = Field(False, description="Server-sent events; with response_format json or text.")
    timestamp_granularities: list[Literal["word", "segment"]] = Field(
        ["segment"], alias="timestamp_granularities[]", max_length=2, description="With response_format verbose_json."
    )

    def asked(self, *, translate: bool) -> Asked:
        words = self.response_format == "verbose_json" and "word" in self.timestamp_granularities
        return Asked(
            language=self.language,
            prompt=self.prompt,
            temperature=self.temperature,
            translate=translate,
            words=words,
            vad=self.vad_filter,
        )


class Upload:
    """A form and its file, which lies in memory up to 1 MiB and then in a file without a name (starlette's formparsers)."""

    def __init__(self, form: TranslationForm, file: BinaryIO, size: int) -> None:
        self.form, self.file, self.size = form, file, size


@asynccontextmanager
async def upload(request: Request, kind: type[TranslationForm]) -> AsyncIterator[Upload]:
    """The request's form; its file is there while the block runs. Raises BadRequestError, TooLargeError."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise BadRequestError("The request must be multipart/form-data with a file.", param="file")
    parsing = request.form(max_files=1, max_fields=_MAX_FIELDS, max_part_size=_MAX_FIELD_BYTES)
    try:
        data = await parsing
    except MultiPartException as error:
        raise BadRequestError(f"The form cannot be read: {error.message}") from error
    except (KeyError, UnicodeError) as error:  # a boundary or a charset that is none
        raise BadRequestError("The form cannot be read.") from error
    try:
        file = data.get("file")
        if not isinstance(file, UploadFile):
            raise BadRequestError("There is no file.", param="file")
        if not file.size:
            raise BadRequestError("The file is empty.", param="file")
        yield Upload(_checked(data, kind), file.file, file.size)
    finally:
        await data.close()


def _checked(data: FormData, kind: type[TranslationForm]) -> TranslationForm:
    values: dict[str, Any] = {key: value for key, value in data.items() if isinstance(value, str)}
    many = "timestamp_granularities[]"
    found = data.getlist(many) or data.getlist("timestamp_granularities")
    values.pop(many, None)
    if found:
        values[many] = found
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = str(first["loc"][0]) if first["loc"] else None
        # The rejected value is not repeated: it may be what a person said.
        raise BadRequestError(f"{where or 'form'}: {first['msg']}", param=where) from error


def request_body(kind: type[TranslationForm]) -> dict[str, Any]:
    """For OpenAPI: this form is read by hand, after a place was found and not before."""
    schema = kind.model_json_schema(by_alias=True)
    schema["properties"] = {"file": {"type": "string", "format": "binary", "description": "Sound."}, **schema["properties"]}
    schema["required"] = ["file"]
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}
