"""What errors tell people to do."""

from __future__ import annotations

import pytest

from voicemode.errors import EndpointError


@pytest.mark.parametrize(
    ("facts", "advice"),
    [
        ({"reached": False}, "Start it"),
        ({}, "Call again"),
        ({"status": 401}, "key it accepts"),
        ({"status": 403}, "key it accepts"),
        ({"status": 404}, "address"),
        ({"status": 429, "retry_after_s": 30.0}, "Call again in 30 s"),
        ({"status": 503, "retry_after_s": 0.2}, "Call again in 1 s"),
        ({"status": 429}, "Call again"),
        ({"status": 500}, "logs"),
    ],
)
def test_an_endpoints_error_says_what_to_do(facts: dict[str, object], advice: str) -> None:
    """By its facts: whether it was reached, what it answered, what it asked for."""
    error = EndpointError("http://a/v1", "failed", **facts)  # type: ignore[arg-type]  # the table's types are its rows'
    assert advice in error.remedy
    assert str(error) == f"{error.problem} {error.remedy}"


@pytest.mark.parametrize("facts", [{"status": 400, "retryable": False}, {"retryable": False}])
def test_where_nothing_helps_nothing_is_advised(facts: dict[str, object]) -> None:
    """A request that was declined would be declined again."""
    assert EndpointError("http://a/v1", "failed", **facts).remedy == ""  # type: ignore[arg-type]  # as above
