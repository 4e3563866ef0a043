"""How a stub of a speech service may behave."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["Behaviour"]


@dataclass(slots=True)
class Behaviour:
    """How one site behaves.

    A mode is "ok", a status such as "503", or one of: html, json (JSON where sound belongs), garbage (noise that is no
    sound), empty, truncated (the announced length is not reached), cut (chunked, not ended), odd (half a sample too
    much), stall (``stall_after_s`` of sound, then nothing), hang (no answer), redirect.
    """

    refuse: bool = False
    """Close the port."""
    tts_mode: str = "ok"
    stt_mode: str = "ok"
    chat_mode: str = "ok"
    stream_mode: str = "ok"
    """Of the stream of sound: "ok", a status, hang (no answer to the upgrade), mute (no answer to a flush), or at the first
    half second: garbage, cut, busy."""
    models_mode: str = "ok"
    error_text: str = "stub: told to fail"
    """What a failing status says; {input} and {key} stand for what the request brought."""
    retry_after_s: int | None = None
    redirect_to: str = ""
    redirect_status: int = 307
    key: str | None = None
    """Requests without it are answered with 401."""
    models: list[str] = field(default_factory=lambda: ["tts-1", "whisper-1"])
    rows: list[dict[str, Any]] | None = None
    """The rows of the list of models, instead of those made of ``models``."""
    voice_list: Any = None
    """The whole JSON answer of /v1/audio/voices; None: there is no such path."""
    whisper_cpp: str | None = None
    """Be whisper.cpp's server: no list of models, and this is the path it transcribes at."""

    formats: list[str] = field(default_factory=lambda: ["pcm", "wav", "mp3", "opus", "flac", "aac"])
    """Other values of response_format are answered with 400."""
    deliver: str | None = None
    """Deliver this format, whatever was asked for."""
    label: str | None = None
    """The Content-Type of sound; None: the right one."""
    streamed_wav: bool = True
    """Write WAV heads that do not know the length."""
    voices: list[str] | None = None
    """Voices it has; others are answered with 400. None: any."""
    voice: str = "tone"
    """Either "tone" (with the rhythm of a voice), "steady" (440 Hz, whose every break is a drop-out), "numbers" (a tone
    for each sentence, see ``sentence_tones``), "words" (espeak-ng word by word, see ``spoken_words``) or "espeak"."""
    seconds_per_char: float = 0.06
    first_byte_s: float = 0.0
    rate_x: float = 0.0
    """Deliver so many seconds of sound per second; 0 is as fast as possible."""
    piece_s: float = 0.1
    """Seconds of sound in one write."""
    stall_after_s: float = 0.5

    stt_text: str = "what is the weather like in paris today"
    stt_words: list[list[Any]] = field(default_factory=list)
    """Instead of ``stt_text``: words, each as [at, word], in seconds after the first sound. An upload is answered with those
    that lie within its sound, so what was said up to a pause has the words up to the pause."""
    stt_delay_s: float = 0.0
    stt_answer: Any = None
    """The whole JSON answer of a transcription, instead of one made of ``stt_text``."""

    chat_text: str = "Paris is the capital of France. It lies on the Seine. Two million people live there. Shall I go on?"
    chat_modes: list[str] = field(default_factory=list)
    """Modes of the next answers, one each; then ``chat_mode`` holds."""
    chat_after_s: float = 0.0
    """Seconds before the first word."""
    chat_every_s: float = 0.0
    """Seconds between two deltas."""
    chat_streams: bool = True
    """Otherwise it answers one JSON object, whatever was asked for."""
    chat_calls: list[list[str]] = field(default_factory=list)
    """Functions it wants called after its words, each as [id, name, arguments]; only where functions are offered."""
    chat_usage: list[int] = field(default_factory=lambda: [19, 10])
    """Tokens of the prompt and of the answer; told where a stream is asked for them, and with every whole answer."""
    chat_refuses: list[str] = field(default_factory=list)
    """Fields of a request that are answered with 400."""
    chat_goes_on: str = "rest"
    """What it says after a partial answer: "rest", "whole" (all of ``chat_text``), "sentence" (from the last one's beginning),
    or "refused" (400, unless the last message is the person's)."""
