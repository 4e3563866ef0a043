"""The kinds of faults an endpoint may have, as people would say them, each with the faults of the proxy that show it."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["ALL", "FOR_CHAT", "FOR_STT", "FOR_TTS", "UNREACHABLE"]

ALL: Mapping[str, tuple[str, ...]] = {
    "accepts and never answers": ("silent",),
    "drips one byte a second": ("drip", "drip_body", "drip_middle"),
    "resets before and after the head": ("reset_before_head", "reset_after_head"),
    "breaks off in mid-stream": ("reset_middle", "close_middle"),
    "answers 200 with an error in JSON": ("json_error", "json_labelled"),
    "answers 200 with nothing": ("empty",),
    "answers 200 with a web page": ("html", "html_labelled"),
    "announces ten gigabytes": ("huge",),
    "is busy, broken or elsewhere": ("busy", "broken", "redirect"),
}

UNREACHABLE = ("refused", "unknown_name", "no_tls", "self_signed")
"""No connection, no such name, no encryption, none to be trusted."""

_BAD_WAV = {"sends a WAV with a head that cannot be": ("wav_no_rate", "wav_no_channels", "wav_garbled")}
_ENDLESS = {"does not stop": ("endless",)}

FOR_TTS: Mapping[str, tuple[str, ...]] = {**ALL, **_BAD_WAV}
FOR_STT: Mapping[str, tuple[str, ...]] = {**ALL, **_ENDLESS, "cannot be reached": UNREACHABLE}
FOR_CHAT: Mapping[str, tuple[str, ...]] = FOR_STT
