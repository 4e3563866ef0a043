"""What a client is told when it is not served, in OpenAI's shape: an HTTP status, and a body that its SDKs read."""

from __future__ import annotations

import json
from typing import Any

from voicemode.errors import (
    EndpointError,
    EngineError,
    LanguageError,
    MediaError,
    RequestError,
    SpeechFailedError,
    VoicemodeError,
)

__all__ = ["HttpError", "of_voicemode"]

RETRY_S = 5
"""Seconds until a client whose endpoints all failed may try again: half-open breakers have been tried by then."""


class HttpError(Exception):
    """An answer that is no success. The message never repeats what a person said, a key or a token."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        retry_after_s: float | None = None,
        kind: str | None = None,
    ) -> None:
        """``code`` is stable and machine-readable; ``param`` names the field that is wrong."""
        super().__init__(status, code)
        self.status, self.code, self.message, self.param = status, code, message, param
        self.retry_after_s = retry_after_s
        self.more: dict[str, str] = {}
        """Headers besides those that belong to it."""
        self.kind = kind or ("invalid_request_error" if status < 500 and status != 429 else "server_error")

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.message}"

    @property
    def error(self) -> dict[str, Any]:
        """The object as it stands in a body, and in an ``error`` event of the realtime protocol."""
        return {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}

    @property
    def body(self) -> bytes:
        return json.dumps({"error": self.error}).encode()

    @property
    def headers(self) -> dict[str, str]:
        """Those that belong to it."""
        headers = {**self.more, "content-type": "application/json"}
        if self.status == 401:
            headers["www-authenticate"] = "Bearer"
        if self.retry_after_s is not None:
            headers["retry-after"] = str(max(round(self.retry_after_s), 1))
        return headers


def of_voicemode(error: VoicemodeError) -> HttpError:
    """How an error of ours is told over HTTP. Endpoints' addresses stay here: they are nobody's business."""
    match error:
        case RequestError():
            return HttpError(400, error.code, error.problem, param=error.field)
        case MediaError():
            return HttpError(400, "invalid_audio", f"The file is {error.detail}.", param="file")
        case LanguageError():
            return HttpError(400, error.code, f"The language '{error.language[:40]}' is not known here.", param="language")
        case SpeechFailedError(attempts=[RequestError() | LanguageError() | MediaError() as only]):
            return of_voicemode(only)
        case SpeechFailedError(attempts=[*attempts]) if attempts and all(_refused(each) for each in attempts):
            return HttpError(400, "refused_by_endpoint", f"The {error.task} endpoint does not accept the request.")
        case SpeechFailedError():
            return HttpError(503, error.code, f"No {error.task} endpoint worked.", retry_after_s=RETRY_S)
        case EndpointError() | EngineError():
            return HttpError(502, error.code, "The engine failed in the middle of it.")
        case _:
            return HttpError(500, error.code, "Something went wrong inside the server. Its log says where.")


def _refused(error: VoicemodeError) -> bool:
    """The endpoint found fault with the request itself."""
    return isinstance(error, EndpointError) and error.status in (400, 413, 415, 422)
