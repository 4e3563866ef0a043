"""Where a model is, and by which names clients may ask for it."""

from __future__ import annotations

import json
from pathlib import Path

import ctranslate2
from voicemode_service.errors import BadRequestError, EngineFailedError
from voicemode_service.settings import ServiceSettings
from voicemode_service.tune import Candidate, Memory, processors, ways

from voicemode_whisper.engine import Engine

__all__ = ["ANY", "DEFAULT", "UnknownModelError", "find", "load", "names"]

DEFAULT = "base"
"""The smallest one that people are content with in quiet rooms."""

ANY = "whisper-1"
"""OpenAI's name for it, which clients send that know no other."""

_PREFIXES = ("", "whisper-", "faster-whisper-")
_NEEDED = ("model.bin", "config.json", "tokenizer.json")
"""Without the last one faster-whisper would ask the network for it."""

_OTHERS = {".gguf": "llama.cpp", ".onnx": "ONNX", ".pt": "PyTorch", ".safetensors": "PyTorch", ".ot": "PyTorch"}


class UnknownModelError(BadRequestError):
    """Clients know the status and the code from OpenAI."""

    status = 404
    code = "model_not_found"


def find(model: str, models_dir: Path) -> Path:
    """The directory of a model: a path, or a name in ``models_dir``. Raises EngineFailedError, saying what to do."""
    wanted = model or DEFAULT
    places = [models_dir / f"{prefix}{wanted}" for prefix in _PREFIXES]
    if "/" in wanted or wanted.startswith("."):
        places = [Path(wanted).expanduser()]
    for place in places:
        if place.exists():
            return _checked(place)
    raise EngineFailedError(
        f"There is no model '{wanted}' in {models_dir}. Get it with: voicemode models pull whisper-{wanted}"
        if len(places) > 1
        else f"There is no model at {places[0]}."
    )


def names(settings: ServiceSettings) -> tuple[str, ...]:
    """What clients may call the model, the proper name first."""
    proper = Path(settings.model or DEFAULT).expanduser().name
    bare = proper.removeprefix("faster-").removeprefix("whisper-")
    return tuple(dict.fromkeys((proper, bare, f"whisper-{bare}", f"faster-whisper-{bare}", ANY)))


def load(settings: ServiceSettings) -> Engine:
    """Load it, in the way that was measured to be the fastest here. Raises EngineFailedError."""
    path = find(settings.model, settings.models_dir)

    def seconds(candidate: Candidate) -> float:
        return _loaded(path, candidate, settings.workers).trial_s()

    way = Memory.of(settings).choose(
        seconds,
        ways(settings, cuda=ctranslate2.get_cuda_device_count() > 0),
        model=path,
        engine=f"ctranslate2 {ctranslate2.__version__}",
        available=processors(),
    )
    return _loaded(path, way, settings.workers)


def _loaded(path: Path, way: Candidate, workers: int) -> Engine:
    compute_type = "float16" if way.device == "cuda" else "int8"
    try:
        return Engine(path, device=way.device, compute_type=compute_type, threads=way.threads, workers=workers)
    except Exception as error:  # CTranslate2 and tokenizers raise whatever they like
        raise EngineFailedError(
            f"The model in {path} cannot be loaded: it is damaged or no Whisper model "
            f"({type(error).__name__}: {str(error)[:200]}). Check it with: voicemode models verify"
        ) from error


def _checked(place: Path) -> Path:
    """A directory as CTranslate2 has them. Others would fail too, but not say what they are."""
    if place.is_file():
        kind = _OTHERS.get(place.suffix, "another engine")
        raise EngineFailedError(
            f"{place} is a model of {kind}; this service wants a directory for faster-whisper (CTranslate2)."
        )
    missing = [name for name in _NEEDED if not (place / name).is_file()]
    if missing:
        other = next((kind for suffix, kind in _OTHERS.items() if any(place.glob(f"*{suffix}"))), None)
        what = f"a model of {other}" if other else "no whole model"
        raise EngineFailedError(f"{place} holds {what}: faster-whisper (CTranslate2) also wants {', '.join(missing)}.")
    try:
        json.loads((place / "config.json").read_bytes())
    except ValueError as error:
        raise EngineFailedError(f"{place / 'config.json'} is damaged. Check it with: voicemode models verify") from error
    return place
