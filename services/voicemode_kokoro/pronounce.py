"""How a text is pronounced: espeak-ng, in the alphabet of Kokoro's models.

espeak-ng and phonemizer are under the GPL. They are loaded in this service's process and in no other of the product.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection

from phonemizer.backend import EspeakBackend  # type: ignore[import-untyped]
from voicemode_service.errors import EngineFailedError

__all__ = ["Pronunciation"]


class Pronunciation:
    """Thread-safe; espeak-ng's library must have been set, as kokoro-onnx's Tokenizer does."""

    def __init__(self, alphabet: Collection[str]) -> None:
        """``alphabet`` is what the model knows; other sounds are left out."""
        logging.getLogger("phonemizer").setLevel(logging.ERROR)
        self._alphabet = frozenset(alphabet)
        self._espeak = threading.Lock()  # its state is the process's
        self._backends: dict[str, EspeakBackend] = {}

    def of(self, text: str, language: str) -> str:
        """The sounds and marks of a text. ``language`` as espeak-ng names it. Raises EngineFailedError."""
        try:
            sounds = self._sounds(text, language)
        except Exception as error:  # noqa: BLE001  (phonemizer raises what it likes; the text must not travel with it)
            raise EngineFailedError(f"The text cannot be pronounced ({type(error).__name__}).") from None
        return " ".join("".join(sound for sound in sounds if sound in self._alphabet or sound.isspace()).split())

    def _sounds(self, text: str, language: str) -> str:
        with self._espeak:
            if language not in self._backends:
                # Without "remove-flags" the names of languages are spoken around a foreign word.
                self._backends[language] = EspeakBackend(
                    language, preserve_punctuation=True, with_stress=True, language_switch="remove-flags"
                )
            return " ".join(self._backends[language].phonemize([text]))
