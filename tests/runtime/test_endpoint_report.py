"""The report of the endpoints: what a shelf knows, as plain values without secrets."""

from __future__ import annotations

import json

import pytest
from pydantic import SecretStr

from voicemode.core.breaker import Failure
from voicemode.core.failover import Declared
from voicemode.providers.http import HttpPool
from voicemode.providers.registry import Builtin, Registry
from voicemode.providers.sites import Service
from voicemode.runtime.endpoint_report import EndpointReport, known_by, report
from voicemode.settings import Settings

NAMED, SECOND = "http://127.0.0.1:7001/v1", "http://127.0.0.1:7002/v1"


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def a_registry(**settings: object) -> tuple[Registry, Clock]:
    chosen = Settings.model_validate({"tts_base_urls": f"{NAMED}, {SECOND}", "builtin": False, **settings})
    registry, clock = Registry(chosen, HttpPool(chosen), Builtin()), Clock()
    registry.tts.clock = registry.stt.clock = clock
    return registry, clock


def of(registry: Registry, name: str) -> EndpointReport:
    (found,) = [each for each in report(registry) if each.name == name and each.task == "tts"]
    return found


def test_an_endpoint_without_requests_has_no_figures() -> None:
    """Nothing is made up: what is not known is None."""
    registry, _ = a_registry()
    fresh = of(registry, NAMED)
    assert (fresh.state, fresh.requests, fresh.success_rate) == ("closed", 0, None)
    assert (fresh.first_byte_median_ms, fresh.total_p95_ms, fresh.last_error_age_s) == (None, None, None)
    assert fresh.admitted


def test_the_figures_are_those_of_its_requests() -> None:
    """Milliseconds from the tally, and what is under way."""
    registry, clock = a_registry()
    health = registry.tts[NAMED].health
    ticket = health.begin(clock.now)
    clock.now += 0.2
    health.first_byte(ticket, clock.now)
    clock.now += 0.8
    health.worked(ticket, clock.now)
    health.begin(clock.now)
    told = of(registry, NAMED)
    assert (told.requests, told.success_rate, told.in_flight) == (1, 1.0, 1)
    assert (told.first_byte_median_ms, told.first_byte_p95_ms) == (200, 200)
    assert (told.total_median_ms, told.total_p95_ms) == (1000, 1000)


def test_an_open_breaker_says_until_when_and_why() -> None:
    """And how long ago that was; due, it may be asked."""
    registry, clock = a_registry()
    health = registry.tts[NAMED].health
    health.failed(health.begin(clock.now), clock.now, Failure.BUSY, "Too much to do.", 30.0)
    clock.now += 12
    told = of(registry, NAMED)
    assert (told.state, told.retry_in_s, told.last_error, told.last_error_age_s) == ("open", 18.0, "Too much to do.", 12.0)
    assert not told.admitted
    clock.now += 18
    assert of(registry, NAMED).admitted


def test_waiting_for_other_settings_is_no_number() -> None:
    """JSON knows no infinity."""
    registry, clock = a_registry()
    health = registry.tts[NAMED].health
    health.failed(health.begin(clock.now), clock.now, Failure.FORBIDDEN, "It wants another key.")
    told = of(registry, NAMED)
    assert (told.state, told.retry_in_s, told.admitted) == ("open", None, False)
    json.dumps(told.as_json(), allow_nan=False)


def test_endpoints_come_in_the_order_of_preference_with_their_origin() -> None:
    """Named as written, then found, then the cloud; what they declared is told."""
    registry, _ = a_registry(openai_api_key="sk-planted")
    registry.found([Service("http://127.0.0.1:8880/v1", {"tts": Declared(voices=("af_bella",))})])
    told = [each for each in report(registry) if each.task == "tts"]
    assert [(each.origin, each.remote) for each in told] == [
        *(("named", False), ("named", False), ("found", False), ("cloud", True))
    ]
    assert told[2].voices == ("af_bella",)
    assert told[2].models is None


def test_no_key_is_in_it() -> None:
    """Not even in a repr."""
    registry, _ = a_registry(tts_api_key=SecretStr("sk-planted-1"), openai_api_key=SecretStr("sk-planted-2"))
    told = report(registry)
    assert "sk-planted" not in json.dumps([each.as_json() for each in told]) + repr(told)


@pytest.mark.parametrize(
    ("origin", "name", "words"),
    [
        ("named", NAMED, "named in the settings"),
        ("found", "http://127.0.0.1:8880/v1", "found on port 8880"),
        ("builtin", "builtin:espeak-ng", "built in, the last resort"),
    ],
)
def test_an_origin_is_told_in_words(origin: str, name: str, words: str) -> None:
    """People do not read enums."""
    assert known_by(origin, name) == words
