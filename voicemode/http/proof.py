"""``GET /api/page/proof``: shows a process of this installation that it may give us the token."""

from __future__ import annotations

import asyncio

from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from voicemode.http.errors import HttpError
from voicemode.wire.server_proof import PROOF_PATH, ServerProof

__all__ = ["proof_routes"]


def proof_routes(token: SecretStr) -> list[Route]:
    """It is open: who asks does not know yet whom."""
    proof = ServerProof(token.get_secret_value())

    async def prove(request: Request) -> JSONResponse:
        listening = request.scope.get("server") or ("", 0)  # what the socket says, and no header
        try:
            answer = await asyncio.to_thread(proof.answer, request.query_params.get("nonce", ""), listening[1] or 0)
        except ValueError as error:
            raise HttpError(400, "invalid_nonce", f"{error}.".capitalize()) from None
        return JSONResponse({"proof": answer}, headers={"cache-control": "no-store"})

    return [Route(PROOF_PATH, prove, methods=["GET"])]
