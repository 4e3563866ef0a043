"""Small models, and the mirror that serves them."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from voicemode.supervise.catalogue import Model, ModelFile

__all__ = ["FILES", "MODELS", "Mirror"]

FILES = {"config.json": b'{"fixture": true}', "model.bin": bytes(range(256)) * 4096}
"""What the small models are made of: a few bytes and a mebibyte."""


def _model(name: str) -> Model:
    return Model(
        name=name,
        engine="whisper",
        title="Nothing but bytes",
        languages="none",
        licence="MIT",
        page="https://example.org/fixture",
        files=tuple(
            ModelFile(
                name=file,
                url=f"https://hub.example/{name}/0123456789abcdef/{file}",
                size=len(data),
                sha256=hashlib.sha256(data).hexdigest(),
            )
            for file, data in FILES.items()
        ),
        hosts=frozenset({".cdn.example"}),
    )


MODELS = (_model("whisper-fixture"), _model("whisper-other"))


class Mirror:
    """The stub in a process of its own, with the small models."""

    def __init__(self, folder: Path) -> None:
        for model in MODELS:
            for name, data in FILES.items():
                path = folder / model.name / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.stubs.model_mirror", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        if self._process.stdout is None:
            raise AssertionError("it has a pipe")
        self.port = int(self._process.stdout.readline())

    def url(self, fault: str = "ok") -> str:
        """What VOICEMODE_MODELS_URL is set to, for a mirror that misbehaves in this way."""
        return f"http://127.0.0.1:{self.port}/{fault}"

    def log(self, file: str = "") -> list[dict[str, Any]]:
        """Every request, or those for one file."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/log", timeout=5) as answer:
            requests: list[dict[str, Any]] = json.load(answer)
        return [request for request in requests if request["path"].endswith(file)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.communicate(timeout=10)
