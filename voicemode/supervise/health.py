"""Ask a service whether it works. Only this machine is asked, without a proxy, for two seconds at most."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

__all__ = ["Answer", "Health", "ask"]

LIMIT_S = 2.0
"""A service that works answers in milliseconds, also while it transcribes."""
_MOST_BYTES = 64 * 1024


class Answer(StrEnum):
    """What came of asking."""

    WELL = "well"
    """It is the service, and works."""
    ILL = "ill"
    """Something answers, and says that it does not work."""
    STRANGER = "stranger"
    """Something answers that is another program."""
    LATE = "late"
    """Something accepts and does not answer in time."""
    NOBODY = "nobody"
    """Nothing listens there."""


@dataclass(frozen=True, slots=True)
class Health:
    """One answer."""

    answer: Answer
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What the service says of itself: version, model, device and more; empty when it is not the service."""
    problem: str = ""
    """What is wrong, for people; empty when nothing is."""


def ask(host: str, port: int, expected: str, token: str = "", limit_s: float = LIMIT_S) -> Health:
    """GET /health, which should come from ``expected``, such as "voicemode-whisper". Never raises."""
    connection = http.client.HTTPConnection(host, port, timeout=limit_s)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        connection.request("GET", "/health", headers=headers)
        response = connection.getresponse()
        status, body = response.status, response.read(_MOST_BYTES)
    except ConnectionRefusedError:
        return Health(Answer.NOBODY)
    except TimeoutError:
        return Health(Answer.LATE, problem=f"it does not answer within {limit_s:g} s")
    except (OSError, http.client.HTTPException) as error:
        return Health(Answer.STRANGER, problem=f"what listens on port {port} does not speak HTTP ({type(error).__name__})")
    finally:
        connection.close()
    return _read(status, body, expected, port)


def _read(status: int, body: bytes, expected: str, port: int) -> Health:
    try:
        facts = json.loads(body)
    except ValueError:
        facts = None
    if status in (401, 403):
        return Health(Answer.ILL, problem=f"it wants another token than the one of the settings (HTTP {status})")
    if not isinstance(facts, dict) or facts.get("service") != expected:
        return Health(Answer.STRANGER, problem=f"what answers on port {port} is not {expected}")
    if status != 200 or facts.get("status") != "ok":
        return Health(Answer.ILL, facts, f"it says that it does not work (HTTP {status}, {str(facts.get('status'))[:40]})")
    return Health(Answer.WELL, facts)
