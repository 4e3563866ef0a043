"""Run as a process: speak standard input with espeak-ng and tell when each word begins.

``python espeak_word_times.py VOICE WORDS_PER_MINUTE OUT.wav`` prints JSON: [[first character, characters, seconds], ...].
It is a process of its own because espeak-ng is under the GPL.
"""

from __future__ import annotations

import ctypes
import json
import sys
import wave
from typing import Any

import espeakng_loader

# Names and values of speak_lib.h
_SYNCHRONOUS, _EVENT_LIST_TERMINATED, _EVENT_WORD = 2, 0, 1
_CHARS_UTF8, _POS_CHARACTER, _PARAMETER_RATE = 1, 1, 1


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


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


def main(voice: str, words_per_minute: str, out: str) -> None:
    """Speak."""
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    rate = library.espeak_Initialize(_SYNCHRONOUS, 60, espeakng_loader.get_data_path().encode(), 0x8000)
    sound, words = bytearray(), list[tuple[int, int, float]]()

    def callback(samples: Any, count: int, events: Any) -> int:
        at = 0
        while events[at].type != _EVENT_LIST_TERMINATED:
            if events[at].type == _EVENT_WORD:
                words.append((events[at].text_position - 1, events[at].length, events[at].audio_position / 1000))
            at += 1
        if samples and count > 0:
            sound.extend(ctypes.string_at(samples, count * 2))
        return 0

    kept = _Callback(callback)
    library.espeak_SetSynthCallback(kept)
    library.espeak_SetVoiceByName(voice.encode())
    library.espeak_SetParameter(_PARAMETER_RATE, int(words_per_minute), 0)
    text = sys.stdin.read().encode()
    library.espeak_Synth(text, len(text) + 1, 0, _POS_CHARACTER, 0, _CHARS_UTF8, None, None)
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(bytes(sound))
    json.dump(words, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
