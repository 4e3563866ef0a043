"""The shape of the source: imports point down, the core is pure, and a few calls happen in one place only.

Each rule is a function from modules to the lines that break it, so that each is also shown to find something.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "voicemode"

LAYERS = (
    {
        "",
        "errors",
        "audio",
        "events",
        "dialogue",
        "dialogue_tools",
        "record",
        "interfaces",
        "answers",
        "playout",
        "settings",
        "testing",
    },
    {"core", "wire"},
    {"engines", "providers"},
    {"transports"},
    {"runtime", "store", "supervise"},
    {
        "tools",
        "serving",
        "http",
        "cli",
        "server",
        "assemble",
        "assemble_server",
        "assemble_browser",
        "assemble_chat",
        "assemble_kept",
        "assemble_engines",
        "assemble_records",
        "assemble_tools",
        "assemble_upstream",
        "assemble_lines",
        "assemble_status",
        "serve_process",
        "load_config",
        "settings_file",
        "__main__",
    },
)
"""From the words at the bottom to the surfaces; "" is the package itself, of which only __version__ is of use."""

PURE = ("core", "wire")
PURE_LIBRARIES = {"numpy", "soxr", "markdown_it", "num2words"}
PURE_STANDARD_LIBRARY = {
    *("__future__", "abc", "array", "base64", "binascii", "bisect", "codecs", "collections", "copy", "dataclasses", "decimal"),
    *("difflib", "enum", "fractions", "functools", "hashlib", "heapq", "hmac", "html", "io", "itertools", "json", "math"),
    *("numbers", "operator", "re", "statistics", "string", "struct", "textwrap", "types", "typing", "unicodedata"),
    *("urllib.parse", "wave"),
}
"""What touches no clock, chance, task, file, process or network. Anything else stays out of the core and the codecs."""

ENVIRONMENT_READER = "load_config"
ENVIRONMENT_GIVERS = ("__main__", "server", "cli", "serve_process")
"""Where a process begins; they hand the environment on as a whole and look nothing up in it."""

WORKERS = "voicemode.engines.workers"
WORKER_LIBRARIES = {"espeakng_loader", "onnxruntime", "pocketsphinx"}
"""GPL the first, large and not to be interrupted the others: they are loaded in processes of their own and nowhere else."""


@dataclass(frozen=True)
class Module:
    """One source file, parsed."""

    name: str
    """Dotted, as it is imported."""
    tree: ast.Module
    is_package: bool = False

    @property
    def part(self) -> str:
        """The layer's word: "core" of voicemode.core.ring."""
        return [*self.name.split("."), ""][1]

    def imports(self) -> Iterator[tuple[int, str]]:
        """Line and dotted name of everything imported, wherever in the file; ``from a import b`` gives a.b."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = self._base(node)
                yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)

    def _base(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        here = self.name.split(".")
        up = here[: len(here) - node.level + self.is_package]
        return ".".join([*up, *([node.module] if node.module else [])])

    def calls(self) -> Iterator[tuple[int, str, ast.Call]]:
        """Line, source text of what is called, and the call."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                yield node.lineno, ast.unparse(node.func), node


Rule = Callable[[Module], Iterator[str]]


def layer_of(part: str) -> int | None:
    """Its number, counted from the bottom; None for a part no layer knows."""
    return next((number for number, parts in enumerate(LAYERS) if part in parts), None)


def part_of_import(name: str) -> str:
    """The layer's word of an imported name; "" for what the package itself offers, such as voicemode.__version__."""
    word = [*name.split("."), ""][1]
    return "" if word == "__version__" else word


def points_down(module: Module) -> Iterator[str]:
    """Nothing imports a layer above its own."""
    own = layer_of(module.part)
    if own is None:
        yield f"{module.name}: no layer has '{module.part}'; add it to LAYERS and to docs/architecture.md"
        return
    for line, name in module.imports():
        if name.split(".")[0] != "voicemode":
            continue
        other = layer_of(part_of_import(name))
        if other is None or other > own:
            yield f"{module.name}:{line} (layer {own}) imports {name} (layer {other})"


def stays_pure(module: Module) -> Iterator[str]:
    """The core and the codecs know samples and seconds: no clock, chance, task, file, process or network."""
    if module.part not in PURE:
        return
    for line, name in module.imports():
        root = name.split(".")[0]
        allowed = {"voicemode"} | PURE_LIBRARIES | PURE_STANDARD_LIBRARY
        if root not in allowed and ".".join(name.split(".")[:2]) not in allowed:
            yield f"{module.name}:{line} imports {name}"
    for line, called, _ in module.calls():
        if called in {"open", "input", "print", "breakpoint"}:
            yield f"{module.name}:{line} calls {called}"


def leaves_environment_alone(module: Module) -> Iterator[str]:
    """Only load_config reads the environment; where a process begins it is passed on whole; a worker may set its own."""
    if module.part == ENVIRONMENT_READER:
        return
    passed_on = (
        {id(value) for _, _, call in module.calls() for value in call.args} if module.part in ENVIRONMENT_GIVERS else set()
    )
    if module.name.startswith(f"{WORKERS}."):
        passed_on |= {
            id(node.value)
            for node in ast.walk(module.tree)
            if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store)
        }
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and id(node) not in passed_on:
            source = ast.unparse(node)
            if re.fullmatch(r"os\.(environb?|getenvb?|putenv|unsetenv)", source):
                yield f"{module.name}:{node.lineno} reads {source}"
    for line, name in module.imports():
        if re.fullmatch(r"os\.(environb?|getenvb?)", name):
            yield f"{module.name}:{line} imports {name}"


def runs_no_text(module: Module) -> Iterator[str]:
    """No text becomes a program: no shell, no eval, no exec, no unpickling."""
    for line, called, call in module.calls():
        shell = [
            k for k in call.keywords if k.arg == "shell" and not (isinstance(k.value, ast.Constant) and k.value.value is False)
        ]
        if shell:
            yield f"{module.name}:{line} passes shell="
        if called in {"eval", "exec", "compile", "__import__", "os.system", "os.popen"} or called.endswith(
            "create_subprocess_shell"
        ):
            yield f"{module.name}:{line} calls {called}"
    for line, name in module.imports():
        if name.split(".")[0] in {"pickle", "marshal", "shelve"}:
            yield f"{module.name}:{line} imports {name}"


def keeps_stdout_clean(module: Module) -> Iterator[str]:
    """Standard output belongs to the protocol; only the command line prints."""
    if module.part in {"cli", "__main__"}:
        return
    for line, called, _ in module.calls():
        if called == "print":
            yield f"{module.name}:{line} prints"


RULES = (points_down, stays_pure, leaves_environment_alone, runs_no_text, keeps_stdout_clean)


@functools.cache
def modules() -> list[Module]:
    """Every module of the package."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        names = path.relative_to(PACKAGE.parent).with_suffix("").parts
        is_package = names[-1] == "__init__"
        name = ".".join(names[:-1] if is_package else names)
        found.append(Module(name, ast.parse(path.read_text("utf-8"), str(path)), is_package))
    return found


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_source_keeps(rule: Rule) -> None:
    """Every module keeps every rule."""
    broken = [violation for module in modules() for violation in rule(module)]
    assert broken == [], f"{rule.__doc__}\n" + "\n".join(broken)


@pytest.mark.parametrize(
    ("rule", "name", "source"),
    [
        (points_down, "voicemode.core.ring", "import voicemode.runtime.turn"),
        (points_down, "voicemode.core.ring", "from voicemode import runtime"),
        (points_down, "voicemode.core.ring", "from ..engines import vad"),
        (points_down, "voicemode.errors", "from voicemode.core.ring import PrerollRing"),
        (points_down, "voicemode.runtime.turn", "def f():\n    from voicemode.tools import converse"),
        (points_down, "voicemode.misc.help", ""),
        (points_down, "voicemode.tools.x", "from voicemode.misc import help"),
        (stays_pure, "voicemode.core.ring", "import asyncio"),
        (stays_pure, "voicemode.core.ring", "from time import monotonic"),
        (stays_pure, "voicemode.wire.sse", "import httpx2"),
        (stays_pure, "voicemode.wire.sse", "import urllib.request"),
        (stays_pure, "voicemode.core.ring", "def f(p):\n    return open(p)"),
        (leaves_environment_alone, "voicemode.engines.microphone", "import os\nx = os.environ['A']"),
        (leaves_environment_alone, "voicemode.engines.microphone", "import os\nf(os.environ)"),
        (leaves_environment_alone, "voicemode.server", "import os\nx = os.environ.get('A')"),
        (leaves_environment_alone, "voicemode.server", "import os\nx = os.getenv('A')"),
        (leaves_environment_alone, "voicemode.runtime.turn", "from os import environ"),
        (leaves_environment_alone, "voicemode.runtime.turn", "import os\nos.environ['A'] = '1'"),
        (leaves_environment_alone, "voicemode.engines.workers.x", "import os\nx = os.environ['A']"),
        (runs_no_text, "voicemode.engines.devices", "import subprocess\nsubprocess.run('ls', shell=True)"),
        (runs_no_text, "voicemode.engines.devices", "import subprocess\nsubprocess.run('ls', shell=flag)"),
        (runs_no_text, "voicemode.load_config", "eval(value)"),
        (runs_no_text, "voicemode.load_config", "import pickle"),
        (keeps_stdout_clean, "voicemode.runtime.turn", "print('here')"),
    ],
)
def test_the_rule_finds(rule: Rule, name: str, source: str) -> None:
    """Each rule sees what it is there to see."""
    assert list(rule(Module(name, ast.parse(source))))


@pytest.mark.parametrize(
    ("rule", "name", "source"),
    [
        (points_down, "voicemode.tools.x", "from voicemode import __version__\nimport voicemode.core.ring"),
        (points_down, "voicemode.core.ring", "from .level import rms\nfrom ..audio import Samples"),
        (stays_pure, "voicemode.core.ring", "import math\nimport numpy as np\nimport soxr\nfrom urllib.parse import urlsplit"),
        (stays_pure, "voicemode.engines.clock", "import time"),
        (leaves_environment_alone, "voicemode.server", "import os\nserve(os.environ)"),
        (leaves_environment_alone, "voicemode.load_config", "import os\nx = os.environ['A']"),
        (leaves_environment_alone, "voicemode.engines.workers.x", "import os\nos.environ['A'] = '1'"),
        (runs_no_text, "voicemode.engines.devices", "import re\nre.compile('a')\nmodel.eval()\nrun(shell=False)"),
        (keeps_stdout_clean, "voicemode.cli.app", "print('here')"),
    ],
)
def test_the_rule_allows(rule: Rule, name: str, source: str) -> None:
    """Each rule lets through what is right."""
    assert list(rule(Module(name, ast.parse(source)))) == []


def bringing_worker_libraries(everything: Sequence[Module]) -> set[str]:
    """The modules that load a worker's library when they are imported, themselves or through others."""
    imports = {module.name: {name for _, name in module.imports()} for module in everything}
    bringing = {module for module, names in imports.items() if WORKER_LIBRARIES & {name.split(".")[0] for name in names}}
    while True:
        # "voicemode.a.b.thing" loads voicemode.a.b, and voicemode.a before it.
        more = {
            module
            for module, names in imports.items()
            if any(f"{name}.".startswith(f"{brought}.") for name in names for brought in bringing)
        }
        if more <= bringing:
            return bringing
        bringing |= more


def outside_workers(names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if not name.startswith(f"{WORKERS}."))


def test_worker_libraries_stay_in_worker_processes() -> None:
    """Nothing outside the workers loads their libraries, not even through a worker's module."""
    bringing = bringing_worker_libraries(modules())
    assert bringing
    assert outside_workers(bringing) == []


@pytest.mark.parametrize(
    ("source", "leaks"),
    [
        ("import pocketsphinx", True),
        ("from voicemode.engines.workers import espeak", True),
        ("from voicemode.engines.workers.worker import run", True),
        ("from voicemode.engines.workers.pipe import encode", False),
    ],
)
def test_a_leak_of_worker_libraries_is_found(source: str, leaks: bool) -> None:
    """The way they are loaded may have any length; what the workers share with us is no way."""
    sources = {
        f"{WORKERS}": "",
        f"{WORKERS}.pipe": "import json",
        f"{WORKERS}.espeak": "import espeakng_loader",
        f"{WORKERS}.worker": "from .espeak import speak",
        "voicemode.engines.builtin_tts": source,
    }
    everything = [Module(name, ast.parse(text)) for name, text in sources.items()]
    assert bool(outside_workers(bringing_worker_libraries(everything))) is leaks
