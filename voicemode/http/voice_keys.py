"""Keys that may stand in an address, for clients that have no other place for one, such as gptme's web UI.

An address is stored, shown and logged by many, so the token of the installation is not for it. A voice key opens ``/voice``
and ``/local``, and nothing else: with it, somebody can talk. It may be bound to one thread, and then talks in that one. It is
made from the token, so it lasts as long as that does.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import sys
from collections.abc import Iterable

from pydantic import SecretStr

from voicemode.http.client_secrets import ClientSecret
from voicemode.http.sessions import SessionWish

__all__ = ["PREFIX", "VoiceKeys"]

PREFIX = "vk_"
_PURPOSE = b"voicemode voice key, version 1\0"
"""So that nothing else that is signed with the token is one."""
_LONGEST = 1_200
"""Characters of a key for a thread's name of 200 letters, with four bytes each."""


class VoiceKeys:
    """Those of one installation."""

    def __init__(self, token: SecretStr) -> None:
        self._token = token

    def make(self, thread: str = "") -> str:
        """The key to talk in this thread of the owner's; "": in a new one each time. The same each time it is made."""
        name = thread.encode()
        return f"{PREFIX}{_written(name)}.{_written(self._signature(name))}"

    def find(self, given: Iterable[bytes]) -> ClientSecret | None:
        """What the first good one opens."""
        names = [self._thread(each) for each in given]
        thread = next((name for name in names if name is not None), None)
        return None if thread is None else ClientSecret(sys.maxsize, SessionWish(thread=thread))

    def _thread(self, key: bytes) -> str | None:
        if not key.startswith(PREFIX.encode()) or len(key) > _LONGEST:
            return None
        name, _, signature = key.removeprefix(PREFIX.encode()).partition(b".")
        try:
            thread, signed = _read(name), _read(signature)
            return thread.decode() if hmac.compare_digest(signed, self._signature(thread)) else None
        except (binascii.Error, ValueError):
            return None

    def _signature(self, name: bytes) -> bytes:
        return hmac.digest(self._token.get_secret_value().encode(), _PURPOSE + name, hashlib.sha256)


def _written(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _read(text: bytes) -> bytes:
    return base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
