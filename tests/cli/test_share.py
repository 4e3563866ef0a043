"""``voicemode serve --share``: what a person on another machine is told."""

from __future__ import annotations

import pytest

from voicemode.assemble_browser import address_of, link_to
from voicemode.cli.share import qr_code, show_how_to_share
from voicemode.settings import Settings


def shown(capsys: pytest.CaptureFixture[str], **settings: object) -> str:
    show_how_to_share(Settings.model_validate(settings), 8765, "once")
    return capsys.readouterr().err


def test_without_tls_it_says_the_tunnel(capsys: pytest.CaptureFixture[str]) -> None:
    """The whole command, and the link that works through it; a phone needs something else."""
    told = shown(capsys)
    assert "ssh -N -L 8765:127.0.0.1:8765 " in told
    assert "http://127.0.0.1:8765/#key=once" in told
    assert "VOICEMODE_PUBLIC_URL" in told
    assert "█" not in told


def test_behind_a_proxy_it_draws_the_link(capsys: pytest.CaptureFixture[str]) -> None:
    """For a phone's camera; with its secret, as every link."""
    told = shown(capsys, public_url="https://voice.example.org/")
    assert "https://voice.example.org/#key=once" in told
    assert qr_code("https://voice.example.org/#key=once") in told
    assert "ssh" not in told


def test_a_code_is_small_enough_for_a_terminal() -> None:
    """80 columns, with the quiet edge that cameras need."""
    lines = qr_code("https://a-rather-long-name.of-a-machine.example.org/#key=" + "x" * 43).splitlines()
    assert 0 < len(lines) < 30
    assert all(len(line) <= 60 for line in lines)


@pytest.mark.parametrize(
    ("settings", "link"),
    [
        ({}, "http://127.0.0.1:8765/#key=once"),
        ({"serve_port": 9000, "serve_host": "0.0.0.0"}, "http://127.0.0.1:9000/#key=once"),
        ({"serve_host": "::1"}, "http://[::1]:8765/#key=once"),
        ({"serve_tls_cert": "cert.pem"}, "https://127.0.0.1:8765/#key=once"),
        ({"public_url": "https://example.org", "serve_port": 9000}, "https://example.org/#key=once"),
    ],
)
def test_a_link_leads_where_the_server_is_reached(settings: dict[str, object], link: str) -> None:
    """From the machine itself, or from outside if there is a way."""
    assert link_to(Settings.model_validate(settings), "once") == link


def test_a_process_asks_the_server_at_its_own_address() -> None:
    """Also where others reach it too."""
    assert (
        address_of(Settings.model_validate({"serve_host": "0.0.0.0", "public_url": "https://example.org"})) == "127.0.0.1:8765"
    )
