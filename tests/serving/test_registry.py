"""Tools are found by being there, and chosen by name."""

from __future__ import annotations

import importlib.metadata

import pytest

from voicemode.errors import SettingsError
from voicemode.serving import registry
from voicemode.serving.registry import choose_tools
from voicemode.serving.spec import ToolSpec


async def greet() -> str:
    """A stranger's tool."""
    return "hello"


GREET = ToolSpec(function=greet, title="Greet")
NOT_A_TOOL = "a string"


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages that offer tools, as their metadata would."""
    points = [
        importlib.metadata.EntryPoint("greet", "tests.serving.test_registry:GREET", "voicemode.tools"),
        importlib.metadata.EntryPoint("odd", "tests.serving.test_registry:NOT_A_TOOL", "voicemode.tools"),
        importlib.metadata.EntryPoint("broken", "no_such_package:TOOL", "voicemode.tools"),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: points if group == "voicemode.tools" else [])


def test_the_default_tools_are_loaded_when_nothing_is_said() -> None:
    """converse, and one to ask what would be used."""
    assert [tool.name for tool in choose_tools(())] == ["converse", "voice_status"]


def test_only_the_tools_that_were_chosen_are_loaded() -> None:
    """Each tool costs the agent context."""
    assert [tool.name for tool in choose_tools(("voice_status",))] == ["voice_status"]


def test_a_misspelt_tool_is_an_error_that_names_the_near_one() -> None:
    """A server that silently lacks a tool would be blamed on the agent."""
    with pytest.raises(SettingsError, match="did you mean 'converse'") as raised:
        choose_tools(("convers",))
    assert raised.value.key == "VOICEMODE_TOOLS"


@pytest.mark.usefixtures("plugins")
def test_a_plug_in_is_a_tool_like_any_other() -> None:
    """The entry point group is open to every package."""
    assert [tool.name for tool in choose_tools(("converse", "greet"))] == ["converse", "greet"]


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize("name", ["odd", "broken"])
def test_a_plug_in_that_does_not_work_is_named(name: str) -> None:
    """The person must learn which package to mend."""
    with pytest.raises(SettingsError, match=f"'{name}'"):
        choose_tools((name,))
