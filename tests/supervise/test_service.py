"""The services there are, and which settings are theirs."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from voicemode.errors import RequestError
from voicemode.supervise.service import COMMON_OPTIONS, SERVICES, find_service, service_of_variable
from voicemode.supervise.source import find_source

SETTINGS = Path(__file__).parents[2] / "services" / "voicemode_service" / "settings.py"


def test_the_settings_are_those_the_services_read() -> None:
    """Compared with the fields of their own settings; the name is no setting."""
    tree = ast.parse(SETTINGS.read_text("utf-8"))
    (found,) = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    fields = {node.target.id for node in found.body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)}
    assert {name.upper() for name in fields - {"name"}} == COMMON_OPTIONS


@pytest.mark.parametrize(
    ("variable", "service"),
    [
        ("VOICEMODE_WHISPER_PORT", "whisper"),
        ("VOICEMODE_KOKORO_TOKEN", "kokoro"),
        ("VOICEMODE_WHISPER_PRT", None),
        ("VOICEMODE_VOICES", None),
        ("PORT", None),
    ],
)
def test_a_variable_belongs_to_one_service_or_none(variable: str, service: str | None) -> None:
    """By its beginning and its option."""
    found = service_of_variable(variable)
    assert (found.name if found is not None else None) == service


def test_a_misspelt_name_is_answered_with_the_nearest() -> None:
    """And with all there are."""
    with pytest.raises(RequestError, match="did you mean 'whisper'"):
        find_service("wisper")


@pytest.mark.parametrize("text", ["0", "65536", "x", "-1", "٣"])
def test_what_is_no_port_is_refused(text: str) -> None:
    """Before anything listens or is asked."""
    with pytest.raises(RequestError):
        SERVICES["whisper"].port_of({"VOICEMODE_WHISPER_PORT": text})


def test_everybodys_address_is_reached_through_the_loopback() -> None:
    """Nobody connects to 0.0.0.0."""
    whisper = SERVICES["whisper"]
    assert whisper.host_of({"VOICEMODE_WHISPER_HOST": "0.0.0.0"}) == "127.0.0.1"
    assert whisper.host_of({}) == "127.0.0.1"


@pytest.mark.parametrize("name", [name for name, each in SERVICES.items() if not each.missing and not each.own])
def test_what_can_be_installed_is_here(name: str) -> None:
    """Its own packages, and the list of those of others with a hash for each."""
    source = find_source(SERVICES[name])
    assert source.locked > 10
    assert source.lock is not None
    text = source.lock.read_text("utf-8")
    assert text.count("--hash=sha256:") >= source.locked
    assert source.digest == find_source(SERVICES[name]).digest


def test_the_log_of_our_own_service_lets_nobody_in() -> None:
    """A link to the page has a key that works once; logs are read by agents, and by groups of the system."""
    assert SERVICES["voicemode"].arguments == ("serve", "--quiet")
