"""Which sound card a call uses, and how the way to the page is found and opened."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tests.http.serving import TOKEN, served
from voicemode import assemble_browser
from voicemode.assemble_browser import Browser, NeedsBrowser
from voicemode.errors import NoInputDeviceError, NoOutputDeviceError
from voicemode.http.page_line import PageLines
from voicemode.http.page_visitors import PageVisitors
from voicemode.load_config import LoadedSettings, load_settings
from voicemode.settings import Settings
from voicemode.supervise.on_demand import Starter
from voicemode.transports.errors import PageLineError

pytestmark = pytest.mark.anyio


class Started:
    """Of whoever is asked to start a service."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def start(self, name: str, *, wait_s: float) -> object:
        self.names.append(name)
        return wait_s


def browser(tmp_path: Path, starter: Starter | None = None, ssh_server: str = "", **settings: Any) -> Browser:
    chosen = Settings.model_validate({"base_dir": tmp_path, "serve_token": TOKEN, "serve_port": 1, **settings})
    loaded = LoadedSettings(chosen, {}, ssh_server=ssh_server)
    return Browser(loaded, {"PATH": os.environ["PATH"]}, "claude-code (pid 1)", lambda _: starter or Started())


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """What the machine has."""
    has = {"input": True, "output": True}

    def find_input(_: str) -> None:
        if not has["input"]:
            raise NoInputDeviceError

    def find_output(_: str) -> None:
        if not has["output"]:
            raise NoOutputDeviceError

    monkeypatch.setattr(assemble_browser, "find_input", find_input)
    monkeypatch.setattr(assemble_browser, "find_output", find_output)
    monkeypatch.setattr(assemble_browser, "refresh", lambda: True)
    return has


@pytest.mark.parametrize(
    ("has", "needs", "over_ssh", "wanted"),
    [
        ((True, True), (True, True), False, False),
        ((True, True), (True, True), True, False),
        ((False, True), (True, True), False, True),
        ((True, False), (True, True), False, True),
        ((False, True), (True, False), False, False),
        ((True, False), (False, True), False, False),
        ((False, True), (True, False), True, True),
        ((False, False), (True, True), True, True),
    ],
)
async def test_auto_takes_the_page_where_this_machine_lacks_what_the_call_needs(
    machine: dict[str, bool],
    tmp_path: Path,
    has: tuple[bool, bool],
    needs: tuple[bool, bool],
    over_ssh: bool,
    wanted: bool,
) -> None:
    """Over SSH half a sound card is nobody's: the person is elsewhere. A whole one is believed."""
    machine["input"], machine["output"] = has
    page = browser(tmp_path, ssh_server="10.0.0.5" if over_ssh else "")
    assert await page.wanted(None, speaks=needs[0], listens=needs[1]) is wanted


async def test_what_was_asked_for_is_taken(machine: dict[str, bool], tmp_path: Path) -> None:
    """The argument before the setting, and both before what there is."""
    assert await browser(tmp_path, transport="browser").wanted(None, speaks=True, listens=True)
    assert not await browser(tmp_path, transport="browser").wanted("local", speaks=True, listens=True)
    machine["input"] = False
    assert not await browser(tmp_path, transport="local").wanted(None, speaks=True, listens=True)
    assert await browser(tmp_path, transport="local").wanted("auto", speaks=True, listens=True)


async def test_a_server_that_must_not_be_started_is_named(tmp_path: Path) -> None:
    """With what to do."""
    page = browser(tmp_path, serve_start=False)
    with pytest.raises(PageLineError, match=r"VOICEMODE_SERVE_START is false\. Run 'voicemode serve'"):
        async with page.held(5, lambda _: None):
            pass


async def test_an_installed_service_is_started_as_a_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, and not as a process beside it."""
    monkeypatch.setattr(assemble_browser, "_START_S", 0.3)
    starter = Started()
    (tmp_path / "services" / "voicemode").mkdir(parents=True)
    (tmp_path / "services" / "voicemode" / "installed.json").write_text("{}")
    page = browser(tmp_path, starter)
    with pytest.raises(PageLineError, match="was started and does not answer"):
        async with page.held(5, lambda _: None):
            pass
    assert starter.names == ["voicemode"]


@pytest.fixture
async def port() -> AsyncIterator[int]:
    lines = PageLines(PageVisitors().new_key)
    async with served(more=lines.routes()) as server:
        yield server.listening.port
        lines.aclose()


@pytest.mark.parametrize(
    ("ssh_server", "public_url", "tunnel"),
    [
        ("", "", ""),
        ("10.0.0.5", "", "ssh -N -L {port}:127.0.0.1:{port} 10.0.0.5"),
        ("10.0.0.5 -p 2222", "", "ssh -N -L {port}:127.0.0.1:{port} 10.0.0.5 -p 2222"),
        ("10.0.0.5", "https://example.org", ""),
    ],
)
async def test_without_a_page_there_is_a_link_and_the_tunnel_that_it_needs(
    port: int, tmp_path: Path, ssh_server: str, public_url: str, tunnel: str
) -> None:
    """At once."""
    page = browser(tmp_path, ssh_server=ssh_server, serve_port=port, public_url=public_url)
    began = time.monotonic()
    async with page.held(60, lambda _: None) as needs:
        assert isinstance(needs, NeedsBrowser)
        assert needs.link.startswith(f"{public_url or f'http://127.0.0.1:{port}'}/#key=")
        assert needs.tunnel == tunnel.format(port=port)
    assert time.monotonic() - began < 5
    await page.aclose()


@pytest.mark.parametrize(
    ("variable", "server"),
    [
        ("", ""),
        ("198.51.100.7 50122 10.0.0.5 22", "10.0.0.5"),
        ("2001:db8::7 50122 2001:db8::5 2222", "2001:db8::5 -p 2222"),
        ("nonsense", ""),
        ("a b c d", ""),
    ],
)
def test_ssh_is_known_by_its_variable(tmp_path: Path, variable: str, server: str) -> None:
    """Only load_config reads it."""
    environ: Mapping[str, str] = {"SSH_CONNECTION": variable} if variable else {}
    assert load_settings(environ, tmp_path, tmp_path).ssh_server == server


def test_the_token_is_in_no_repr(tmp_path: Path) -> None:
    """Nor in that of anything it is handed to."""
    assert TOKEN not in repr(browser(tmp_path).loaded)
    assert TOKEN not in repr(SecretStr(TOKEN))
