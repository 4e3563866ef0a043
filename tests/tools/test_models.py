"""The tool ``models``: an agent lists, pulls, checks and removes, and a long download goes on with the next call."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mcp.types import CallToolResult

from tests.mcp_server.process import ServerProcess
from tests.supervise.mirror import MODELS, Mirror
from voicemode.settings import Settings
from voicemode.supervise import models as supervised
from voicemode.tools.models import models

NAME, SIZE = MODELS[0].name, MODELS[0].size
PROGRAM = (sys.executable, str(Path(__file__).parents[1] / "supervise" / "with_fixtures.py"), "mcp")


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    """A server with the small models."""
    with Mirror(tmp_path_factory.mktemp("mirror")) as process:
        yield process


@pytest.fixture(autouse=True)
def _small_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalogue for tests that call the tool without a server."""
    monkeypatch.setattr(supervised, "CATALOGUE", MODELS)


def call(base: Path, url: str, action: Any, name: str = "") -> CallToolResult:
    async def report(*_: Any) -> None:
        pass

    loaded = SimpleNamespace(settings=Settings(base_dir=base, models_url=url))
    app = SimpleNamespace(loaded=loaded)
    context: Any = SimpleNamespace(request_context=SimpleNamespace(lifespan_context=app), report_progress=report)
    return asyncio.run(models(context, action, name))


def facts(result: CallToolResult) -> dict[str, Any]:
    found: dict[str, Any] | None = result.structured_content
    assert found is not None
    return found


def test_a_model_is_pulled_checked_and_removed(tmp_path: Path, mirror: Mirror) -> None:
    """Each result says what is here now."""
    assert facts(call(tmp_path, mirror.url(), "pull", NAME))["models"][0]["state"] == "installed"
    assert "problems" not in facts(call(tmp_path, mirror.url(), "verify", NAME))
    (tmp_path / "models" / NAME / "config.json").write_bytes(b"short")
    assert len(facts(call(tmp_path, mirror.url(), "verify", NAME))["problems"]) == 1
    removed = facts(call(tmp_path, mirror.url(), "remove", NAME))
    assert removed["freed_bytes"] > 0
    assert removed["models"][0]["state"] == "absent"


def test_the_list_has_what_a_person_must_be_told_before_a_download(tmp_path: Path) -> None:
    """Size and licence."""
    rows = facts(call(tmp_path, "", "list"))["models"]
    assert [(row["name"], row["size_bytes"], row["licence"]) for row in rows] == [(m.name, m.size, "MIT") for m in MODELS]


@pytest.mark.parametrize("action", ["pull", "remove", "verify"])
@pytest.mark.parametrize("name", ["", "../../etc", "whisper-fixtur"])
def test_a_wrong_name_is_an_error_that_helps(tmp_path: Path, action: str, name: str) -> None:
    """And reaches nothing outside. (SECURITY 25)"""
    result = call(tmp_path, "", action, name)
    assert result.is_error is True
    assert facts(result)["code"] == "bad_request"
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_server_is_an_error_with_a_remedy(tmp_path: Path, mirror: Mirror) -> None:
    """As on the command line."""
    result = call(tmp_path, mirror.url("wrong-bytes"), "pull", NAME)
    assert (result.is_error, facts(result)["code"]) == (True, "download")


def test_a_download_that_outlasts_the_client_goes_on_with_the_next_call(
    tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost, and the agent is told to call again."""
    monkeypatch.setattr("voicemode.tools.models._BUDGET_S", 0.6)
    result = call(tmp_path, mirror.url("slow"), "pull", NAME)
    assert result.is_error is not True
    assert facts(result)["done"] is False
    assert facts(result)["models"][0]["state"] == "partial"
    assert "done" not in facts(call(tmp_path, mirror.url(), "pull", NAME))
    assert mirror.log("model.bin")[-1]["Range"]


def test_the_server_tells_progress_and_offers_the_tool_only_when_asked(mirror: Mirror) -> None:
    """Through the real server."""
    environment = {"VOICEMODE_TOOLS": "models,settings", "VOICEMODE_MODELS_URL": mirror.url("slow")}
    with ServerProcess(environment, argv=PROGRAM) as server:
        server.initialize()
        tools = server.wait(server.request("tools/list"))["result"]["tools"]
        assert [tool["name"] for tool in tools] == ["models", "settings"]
        assert tools[0]["annotations"]["destructiveHint"] is True
        answer = server.wait(server.call("models", action="pull", name=NAME))["result"]
        assert answer["structuredContent"]["models"][0]["state"] == "installed"
        values = [value for _, value, _ in server.progress()]
        assert values
        assert values == sorted(set(values))
        assert any("downloading" in words for _, _, words in server.progress())
