"""How ``voicemode serve`` shows that it is this installation's, before anybody gives it the installation's token.

Whoever listens on its port while it does not run, another user of the machine say, would else be told the token, and the words
that are to be spoken. It is asked for something that only who has the token can work out, about its own port: who listens on
another one and passes the question on gets an answer about that one.
"""

from __future__ import annotations

import hashlib
import hmac
import re

__all__ = ["PROOF_PATH", "ServerProof"]

PROOF_PATH = "/api/page/proof"
_NONCE = re.compile(r"[A-Za-z0-9_-]{22,86}")
_PURPOSE = b"voicemode serve\0"
"""The key is of no use for anything else that is signed with the token."""
_COST, _BLOCK = 1 << 14, 8
"""Of scrypt, as RFC 7914 has it for logins: a token that a person chose is not to be found by trying words on an answer."""


class ServerProof:
    """What the holder of a token answers. Making the first takes 70 ms of a slow core (measured), for scrypt."""

    def __init__(self, token: str) -> None:
        self._token = token
        self._key = b""

    def answer(self, nonce: str, port: int) -> str:
        """Hexadecimal, 64 characters. ``nonce``: base64url of 16 to 64 bytes, new each time. Raises ValueError."""
        if not _NONCE.fullmatch(nonce):
            raise ValueError("a nonce has 22 to 86 characters of base64url")
        if not self._key:
            self._key = hashlib.scrypt(self._token.encode(), salt=_PURPOSE, n=_COST, r=_BLOCK, p=1)
        return hmac.new(self._key, f"{port} {nonce}".encode(), "sha256").hexdigest()

    def is_answer(self, answer: str, nonce: str, port: int) -> bool:
        """Was that answered by who has the token, on that port?"""
        return hmac.compare_digest(answer.encode(), self.answer(nonce, port).encode())
