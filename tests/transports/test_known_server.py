"""The token goes only to who shows that they have it."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx2
import pytest
from pydantic import SecretStr

from tests.http.serving import TOKEN, Served
from voicemode.transports.errors import PageLineError
from voicemode.transports.known_server import make_sure
from voicemode.transports.page_line import PageLine
from voicemode.wire.server_proof import PROOF_PATH, ServerProof

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@contextlib.asynccontextmanager
async def somebody_else(answer: Callable[[bytes], Awaitable[bytes]]) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Another program at the port: its address, and all that it was told."""
    told: list[bytes] = []

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            request = await reader.readuntil(b"\r\n\r\n")
            told.append(request)
            body = await answer(request)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", told


async def test_the_installations_own_server_is_known(server: Served) -> None:
    """Without being told the token, and by an answer about the port that it listens on."""
    await make_sure(server.netloc, SecretStr(TOKEN), within_s=5.0)
    nonce = secrets.token_urlsafe(32)
    async with server.stranger() as client:
        proof = (await client.get(PROOF_PATH, params={"nonce": nonce})).json()["proof"]
    assert ServerProof(TOKEN).is_answer(proof, nonce, server.listening.port)


async def test_with_another_token_it_is_not(server: Served) -> None:
    """And it is said what to do."""
    with pytest.raises(PageLineError, match="another token") as caught:
        await make_sure(server.netloc, SecretStr("vm_of-another-installation"), within_s=5.0)
    assert "VOICEMODE_BASE_DIR" in f"{caught.value.remedy}"


async def test_where_nobody_listens_it_is_an_os_error() -> None:
    """So that a server is started."""
    async with somebody_else(lambda _: asyncio.sleep(0, b"")) as (address, _):
        pass
    with pytest.raises(ConnectionRefusedError):
        await make_sure(address, SecretStr(TOKEN), within_s=5.0)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"proof": 7}', b'{"proof": "\xc3\xbc"}', b"x" * 100_000])
async def test_who_cannot_show_it_is_not_told_the_token(body: bytes) -> None:
    """Whatever they answer."""
    async with somebody_else(lambda _: asyncio.sleep(0, body)) as (address, told):
        line = PageLine(address, SecretStr(TOKEN), "Claude")
        with pytest.raises(PageLineError):
            await line.take(wait_s=1.0, ring_s=1.0)
        await line.aclose()
    assert len(told) == 1
    assert TOKEN.encode() not in b"".join(told)


async def test_who_passes_the_question_on_is_found_out(server: Served) -> None:
    """The answer of the true server is about its own port."""

    async def ask_the_true_one(request: bytes) -> bytes:
        query = request.split()[1].decode().partition("?")[2]
        async with httpx2.AsyncClient() as client:
            return (await client.get(f"{server.url}{PROOF_PATH}?{query}")).content

    async with somebody_else(ask_the_true_one) as (address, told):
        with pytest.raises(PageLineError, match="somebody else"):
            await make_sure(address, SecretStr(TOKEN), within_s=5.0)
    assert told


async def test_a_question_that_is_none_is_refused(server: Served) -> None:
    """By name."""
    async with server.stranger() as client:
        answer = await client.get(PROOF_PATH, params={"nonce": "short"})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_nonce"
