"""Failures of a speech service as types with facts; ``as_body`` gives them the shape OpenAI's clients read.

::

    ServiceError            status, code
    ├── BadRequestError     the request is wrong (param)
    ├── UnauthorizedError   the token is missing or wrong
    ├── ForbiddenError      a web page of another site asks
    ├── NotFoundError       no such model
    ├── TooLargeError       the upload, the text or the sound is (limit)
    ├── MisdirectedError    the service is not known by the name it was asked by
    ├── BusyError           the queue is full (retry_after_s)
    └── EngineFailedError   the model cannot be loaded or broke
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "BadRequestError",
    "BusyError",
    "EngineFailedError",
    "ForbiddenError",
    "MisdirectedError",
    "NotFoundError",
    "ServiceError",
    "TooLargeError",
    "UnauthorizedError",
]


class ServiceError(Exception):
    """The root. Never raised itself."""

    status = 500
    code = "error"
    kind = "server_error"

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.message, self.param = message, param

    def as_body(self) -> dict[str, Any]:
        """https://platform.openai.com/docs/guides/error-codes: what the official clients parse."""
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}}


class BadRequestError(ServiceError):
    """``param`` names the field; nothing was done."""

    status = 400
    code = "bad_request"
    kind = "invalid_request_error"


class UnauthorizedError(ServiceError):
    """Nothing was done, and nothing is told."""

    status = 401
    code = "invalid_api_key"
    kind = "invalid_request_error"

    def __init__(self) -> None:
        super().__init__("This service wants its token: Authorization: Bearer ... (clients call it the API key).")


class ForbiddenError(ServiceError):
    """A page that this machine did not serve must not use what runs on it."""

    status = 403
    code = "foreign_origin"
    kind = "invalid_request_error"

    def __init__(self) -> None:
        super().__init__("Refused: a web page of another site asked.")


class NotFoundError(ServiceError):
    """What OpenAI answers for a model that is not there."""

    status = 404
    code = "model_not_found"
    kind = "invalid_request_error"


class TooLargeError(ServiceError):
    """More than the service takes. The message says the limit."""

    status = 413
    code = "too_large"
    kind = "invalid_request_error"


class MisdirectedError(ServiceError):
    """https://www.rfc-editor.org/rfc/rfc9110#section-15.5.20"""

    status = 421
    code = "foreign_host"
    kind = "invalid_request_error"

    def __init__(self) -> None:
        super().__init__("Refused: this service is not known by that name. --allowed-hosts adds names.")


class BusyError(ServiceError):
    """As many requests wait as may wait."""

    status = 429
    code = "busy"
    kind = "rate_limit_error"

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"All places in the queue are taken. Try again in {retry_after_s} s.")
        self.retry_after_s = retry_after_s


class EngineFailedError(ServiceError):
    """The message says what to do about it."""

    status = 503
    code = "engine_failed"
