"""From a person's settings to how a service is started: its command, and everything it may see."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from voicemode.engines.child_env import child_environment
from voicemode.supervise.layout import Layout
from voicemode.supervise.service import Launch, ServiceDefinition, is_secret_name

__all__ = ["launch_of"]

_OF_OUR_PYTHON = frozenset({"PYTHONHOME", "PYTHONNOUSERSITE", "PYTHONPATH", "PYTHONUTF8", "VIRTUAL_ENV"})
"""They are about this process's interpreter; the service has one of its own."""
_DEVICES = frozenset({"CUDA_VISIBLE_DEVICES"})
"""Which GPU a person lets programs use."""


def launch_of(
    definition: ServiceDefinition, layout: Layout, *, given: Mapping[str, str], environ: Mapping[str, str], model: str
) -> Launch:
    """How it is started.

    ``given`` are the VOICEMODE_* variables a person has set for services, ``environ`` is this process's environment, and
    ``model`` is what was installed for it; a person's own setting wins over that.
    """
    settings = {name: text for name, text in given.items() if definition.owns(name)}
    defaults = {
        f"{definition.prefix}MODELS_DIR": str(layout.models),
        f"{definition.prefix}STATE_DIR": str(layout.folder),
        f"{definition.prefix}MODEL": model,
    }
    known = {name: text for name, text in defaults.items() if text and definition.owns(name)}
    seen = {name: text for name, text in child_environment(environ).items() if name.upper() not in _OF_OUR_PYTHON}
    seen |= {name: text for name, text in environ.items() if name in _DEVICES}
    if definition.own:
        # Its settings are the person's own file; what tells where it is must be what we look for.
        known = {"VOICEMODE_BASE_DIR": str(layout.base_dir), "VOICEMODE_SERVE_PORT": str(definition.port_of(given))}
    python = Path(sys.executable) if definition.own else Layout.python_of(layout.venv)
    open_settings = {name: text for name, text in settings.items() if not is_secret_name(name)}
    return Launch(
        name=definition.name,
        title=definition.title,
        # -I: neither the working directory nor anything of a person's Python gets in
        command=(str(python), "-I", "-X", "utf8", "-m", definition.module, *definition.arguments),
        environment={**seen, **known, **open_settings},
        secrets={name: text for name, text in settings.items() if is_secret_name(name)},
        folder=layout.folder,
        models=layout.models,
        memory_max_bytes=definition.memory_max_bytes,
        writable=layout.base_dir if definition.own else None,
    )
