"""Where speech may be had, decided from the settings and what was found."""

from __future__ import annotations

from typing import Any

import pytest

from voicemode.core.failover import Declared, Origin, Task
from voicemode.errors import SettingsError
from voicemode.providers.sites import OPENAI_URL, Service, named_ports, sites
from voicemode.settings import Settings

KOKORO = Service("http://127.0.0.1:8880/v1", {"tts": Declared(models=("kokoro",))})
SPEACHES = Service("http://127.0.0.1:8000/v1", {"tts": Declared(), "stt": Declared()})


def _settings(**values: Any) -> Settings:
    return Settings.model_validate(values)


def test_named_then_found_then_the_cloud() -> None:
    """Each with its own key, and with a note of what leaves the machine."""
    settings = _settings(
        tts_base_urls="https://tts.example.com/v1",
        tts_api_key="tts-key",
        openai_api_key="cloud-key",
        tts_models="m",
        voices="v",
    )
    found = sites(settings, "tts", [KOKORO, SPEACHES])
    assert [(s.url, s.origin, s.remote, s.key.get_secret_value() if s.key else None) for s in found] == [
        ("https://tts.example.com/v1", Origin.NAMED, True, "tts-key"),
        (KOKORO.url, Origin.FOUND, False, None),
        (SPEACHES.url, Origin.FOUND, False, None),
        (OPENAI_URL, Origin.CLOUD, True, "cloud-key"),
    ]
    assert found[1].declared == KOKORO.declared["tts"]
    assert {site.models for site in found[:3]} == {("m",)}


def test_the_cloud_needs_a_key_and_leave_to_go_there() -> None:
    """Without a key, and with local_only, it is none."""
    assert sites(_settings(), "stt") == []
    assert sites(_settings(openai_api_key="k", local_only=True), "stt") == []


def test_the_cloud_need_not_be_asked_what_it_has() -> None:
    """Its voices are known, so that a voice it does not have becomes its nearest."""
    cloud = sites(_settings(openai_api_key="k"), "tts")[0]
    assert cloud.declared.voices is not None
    assert "alloy" in cloud.declared.voices
    assert cloud.declared.models == cloud.models


def test_a_comma_is_an_order_and_a_bar_is_none() -> None:
    """Equals share a rank."""
    settings = _settings(stt_base_urls="http://127.0.0.1:1|http://127.0.0.1:2, http://127.0.0.1:3")
    assert [site.rank for site in sites(settings, "stt")] == [0, 0, 1]


@pytest.mark.parametrize("written", ["http://localhost:8880", "http://127.0.0.1:8880/v1/", "http://[::1]:8880/v1"])
def test_a_service_that_is_named_is_not_there_twice(written: str) -> None:
    """However its address is written; the way the person wrote it counts."""
    found = sites(_settings(tts_base_urls=written), "tts", [KOKORO])
    assert [site.origin for site in found] == [Origin.NAMED]
    assert named_ports(_settings(tts_base_urls=written), "tts") == {8880}


def test_ports_of_other_machines_are_no_ports_of_this_one() -> None:
    """A Kokoro elsewhere says nothing about the one here."""
    settings = _settings(tts_base_urls="http://kokoro.lan:8880/v1")
    assert named_ports(settings, "tts") == frozenset()
    assert len(sites(settings, "tts", [KOKORO])) == 2


@pytest.mark.parametrize(("task", "services"), [("tts", 2), ("stt", 1), ("chat", 0)])
def test_a_service_is_offered_for_what_it_can_do(task: Task, services: int) -> None:
    """And for nothing else."""
    assert len(sites(_settings(), task, [KOKORO, SPEACHES])) == services


def test_without_discovery_nothing_is_offered_that_was_found() -> None:
    """Also when it is switched off after something was found."""
    assert sites(_settings(discovery=False), "tts", [KOKORO]) == []


def test_local_only_refuses_what_is_named_elsewhere() -> None:
    """Before anything is opened, naming the setting."""
    with pytest.raises(SettingsError, match="VOICEMODE_TTS_BASE_URLS"):
        sites(_settings(tts_base_urls="https://tts.example.com/v1", local_only=True), "tts")
