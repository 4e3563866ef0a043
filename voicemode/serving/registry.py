"""Find the tools: the files of this package and the plug-ins of other packages, and choose those that were asked for."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points

import voicemode.tools
from voicemode.errors import SettingsError
from voicemode.serving.spec import ToolSpec

__all__ = ["DEFAULT_TOOLS", "choose_tools"]

DEFAULT_TOOLS = ("converse", "voice_status")
"""What every client gets unless VOICEMODE_TOOLS says otherwise: each tool costs the agent context in every request."""

_GROUP = "voicemode.tools"


def choose_tools(wanted: Sequence[str]) -> list[ToolSpec]:
    """Load the wanted tools, in that order, and no others; empty means the default ones.

    Raises SettingsError naming the nearest known tool when one is unknown or does not load.
    """
    own = [m.name for m in pkgutil.iter_modules(voicemode.tools.__path__)]
    names = tuple(dict.fromkeys(wanted)) or DEFAULT_TOOLS
    # Scanning every installed package for plug-ins takes time at each start; it is only needed for names we do not have.
    plugins = {} if set(names) <= set(own) else {point.name: point for point in entry_points(group=_GROUP)}
    return [_load(name, own, plugins) for name in names]


def _load(name: str, own: Sequence[str], plugins: dict[str, EntryPoint]) -> ToolSpec:
    if name in own:
        tool = importlib.import_module(f"{_GROUP}.{name}").TOOL
    elif name in plugins:
        tool = _load_plugin(name, plugins[name])
    else:
        known = sorted({*own, *plugins})
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise SettingsError("VOICEMODE_TOOLS", f"there is no tool '{name}'{hint}", ", ".join(known))
    if not isinstance(tool, ToolSpec):
        raise SettingsError("VOICEMODE_TOOLS", f"the plug-in '{name}' does not offer a ToolSpec")
    return tool


def _load_plugin(name: str, point: EntryPoint) -> object:
    try:
        return point.load()
    except Exception as error:  # a stranger's code: whatever it raises, the person must learn which plug-in it was
        raise SettingsError("VOICEMODE_TOOLS", f"the plug-in '{name}' does not load ({type(error).__name__})") from error
