"""The services that people run on their own machine: on which port each one is, and how it is told from anything else there.

Ports 8000 and 8080 are everybody's: what a person says must never go to a program that happens to listen. So an address
counts only when what it answers is what such a service answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from voicemode.core.failover import UNDECLARED, Declared, Task
from voicemode.core.models import pick_model
from voicemode.core.voices import traits
from voicemode.wire.catalog import Model, Voice

__all__ = ["KNOWN_SERVICES", "Answers", "KnownService", "declared_by", "identified"]


@dataclass(frozen=True, slots=True)
class KnownService:
    """A port of this machine, and what is looked for there."""

    port: int
    product: str
    """What usually is there."""
    tasks: tuple[Task, ...]

    @property
    def url(self) -> str:
        """Its base address."""
        return f"http://127.0.0.1:{self.port}/v1"


KNOWN_SERVICES = (
    KnownService(2022, "Whisper", ("stt",)),
    KnownService(8880, "Kokoro", ("tts",)),
    KnownService(8000, "speaches", ("stt", "tts")),
    KnownService(8890, "mlx-audio", ("stt", "tts")),
    KnownService(11434, "Ollama", ("chat",)),
    KnownService(8080, "llama.cpp", ("chat",)),
)
"""The ports of their own manuals, but for Whisper's and mlx-audio's, which are VoiceMode's."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What an address answered to questions that change nothing."""

    models: tuple[Model, ...] | None = None
    """Of ``GET /models``; None when that was no list of models."""
    voices: tuple[Voice, ...] | None = None
    """Of ``GET /audio/voices``; None when that was no list of voices, or was not asked."""
    whisper_cpp: bool = False
    """whisper.cpp's server, which has no list of models, and transcribes at the path that is OpenAI's."""


def identified(answers: Answers, task: Task, wanted: Sequence[str]) -> Declared | None:
    """What a service that nobody named can do for a task; None when it is not seen to do it.

    ``wanted`` are the models of the settings.
    """
    if task == "stt" and answers.whisper_cpp:
        return UNDECLARED
    fitting = [model for model in answers.models or () if model.use == task]
    if task == "chat":
        # Ollama runs models of such names in its own cloud, to which nobody has agreed.
        fitting = [m for m in answers.models or () if m.use in ("chat", None) and not m.name.endswith(("-cloud", ":cloud"))]
    if task == "tts" and not fitting and answers.voices:
        open_models = [model for model in answers.models or () if model.use is None]
        return _declared(answers, task, open_models, wanted) if open_models else _spoken(UNDECLARED, answers.voices)
    return _declared(answers, task, fitting, wanted) if fitting else None


def declared_by(answers: Answers, task: Task, wanted: Sequence[str]) -> Declared:
    """The same of an endpoint that the person named, who knows what it is for: what it does not say is left open."""
    models = [model for model in answers.models or () if model.use == task]
    models += [model for model in answers.models or () if model.use is None]
    return _declared(answers, task, models, wanted) if models else _spoken(UNDECLARED, answers.voices or ())


def _declared(answers: Answers, task: Task, models: Sequence[Model], wanted: Sequence[str]) -> Declared:
    names = tuple(model.name for model in models)
    chosen = next(model for model in models if model.name == pick_model(wanted, names))
    declared = Declared(models=names, languages=chosen.languages or None, live=chosen.live or None)
    match task:
        case "tts":
            # A service of many models lists the voices of all of them together; each model's own count.
            return _spoken(declared, chosen.voices or answers.voices or ())
        case "stt" if chosen.name.endswith((".en", "-en")):
            return replace(declared, languages=("en",))  # Whisper's English models write every language as English
        case _:
            return declared


def _spoken(declared: Declared, voices: Sequence[Voice]) -> Declared:
    if not voices:
        return declared
    languages = [voice.language or _language(voice.name) for voice in voices]
    known = dict.fromkeys(language for language in languages if language is not None)
    complete = all(language is not None for language in languages)
    return replace(
        declared,
        voices=tuple(voice.name for voice in voices),
        languages=declared.languages or (tuple(known) if complete else None),
    )


def _language(voice: str) -> str | None:
    """As ``traits``, but not of a name as short as "jo", which may be a person's as well as a language's."""
    return traits(voice).language if len(voice) > 3 else None
