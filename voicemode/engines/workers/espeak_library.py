"""espeak-ng's C interface (speak_lib.h, version 1.52) through ctypes. Only ever loaded in the worker process: it is GPL-3."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import espeakng_loader

__all__ = ["SAMPLES_MS", "Espeak", "EspeakError", "Onset"]

Onset: TypeAlias = tuple[int, float]
"""The first character of a word, counted from 0, and the seconds from the first sample to its beginning."""

SAMPLES_MS = 60
"""Milliseconds of sound per call-back, at most. The library makes no shorter ones."""

# Names and values of speak_lib.h
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_DONT_EXIT = 0x8000
_POS_CHARACTER = 1
_CHARS_UTF8 = 1
_PARAMETER_RATE = 1
_CONTINUE, _ABORT = 0, 1
_EVENT_LIST_TERMINATED, _EVENT_WORD = 0, 1


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_Events: TypeAlias = "ctypes._Pointer[_Event]"
_SynthCallback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class EspeakError(Exception):
    """The library refused."""


class _Voice(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_void_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("xx1", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


class Espeak:
    """The library. Its state is global, so there is one of it per process and one utterance at a time."""

    def __init__(self) -> None:
        """Load the library and its data. Raises OSError, RuntimeError or EspeakError."""
        library = ctypes.CDLL(espeakng_loader.get_library_path())
        library.espeak_ListVoices.argtypes = [ctypes.c_void_p]
        library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
        library.espeak_Synth.argtypes = [
            *(ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint, ctypes.c_uint),
            *(ctypes.c_void_p, ctypes.c_void_p),
        ]
        data = espeakng_loader.get_data_path().encode()
        self.sample_rate: int = library.espeak_Initialize(_AUDIO_OUTPUT_SYNCHRONOUS, SAMPLES_MS, data, _INITIALIZE_DONT_EXIT)
        if self.sample_rate <= 0:
            raise EspeakError("espeak-ng does not find its data")
        self._library = library

    def voices(self) -> list[dict[str, Any]]:
        """Each with its name, its identifier and its languages as [code, priority], where less is better."""
        return [
            {
                "name": voice.name.decode(),
                "identifier": voice.identifier.decode(),
                "languages": _languages(voice.languages),
            }
            for voice in self._list(None)
        ]

    def variants(self) -> list[str]:
        """What may follow a voice after "+", such as "f3"."""
        language = ctypes.create_string_buffer(b"variant")
        only = _Voice(languages=ctypes.cast(language, ctypes.c_void_p))
        return [voice.identifier.decode().removeprefix("!v/") for voice in self._list(ctypes.byref(only))]

    def speak(self, text: str, voice: str, words_per_minute: int, take: Callable[[bytes, list[Onset]], bool]) -> None:
        """Speak plain text. Raises EspeakError.

        ``take`` gets each stretch of mono PCM, with the words that begin about there, and says whether to go on.
        """
        onsets: list[Onset] = []

        def callback(samples: Any, count: int, events: _Events) -> int:
            onsets.extend(_word_onsets(events))
            if not samples or count <= 0:
                return _CONTINUE
            told = onsets.copy()
            onsets.clear()
            return _CONTINUE if take(ctypes.string_at(samples, count * 2), told) else _ABORT

        kept = _SynthCallback(callback)  # the library keeps only the address: this must outlive the call
        self._library.espeak_SetSynthCallback(kept)
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise EspeakError(f"espeak-ng has no voice '{voice}'")
        self._library.espeak_SetParameter(_PARAMETER_RATE, words_per_minute, 0)
        spoken = text.encode("utf-8", "replace")
        # without the SSML and phoneme flags, markup is text like any other
        if self._library.espeak_Synth(spoken, len(spoken) + 1, 0, _POS_CHARACTER, 0, _CHARS_UTF8, None, None) != 0:
            raise EspeakError("espeak-ng did not take the text")

    def _list(self, only: Any) -> list[_Voice]:
        found = self._library.espeak_ListVoices(only)
        voices: list[_Voice] = []
        while found[len(voices)]:
            voices.append(found[len(voices)].contents)
        return voices


def _word_onsets(events: _Events) -> Iterator[Onset]:
    at = 0
    while events and (event := events[at]).type != _EVENT_LIST_TERMINATED:
        if event.type == _EVENT_WORD:
            yield event.text_position - 1, event.audio_position / 1000
        at += 1


def _languages(address: int) -> list[tuple[str, int]]:
    """The list at ``address``: a priority byte, a code and its zero, again and again until a priority of zero."""
    languages = []
    while priority := ctypes.string_at(address, 1)[0]:
        code = ctypes.string_at(address + 1)
        languages.append((code.decode(), priority))
        address += len(code) + 2
    return languages
