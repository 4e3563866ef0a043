"""Makes sure that what listens at the address of ``voicemode serve`` is this installation's, before it gets the token."""

from __future__ import annotations

import json
import secrets

from pydantic import SecretStr

from voicemode.transports.errors import PageLineError
from voicemode.wire.server_proof import PROOF_PATH, ServerProof

__all__ = ["make_sure"]

_MOST_BYTES = 4096
_NONCE_BYTES = 32


async def make_sure(address: str, token: SecretStr, *, within_s: float) -> None:
    """Return when it is. ``address`` is host and port, without encryption: a certificate of ours would have shown it.

    Raises PageLineError when it is something else, and OSError when nobody listens there.
    """
    import httpx2  # here and not above: whoever has a sound card does not need it

    nonce, answer = secrets.token_urlsafe(_NONCE_BYTES), b""
    try:
        async with (
            httpx2.AsyncClient(trust_env=False, timeout=within_s) as client,
            client.stream("GET", f"http://{address}{PROOF_PATH}", params={"nonce": nonce}) as response,
        ):
            async for part in response.aiter_bytes():
                answer += part
                if len(answer) > _MOST_BYTES:
                    break
            status = response.status_code
    except httpx2.ConnectError as error:
        raise ConnectionRefusedError(str(error)) from error
    except httpx2.HTTPError as error:
        raise PageLineError(address, "what answers there is no voicemode", _OTHER_PORT) from error
    if status != httpx2.codes.OK:
        raise PageLineError(address, f"what answers there does not show that it is yours (HTTP {status})", _OTHER_PORT)
    if not ServerProof(token.get_secret_value()).is_answer(_proof_in(answer), nonce, int(address.rpartition(":")[2])):
        raise PageLineError(address, "it has another token than this process, or is somebody else's", _SAME_TOKEN)


_OTHER_PORT = "Start 'voicemode serve' again if it is an older one, or name another port with VOICEMODE_SERVE_PORT."
_SAME_TOKEN = "Both must have the same VOICEMODE_BASE_DIR, or the same VOICEMODE_SERVE_TOKEN."  # noqa: S105  (a sentence)


def _proof_in(answer: bytes) -> str:
    try:
        told = json.loads(answer)
    except ValueError:
        return ""
    proof = told.get("proof") if isinstance(told, dict) else None
    return proof if isinstance(proof, str) and proof.isascii() else ""
